"""Replaying recordings that decide: part by part, changing over to the recording of the case at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.compiler._forks import Path, matching
from jtorch.compiler._recorded import STALE, Recorded
from jtorch.compiler._session import Draw, Numbers
from jtorch.optim._fused import NumberStorage
from jtorch.tensor import Tensor
from jtorch.tensor._random import streams_in_use
from jtorch.trace import from_host

__all__ = ["LAZY", "follow"]

#: What :func:`follow` returns if calls that decide so are not replayed.
LAZY: Any = object()


def follow(recorded: Recorded, variant: Any, tensors: Sequence[Any]) -> tuple[Any, str | None]:
    """Replay a recording with decisions, or the one of its kind that decides as this call does.

    Args:
        recorded: a recording whose guards hold.
        variant: the others of its kind.
        tensors: the call's.

    Returns:
        ``(result, None)``, or one of ``STALE``, :data:`LAZY` and a :class:`Path`, if the call decides as none
        before, with the reason; nothing has happened then.
    """
    values = recorded.gather(tensors)
    if values is None:
        return STALE, "the state that it reads has another shape, dtype or gradient"
    floats = recorded.graph.floats.copy()
    computed: dict[int, Any] = {}
    drawn: dict[int, Any] = {}
    undo = _undo(recorded)
    place = number = 0
    while number < len(recorded.forks):
        fork = recorded.forks[number]
        _act(recorded, values, floats, place, fork.actions, drawn)
        place = fork.actions
        recorded.ready(values)
        outcome = fork.run(values, floats, recorded.graph.ints, computed, recorded.device)
        if outcome is not fork.outcome:
            other = matching(recorded.forks, number, outcome, (*variant.recorded, *variant.paths))
            if type(other) is Path:
                undo()
                return LAZY, other.lazy
            theirs = None
            if other is not None and other.guards.broken() is None:
                theirs = other.gather(tensors)
            if theirs is None:
                undo()
                way = Path([*recorded.forks[:number], fork.turned()])
                return way, f"{fork.line} decides {outcome}, was {fork.outcome}"
            floats = _adopted(recorded, other, floats, theirs, drawn, place)
            recorded, values = other, theirs
        number += 1
    _end(recorded, values, floats, place)
    return recorded.finish(values, floats, tensors, computed), None


def _act(
    recorded: Recorded, values: list[Any], floats: list[float], start: int, stop: int, drawn: dict[int, Any]
) -> None:
    """What happens on the host before a decision; schedules wait for the end, as nothing reads them yet."""
    for place in range(start, stop):
        action = recorded.actions[place]
        if type(action) is Numbers:
            floats[action.start : action.start + action.count] = action.source()
        elif type(action) is Draw:
            value = drawn[place] = from_host(action.draw())
            leaf = recorded.draws.get(place)
            if leaf is not None:
                values[leaf] = value


def _adopted(
    recorded: Recorded, other: Recorded, floats: list[float], values: list[Any], drawn: dict[int, Any],
    stop: int,
) -> list[float]:  # fmt: skip
    """What happened on the host so far, for another recording; returns its numbers."""
    mine = other.graph.floats.copy()
    for place in range(stop):
        action = recorded.actions[place]
        if type(action) is Numbers:
            part = slice(action.start, action.start + action.count)
            mine[part] = floats[part]
        elif type(action) is Draw:
            leaf = other.draws.get(place)
            if leaf is not None:
                values[leaf] = drawn[place]
    return mine


def _end(recorded: Recorded, values: list[Any], floats: list[float], start: int) -> None:
    """What waited, and what happens after the last decision."""
    moved = False
    for place, action in enumerate(recorded.actions):
        kind = type(action)
        if kind is not Numbers and kind is not Draw:
            action()
            moved = True
        elif place < start:
            continue
        elif kind is Numbers:
            if moved:
                action.source.holds()
            floats[action.start : action.start + action.count] = action.source()
        else:
            array = action.draw()
            leaf = recorded.draws.get(place)
            if leaf is not None:
                values[leaf] = from_host(array)


def _undo(recorded: Recorded) -> Callable[[], None]:
    """Undoes what happens on the host before the last decision: draws, counts of steps."""
    early = recorded.actions[: recorded.forks[-1].actions]
    numbers = [a.source for a in early if type(a) is Numbers]
    if not numbers and not any(type(a) is Draw for a in early):
        return lambda: None
    streams = [*streams_in_use(), *(generator._engine for generator in recorded.generators)]
    states = [stream.get_state() for stream in streams]
    counts = [
        (t._storage, t._storage.number)
        for source in numbers
        for state in getattr(source, "states", None) or ()
        for t in state.values()
        if isinstance(t, Tensor) and type(t._storage) is NumberStorage
    ]

    def undo() -> None:
        for stream, state in zip(streams, states, strict=True):
            stream.set_state(state)
        for storage, number in counts:
            if number is not None:
                storage.number = number

    return undo
