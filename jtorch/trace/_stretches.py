"""Parts of a graph that are run one after the other, and their programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jtorch.trace._executor import MAX_PROGRAMS, _programs
from jtorch.trace._graph import SIGNATURES
from jtorch.trace._metrics import counters
from jtorch.trace._pieces import Piece, _piece
from jtorch.trace._program import Program

__all__ = ["Piece", "stretch", "stretched"]


def stretch(flat: Sequence[int], begin: int, first: int, live: Iterable[int]) -> Piece:
    """The part of a graph from a position on, as one piece.

    Args:
        flat: the graph.
        begin: where in it the part starts.
        first: number of the first result there.
        live: outputs that are wanted; earlier ones are left out.
    """
    starts: list[int] = []
    i = begin
    while i < len(flat):
        starts.append(i)
        i += 1 + len(SIGNATURES[flat[i]].operands)
    ids = [flat[i] for i in starts]
    piece = _piece(flat, [*starts, len(flat)], ids, 0, len(ids), first)
    piece.outputs = [s for s in live if s >= first]
    piece.key = (tuple(piece.wiring), tuple([s - first for s in piece.outputs]))
    return piece


def stretched(piece: Piece, donated: tuple[int, ...], device: Any) -> Program:
    """The program of a part of a graph that was recorded to be replayed; ``donated`` counts its inputs."""
    key = (piece.key, donated, len(piece.inputs))
    program = _programs.get(key)
    if program is None:
        program = _programs[key] = Program(
            piece.body(), piece.live, len(piece.inputs), donated, len(piece.floats), len(piece.ints), device
        )
        counters.programs_compiled += 1
        if len(_programs) > MAX_PROGRAMS:
            _programs.popitem(last=False)
    else:
        counters.cache_hits += 1
    return program
