"""Taking apart what a function returned, and putting it together again in each replay."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from jtorch.compiler._errors import TorchDynamoException
from jtorch.devices import device
from jtorch.dtypes import dtype
from jtorch.tensor import Size, Tensor
from jtorch.tensor._size import Size as _Size
from jtorch.trace._read_numbers import ReadNumber, known_number

__all__ = ["NotReplayable", "Unsettled", "flatten", "plainly", "unfit"]

#: What may stand in a result besides tensors: objects that never change.
_CONSTANT = (int, float, str, bool, complex, bytes, type(None), dtype, device, Size, _Size)

#: Makes a result from its tensors.
Rebuild = Callable[[Sequence[Any]], Any]


class NotReplayable(TorchDynamoException):
    """A call cannot be repeated by running its graph; the text says why."""


class Unsettled(NotReplayable):
    """A call changed what it depends on, which a first call may do: the next one is recorded again."""


def flatten(result: Any, tensors: list[Any]) -> Rebuild:
    """Append the tensors of a result, and the numbers read, to ``tensors``.

    Returns:
        What makes such a result of others.

    Raises:
        NotReplayable: it contains an object of a kind that could change.
    """
    if isinstance(result, Tensor) or type(result) is ReadNumber:
        place = len(tensors)
        tensors.append(result)
        return lambda made: made[place]
    if isinstance(result, _CONSTANT):
        return lambda made: result
    if isinstance(result, list | tuple):
        parts = [flatten(x, tensors) for x in result]
        kind = type(result)
        if kind in (list, tuple):
            return lambda made: kind([p(made) for p in parts])
        if hasattr(kind, "_make"):
            return lambda made: kind._make([p(made) for p in parts])
        if kind.__module__.endswith("return_types"):
            return lambda made: kind([p(made) for p in parts])
    elif isinstance(result, dict) and type(result).__init__ is dict.__init__:
        keys, values = list(result), [flatten(x, tensors) for x in result.values()]
        cls = type(result)
        return lambda made: cls(zip(keys, [p(made) for p in values], strict=True))
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        names = [f.name for f in dataclasses.fields(result)]
        if not getattr(result, "__dict__", {}).keys() <= {*names}:
            raise NotReplayable(f"it returns a {type(result).__name__} with attributes that are no fields")
        fields = [flatten(getattr(result, n), tensors) for n in names]
        made_by = type(result)

        def rebuild(made: Sequence[Any]) -> Any:
            # Not by its constructor, which may compute fields or count calls.
            fresh = object.__new__(made_by)
            for name, part in zip(names, fields, strict=True):
                object.__setattr__(fresh, name, part(made))
            return fresh

        return rebuild
    raise NotReplayable(f"it returns an object of type {type(result).__name__}")


def unfit(result: Any) -> str | None:
    """Why a replay could not make such a result; ``None`` if it could."""
    try:
        flatten(result, [])
    except NotReplayable as error:
        return str(error)
    return None


def plainly(result: Any) -> Any:
    """A result with plain numbers in the place of those that were read, as far as it can be taken apart."""
    found: list[Any] = []
    try:
        rebuild = flatten(result, found)
    except NotReplayable:
        return result
    if not any(type(x) is ReadNumber for x in found):
        return result
    return rebuild([known_number(x, "a result") for x in found])
