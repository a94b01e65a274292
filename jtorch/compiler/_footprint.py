"""What a call leaves behind beside contents of tensors: on its arguments, on tensors, on the process."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from jtorch.compiler._guards import Guards
from jtorch.compiler._keys import parts_of

__all__ = ["Footprint"]

_CONTAINERS = (list, dict)
_FROZEN = (tuple, frozenset, slice)


class Footprint:
    """The state of what no recording repeats, before a call.

    Args:
        guards: what was found from the function.
        given: the arguments.
        tensors: those among them.
        switches: gives the settings of the process that change what operations do.
    """

    def __init__(
        self, guards: Guards, given: Any, tensors: Sequence[Any], switches: Callable[[], tuple[Any, ...]]
    ) -> None:
        self.containers: list[tuple[Any, list[Any]]] = []
        self._open(given)
        known = (*tensors, *guards.tensors.values())
        self.marks = [(t, _marks(t)) for t in known]
        self.places = [(t, _place(t)) for t in known]
        storages = {id(t._storage): t._storage for t in known}
        self.counts = [(s, s.version, s.writes) for s in storages.values()]
        self.history = [(t, t._requires, t._fn is None) for t in tensors]
        self.switches, self.before = switches, switches()
        self.guards = guards
        self.known = {id(c) for c, _ in self.containers} | {id(c) for c, _, _ in guards.sequences}

    def _open(self, x: Any) -> None:
        parts = parts_of(x)
        if parts is None:
            return
        if not isinstance(x, _FROZEN):
            self.containers.append((x, _entries(x)))
        for _, y in parts:
            self._open(y)

    def changed(self) -> str | None:
        """What the call did that a replay would not do; ``None``: nothing."""
        for container, entries in self.containers:
            now = _entries(container)
            if len(now) != len(entries) or any(a is not b for a, b in zip(now, entries, strict=True)):
                return f"it changes a {type(container).__name__} among its arguments"
        for tensor, marks in self.marks:
            if _marks(tensor) != marks:
                return "it sets an attribute of a tensor"
        for tensor, place in self.places:
            if any(a is not b and a != b for a, b in zip(_place(tensor), place, strict=True)):
                return "it changes the sizes of a tensor, or where its memory is"
        for storage, version, writes in self.counts:
            if storage.version != version and storage.writes == writes:  # t_().t_(), say
                return "it changes the sizes of a tensor"
        for tensor, wanted, leaf in self.history:
            if tensor._requires is not wanted or (tensor._fn is None) is not leaf:
                return "it changes whether an argument requires a gradient"
        if self.switches() != self.before:
            return "it leaves grad mode, the default dtype or another switch changed"
        return None

    def returned(self, result: Any) -> str | None:
        """Why a replay would return other objects; ``None`` if it would not."""
        if isinstance(result, _CONTAINERS) and id(result) in self.known:
            return f"it returns a {type(result).__name__} that was there before"
        if dataclasses.is_dataclass(result) and not isinstance(result, type):
            if id(result) in self.known or self.guards.found(result):
                return f"it returns a {type(result).__name__} that was there before"
            result = list(getattr(result, "__dict__", {}).values())
        if isinstance(result, list | tuple | dict):
            for y in result.values() if isinstance(result, dict) else result:
                why = self.returned(y)
                if why is not None:
                    return why
        return None


def _entries(container: Any) -> list[Any]:
    parts = parts_of(container)
    assert parts is not None
    if isinstance(container, set):  # which may have been built anew of the same
        return sorted((y for _, y in parts), key=id)
    if isinstance(container, deque):
        return list(container)
    return [y for part in parts for y in (part if isinstance(container, dict) else part[1:])]


def _place(tensor: Any) -> tuple[Any, ...]:
    """Where a tensor's elements are."""
    return tensor._storage, tensor._view, tensor._strides, tensor._offset


def _marks(tensor: Any) -> dict[str, int]:
    """What the user noted on a tensor."""
    return {k: id(y) for k, y in tensor.__dict__.items() if k[0] != "_"}
