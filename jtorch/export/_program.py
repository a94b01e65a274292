"""Recording a module once, as StableHLO with its parameters, to be saved and run elsewhere."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np

from jtorch import dtypes
from jtorch.compiler._api import exporting
from jtorch.compiler._lowering import program_of, recorded_call
from jtorch.devices import CPU, device
from jtorch.export._dims import Dim, check_sizes, dims, named_tensors, wanted
from jtorch.export._varying import trace
from jtorch.nn import Module
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import computed, from_host, from_jax, host_array
from jtorch.trace._meshes import beside_meshes, in_no_transform

__all__ = ["Dim", "ExportedProgram", "dims", "export", "load", "save"]

#: First entry of a file, so that others are recognised.
_FORMAT = "jtorch.export 3"


class ExportedProgram:
    """A program and the tensors that it was exported with.

    Attributes:
        state_dict: the tensors besides its arguments, by name.
        exported: JAX's form of the program (``jax.export.Exported``): StableHLO.
        signature: shape and dtype of each tensor argument; a size that varies is ``[factor, name, offset]``.
        ranges: least and largest value of the sizes that vary, by name.
    """

    def __init__(
        self,
        exported: Any,
        state: dict[str, Any],
        order: list[Any],
        signature: Any,
        inputs: Any,
        tree: Any,
        handed: Any,
        names: list[str],
        ranges: dict[str, Any],
    ) -> None:
        self.exported, self.state_dict, self._order = exported, state, order
        self.signature, self._inputs, self._tree, self._handed = signature, inputs, tree, handed
        self._names, self.ranges = names, ranges

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program; arguments as when it was exported.

        Raises:
            ValueError: their structure, dtypes, numbers of dimensions or Python numbers differ.
            AssertionError: their sizes differ.
        """
        tensors: list[Any] = []
        _match(self._inputs, [args, kwargs], tensors)
        given = [[list(t.shape), t.dtype.name] for t in tensors]
        if given != self.signature:
            if [(len(s), d) for s, d in given] != [(len(s), d) for s, d in self.signature]:
                raise ValueError(f"this program takes tensors {self.signature}, got {given}")
            sizes = [shape for shape, _ in self.signature]
            check_sizes(self._names, sizes, self.ranges, [shape for shape, _ in given])
        where = tensors[0].device if tensors else CPU
        arrays = [computed(value_of(t)) for t in tensors]
        operands = [
            arrays[which] if kind == "argument" else computed(value_of(self.state_dict[which]))
            for kind, which in self._order
        ]
        with beside_meshes() if in_no_transform() else jax.enable_x64(True):
            made = self.exported.call(*operands)
        new = iter([from_value(from_jax(a, where)) for a in made])
        return _build(self._tree, iter([next(new) if i is None else tensors[i] for i in self._handed]))

    def module(self) -> Callable[..., Any]:
        """The program as something to call."""
        return self

    @property
    def stablehlo(self) -> str:
        """The program as text."""
        return str(self.exported.mlir_module())

    def __repr__(self) -> str:
        return f"ExportedProgram(arguments={self.signature}, platforms={self.exported.platforms})"


def export(
    mod: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    strict: bool = False,
    preserve_module_call_signature: Sequence[str] = (),
    prefer_deferred_runtime_asserts_over_guards: bool = False,
    platforms: Sequence[str] | None = None,
) -> ExportedProgram:
    """Record one call as a program of its own (``torch.export.export``).

    Args:
        mod: a module, usually in ``eval()`` mode, or a function.
        args: a tuple of its arguments. Python numbers among them become part of the program.
        kwargs: its keyword arguments.
        dynamic_shapes: sizes that vary: for each argument, by name or in order, ``None``, or what each
            dimension is, as a list or a dictionary of some: a :class:`Dim`, ``Dim.AUTO``, ``Dim.DYNAMIC``,
            ``Dim.STATIC``, ``None`` or an int.
        strict: accepted.
        preserve_module_call_signature: accepted.
        prefer_deferred_runtime_asserts_over_guards: accepted.
        platforms: that the program shall run on (``"cpu"``, ``"cuda"``, ``"tpu"``); as the arguments.

    Raises:
        TypeError: ``args`` is no tuple.
        NotImplementedError: a line needs a size that varies as a number, or the call changes tensors.
        UserError: ``dynamic_shapes`` does not fit the arguments, or the function needs other sizes.
        ConstraintViolationError: sizes of ``args`` are not as ``dynamic_shapes`` says.
        Unsupported: a call that reads values.
    """
    if not isinstance(args, tuple):
        raise TypeError(f"Expecting `args` to be a tuple of example positional inputs, got {type(args)}")
    kwargs = dict(kwargs or {})
    said = wanted(mod, args, kwargs, dynamic_shapes)
    labels = named_tensors(mod, args, kwargs)
    with no_grad(), _exporting():
        recorded, tensors = recorded_call(mod, args, kwargs)
        values = recorded.gather(tensors)
    assert values is not None
    if recorded.written or recorded.stored:
        raise NotImplementedError("export(): the call changes tensors; call eval() first, or return them")
    if recorded.actions:
        raise NotImplementedError("export(): the call draws random numbers; call eval() first")
    sizes = [said.get(id(t), list(t.shape)) for t in tensors]
    if any(type(n) is not int for shape in sizes for n in shape):
        return _with_varying_sizes(mod, args, kwargs, tensors, sizes, labels, platforms)
    names = _names(mod, recorded)
    state: dict[str, Any] = {}
    order: list[Any] = []
    arguments = dict(recorded.arguments)
    for i, value in enumerate(values):
        if i in arguments:
            order.append(["argument", arguments[i]])
        else:
            name = names.get(i, f"constant_{i}")
            state[name] = from_value(value)
            order.append(["state", name])
    step, graph = program_of(recorded), recorded.graph
    refs = [r.ref for r in recorded.results if r.same is None]
    handed = [r.same for r in recorded.results]
    if any(same is not None and type(same) is not int for same in handed):
        raise NotImplementedError("export(): the call returns one of its parameters; return a copy")

    def program(*leaves: Any) -> list[Any]:
        out = step(leaves, np.array(graph.floats), np.array(graph.ints, np.int64))
        return [out[ref] if ref >= 0 else leaves[-1 - ref] for ref in refs]

    specs = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype.numpy) for v in values]
    with beside_meshes():
        exported = jax.export.export(jax.jit(program), platforms=platforms)(*specs)
    signature = [[list(t.shape), t.dtype.name] for t in tensors]
    marks = [_Mark(i) for i in range(len(handed))]
    tree = _describe(marks[0] if recorded.single else recorded.rebuild(marks))
    called = [labels.get(id(t), "input") for t in tensors]
    inputs = _describe([args, kwargs], True)
    return ExportedProgram(exported, state, order, signature, inputs, tree, handed, called, {})


