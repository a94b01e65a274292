"""Tracing a call with sizes that vary, as JAX's symbolic dimensions."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import jax
import jax.export

from jtorch.compiler._errors import UserError
from jtorch.compiler._results import flatten
from jtorch.devices import CPU
from jtorch.export._dims import Dim, Hint
from jtorch.func import functional_call
from jtorch.nn import Module
from jtorch.ops._sizes import InconclusiveDimensionOperation
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import from_jax
from jtorch.trace._meshes import beside_meshes

__all__ = ["Varying", "trace"]

#: One for all programs: what is known of an operation with sizes of one scope serves no other.
_SCOPE = jax.export.SymbolicScope()
_PACKAGE = __name__.partition(".")[0]


class Varying:
    """Names for the sizes that vary.

    Attributes:
        shapes: of each tensor, ints and ``[factor, name, offset]``.
        ranges: least and largest value of each name.
    """

    def __init__(self, sizes: Sequence[list[Any]], examples: Sequence[Any], sharing: int) -> None:
        """Hints with equal sizes in the example share a name from ``sharing`` 1 on; at 2 ``AUTO`` is none."""
        self.ranges: dict[str, list[Any]] = {}
        self.shapes: list[list[Any]] = []
        shared: dict[int, str] = {}
        numbers = count()
        for shape, example in zip(sizes, examples, strict=True):
            made: list[Any] = []
            for size, n in zip(shape, example, strict=True):
                if isinstance(size, Dim):
                    made.append([size.factor, self._named(size.root.__name__, size.root), size.offset])
                elif isinstance(size, Hint) and not (sharing > 1 and size.kind == "AUTO"):
                    name = shared.get(n) if sharing else None
                    name = name or f"_s{next(numbers)}"
                    shared[n] = self._named(name, size)
                    made.append([1, name, 0])
                else:
                    made.append(n)
            self.shapes.append(made)

    def _named(self, name: str, size: Any) -> str:
        low, high = self.ranges.setdefault(name, [0, None])
        high = size.max if high is None else high if size.max is None else min(high, size.max)
        self.ranges[name] = [max(low, size.min or 0), high]
        return name

    def specs(self, dtypes: Sequence[Any]) -> Iterator[Any]:
        """Arguments of the program to trace."""
        for shape, dtype in zip(self.shapes, dtypes, strict=True):
            texts = [str(n) if type(n) is int else f"{n[0]}*{n[1]} + {n[2]}" for n in shape]
            sizes = jax.export.symbolic_shape(", ".join(texts) + ("," if texts else ""), scope=_SCOPE)
            yield jax.ShapeDtypeStruct(sizes, dtype)


def trace(
    mod: Any, args: Any, kwargs: Any, tensors: Sequence[Any], state: dict[str, Any],
    sizes: Sequence[list[Any]], platforms: Sequence[str] | None,
) -> tuple[Varying, Any, Any, list[Any]]:  # fmt: skip
    """Trace a call of a module or function whose tensors have sizes that vary.

    Args:
        mod: the module or function.
        args: its arguments.
        kwargs: its arguments with names.
        tensors: those among them.
        state: parameters and buffers of a module, which become further arguments.
        sizes: what is said of the sizes of each tensor.
        platforms: that the program is for.

    Returns:
        The sizes, JAX's program, the structure of the result, and which results are arguments.

    Raises:
        UserError: sizes do not vary as they are said to.
        NotImplementedError: a line needs such a size as a number.
    """
    hints = {s.kind for shape in sizes for s in shape if isinstance(s, Hint)}
    first: Exception | None = None
    for sharing in range(3 if "AUTO" in hints else 2 if hints else 1):
        varying = Varying(sizes, [tuple(t.shape) for t in tensors], sharing)
        call = _Call(mod, args, kwargs, tensors, list(state))
        kinds = [value_of(t).aval.dtype.numpy for t in tensors]
        fixed = [value_of(t).aval for t in state.values()]
        specs = [*varying.specs(kinds), *(jax.ShapeDtypeStruct(a.shape, a.dtype.numpy) for a in fixed)]
        try:
            with beside_meshes():
                exported = jax.export.export(jax.jit(call), platforms=platforms)(*specs)
        except Exception as error:
            first = first or error
            continue
        return varying, exported, call.rebuild, call.handed
    assert first is not None
    raise _explained(first, sizes) from first


class _Call:
    """The call as a function of arrays."""

    def __init__(self, mod: Any, args: Any, kwargs: Any, tensors: Sequence[Any], names: list[str]) -> None:
        self.mod, self.given, self.names = mod, [args, kwargs], names
        self.places = {id(t): i for i, t in enumerate(tensors)}
        self.rebuild: Any = None
        self.handed: list[Any] = []

    def __call__(self, *arrays: Any) -> list[Any]:
        made = [from_value(from_jax(a, CPU)) for a in arrays]
        args, kwargs = _replaced(self.given, lambda t: made[self.places[id(t)]])
        if isinstance(self.mod, Module):
            state = dict(zip(self.names, made[len(arrays) - len(self.names) :], strict=True))
            result = functional_call(self.mod, state, tuple(args), kwargs)
        else:
            result = self.mod(*args, **kwargs)
        found: list[Any] = []
        self.rebuild = flatten(result, found), isinstance(result, Tensor)
        numbers = {id(t): i for i, t in enumerate(made)}
        self.handed = [numbers.get(id(t)) for t in found]
        return [t.jax() for t, same in zip(found, self.handed, strict=True) if same is None]


def _replaced(x: Any, new: Callable[[Any], Any]) -> Any:
    if isinstance(x, Tensor):
        return new(x)
    if isinstance(x, dict):
        return type(x)((k, _replaced(y, new)) for k, y in x.items())
    if isinstance(x, list | tuple):
        parts = [_replaced(y, new) for y in x]
        return type(x)._make(parts) if hasattr(x, "_make") else type(x)(parts)
    return x


def _explained(error: Exception, sizes: Sequence[list[Any]]) -> Exception:
    """Which line could not be traced, as PyTorch's error if sizes turned out to be fixed."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if not _of_libraries(f.filename)]
    where = f"{lines[-1].filename}:{lines[-1].lineno} ({lines[-1].line})" if lines else "an operation"
    text = str(error).partition("\n")[0]
    names = {
        s.__name__ if isinstance(s, Dim) else repr(s) for shape in sizes for s in shape if type(s) is not int
    }
    if isinstance(error, NotImplementedError | InconclusiveDimensionOperation) or "_DimExpr" in text:
        return NotImplementedError(
            f"export(dynamic_shapes=...): {where} needs a size that varies as a number: {text}; use -1 in "
            "view() and reshape(), or export a program for each size"
        )
    return UserError(f"Constraints violated ({', '.join(sorted(names))})! {where}: {text}")


def _of_libraries(file: str) -> bool:
    parts = file.replace("\\", "/").split("/")
    return "site-packages" in parts or _PACKAGE in parts[:-1] or file.startswith("<")
