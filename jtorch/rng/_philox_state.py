"""The state of an accelerator's generator: a seed and an offset, which programs take as operands."""

from __future__ import annotations

import secrets
import struct
import threading

import numpy as np

from jtorch.rng._layout import Array
from jtorch.rng._mt19937 import DEFAULT_SEED
from jtorch.rng._philox import consumed

__all__ = ["Philox"]

_STATE = struct.Struct("<Qq")
_SEED_ONLY = struct.Struct("<Q")


class Philox:
    """Seed and offset of a counter-based generator, with PyTorch's state of 16 bytes.

    Args:
        seed: as for :meth:`manual_seed`.

    Attributes:
        fixed: as for ``KeyStream``.
    """

    fixed = False

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.lock = threading.RLock()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> None:
        """Start the numbers of ``seed`` anew, at offset 0.

        Args:
            seed: -2**63 to 2**64 - 1; a negative one counts from 2**64.

        Raises:
            ValueError: out of range.
        """
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError("Overflow when unpacking long long")
        with self.lock:
            self._seed, self._offset = seed % (1 << 64), 0

    def seed(self) -> int:
        """Seed with a number from the operating system and return it."""
        seed = secrets.randbits(64)
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed in use."""
        return self._seed

    def get_offset(self) -> int:
        """Words of each thread that draws so far have taken."""
        return self._offset

    def set_offset(self, offset: int) -> None:
        """Go to an offset.

        Raises:
            RuntimeError: not a multiple of 4.
        """
        if offset % 4:
            raise RuntimeError("offset must be a multiple of 4")
        self._offset = offset

    def get_state(self) -> Array:
        """Seed and offset, 8 bytes each."""
        with self.lock:
            return np.frombuffer(bytearray(_STATE.pack(self._seed, self._offset)), np.uint8)

    def set_state(self, state: Array) -> None:
        """Continue from a state; one of 8 bytes is a seed at offset 0.

        Raises:
            TypeError: not bytes.
            RuntimeError: a wrong size, or an offset that is no multiple of 4.
        """
        if state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.size not in (_STATE.size, _SEED_ONLY.size):
            raise RuntimeError("RNG state is wrong size")
        data = state.tobytes()
        with self.lock:
            self.set_offset(_STATE.unpack(data)[1] if len(data) == _STATE.size else 0)
            self._seed = _SEED_ONLY.unpack_from(data)[0]

    def clone_state(self) -> Philox:
        """An independent generator at the same place."""
        clone = Philox(self._seed)
        clone.set_offset(self._offset)
        return clone

    def draw(self, n: int, per_call: int = 4) -> tuple[Array, Array]:
        """Reserve the numbers of one draw.

        Args:
            n: number of elements.
            per_call: as for ``consumed``.

        Returns:
            Seed and offset for the functions of ``_philox``: two uint32 each, low word first.
        """
        with self.lock:
            seed, offset = self._seed, self._offset
            self._offset += consumed(n, per_call)
        return _words(seed), _words(offset)


def _words(value: int) -> Array:
    return np.array([value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF], np.uint32)