def _with_varying_sizes(
    mod: Any, args: Any, kwargs: Any, tensors: list[Any], sizes: list[Any], labels: dict[int, str],
    platforms: Sequence[str] | None,
) -> ExportedProgram:  # fmt: skip
    """A program of a call that was recorded before, for more sizes than those of its tensors."""
    state = {} if not isinstance(mod, Module) else dict((*mod.named_parameters(), *mod.named_buffers()))
    state = {name: t.detach() for name, t in state.items()}
    with no_grad(), _exporting():
        varying, exported, (rebuild, single), handed = trace(
            mod, args, kwargs, tensors, state, sizes, platforms
        )
    if any(same is not None and same >= len(tensors) for same in handed):
        raise NotImplementedError("export(): the call returns one of its parameters; return a copy")
    order = [["argument", i] for i in range(len(tensors))] + [["state", name] for name in state]
    signature = [[shape, t.dtype.name] for shape, t in zip(varying.shapes, tensors, strict=True)]
    marks = [_Mark(i) for i in range(len(handed))]
    tree = _describe(marks[0] if single else rebuild(marks))
    called = [labels.get(id(t), "input") for t in tensors]
    inputs = _describe([args, kwargs], True)
    return ExportedProgram(exported, state, order, signature, inputs, tree, handed, called, varying.ranges)


@contextmanager
def _exporting() -> Iterator[None]:
    before, exporting[0] = exporting[0], True
    try:
        yield
    finally:
        exporting[0] = before


class _Mark:
    """Stands for one tensor of the result while its structure is written down."""

    def __init__(self, number: int) -> None:
        self.number = number


def _names(mod: Any, recorded: Any) -> dict[int, str]:
    if not isinstance(mod, Module):
        return {}
    found = {id(t._storage): n for n, t in (*mod.named_parameters(), *mod.named_buffers())}
    return {leaf: found[id(s)] for leaf, s, _ in recorded.storages if id(s) in found}


def _describe(x: Any, arguments: bool = False) -> Any:
    """The structure of a result, or of arguments, as JSON."""
    if isinstance(x, _Mark | Tensor):
        return "tensor"
    if isinstance(x, list | tuple):
        return ["list" if type(x) is list else "tuple", [_describe(y, arguments) for y in x]]
    if isinstance(x, dict) and all(isinstance(k, str) for k in x):
        return ["dict", {k: _describe(y, arguments) for k, y in x.items()}]
    if x is None or isinstance(x, int | float | str | bool):
        return ["constant", x]
    if arguments:
        return ["other", repr(x) if isinstance(x, dtypes.dtype | device) else type(x).__name__]
    raise NotImplementedError(f"export(): results of type {type(x).__name__} cannot be written to a file")


