"""The Mersenne Twister behind PyTorch's CPU generator, over NumPy's bit generator.

The word stream of a seed is that of the 32-bit Knuth initialiser, which NumPy's legacy seeding runs too.
Words are read ahead, because asking NumPy for three words costs as much as asking for two thousand;
everything that looks at the generator from outside (states, clones) sees the position of the next unread
word.
"""

from __future__ import annotations

import os
import secrets
import struct
import threading
import weakref
from typing import Any

import numpy as np

from jtorch.rng._layout import Array

__all__ = ["DEFAULT_SEED", "MT19937", "STATE_SIZE"]

DEFAULT_SEED = 67280421310721  #: of a new ``Generator``, on every device
STATE_SIZE = 5056
_KEY_WORDS = 624
_FIRST_READ = _KEY_WORDS  # after seeding: one twist, enough for the parameters of small layers
_NEXT_READS = 32 * _KEY_WORDS  # later: finding out where NumPy stands costs as much as half of these words
_FAR = 128 * _KEY_WORDS  # words to draw again, at most, for the state of the first unread one
_BULK = 4096  # from here on a draw comes straight from NumPy, and nothing is read ahead
_STATE_HEAD = struct.Struct("<QiiQ")
_STATE_TAIL = struct.Struct("<ddd i4x f?3x")


#: Every engine in use: a process is copied while none of them draws (:func:`_before_fork`).
_engines: weakref.WeakSet[MT19937] = weakref.WeakSet()
_held: list[MT19937] = []


