"""Static arguments as parts of a plan's key: Python says that 1, ``True`` and 1.0 are equal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jtorch.dispatch._plan import Baked

__all__ = ["AMBIGUOUS", "told_apart", "untagged"]

#: Types whose values equal an int.
AMBIGUOUS = frozenset({bool, float})


class Flag:
    """One of the two truth values; compared by identity, which is as fast as for the value itself."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value


_FLAGS = Flag(False), Flag(True)


def told_apart(x: Any) -> Any:
    """What stands for a static argument in a key: an int for an int alone."""
    kind = type(x)
    return _FLAGS[x] if kind is bool else Baked(x) if kind is float else x


def untagged(key: Iterable[Any]) -> tuple[Any, ...]:
    """A key as ``plan_call`` wants it."""
    return tuple(x.value if type(x) is Flag else x for x in key)
