"""Decisions: places in a function where the truth of a tensor says what comes next.

A call that decides is recorded as a chain of programs: each part runs, the host looks at the value, and goes
on with the recording of that case. Recordings of one kind of call that decide differently share the parts
before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import numpy as np

from jtorch.devices import jax_device
from jtorch.trace import Graph, Value, counters, operand
from jtorch.trace._meshes import beside_meshes
from jtorch.trace._stretches import Piece, stretched

__all__ = ["MAX_FORKS", "MAX_PATHS", "Fork", "Path", "matching", "operands"]

#: Decisions of one call that are followed; a longer loop runs uncompiled.
MAX_FORKS = 64
#: Recordings of one kind of call that decide differently.
MAX_PATHS = 32


class Fork:
    """One decision of a recorded call.

    Attributes:
        piece: what was recorded since the one before; ``None``: nothing.
        slots: of the values that it looks at, outputs or leaves.
        test: what decides, a function of the numbers in them.
        outcome: whether it was true.
        line: where the user's program decides.
        actions: how many things happened on the host before.
        key: the structure up to here; equal keys are equal decisions.
    """

    __slots__ = ("actions", "key", "line", "outcome", "piece", "program", "slots", "test")

    def __init__(
        self, piece: Piece | None, slots: Sequence[int], test: Callable[[Sequence[Any]], Any], key: Any,
        line: str, actions: int, graph: Graph,
    ) -> None:  # fmt: skip
        self.piece, self.slots, self.test, self.line, self.actions = piece, slots, test, line, actions
        self.outcome = False
        self.key = (tuple(graph.flat), tuple(slots), key, () if piece is None else tuple(piece.outputs))
        self.program: Any = None

    def turned(self) -> Fork:
        """The same decision with the other outcome."""
        made = copy(self)
        made.outcome = not self.outcome
        return made

    def run(
        self, leaves: list[Any], floats: list[float], ints: list[int], made: dict[int, Any], device: Any
    ) -> bool:
        """Run the part before the decision and look at the value.

        Args:
            leaves: values of the leaves.
            floats: the graph's numbers that are floats.
            ints: the others.
            made: results of earlier parts by slot; those of this one are added.
            device: JAX's.
        """
        piece = self.piece
        if piece is not None:
            device = device or jax_device(piece.body()[0][0].recorder.device)
            with beside_meshes():
                if self.program is None:
                    self.program = stretched(piece, (), device)
                else:
                    counters.cache_hits += 1
                arrays = operands(piece, leaves, made, device)
                results = self.program.run(
                    arrays, [floats[i] for i in piece.floats], [ints[i] for i in piece.ints]
                )
            made.update(zip(piece.outputs, results, strict=True))
        counters.flushes["decision"] += 1
        counters.reads[self.line] += 1
        return bool(self.test([self._number(slot, leaves, made) for slot in self.slots]))

    @staticmethod
    def _number(slot: int, leaves: list[Any], made: dict[int, Any]) -> Any:
        if slot >= 0:
            return np.asarray(made[slot]).item()
        value: Value = leaves[(-slot - 1) // 3]
        return np.asarray(value.array if value.host is None else value.host).item()


def operands(piece: Piece, leaves: list[Any], made: dict[int, Any], device: Any) -> list[Any]:
    """The operands of a part of a graph."""
    return [made[s] if s >= 0 else operand(leaves[(-s - 1) // 3], device) for s in piece.inputs]


class Path:
    """A chain of decisions after which the function does what a program cannot: such calls run uncompiled.

    Attributes:
        forks: the decisions.
        lazy: why; empty for a chain of which nothing is known yet.
    """

    __slots__ = ("forks", "lazy")

    def __init__(self, forks: list[Fork], lazy: str = "") -> None:
        self.forks, self.lazy = forks, lazy

    def key(self) -> tuple[Any, ...]:
        """Equal for equal chains."""
        return tuple([(fork.key, fork.outcome) for fork in self.forks])


def matching(forks: list[Fork], count: int, outcome: bool, others: Any) -> Any:
    """Of ``others`` the one that decided like ``forks`` ``count`` times, and then had another outcome."""
    for other in others:
        theirs = other.forks
        if len(theirs) <= count or theirs[count].outcome is not outcome:
            continue
        if all(a.key == b.key for a, b in zip(forks[: count + 1], theirs, strict=False)) and all(
            a.outcome is b.outcome for a, b in zip(forks[:count], theirs, strict=False)
        ):
            return other
    return None
