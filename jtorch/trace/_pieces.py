"""Cutting a long or unfamiliar graph into stretches that recur.

A program for every length of a loop would compile for ever. Stretches between two occurrences of a marker, an
op that each round of the loop contains once, have the same structure whatever the number of rounds; they are
compiled once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from jtorch.trace._graph import SIGNATURES, Signature

__all__ = ["Piece", "split"]

#: Stretches have about so many nodes at least and at most.
SHORTEST, LONGEST = 8, 96


class Piece:
    """A stretch of a graph, renumbered so that equal stretches have equal keys.

    Attributes:
        key: structure: ``(signatures and local operand slots, outputs that leave)``.
        inputs: slots of the whole graph that it reads, leaves or earlier outputs, in order of first use.
        floats, ints: which of the graph's numbers it reads.
        outputs: slots of the whole graph that it makes and that are read later or alive.
        dead: earlier outputs that nothing reads after it.
    """

    __slots__ = ("count", "dead", "first", "floats", "inputs", "ints", "key", "outputs", "wiring")

    def __init__(
        self, wiring: list[int], first: int, count: int, inputs: Any, floats: Any, ints: Any
    ) -> None:
        self.wiring, self.first, self.count = wiring, first, count
        self.inputs, self.floats, self.ints = inputs, floats, ints
        self.outputs: list[int] = []
        self.dead: list[int] = []
        self.key: Any = None

    def body(self) -> list[tuple[Signature, Sequence[int]]]:
        """The stretch as (signature, local slots) pairs, for compiling it."""
        result: list[tuple[Signature, Sequence[int]]] = []
        i, wiring = 0, self.wiring
        while i < len(wiring):
            signature = SIGNATURES[wiring[i]]
            stop = i + 1 + len(signature.operands)
            result.append((signature, wiring[i + 1 : stop]))
            i = stop
        return result

    @property
    def live(self) -> list[int]:
        """Local numbers of ``outputs``."""
        return [s - self.first for s in self.outputs]


def split(
    flat: Sequence[int], live: Iterable[int], *, single: bool = False, ragged: bool = False
) -> list[Piece]:
    """Cut a graph into pieces, in order.

    Args:
        flat: the graph.
        live: outputs that are wanted.
        single: one node per piece.
        ragged: the graph begins and ends anywhere in a loop; outside whole rounds go single nodes.
    """
    starts: list[int] = []
    ids: list[int] = []
    i, end = 0, len(flat)
    while i < end:
        number = flat[i]
        starts.append(i)
        ids.append(number)
        i += 1 + len(SIGNATURES[number].operands)
    starts.append(end)
    count = len(ids)
    cuts = range(1, count) if single else _boundaries(ids, ragged=ragged)
    pieces = []
    first = 0
    begin = 0
    for stop in (*cuts, count):
        piece = _piece(flat, starts, ids, begin, stop, first)
        first += piece.count
        begin = stop
        pieces.append(piece)
    wanted = set(live)
    last: dict[int, Piece] = {}
    for piece in pieces:
        for slot in piece.inputs:
            if slot >= 0:
                last[slot] = piece
    result = []
    for piece in pieces:
        made = range(piece.first, piece.first + piece.count)
        piece.outputs = [s for s in made if s in last or s in wanted]
        if piece.outputs:
            piece.key = (tuple(piece.wiring), tuple([s - piece.first for s in piece.outputs]))
            result.append(piece)
    for slot, piece in last.items():
        if slot not in wanted:
            piece.dead.append(slot)
    return result


def _piece(
    flat: Sequence[int], starts: Sequence[int], ids: Sequence[int], begin: int, stop: int, first: int
) -> Piece:
    """Renumber a stretch: what it reads from outside become its leaves, in order of use."""
    inputs: dict[int, int] = {}
    floats: list[int] = []
    ints: list[int] = []
    wiring: list[int] = []
    made = 0
    for node in range(begin, stop):
        wiring.append(ids[node])
        made += len(SIGNATURES[ids[node]].outputs)
        for slot in flat[starts[node] + 1 : starts[node + 1]]:
            if slot >= first:
                wiring.append(slot - first)
                continue
            kind = (-slot - 1) % 3 if slot < 0 else 0
            if kind == 0:
                local = inputs.get(slot)
                if local is None:
                    local = inputs[slot] = len(inputs)
                wiring.append(-1 - 3 * local)
            elif kind == 1:
                wiring.append(-2 - 3 * len(floats))
                floats.append((-slot - 1) // 3)
            else:
                wiring.append(-3 - 3 * len(ints))
                ints.append((-slot - 1) // 3)
    return Piece(wiring, first, made, list(inputs), floats, ints)


def _boundaries(ids: Sequence[int], *, ragged: bool) -> list[int]:
    """Where to cut: at the markers of loops, and every ``LONGEST`` nodes where there are none."""
    cuts: list[int] = []
    _cut(ids, 0, len(ids), cuts, ragged)
    return cuts


def _cut(ids: Sequence[int], start: int, stop: int, cuts: list[int], ragged: bool) -> None:
    if stop - start <= SHORTEST:
        if ragged:
            cuts.extend(range(start + 1, stop))
        return
    places = _marked(ids, start, stop)
    if not places:
        step = 1 if ragged else LONGEST
        cuts.extend(range(start + step, stop, step))
        return
    if places[0] > start:
        _cut(ids, start, places[0], cuts, ragged)
        cuts.append(places[0])
    for left, right in pairwise(places):
        if right - left > LONGEST:
            cuts.extend(range(left + LONGEST, right, LONGEST))
        cuts.append(right)
    if places[-1] < stop:
        _cut(ids, places[-1], stop, cuts, ragged)


def _marked(ids: Sequence[int], start: int, stop: int) -> list[int]:
    """Occurrences of the stretch's marker: of the ops that recur, the one that spans most of it.

    Ops of one loop span almost the same; the order is total (span, then the op recorded first ever), so that
    loops of any length choose the same op.
    """
    firsts: dict[int, int] = {}
    lasts: dict[int, int] = {}
    counts: dict[int, int] = {}
    for n in range(start, stop):
        i = ids[n]
        if i in counts:
            counts[i] += 1
        else:
            counts[i] = 1
            firsts[i] = n
        lasts[i] = n
    best, span = -1, 0
    for i, c in counts.items():
        if c < 3:
            continue
        length = lasts[i] - firsts[i]
        # A round longer than this is no loop but an op that happens to recur.
        if length > (c - 1) * 4 * LONGEST:
            continue
        if length > span or (length == span and i < best):
            best, span = i, length
    if best < 0 or span < 2 * SHORTEST:
        return []
    places = [n for n in range(firsts[best], lasts[best] + 1) if ids[n] == best]
    # Rounds shorter than a useful program are taken together.
    together = max(1, round(SHORTEST * (len(places) - 1) / span))
    return places[::together]
