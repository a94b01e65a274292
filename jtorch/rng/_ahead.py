"""Small draws of float32 normals, worked out before they are asked for.

NumPy takes about as long for a hundred pairs of normals as for two thousand, so a draw that others follow
works out theirs, too. If it repeats the draw before it, as in a loop, the next ones are expected to be like
it. Otherwise normals are made of all pairs that a word forms with the one 8 places on, twice as many as are
needed: which pairs count depends on where the next draw begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jtorch.rng._box_muller import pairs
from jtorch.rng._box_muller_xla import normals
from jtorch.rng._layout import Array
from jtorch.rng._mt19937 import MT19937

__all__ = ["SMALL", "small_normals"]

SMALL = 2048  #: elements of a small draw, at most
_VECTOR, _HALF = 16, 8  # elements of a block, and its pairs
_LEAST = 1024  # words to work out, at first
_LOW24 = np.uint32((1 << 24) - 1)


def small_normals(engine: MT19937, n: int, unused: int) -> Array:
    """Draw ``n`` standard normals, 16 at least; a ragged end skips ``unused`` words and redoes the last 16.

    Returns:
        float32 numbers, which belong to the caller.
    """
    whole = n - n % _VECTOR
    needed = whole + unused + _VECTOR if n > whole else whole
    layout = n, needed
    with engine.lock:
        batch, read = engine.unread(needed)
        ahead: _Repeated | _Mixed | None = engine.memo.get("normals")
        z = None if ahead is None else ahead.draw(batch, read, layout)
        if z is None:
            kind: type[_Repeated] | type[_Mixed] = _Repeated
            size = needed
            if ahead is not None:
                # The more draws come, the further ahead.
                size = max(needed, min(max(_LEAST, 2 * ahead.size), batch.size - read))
                kind = _Repeated if ahead.layout == layout else _Mixed
            ahead = engine.memo["normals"] = kind(batch, read, layout, size)
            z = ahead.draw(batch, read, layout)
            assert z is not None
        engine.skip(needed)
    return z


class _Repeated:
    """The normals of draws that are all alike.

    Attributes:
        layout: number of elements of each draw, and of words.
        size: number of words that were worked out.
    """

    __slots__ = ("_batch", "_next", "_row", "_rows", "layout", "size")

    def __init__(self, batch: Array, first: int, layout: tuple[int, int], size: int) -> None:
        n, needed = self.layout = layout
        count = size // needed
        self.size = count * needed
        self._batch, self._next, self._row = batch, first, 0
        words = batch[first : first + self.size].reshape(count, needed)
        whole = n - n % _VECTOR
        if n > whole:
            words = np.concatenate([words[:, :whole], words[:, needed - _VECTOR :]], 1)
        z = normals(words.reshape(-1)).reshape(count, -1)
        if n > whole:
            z = np.concatenate([z[:, : n - _VECTOR], z[:, whole:]], 1)
        self._rows = np.add(z, np.float32(0))  # -0.0 becomes 0.0

    def draw(self, batch: Array, read: int, layout: tuple[int, int]) -> Array | None:
        """Normals of the words from ``read`` on; ``None`` if they are not here."""
        row = self._row
        if read != self._next or batch is not self._batch or layout != self.layout or row == len(self._rows):
            return None
        self._row = row + 1
        self._next = read + layout[1]
        found: Array = self._rows[row].copy()
        return found


class _Mixed:
    """Normals for draws of any size.

    Attributes:
        layout: of the last draw.
        size: number of words that were worked out.
    """

    __slots__ = ("_aligned", "_batch", "_cosines", "_first", "_sines", "layout", "size")

    def __init__(self, batch: Array, first: int, layout: tuple[int, int], size: int) -> None:
        self.layout, self.size = layout, size
        self._batch, self._first = batch, first
        low = batch[first : first + size] & _LOW24
        # Of the pair that a word begins; the last 8 words begin none. Of the pair that a word ends, alike.
        self._cosines, self._sines = np.zeros((2, size), np.float32)
        cosines, sines = pairs(low[:-_HALF], low[_HALF:])
        np.add(cosines, np.float32(0), self._cosines[:-_HALF])  # -0.0 becomes 0.0
        np.add(sines, np.float32(0), self._sines[_HALF:])
        #: What blocks of 16 hold, by where the blocks begin modulo 16; made when it is first wanted.
        self._aligned: list[Any] = [None] * _VECTOR

    def draw(self, batch: Array, read: int, layout: tuple[int, int]) -> Array | None:
        """Normals of the words from ``read`` on; ``None`` if they are not all here."""
        n, needed = layout
        start = read - self._first
        if batch is not self._batch or start + needed > self.size:
            return None
        self.layout = layout
        out: Array = self._blocks(start)[start : start + n].copy()
        if n % _VECTOR:
            start += needed - _VECTOR
            out[-_VECTOR:] = self._blocks(start)[start : start + _VECTOR]
        return out

    def _blocks(self, start: int) -> Array:
        """Normals of all words, in blocks of 16 of which one begins at the word ``start``."""
        phase = start % _VECTOR
        found: Array | None = self._aligned[phase]
        if found is None:
            found = self._aligned[phase] = self._sines.copy()
            end = phase + (found.size - phase) // _VECTOR * _VECTOR
            halves = [x[phase:end].reshape(-1, 2, _HALF) for x in (found, self._cosines)]
            halves[0][:, 0] = halves[1][:, 0]
        return found