class MT19937:
    """Engine of a CPU generator: the word stream, the cached normal and PyTorch's state layout.

    Args:
        seed: as for :meth:`manual_seed`.

    Attributes:
        cached_normal: the second value of the last scalar Box-Muller pair, if it waits for its use.
        lock: held while a sampler draws; samplers that draw several times hold it throughout.
        memo: what samplers worked out about unread words, by the sampler; cleared with the position.
    """

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self._bits = np.random.MT19937(0)
        self._source = np.random.Generator(self._bits)
        self._seeder = np.random.RandomState(self._bits)
        self.lock = threading.RLock()
        self.cached_normal: float | None = None
        self.memo: dict[str, Any] = {}
        self._ahead = np.empty(0, np.uint32)
        self._read = 0
        # Where NumPy's generator stands, if that is known without asking it; where it stood before words that
        # were read ahead, of which this many are not in `_ahead` any more.
        self._mark: int | dict[str, Any] | None = None
        self._origin: int | dict[str, Any] | None = None
        self._skipped = 0
        self.manual_seed(seed)
        _engines.add(self)

    # -- seeds and states

    def manual_seed(self, seed: int) -> None:
        """Start the stream of ``seed`` anew and forget the cached normal.

        Args:
            seed: -2**63 to 2**64 - 1; a negative one counts from 2**64. Only the low 32 bits choose the
                stream.

        Raises:
            ValueError: out of range.
        """
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError("Overflow when unpacking long long")
        with self.lock:
            self._seed = seed % (1 << 64)
            self._mark = self._seed & 0xFFFFFFFF
            self._seeder.seed(self._mark)
            self._fresh = True
            self.cached_normal = None
            self.memo.clear()
            self._forget_ahead()

    def seed(self) -> int:
        """Seed with a number from the operating system and return it."""
        seed = secrets.randbits(64)
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """All 64 bits of the seed in use."""
        return self._seed

    def get_state(self) -> Array:
        """PyTorch's 5056 bytes: seed, position, 624 key words and the cached normal."""
        with self.lock:
            self._rewind()
            state: Any = self._bits.state["state"]
            position = 0 if self._fresh else int(state["pos"])
            left = 1 if self._fresh else _KEY_WORDS + 1 - position
            normal = 0.0 if self.cached_normal is None else self.cached_normal
            tail = _STATE_TAIL.pack(0.0, normal, 0.0, self.cached_normal is not None, 0.0, False)
            head = _STATE_HEAD.pack(self._seed, left, 1, position)
            return np.frombuffer(bytearray(head + state["key"].astype("<u8").tobytes() + tail), np.uint8)

    def set_state(self, state: Array) -> None:
        """Continue from a state that :meth:`get_state`, or PyTorch, has saved.

        Raises:
            TypeError: not bytes.
            RuntimeError: a wrong size, or no state of this engine.
        """
        if state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.size != STATE_SIZE:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_SIZE} but found the input RNG state size "
                f"to be {state.size}"
            )
        data = state.tobytes()
        seed, left, seeded, following = _STATE_HEAD.unpack_from(data)
        if not (seeded and 0 < left <= _KEY_WORDS and following <= _KEY_WORDS):
            raise RuntimeError("Invalid mt19937 state")
        key = np.frombuffer(data, "<u8", _KEY_WORDS, _STATE_HEAD.size).astype(np.uint32)
        _, normal, _, has_normal, _, _ = _STATE_TAIL.unpack_from(data, STATE_SIZE - _STATE_TAIL.size)
        position = _KEY_WORDS if left == 1 else following
        with self.lock:
            self._mark = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
            self._restore(self._mark)
            self._seed, self._fresh = seed, left == 1 and following == 0
            self.cached_normal = normal if has_normal else None
            self.memo.clear()
            self._forget_ahead()

    def clone_state(self) -> MT19937:
        """An independent engine at the same place, with the same seed and cached normal."""
        clone = MT19937(0)
        clone.set_state(self.get_state())
        return clone

    # -- words

    def words(self, n: int) -> Array:
        """The next ``n`` 32-bit outputs, as uint32. Do not write to them."""
        with self.lock:
            end = self._read + n
            if end > self._ahead.size:
                return self._words_beyond(n)
            found = self._ahead[self._read : end]
            self._read = end
            self._fresh = self._fresh and n == 0
            return found

    def _words_beyond(self, n: int) -> Array:
        self._fresh = False
        if n < _BULK:
            self._read_ahead(n)
            self._read = n
            return self._ahead[:n]
        rest = self._ahead[self._read :]
        self._forget_ahead()
        self._mark = None
        found = self._source.integers(0, 1 << 32, n - rest.size, np.uint32)
        return np.concatenate([rest, found]) if rest.size else found

    def doublewords(self, n: int) -> Array:
        """The next ``n`` 64-bit outputs, as uint64: two words each, the first one above."""
        with self.lock:
            if 2 * n >= _BULK and self._read == self._ahead.size:
                self._fresh, self._mark = False, None
                self._forget_ahead()
                return self._source.integers(0, (1 << 64) - 1, n, np.uint64, endpoint=True)
        words = self.words(2 * n).astype(np.uint64)
        return (words[0::2] << np.uint64(32)) | words[1::2]

    def unread(self, least: int = 2) -> tuple[Array, int]:
        """Words read ahead and the index of the first unread one; ``least`` at least are left to read.

        Hold the lock until :meth:`skip` or :meth:`words` has passed over what is used of them.
        """
        if self._ahead.size - self._read < least:
            self._read_ahead(least)
        return self._ahead, self._read

    def skip(self, n: int) -> None:
        """Pass over ``n`` of the words that :meth:`unread` has shown, at least 1."""
        self._read += n
        self._fresh = False

    def _read_ahead(self, least: int) -> None:
        """Take words from NumPy until ``least`` at least are unread, the first of which is the first here."""
        known = self._mark is not None
        if not known and self._origin is not None and self._skipped + self._read > _FAR:
            self._rewind()
        rest = self._ahead[self._read :]
        if self._origin is None:
            self._origin = self._mark if known else dict(self._bits.state)
        else:
            self._skipped += self._read
        size = max(least - rest.size, _FIRST_READ if known else _NEXT_READS)
        found = self._bits.random_raw(size).astype(np.uint32)
        self._ahead = np.concatenate([rest, found]) if rest.size else found
        self._read, self._mark = 0, None

    def _rewind(self) -> None:
        """Bring NumPy's generator to the first unread word, with nothing read ahead."""
        if self._read < self._ahead.size:
            if isinstance(self._origin, int):
                self._seeder.seed(self._origin)
            else:
                assert self._origin is not None
                self._restore(self._origin)
            if self._skipped + self._read:
                self._bits.random_raw(self._skipped + self._read, output=False)
            else:
                self._mark = self._origin
        self._forget_ahead()

    def _restore(self, place: dict[str, Any]) -> None:
        state: Any = place
        self._bits.state = state

    def _forget_ahead(self) -> None:
        self._ahead, self._read = self._ahead[:0], 0
        self._origin, self._skipped = None, 0


def _before_fork() -> None:
    # A lock that another thread holds would be held for ever in the copy; so would NumPy's own, under it.
    _held[:] = _engines
    for engine in _held:
        engine.lock.acquire()


def _after_fork() -> None:
    for engine in _held:
        engine.lock.release()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
