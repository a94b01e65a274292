"""What two calls must have in common for one recording to serve both: the kinds and values of arguments."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import fractions
import functools
import pathlib
import types
import uuid
from typing import Any

from jtorch.compiler._contents import slots_of
from jtorch.devices import device
from jtorch.dtypes import dtype
from jtorch.nn import Module
from jtorch.optim import Optimizer
from jtorch.tensor import Tensor
from jtorch.trace import Aval, TracedValue
from jtorch.trace._read_numbers import ReadNumber

__all__ = [
    "Unguarded", "describe", "difference", "identities", "key_of", "loosened", "parts_of", "tensors_in",
]  # fmt: skip

_NUMBERS = (int, float, bool, str, complex, bytes)
#: Immutable objects that say in their ``repr`` all that they are.
_PLAIN = (
    range, fractions.Fraction, decimal.Decimal, pathlib.PurePath, uuid.UUID, datetime.date, datetime.time,
    datetime.timedelta,
)  # fmt: skip
_GROUPS = (list, tuple, dict, set, frozenset, collections.deque)
_MISSING: Any = object()


def describe(x: Any) -> str:
    """A value in a reason."""
    if isinstance(x, (*_NUMBERS, type(None))):
        text = repr(x)
        return text if len(text) < 60 else text[:57] + "..."
    return f"a {type(x).__name__}"


class Unguarded(Exception):
    """An argument that cannot be compared with those of later calls."""


def parts_of(x: Any) -> list[tuple[Any, Any]] | None:
    """``(label, part)`` of each part of an argument that is compared by its contents.

    ``None`` for everything else: tensors, values, and objects that are compared by identity.
    """
    kind = type(x)
    if isinstance(x, _GROUPS):
        items = list(x.items() if isinstance(x, dict) else enumerate(x))
        if isinstance(x, collections.deque):
            items.append(("maxlen", x.maxlen))
        if kind not in _GROUPS:
            items += _attributes(x)
        return items
    if kind is slice:
        return [("start", x.start), ("stop", x.stop), ("step", x.step)]
    if kind is functools.partial:
        return [("func", x.func), ("args", x.args), ("keywords", x.keywords), *_attributes(x)]
    if kind is types.SimpleNamespace or (
        dataclasses.is_dataclass(x) and not isinstance(x, type | Tensor | Module | Optimizer)
    ):
        return _attributes(x)
    return None


def _attributes(x: Any) -> list[tuple[Any, Any]]:
    """Attributes of an object, without asking its class for those that are computed."""
    found = list(getattr(x, "__dict__", {}).items())
    return found + [(name, getattr(x, name, _MISSING)) for name in slots_of(x)]


def key_of(x: Any, tensors: list[Any]) -> Any:
    """What has to be equal for two calls to be the same, tensors being collected in order.

    Raises:
        Unguarded: nothing of an argument can be compared.
        RecursionError: an argument contains itself.
    """
    if isinstance(x, Tensor):
        value = x._storage.value if x._view is None else None
        if value is None:
            value = x._read()
        if type(value) is TracedValue:
            raise Unguarded
        tensors.append(x)
        wants: Any = x._requires
        if x._fn is not None or (x._abase is not None and x._abase._tracked):
            wants = "history"
        elif wants and (x._hooks or x._post_hooks):
            raise Unguarded
        if x._inference:  # writing to it, or saving it for a backward, is an error elsewhere
            wants = wants, "inference"
        return value.aval, wants, x._strides, type(x)
    kind = type(x)
    if kind in _NUMBERS:
        if kind is float and not (x < 0.0 or x > 0.0):  # zeros differ, and nan equals nan
            return kind, repr(x)
        return kind, x
    if x is None:
        return None
    if kind is list or kind is tuple:
        return kind, *[key_of(y, tensors) for y in x]
    if kind is dict:
        return kind, *[(k, key_of(y, tensors)) for k, y in x.items()]
    if kind.__module__ == "numpy":
        raise Unguarded
    if kind is ReadNumber:
        return key_of(x.plain(), tensors)
    if kind is device or kind is dtype:
        return kind, x
    parts = parts_of(x)
    if parts is not None:
        if isinstance(x, _GROUPS):
            return kind, *[(k, key_of(y, tensors)) for k, y in parts]
        # The contents of arrays in an object are guarded.
        return kind, *[(k, (y.__class__, id(y)) if _is_array(y) else key_of(y, tensors)) for k, y in parts]
    if isinstance(x, _PLAIN) and not getattr(x, "tzinfo", None):
        return kind, repr(x)
    return kind, id(x)


def _is_array(x: Any) -> bool:
    return type(x).__module__ == "numpy"


def identities(x: Any, found: list[Any]) -> None:
    """Append the parts of arguments that are compared by identity, to be kept alive."""
    parts = parts_of(x)
    if parts is not None:
        for _, y in parts:
            identities(y, found)
    elif not isinstance(x, Tensor):
        found.append(x)


def tensors_in(x: Any, found: list[Any]) -> None:
    """Append the tensors among arguments, in the order of :func:`key_of`."""
    if isinstance(x, Tensor):
        found.append(x)
        return
    for _, y in parts_of(x) or ():
        tensors_in(y, found)


def loosened(key: Any) -> Any:
    """The key of a call without sizes and numbers."""
    if isinstance(key, Aval):
        return key.ndim, key.dtype, key.device
    if not isinstance(key, tuple):
        return key
    if len(key) == 4 and isinstance(key[0], Aval):
        return loosened(key[0]), key[1], key[3]
    if len(key) == 2 and key[0] in (int, float):
        return key[:1]
    return tuple([loosened(k) for k in key])


def difference(new: Any, old: Any, where: str) -> str:
    """In which part the keys of two arguments differ, in words.

    Args:
        new: the key of the argument now.
        old: that of the recorded call.
        where: the argument's name.
    """
    if _opens(new) and _opens(old) and new[0] is old[0] and len(new) == len(old):
        for i, (a, b) in enumerate(zip(new[1:], old[1:], strict=True)):
            if a == b:
                continue
            if new[0] in (list, tuple):
                return difference(a, b, f"{where}[{i}]")
            if a[0] != b[0]:
                break
            indexed = issubclass(new[0], dict) or type(a[0]) is int
            return difference(a[1], b[1], f"{where}[{a[0]!r}]" if indexed else f"{where}.{a[0]}")
    return f"{where} is {_text(new)}, was {_text(old)}"


def _opens(key: Any) -> bool:
    """Whether this is the key of an argument with parts."""
    if not isinstance(key, tuple) or len(key) < 2 or not isinstance(key[0], type):
        return False
    return key[0] in (list, tuple) or all(isinstance(part, tuple) and len(part) == 2 for part in key[1:])


def _text(key: Any) -> str:
    if isinstance(key, tuple) and key and hasattr(key[0], "shape"):
        wants, mode = key[1] if isinstance(key[1], tuple) else (key[1], "")
        return f"{key[0]}{' requiring grad' if wants else ''}{f' of {mode} mode' if mode else ''}"
    if key is None:
        return "None"
    if isinstance(key, tuple) and key and isinstance(key[0], type):
        if len(key) == 2 and key[0] in _NUMBERS:
            return describe(key[1])
        if len(key) == 2 and (key[0] in (device, dtype) or issubclass(key[0], _PLAIN)):
            return str(key[1])
        return f"a {key[0].__name__}"
    return "another value"
