"""Cutting a long or unfamiliar graph into stretches that recur.

A program for every length of a loop would compile for ever. Stretches between two occurrences of a marker, an op that
each round of the loop contains once, have the same structure whatever the number of rounds; they are compiled once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jtorch.trace._graph import Signature, nodes, series

__all__ = ["Piece", "split"]

#: Aim for stretches of about this many nodes.
TARGET = 24
LONGEST = 64


class Piece:
    """A stretch of a graph, renumbered so that equal stretches have equal keys.

    Attributes:
        key: structure: signatures, wiring, which outputs leave.
        body: (signature, local slots) pairs, as :class:`Program` takes them.
        inputs: slots of the whole graph that it reads, leaves or earlier outputs.
        outputs: slots of the whole graph that it makes and that are read later or alive; ``live`` their local numbers.
        float_indices, int_indices: the numbers it reads; ``floats`` and ``ints`` how many.
        dead: earlier outputs that nothing reads after it.
    """

    __slots__ = (
        "body",
        "dead",
        "float_indices",
        "floats",
        "inputs",
        "int_indices",
        "ints",
        "key",
        "live",
        "outputs",
    )

    def __init__(self, body: list[tuple[Signature, list[int]]], inputs: list[int], floats: list[int], ints: list[int]):
        self.body, self.inputs = body, inputs
        self.float_indices, self.int_indices = floats, ints
        self.floats, self.ints = len(floats), len(ints)
        self.outputs: list[int] = []
        self.live: list[int] = []
        self.dead: list[int] = []
        self.key: Any = None


def split(flat: Sequence[int], live: Sequence[int], *, single: bool) -> list[Piece]:
    """Cut a graph into pieces, in order.

    Args:
        flat: the graph.
        live: outputs that are wanted.
        single: one node per piece (for graphs cut at an arbitrary place).
    """
    all_nodes = nodes(flat)
    bounds = range(1, len(all_nodes)) if single else _boundaries([s.id for s, _ in all_nodes])
    last_use: dict[int, int] = {}
    starts = [0, *bounds, len(all_nodes)]
    piece_of_node = 0
    for number, (_, slots) in enumerate(all_nodes):
        while number >= starts[piece_of_node + 1]:
            piece_of_node += 1
        for slot in slots:
            if slot >= 0:
                last_use[slot] = piece_of_node
    wanted = set(live)
    pieces = []
    first_output = 0
    for number in range(len(starts) - 1):
        piece, count = _piece(all_nodes[starts[number] : starts[number + 1]], first_output)
        made = range(first_output, first_output + count)
        piece.outputs = [s for s in made if s in wanted or last_use.get(s, -1) > number]
        piece.live = [s - first_output for s in piece.outputs]
        piece.key = (
            tuple((s.id, *slots) for s, slots in piece.body),
            tuple(piece.live),
        )
        piece.dead = [s for s in piece.inputs if s >= 0 and last_use[s] == number and s not in wanted]
        first_output += count
        if piece.outputs:
            pieces.append(piece)
    return pieces


def _piece(body: Sequence[tuple[Signature, Sequence[int]]], first_output: int) -> tuple[Piece, int]:
    """Renumber a stretch: what it reads from outside become its leaves, in order of use."""
    inputs: dict[int, int] = {}
    floats: list[int] = []
    ints: list[int] = []
    local = []
    made = 0
    for signature, slots in body:
        mine = []
        for slot in slots:
            if slot >= first_output:
                mine.append(slot - first_output)
                continue
            kind, index = series(slot) if slot < 0 else (0, slot)
            if kind == 1:
                mine.append(-2 - 3 * len(floats))
                floats.append(index)
            elif kind == 2:
                mine.append(-3 - 3 * len(ints))
                ints.append(index)
            else:
                mine.append(-1 - 3 * inputs.setdefault(slot, len(inputs)))
        local.append((signature, mine))
        made += len(signature.outputs)
    return Piece(local, list(inputs), floats, ints), made


def _boundaries(ids: Sequence[int]) -> list[int]:
    """Where to cut: before each marker, at least ``TARGET`` nodes apart where rounds are short.

    The marker of a stretch is its rarest op that still occurs several times, which is once per round of the loop
    that made it; ties go to the op recorded first ever, so that loops of any length choose the same one.
    """
    cuts: list[int] = []
    _cut(ids, 0, len(ids), cuts)
    return cuts


def _cut(ids: Sequence[int], start: int, stop: int, cuts: list[int]) -> None:
    if stop - start <= LONGEST:
        return
    counts = Counter(ids[start:stop])
    repeated = [(c, i) for i, c in counts.items() if c > 2]
    if not repeated:
        for at in range(start + LONGEST, stop, LONGEST):
            cuts.append(at)
        return
    # Forward and backward of one loop hold two families of ops; a marker only divides the part where it occurs.
    marker = max(repeated, key=lambda pair: ((stop - start) / pair[0] >= 4, pair[0] > 3, -pair[0], -pair[1]))[1]
    places = [n for n in range(start, stop) if ids[n] == marker]
    edges = [start, *places, stop]
    for left, right in zip(edges, edges[1:], strict=False):
        if left > start:
            cuts.append(left)
        if right - left > LONGEST and right - left < stop - start:
            _cut(ids, left, right, cuts)
