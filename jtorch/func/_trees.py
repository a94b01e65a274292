"""Nested containers of tensors, in the order in which they hold them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["Spec", "broadcast", "flatten", "leaves"]

_DICTS = frozenset({dict, OrderedDict, defaultdict})


class Spec:
    """The structure of a nested container; a leaf has no kind."""

    __slots__ = ("children", "keys", "kind")

    def __init__(self, kind: Any = None, keys: Any = None, children: Sequence[Spec] = ()) -> None:
        self.kind, self.keys, self.children = kind, keys, tuple(children)

    def build(self, values: Any) -> Any:
        """A container of this structure from an iterator of its leaves."""
        if self.kind is None:
            return next(values)
        made = [next(values) if c is _LEAF else c.build(values) for c in self.children]
        kind = self.kind
        if kind is list:
            return made
        if kind is tuple:
            return tuple(made)
        if self.keys is not None:
            pairs = zip(self.keys, made, strict=True)
            return defaultdict(None, pairs) if kind is defaultdict else kind(pairs)
        return kind._make(made) if hasattr(kind, "_make") else kind(made)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and (self.kind, self.keys, self.children) == (
            other.kind, other.keys, other.children,
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.kind, self.keys, self.children))

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        inner = ", ".join(map(repr, self.children))
        return f"{self.kind.__name__}({inner})"

    def count(self) -> int:
        """How many leaves there are."""
        return 1 if self.kind is None else sum(c.count() for c in self.children)


_LEAF = Spec()


def flatten(x: Any) -> tuple[list[Any], Spec]:
    """The leaves of nested lists, tuples and dictionaries, and their structure."""
    found: list[Any] = []
    return found, _flatten(x, found)


def _flatten(x: Any, found: list[Any]) -> Spec:
    kind = type(x)
    if kind in _DICTS:
        return Spec(kind, tuple(x), _children(x.values(), found))
    if (
        kind is tuple
        or kind is list
        or (isinstance(x, tuple) and (hasattr(kind, "_make") or kind.__module__.endswith("return_types")))
    ):
        return Spec(kind, None, _children(x, found))
    found.append(x)
    return _LEAF


def _children(items: Iterable[Any], found: list[Any]) -> list[Spec]:
    made = []
    for x in items:
        kind = type(x)
        if kind is list or kind in _DICTS or isinstance(x, tuple):
            made.append(_flatten(x, found))
        else:
            found.append(x)
            made.append(_LEAF)
    return made


def leaves(x: Any) -> list[Any]:
    """The leaves alone."""
    return flatten(x)[0]


def broadcast(prefix: Any, spec: Spec) -> list[Any] | None:
    """One entry of ``prefix`` per leaf of ``spec``, of which it is a prefix; ``None`` if it is not."""
    if not isinstance(prefix, list | tuple | dict):
        return [prefix] * spec.count()
    if spec.kind is None or isinstance(prefix, dict) != (spec.keys is not None):
        return None
    if not isinstance(prefix, dict) and type(prefix) is not spec.kind:
        return None
    if len(prefix) != len(spec.children):
        return None
    found: list[Any] = []
    for i, child in enumerate(spec.children):
        if isinstance(prefix, dict):
            if spec.keys[i] not in prefix:
                return None
            part = broadcast(prefix[spec.keys[i]], child)
        else:
            part = broadcast(prefix[i], child)
        if part is None:
            return None
        found += part
    return found
