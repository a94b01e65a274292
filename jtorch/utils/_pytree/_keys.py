"""The steps of a path from the root of a tree to a leaf."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol


class KeyEntry(Protocol):
    """A step: where a child is found in its parent."""

    def get(self, parent: Any) -> Any:
        """The child."""


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """A place in a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """What is there."""
        return sequence[self.idx]


@dataclass(frozen=True, slots=True)
class MappingKey:
    """A dictionary's key."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """What is under it."""
        return mapping[self.key]


@dataclass(frozen=True, slots=True)
class GetAttrKey:
    """An attribute's name."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """What it holds."""
        return getattr(obj, self.name)


KeyPath = tuple[KeyEntry, ...]


def keystr(kp: Iterable[KeyEntry]) -> str:
    """A path as Python would write it after the tree's name, such as ``['a'][0]``."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: Iterable[KeyEntry]) -> Any:
    """What lies at the end of a path that starts at ``obj``."""
    for key in kp:
        obj = key.get(obj)
    return obj
