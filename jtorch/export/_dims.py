"""Sizes that vary in exported programs: ``Dim``, ``dynamic_shapes``, and what a call's sizes have to be."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from jtorch.compiler._errors import ConstraintViolationError, UserError
from jtorch.nn import Module
from jtorch.tensor import Tensor

__all__ = ["Dim", "Hint", "check_sizes", "dims", "named_tensors", "wanted"]


class Hint:
    """What is said of a size without a name: ``Dim.STATIC``, ``Dim.AUTO`` or ``Dim.DYNAMIC``."""

    def __init__(self, kind: str, min: int | None = None, max: int | None = None) -> None:
        self.kind, self.min, self.max = kind, min, max

    def __call__(self, min: int | None = None, max: int | None = None) -> Hint:
        return Hint(self.kind, min, max)

    def __repr__(self) -> str:
        parts = [self.kind]
        parts += [f"{k}={v}" for k, v in (("min", self.min), ("max", self.max)) if v is not None]
        return f"DimHint({', '.join(parts)})"


class Dim:
    """The name of a size that varies (``torch.export.Dim``); ``2 * dim + 1`` is a size that depends on it.

    Args:
        name: of the size, an identifier.
        min: its least value, 0 if not given.
        max: its largest value.

    Raises:
        AssertionError: the name is no identifier, or ``min`` exceeds ``max``.
    """

    STATIC = Hint("STATIC")
    AUTO = Hint("AUTO")
    DYNAMIC = Hint("DYNAMIC")

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None) -> None:
        low = 0 if min is None else min
        if max is not None and max < low:
            raise AssertionError(f"Cannot create Dim with inconsistent min={low}, max={max}")
        if not name.isidentifier():
            raise AssertionError(f"Dim name must be a valid identifier, got {name}")
        self.__name__, self.min, self.max = name, low, max
        #: the size is ``factor * root + offset``
        self.root, self.factor, self.offset = self, 1, 0

    def _derived(self, factor: int, offset: int) -> Dim:
        made = object.__new__(Dim)
        made.root, made.factor, made.offset = self.root, factor, offset
        text = self.root.__name__ if factor == 1 else f"{factor}*{self.root.__name__}"
        made.__name__ = text if not offset else f"{text} {'+' if offset > 0 else '-'} {abs(offset)}"
        made.min, made.max = factor * self.root.min + offset, None
        return made

    def __add__(self, other: Any) -> Dim:
        return self._derived(self.factor, self.offset + self._integer(other, "add"))

    def __sub__(self, other: Any) -> Dim:
        return self._derived(self.factor, self.offset - self._integer(other, "subtract"))

    def __mul__(self, other: Any) -> Dim:
        n = self._integer(other, "multiply")
        if n <= 0:
            raise NotImplementedError(
                f"Attempted to multiply {other} with {self.__name__}, where a positive integer was expected. "
                "(Only increasing linear operations with integer coefficients are supported.)"
            )
        return self._derived(self.factor * n, self.offset * n)

    __radd__, __rmul__ = __add__, __mul__

    def _integer(self, other: Any, verb: str) -> int:
        if type(other) is not int:
            raise NotImplementedError(
                f"Attempted to {verb} {other} to {self.__name__}, where an integer was expected. "
                "(Only increasing linear operations with integer coefficients are supported.)"
            )
        return other

    def __repr__(self) -> str:
        if self.root is not self:
            return self.__name__
        shown = [f"min={self.min}"] if self.min != 2 else []
        shown += [] if self.max is None else [f"max={self.max}"]
        return f"Dim({', '.join([repr(self.__name__), *shown])})"


def dims(*names: str, min: int | None = None, max: int | None = None) -> tuple[Dim, ...]:
    """One :class:`Dim` per name (``torch.export.dims``)."""
    return tuple(Dim(name, min=min, max=max) for name in names)


def _refuse(text: str) -> UserError:
    return UserError(text)


def _arguments(mod: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by the names of the parameters that take them."""
    try:
        signature = inspect.signature(mod.forward if isinstance(mod, Module) else mod)
        return dict(signature.bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        return {**{f"args_{i}": x for i, x in enumerate(args)}, **kwargs}


def named_tensors(mod: Any, args: Any, kwargs: Any) -> dict[int, str]:
    """Names of the tensors among arguments, by ``id``."""
    found: dict[int, str] = {}

    def look(x: Any, name: str) -> None:
        if isinstance(x, Tensor):
            found.setdefault(id(x), name)
        elif isinstance(x, list | tuple | dict):
            for key, y in x.items() if isinstance(x, dict) else enumerate(x):
                look(y, f"{name}[{key!r}]")

    for name, x in _arguments(mod, args, kwargs).items():
        look(x, name)
    return found


def wanted(mod: Any, args: Any, kwargs: Any, shapes: Any) -> dict[int, list[Any]]:
    """What ``dynamic_shapes`` says of each size of the tensors among arguments, by ``id``.

    Raises:
        UserError: it does not have the structure of the arguments, or holds something else than sizes.
        ConstraintViolationError: a size of the arguments is not as it says.
    """
    given = _arguments(mod, args, kwargs)
    if shapes is None:
        return {}
    if isinstance(shapes, dict):
        if set(shapes) != set(given):
            raise _refuse(
                "When `dynamic_shapes` is specified as a dict, its top-level keys must be the arg names "
                f"{list(given)} of `inputs`, but here they are {list(shapes)}. Alternatively, you could also "
                "ignore arg names entirely and specify `dynamic_shapes` as a list/tuple matching `inputs`."
            )
        pairs = [(name, x, shapes[name]) for name, x in given.items()]
    else:
        if len(shapes) != len(given):
            raise _refuse(
                "Detected mismatch between the structure of `inputs` and `dynamic_shapes`: `inputs` has "
                f"{len(given)} elements, but `dynamic_shapes` has {len(shapes)} elements"
            )
        pairs = [(name, x, said) for (name, x), said in zip(given.items(), shapes, strict=True)]
    found: dict[int, list[Any]] = {}
    for name, x, said in pairs:
        for tensor, sizes, path in _each(x, said, name):
            found[id(tensor)] = _sizes(tensor, sizes, path)
    return found


def _each(x: Any, said: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    if isinstance(x, Tensor):
        yield x, said, path
    elif isinstance(x, list | tuple | dict) and said is not None:
        items = x.items() if isinstance(x, dict) else enumerate(x)
        if len(said) != len(x):
            raise _refuse(
                "Detected mismatch between the structure of `inputs` and `dynamic_shapes`: "
                f"`inputs[{path!r}]` has {len(x)} elements, but `dynamic_shapes[{path!r}]` has {len(said)} "
                "elements"
            )
        for key, y in items:
            yield from _each(y, said[key], f"{path}[{key!r}]")


def _sizes(tensor: Any, said: Any, path: str) -> list[Any]:
    shape = tuple(tensor.shape)
    sizes: list[Any] = [None] * len(shape)
    if isinstance(said, dict):
        for place, size in said.items():
            sizes[place] = size
    elif isinstance(said, list | tuple):
        if len(said) != len(shape):
            raise _refuse(
                f"Expected dynamic shape spec {said} specified at `dynamic_shapes[{path!r}]` to have the "
                f"same length as the actual tensor shape {tensor.shape} (expected {len(shape)}, but got "
                f"{len(said)} instead)"
            )
        sizes = list(said)
    elif said is not None:
        raise _refuse(
            f"Unexpected input tensor shape {said} specified at `dynamic_shapes[{path!r}]` (expected either "
            "a list/tuple of dimensions, or a dict mapping indices to dimensions)"
        )
    for place, (size, n) in enumerate(zip(sizes, shape, strict=True)):
        if size is None or size is Dim.STATIC:
            sizes[place] = n
        elif type(size) is int:
            if size != n:
                raise ConstraintViolationError(
                    f"Static shape constraint of {size} does not match input size of {n}, for "
                    f"L[{path!r}].size()[{place}]"
                )
        elif not isinstance(size, Dim | Hint):
            raise _refuse(
                f"Unexpected dimension mapped to index {place} in input tensor shape {said} specified at "
                f"`dynamic_shapes[{path!r}]` (expected None, an int, a Dim, Dim.AUTO, Dim.STATIC, or "
                f"Dim.DYNAMIC,  but got {size!r} instead)"
            )
        else:
            sizes[place] = _varying(size, n, f"L[{path!r}].size()[{place}]")
    return sizes


def _varying(size: Any, n: int, where: str) -> Any:
    """A size that varies, if the one of the example tells it from a fixed one."""
    if isinstance(size, Hint) and size.kind == "AUTO" and n < 2:
        return n
    root = size.root if isinstance(size, Dim) else size
    value = n if isinstance(size, Hint) else (n - size.offset) // size.factor
    if isinstance(size, Dim) and size.factor * value + size.offset != n:
        raise _refuse(f"Expected input {where} to be of the form {size.__name__}, but got {n}")
    low, high = root.min or 0, root.max
    if value < low or (high is not None and value > high):
        raise ConstraintViolationError(f"{value} not in range [{low}, {'int_oo' if high is None else high}]")
    if n < 2:
        name = size.__name__ if isinstance(size, Dim) else where
        raise _refuse(
            f"Constraints violated ({name})! You marked {name} as dynamic but the example's size is {n}, "
            "which is a constant. Use an example with a size of 2 or more, Dim.STATIC or Dim.AUTO."
        )
    return size


def check_sizes(names: list[str], wanted: list[Any], ranges: dict[str, Any], found: list[Any]) -> None:
    """Compare a call's sizes with those of the program.

    Args:
        names: of the tensors.
        wanted: their sizes: ints, or ``[factor, name, offset]`` of those that vary.
        ranges: least and largest value by name.
        found: sizes in the call.

    Raises:
        AssertionError: they differ, with PyTorch's text.
    """
    known: dict[str, tuple[int, str]] = {}
    for name, shape, sizes in zip(names, wanted, found, strict=True):
        for place, (size, n) in enumerate(zip(shape, sizes, strict=True)):
            here = f"{name}.size()[{place}]"
            if type(size) is int:
                if size != n:
                    raise AssertionError(f"Guard failed: {here} == {size}")
                continue
            factor, symbol, offset = size
            value, left = divmod(n - offset, factor)
            if left:
                raise AssertionError(f"Guard failed: {here} == {_text(factor, symbol, offset)}")
            if symbol in known and known[symbol][0] != value:
                raise AssertionError(f"Guard failed: {here} == {_text(factor, known[symbol][1], offset)}")
            known.setdefault(symbol, (value, here))
            low, high = ranges[symbol]
            if value < low and low > 2:  # as PyTorch, where 2 is what an example needs
                raise AssertionError(f"Guard failed: {here} >= {factor * low + offset}")
            if high is not None and value > high:
                raise AssertionError(f"Guard failed: {here} <= {factor * high + offset}")


def _text(factor: int, symbol: str, offset: int) -> str:
    text = symbol if factor == 1 else f"{factor}*{symbol}"
    return text if not offset else f"{text} {'+' if offset > 0 else '-'} {abs(offset)}"
