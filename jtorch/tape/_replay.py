"""Replaying a backward pass whose graph was walked before.

A training loop builds the same autograd graph in each iteration. Walking it node by node costs more Python
than the small programs it makes cost to run, so what a walk appended to the trace is kept, under the
structure of both graphs: the operations recorded so far and the nodes made so far. When both are equal, the
backward appends the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from weakref import ref

from jtorch.tape._node import OpNode, hook_epoch
from jtorch.trace import Value

__all__ = ["Replay", "Tape", "find", "play", "tape_of"]

#: Structure kept for replays, in numbers (8 bytes and a share of a tuple each).
MAX_SIZE = 1 << 21

_replays: OrderedDict[Any, Replay] = OrderedDict()


_kept = [0]
#: The replay that was found last, with what it was found by.
_latest: tuple[Any, list[int], list[Any], Replay] | None = None


def _size(key: Any, replay: Replay) -> int:
    return len(key[0]) + len(key[1]) + len(replay.flat)


class Tape:
    """The autograd nodes made while one graph of the trace was recorded.

    Attributes:
        flat: their structure: plan, position in the trace, operands that want gradients, edges.
        nodes: the nodes; held until the graph is flushed.
        leaves: leaves by the number under which ``flat`` names them.
        checks: of all nodes.
        whole: every edge leads to a node of this tape or to a leaf.
    """

    __slots__ = ("checks", "epoch", "flat", "leaves", "nodes", "numbers", "whole")

    def __init__(self) -> None:
        self.flat: list[Any] = []
        self.nodes: list[OpNode] = []
        self.leaves: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.checks: list[Any] = []
        self.whole = True
        self.epoch = hook_epoch[0]

    def close(self) -> None:
        """The graph is about to run: let go of the nodes, which refer back to this tape."""
        self.whole = False
        self.nodes, self.leaves, self.checks, self.numbers = [], [], [], {}

    def add(self, node: OpNode, position: int) -> None:
        """Note a new node; ``position`` is the number of operations recorded before its results."""
        flat = self.flat
        flat.append(node.plan)
        flat.append(position)
        for edge in node.edges:
            if edge is None:
                flat.append(-1)
                continue
            target, nr = edge
            if target.__class__.__base__ is OpNode:
                if target.tape is not self:
                    self.whole = False
                    return
                flat.append(target.index << 20 | nr)
            else:
                number = self.numbers.get(id(target))
                if number is None:
                    if isinstance(target, OpNode) or not hasattr(target, "_storage"):
                        self.whole = False
                        return
                    number = self.add_leaf(target)
                flat.append(-2 - number)
        node.tape = self
        node.index = len(self.nodes)
        self.nodes.append(node)
        if node.checks:
            self.checks += node.checks

    def add_leaf(self, target: Any) -> int:
        """Number a leaf."""
        number = self.numbers[id(target)] = len(self.leaves)
        self.leaves.append(target)
        return number


def tape_of(graph: Any) -> Tape:
    """The tape that belongs to a graph of the trace."""
    tape = graph.notes
    if tape is None:
        tape = graph.notes = Tape()
    return tape  # type: ignore[no-any-return]


class _Nothing:
    pass


#: A reference whose object is gone.
_dead: Any = ref(_Nothing())


class Replay:
    """What one backward pass appended to a graph.

    Attributes:
        flat: operations, in the numbering of the graph they were appended to.
        nodes, nbytes: how many, and the bytes of their results.
        outputs: number of their results.
        numbers: where each Python number among the operands comes from: ``(is float, node, place in saved)``.
        fresh: operands that the graph did not hold yet: ``(node, place in saved)``, ``None`` for the root's
            gradient.
        gradients: ``(leaf, slot, aval)`` of the results.
        freed: nodes that the pass frees.
    """

    __slots__ = ("flat", "freed", "fresh", "gradients", "nbytes", "nodes", "numbers", "outputs")
    flat: list[int]
    nodes: int
    nbytes: int
    outputs: int
    numbers: list[tuple[bool, int, int]]
    fresh: list[tuple[int, int] | None]
    gradients: list[tuple[int, int, Any]]
    freed: list[int]


class Recording:
    """Follows a walk to make a :class:`Replay` of it."""

    __slots__ = ("freed", "fresh", "graph", "key", "nbytes", "nodes", "numbers", "outputs", "start")

    def __init__(self, graph: Any, key: Any) -> None:
        self.graph, self.key = graph, key
        self.start, self.nodes, self.nbytes = len(graph.flat), graph.nodes, graph.nbytes
        self.outputs = len(graph.outputs)
        self.numbers: list[tuple[bool, int, int]] = []
        self.fresh: list[tuple[int, int] | None] = []
        self.freed: list[int] = []

    def step(self, node: OpNode, gradients: Sequence[Any]) -> None:
        """Before a node's gradient is recorded: note where its operands come from."""
        graph, index = self.graph, node.index
        for place, x in enumerate(node.saved):
            if type(x) is Value:
                if x.graph is not graph:
                    self.fresh.append((index, place))
            else:
                self.numbers.append((type(x) is float, index, place))
        for g in gradients:
            if g is not None and g.graph is not graph:
                self.fresh.append(None)
        self.freed.append(index)

    def finish(self, leaves: dict[Any, Any], tape: Tape, current: Any) -> None:
        """Keep the replay, unless the graph was flushed on the way."""
        graph = self.graph
        if current is not graph or graph.notes is not tape:
            return
        replay = Replay()
        replay.flat = graph.flat[self.start :]
        replay.nodes, replay.nbytes = graph.nodes - self.nodes, graph.nbytes - self.nbytes
        replay.outputs = len(graph.outputs) - self.outputs
        replay.numbers, replay.fresh, replay.freed = self.numbers, self.fresh, self.freed
        gradients = []
        for leaf, value in leaves.items():
            if value.graph is not graph or value.slot < 0:
                return  # a gradient that is an operand of the graph, not a result
            gradients.append((tape.numbers[id(leaf)], value.slot, value.aval))
        replay.gradients = gradients
        size = _size(self.key, replay)
        if size > MAX_SIZE // 16:
            return
        _replays[self.key] = replay
        _kept[0] += size
        while _kept[0] > MAX_SIZE:
            _kept[0] -= _size(*_replays.popitem(last=False))


