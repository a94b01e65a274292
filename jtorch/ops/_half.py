"""Half precision inside functions whose dtype promotion cannot be left to dispatch."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

__all__ = ["widened"]


def widened(x: Array) -> Array:
    """float16 and bfloat16 arrays as float32, in which PyTorch's CPU kernels compute; others as they are."""
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x