def _match(tree: Any, x: Any, found: list[Any]) -> None:
    """Append the tensors of arguments in the order in which the program takes them.

    Raises:
        ValueError: what is no tensor differs from the arguments of the export, on which the program depends.
    """
    own = _describe(x, True)
    kinds = [t if type(t) is str else t[0] for t in (tree, own)]
    if kinds == ["tensor", "tensor"]:
        found.append(x)
    elif kinds[0] != kinds[1] or (
        len(tree[1]) != len(x) or (kinds[0] == "dict" and set(tree[1]) != set(x))
        if kinds[0] in ("list", "tuple", "dict")
        # Also where == is too kind: 1 and True, or not kind enough: nan.
        else repr(tree[1]) != repr(own[1])
    ):
        raise ValueError(f"this program was exported for {_shown(tree)} where it is given {_shown(own)}")
    elif kinds[0] == "dict":
        for k, inner in tree[1].items():
            _match(inner, x[k], found)
    elif kinds[0] in ("list", "tuple"):
        for inner, y in zip(tree[1], x, strict=True):
            _match(inner, y, found)


def _shown(tree: Any) -> str:
    if tree == "tensor":
        return "a tensor"
    kind, inner = tree
    if kind in ("constant", "other"):
        return repr(inner) if kind == "constant" else str(inner)
    return f"a dict of {sorted(inner)}" if kind == "dict" else f"a {kind} of {len(inner)}"


def _build(tree: Any, tensors: Any) -> Any:
    if tree == "tensor":
        return next(tensors)
    kind, inner = tree
    if kind == "constant":
        return inner
    if kind == "dict":
        return {k: _build(y, tensors) for k, y in inner.items()}
    made = [_build(y, tensors) for y in inner]
    return made if kind == "list" else tuple(made)


def save(
    ep: ExportedProgram,
    f: Any,
    *,
    extra_files: dict[str, Any] | None = None,
    opset_version: dict[str, int] | None = None,
    pickle_protocol: int = 2,
) -> None:
    """Write a program to a file: a zip archive of StableHLO, arrays and a description in JSON.

    Args:
        ep: the program.
        f: a path or a file opened for writing bytes.
        extra_files: texts or bytes to keep in the file, by name.
        opset_version: not supported.
        pickle_protocol: accepted; nothing is pickled.

    Raises:
        NotImplementedError: ``opset_version``.
    """
    if opset_version is not None:
        raise NotImplementedError("export.save(opset_version=...): StableHLO has a version of its own")
    kinds = {k: t.dtype.name for k, t in ep.state_dict.items()}
    description = {
        "format": _FORMAT, "order": ep._order, "signature": ep.signature, "inputs": ep._inputs,
        "tree": ep._tree, "dtypes": kinds, "handed": ep._handed, "names": ep._names, "ranges": ep.ranges,
    }  # fmt: skip
    with zipfile.ZipFile(f, "w") as archive:
        archive.writestr("description.json", json.dumps(description))
        archive.writestr("program.bin", bytes(ep.exported.serialize()))
        for i, name in enumerate(kinds):
            array = np.asarray(host_array(value_of(ep.state_dict[name])), order="C")
            plain = array if array.dtype.isbuiltin else array.view(f"u{array.itemsize}")
            buffer = io.BytesIO()
            np.save(buffer, plain, allow_pickle=False)
            archive.writestr(f"state/{i}.npy", buffer.getvalue())
        for name, content in (extra_files or {}).items():
            archive.writestr(f"extra_files/{name}", content)


def load(
    f: Any,
    *,
    extra_files: dict[str, Any] | None = None,
    expected_opset_version: dict[str, int] | None = None,
) -> ExportedProgram:
    """Read a program that :func:`save` wrote; no code of the file runs before the program is called.

    Args:
        f: a path or a file opened for reading bytes.
        extra_files: a dictionary whose keys get the texts that were saved under these names.
        expected_opset_version: not supported.

    Raises:
        RuntimeError: another kind of file.
        NotImplementedError: ``expected_opset_version``.
    """
    if expected_opset_version is not None:
        raise NotImplementedError(
            "export.load(expected_opset_version=...): StableHLO has a version of its own"
        )
    try:
        archive = zipfile.ZipFile(f if hasattr(f, "read") else Path(f))
    except zipfile.BadZipFile as error:
        raise RuntimeError(f"export.load(): {_FOREIGN}") from error
    with archive:
        if "description.json" not in archive.namelist():
            raise RuntimeError(f"export.load(): {_FOREIGN}")
        description = json.loads(archive.read("description.json"))
        if description.get("format") != _FORMAT:
            raise RuntimeError(f"export.load(): unknown format {description.get('format')!r}")
        exported = jax.export.deserialize(bytearray(archive.read("program.bin")))
        state: dict[str, Tensor] = {}
        for i, (name, kind) in enumerate(description["dtypes"].items()):
            array = np.load(io.BytesIO(archive.read(f"state/{i}.npy")), allow_pickle=False)
            wanted = next(d for d in dtypes.ALL if d.name == kind).numpy
            array = array if array.dtype == wanted else array.view(wanted)
            state[name] = from_value(from_host(array))
        for name in extra_files or {}:
            if f"extra_files/{name}" in archive.namelist():
                extra_files[name] = archive.read(f"extra_files/{name}").decode()  # type: ignore[index]
    about = (
        description[key] for key in ("order", "signature", "inputs", "tree", "handed", "names", "ranges")
    )
    return ExportedProgram(exported, state, *about)


_FOREIGN = "the file does not hold a program that jtorch exported"