def find(graph: Any, root: OpNode, nr: int, gradient: Any) -> tuple[Replay | None, Recording | None]:
    """The replay of a backward from ``root``, or a recording to make one; neither if it has to be walked."""
    if graph.notes is None:
        return None, None
    tape: Tape = graph.notes
    if not tape.whole or tape.epoch != hook_epoch[0]:
        return None, None
    if type(gradient) is not Value or tape is not getattr(root, "tape", None):
        return None, None
    for reference, version, _ in tape.checks:
        storage = reference()
        if storage is not None and storage.version != version:
            return None, None
    start = gradient.slot if gradient.graph is graph else None
    global _latest
    place = root.index, nr, start
    if _latest is not None and _latest[0] == place and _latest[1] == graph.flat and _latest[2] == tape.flat:
        replay = _latest[3]
    else:
        key = (tuple(graph.flat), tuple(tape.flat), *place)
        found = _replays.get(key)
        if found is None:
            return None, Recording(graph, key)
        replay = found
        _latest = place, graph.flat[:], tape.flat[:], replay
    nodes = tape.nodes
    for index in replay.freed:
        if nodes[index].saved is None:
            return None, None
    return replay, None


def play(replay: Replay, graph: Any, gradient: Value, keep_graph: bool) -> list[tuple[Any, Value]]:
    """Append a replay to the graph; returns leaves with their gradients."""
    tape: Tape = graph.notes
    nodes = tape.nodes
    for source in replay.fresh:
        value = gradient if source is None else nodes[source[0]].saved[source[1]]
        if value.graph is not graph:
            graph.add_leaf(value)
    for is_float, index, place in replay.numbers:
        (graph.floats if is_float else graph.ints).append(nodes[index].saved[place])
    graph.flat += replay.flat
    graph.nodes += replay.nodes
    graph.nbytes += replay.nbytes
    outputs = graph.outputs
    outputs += [_dead] * replay.outputs
    results = []
    for number, slot, aval in replay.gradients:
        value = Value(aval)
        value.graph, value.slot = graph, slot
        outputs[slot] = ref(value)
        results.append((tape.leaves[number], value))
    if not keep_graph:
        for index in replay.freed:
            nodes[index].release()
    return results
