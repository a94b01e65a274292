"""Results that most likely nobody looks at: left out of a program, and computed later if asked for.

The gradients of parameters are such results once an optimizer has used them: most loops drop them unread at
the next ``zero_grad()``. A program that does not hand them out writes less memory, which is a
quarter of the time of an MLP 784-512-512-10 on a CPU. What they are computed from is kept instead: old
parameters, in place of gradients of the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import ref

from jtorch.trace._graph import SIGNATURES, Graph, series
from jtorch.trace._value import Value, Withheld

__all__ = ["Deferred", "Slice"]

#: A structure whose gradients are looked at more often than once in so many runs hands them out.
RARELY = 16


class Slice:
    """The part of a graph that given outputs depend on, renumbered as a graph of its own.

    Attributes:
        flat: the graph.
        leaves, floats, ints: which operands of the whole graph it reads.
        live: numbers of the outputs in it, in the order they were asked for.
        kept: ``leaves`` as a set: they must survive the run of the whole.
        runs, looks: how often it was postponed, and asked for after all.
    """

    __slots__ = ("flat", "floats", "ints", "kept", "leaves", "live", "looks", "runs")

    def __init__(self, flat: Sequence[int], slots: Sequence[int]) -> None:
        starts, firsts = [], []
        i = made = 0
        while i < len(flat):
            starts.append(i)
            firsts.append(made)
            signature = SIGNATURES[flat[i]]
            i += 1 + len(signature.operands)
            made += len(signature.outputs)
        needed = set(slots)
        chosen: list[int] = []
        for node in range(len(starts) - 1, -1, -1):
            signature = SIGNATURES[flat[starts[node]]]
            if any(firsts[node] + k in needed for k in range(len(signature.outputs))):
                chosen.append(node)
                begin = starts[node] + 1
                needed.update(s for s in flat[begin : begin + len(signature.operands)] if s >= 0)
        self.flat: list[int] = []
        pools: tuple[dict[int, int], ...] = ({}, {}, {})
        renamed: dict[int, int] = {}
        for node in reversed(chosen):
            begin = starts[node]
            signature = SIGNATURES[flat[begin]]
            self.flat.append(signature.id)
            for slot in flat[begin + 1 : begin + 1 + len(signature.operands)]:
                if slot >= 0:
                    self.flat.append(renamed[slot])
                else:
                    kind, index = series(slot)
                    self.flat.append(-1 - kind - 3 * pools[kind].setdefault(index, len(pools[kind])))
            for k in range(len(signature.outputs)):
                renamed[firsts[node] + k] = len(renamed)
        self.leaves, self.floats, self.ints = (list(pool) for pool in pools)
        self.live = [renamed[s] for s in slots]
        self.kept = frozenset(self.leaves)
        self.runs = self.looks = 0

    def in_demand(self) -> bool:
        """Whether the outputs are looked at too often to leave them out; counts a run otherwise."""
        if self.looks > 1 and self.looks * RARELY > self.runs:
            return True
        self.runs += 1
        return False


class Deferred:
    """Outputs of one run that were left out: operands are kept until nobody holds the outputs any more.

    Attributes:
        outputs: weak references to them.
        operands: leaves, floats and integers of the part of the graph that computes them.
    """

    __slots__ = ("__weakref__", "compute", "operands", "outputs", "part")

    def __init__(
        self,
        part: Slice,
        leaves: Sequence[Value],
        numbers: tuple[Sequence[float], Sequence[int]],
        outputs: Sequence[Value],
        compute: Callable[[Deferred], None],
    ) -> None:
        """Withhold ``outputs`` of a graph of these operands that has run; ``compute`` fills them."""
        self.part, self.compute = part, compute
        self.take(leaves, numbers)
        self.outputs = list(map(ref, outputs))
        stand_in = Withheld(self.reveal)
        for value in outputs:
            value.array, value.graph = stand_in, None

    def take(self, leaves: Sequence[Value], numbers: tuple[Sequence[float], Sequence[int]]) -> None:
        """Compute the outputs of these operands of the graph from now on."""
        floats, ints = numbers
        self.operands = [leaves[i] for i in self.part.leaves], floats, ints

    def graph(self) -> tuple[Graph, list[Value]]:
        """What is to be run, and the outputs that somebody still holds."""
        part = self.part
        leaves, floats, ints = self.operands
        graph = Graph(leaves[0].aval.device)
        graph.flat, graph.leaves = part.flat, leaves
        graph.floats = [floats[i] for i in part.floats]
        graph.ints = [ints[i] for i in part.ints]
        alive = []
        for slot, reference in zip(part.live, self.outputs, strict=True):
            value = reference()
            if value is not None:
                value.slot = slot
                alive.append(value)
        return graph, alive

    def reveal(self) -> None:
        """Compute them now."""
        self.part.looks += 1
        self.compute(self)
