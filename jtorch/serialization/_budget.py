"""What a file may ask for in memory and time: a multiple of its own size."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from pickle import UnpicklingError
from typing import Any

__all__ = ["Budget"]

#: Memory that any file may ask for beyond what it holds, and how much more per byte of pickle.
_FREE_BYTES, _BYTES_PER_BYTE = 256 << 20, 64
#: How many items a key of a dictionary may nest, and how deep; what one counts for, since it takes time.
_KEY_ITEMS, _KEY_DEPTH, _KEY_ITEM_BYTES = 10_000, 100, 50
_PLAIN_KEYS = frozenset({str, bytes, int, float, bool, complex, type(None)})
#: Different keys of one hash in one container, each of which makes the next slower.
_MAX_COLLISIONS = 1000
#: Containers above this size are filled by the clock: this much processor time, and this much per key.
_LARGE, _STRETCH = 10_000, 1000
_FREE_SECONDS, _SECONDS_PER_KEY = 2.0, 20e-6


class Budget:
    """Counts what the pickles of one file use.

    Attributes:
        consumed: bytes of pickle that have been read.
    """

    def __init__(self) -> None:
        self.consumed = self._charged = self._granted = self._timed = 0
        self._seconds = 0.0
        self._collisions: dict[tuple[int, int], int] = {}

    def charge(self, size: int) -> None:
        """Account for memory that a value takes beyond what the file spends on it.

        Raises:
            UnpicklingError: it is too much for a file of this size.
        """
        self._charged += size
        if self._charged > _FREE_BYTES + _BYTES_PER_BYTE * self.consumed + self._granted:
            raise UnpicklingError("The pickle asks for too much memory for its size")

    def grant(self, size: int) -> None:
        """Allow for a copy of a storage, of which the file holds ``size`` bytes."""
        self._granted += size

    def fill(self, container: Any, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Put keys and values into a dictionary; keys only, where it is a set.

        Raises:
            UnpicklingError: keys that cannot be hashed in reasonable time, or were chosen to collide.
        """
        rest = iter(pairs)
        while True:
            large = len(container) > _LARGE
            started = time.thread_time() if large else 0.0
            count = self._put(container, islice(rest, _STRETCH))
            if large:
                # Keys of different hashes can be chosen to meet in the table, which nothing but time shows.
                self._timed += count
                self._seconds += time.thread_time() - started
                if self._seconds > _FREE_SECONDS + _SECONDS_PER_KEY * self._timed:
                    raise UnpicklingError("The keys of a dictionary collide")
            if count < _STRETCH:
                return

    def _put(self, container: Any, pairs: Iterable[tuple[Any, Any]]) -> int:
        count, is_set = 0, type(container) is set
        for key, value in pairs:
            self._admit(container, key)
            if is_set:
                container.add(key)
            else:
                container[key] = value
            count += 1
        return count

    def _admit(self, container: Any, key: Any) -> None:
        kind = type(key)
        if kind is str or kind is bytes or (kind is int and -(1 << 60) < key < 1 << 60):
            return  # of hashes that nobody can choose, or that differ
        if kind not in _PLAIN_KEYS:
            self.charge(_KEY_ITEM_BYTES * _items_of(key))
        if key not in container:
            place = id(container), hash(key)
            count = self._collisions[place] = self._collisions.get(place, 0) + 1
            if count > _MAX_COLLISIONS:
                raise UnpicklingError("Too many keys of a dictionary have the same hash")


def _items_of(key: Any) -> int:
    """How many items a key nests: tuples that share parts can nest exponentially, and so take long to hash.

    Raises:
        UnpicklingError: too many.
    """
    level, count = [key], 0
    for _ in range(_KEY_DEPTH):
        level = [part for item in level if isinstance(item, tuple) for part in item]
        count += len(level)
        if not level:
            return count
        if count > _KEY_ITEMS:
            break
    raise UnpicklingError("A key of a dictionary is nested too deeply")
