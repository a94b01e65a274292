"""Recording a module once, as StableHLO with its parameters, to be saved and run elsewhere."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np

from jtorch import dtypes
from jtorch.compiler._lowering import program_of, recorded_call, tensors_of
from jtorch.devices import CPU
from jtorch.nn import Module
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import computed, from_host, from_jax, host_array

__all__ = ["Dim", "ExportedProgram", "export", "load", "save"]

#: First entry of a file, so that others are recognised.
_FORMAT = "jtorch.export 1"


class ExportedProgram:
    """A program and the tensors that it was exported with.

    Attributes:
        state_dict: the tensors besides its arguments, by name.
        exported: JAX's form of the program (``jax.export.Exported``): StableHLO.
        signature: shape and dtype of each tensor argument.
    """

    def __init__(
        self, exported: Any, state: dict[str, Any], order: list[Any], signature: Any, tree: Any, handed: Any
    ) -> None:
        self.exported, self.state_dict, self._order = exported, state, order
        self.signature, self._tree, self._handed = signature, tree, handed

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program; arguments as when it was exported.

        Raises:
            ValueError: their number, shapes or dtypes differ.
        """
        tensors: list[Any] = []
        tensors_of((args, kwargs), tensors)
        given = [[list(t.shape), t.dtype.name] for t in tensors]
        if given != self.signature:
            raise ValueError(f"this program takes tensors {self.signature}, got {given}")
        where = tensors[0].device if tensors else CPU
        arrays = [computed(value_of(t)) for t in tensors]
        operands = [
            arrays[which] if kind == "argument" else computed(value_of(self.state_dict[which]))
            for kind, which in self._order
        ]
        with jax.enable_x64(True):
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
        dynamic_shapes: not supported; export a program per shape.
        strict: accepted.
        preserve_module_call_signature: accepted.
        prefer_deferred_runtime_asserts_over_guards: accepted.
        platforms: that the program shall run on (``"cpu"``, ``"cuda"``, ``"tpu"``); as the arguments.

    Raises:
        TypeError: ``args`` is no tuple.
        NotImplementedError: shapes that vary, or a call that changes tensors.
        Unsupported: a call that reads values.
    """
    if not isinstance(args, tuple):
        raise TypeError(f"Expecting `args` to be a tuple of example positional inputs, got {type(args)}")
    if _varies(dynamic_shapes):
        raise NotImplementedError(
            "export(dynamic_shapes=...): XLA compiles for sizes; export a program for each shape, or pad"
        )
    with no_grad():
        recorded, tensors = recorded_call(mod, args, kwargs or {})
        values = recorded.gather(tensors)
    assert values is not None
    if recorded.written or recorded.stored:
        raise NotImplementedError("export(): the call changes tensors; call eval() first, or return them")
    if recorded.actions:
        raise NotImplementedError("export(): the call draws random numbers; call eval() first")
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
    with jax.enable_x64(True):
        exported = jax.export.export(jax.jit(program), platforms=platforms)(*specs)
    signature = [[list(t.shape), t.dtype.name] for t in tensors]
    marks = [_Mark(i) for i in range(len(handed))]
    tree = _describe(marks[0] if recorded.single else recorded.rebuild(marks))
    return ExportedProgram(exported, state, order, signature, tree, handed)


def _varies(shapes: Any) -> bool:
    """Whether a size anywhere in ``dynamic_shapes`` is not fixed."""
    if isinstance(shapes, dict):
        return any(map(_varies, shapes.values()))
    if isinstance(shapes, list | tuple):
        return any(map(_varies, shapes))
    return shapes is not None and shapes is not Dim.STATIC and type(shapes) is not int


class Dim:
    """The name of a size that varies (``torch.export.Dim``); programs have fixed sizes, ``Dim.STATIC``.

    Args:
        name: of the size.
        min: its least value.
        max: its largest value.
    """

    STATIC: Any = "Dim.STATIC"
    AUTO: Any = "Dim.AUTO"
    DYNAMIC: Any = "Dim.DYNAMIC"

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None) -> None:
        self.__name__, self.min, self.max = name, min, max

    def __repr__(self) -> str:
        return f"Dim('{self.__name__}', min={self.min}, max={self.max})"


class _Mark:
    """Stands for one tensor of the result while its structure is written down."""

    def __init__(self, number: int) -> None:
        self.number = number


def _names(mod: Any, recorded: Any) -> dict[int, str]:
    if not isinstance(mod, Module):
        return {}
    found = {id(t._storage): n for n, t in (*mod.named_parameters(), *mod.named_buffers())}
    return {leaf: found[id(s)] for leaf, s, _ in recorded.storages if id(s) in found}


def _describe(x: Any) -> Any:
    """The structure of a result as JSON."""
    if isinstance(x, _Mark):
        return "tensor"
    if isinstance(x, list | tuple):
        return ["list" if type(x) is list else "tuple", [_describe(y) for y in x]]
    if isinstance(x, dict) and all(isinstance(k, str) for k in x):
        return ["dict", {k: _describe(y) for k, y in x.items()}]
    if x is None or isinstance(x, int | float | str | bool):
        return ["constant", x]
    raise NotImplementedError(f"export(): results of type {type(x).__name__} cannot be written to a file")


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


def save(ep: ExportedProgram, f: Any, **kwargs: Any) -> None:
    """Write a program to a file: a zip archive of StableHLO, arrays and a description in JSON.

    Args:
        ep: the program.
        f: a path or a file opened for writing bytes.
        **kwargs: of PyTorch's function; not supported.
    """
    if kwargs:
        raise NotImplementedError(f"export.save(): {', '.join(kwargs)}")
    kinds = {k: t.dtype.name for k, t in ep.state_dict.items()}
    description = {
        "format": _FORMAT, "order": ep._order, "signature": ep.signature, "tree": ep._tree, "dtypes": kinds,
        "handed": ep._handed,
    }  # fmt: skip
    with zipfile.ZipFile(f, "w") as archive:
        archive.writestr("description.json", json.dumps(description))
        archive.writestr("program.bin", bytes(ep.exported.serialize()))
        for i, name in enumerate(kinds):
            array = np.ascontiguousarray(host_array(value_of(ep.state_dict[name])))
            buffer = io.BytesIO()
            np.save(buffer, array.view(np.uint8) if not array.dtype.isbuiltin else array, allow_pickle=False)
            archive.writestr(f"state/{i}.npy", buffer.getvalue())


def load(f: Any, **kwargs: Any) -> ExportedProgram:
    """Read a program that :func:`save` wrote; no code of the file runs before the program is called.

    Args:
        f: a path or a file opened for reading bytes.
        **kwargs: of PyTorch's function; not supported.

    Raises:
        RuntimeError: another kind of file.
    """
    if kwargs:
        raise NotImplementedError(f"export.load(): {', '.join(kwargs)}")
    with zipfile.ZipFile(f if hasattr(f, "read") else Path(f)) as archive:
        if "description.json" not in archive.namelist():
            raise RuntimeError("export.load(): the file does not hold a program that jtorch exported")
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
    about = (description[key] for key in ("order", "signature", "tree", "handed"))
    return ExportedProgram(exported, state, *about)
