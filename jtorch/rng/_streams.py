"""A stream of counter-based numbers from a JAX key, which may be a tracer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.rng._philox import consumed

__all__ = ["KeyStream"]


class KeyStream:
    """What :class:`Philox` is to a seed, for a key: each draw begins where the one before ended.

    Args:
        key: of ``jax.random.key`` or ``PRNGKey``; its first and last word become the seed.
        fixed: each call of a function that is recorded begins this stream anew.
    """

    def __init__(self, key: Any, fixed: bool = False) -> None:
        self.fixed = fixed
        key = jnp.asarray(key)
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            key = jax.random.key_data(key)
        words = key.reshape(-1)
        self._words = words if isinstance(words, jax.core.Tracer) else np.asarray(words)
        self._offset = 0

    def draw(self, n: int, per_call: int = 4) -> tuple[list[Any], list[int]]:
        """Seed and offset for the functions of ``_philox``, two words each, low word first."""
        offset = self._offset
        self._offset += consumed(n, per_call)
        return [self._words[-1], self._words[0]], [offset & 0xFFFFFFFF, offset >> 32]

    def get_state(self) -> int:
        """How far it has got."""
        return self._offset

    def set_state(self, state: int) -> None:
        """Go back to where :meth:`get_state` was called."""
        self._offset = state

    def clone_state(self) -> KeyStream:
        """An independent stream at the same place."""
        clone = object.__new__(KeyStream)
        clone.fixed, clone._words, clone._offset = self.fixed, self._words, self._offset
        return clone
