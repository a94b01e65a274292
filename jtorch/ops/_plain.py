"""Sums, means and choices made of JAX's primitives.

``jax.numpy`` traces a function of its own for each operator and new shape, which takes ten times as long as
the primitive: most of an op's first call. Ops that every network meets in many shapes state their formulas
with these and with ``lax``, whose arithmetic broadcasts dimensions of size 1 and scalars of the same dtype.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jax import Array, lax

__all__ = ["average", "chosen", "number", "total"]


def number(value: float, like: Array) -> Any:
    """A constant in the dtype of an array."""
    return np.asarray(value, like.dtype)[()]


def total(x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """The sum over ``axes``, each at least 0, of numbers that are added up in their own dtype."""
    found = lax.reduce_sum(x, axes)
    return lax.expand_dims(found, axes) if keepdims else found


def average(x: Array, axes: tuple[int, ...]) -> Array:
    """The mean over ``axes``, which are kept with size 1; as :func:`total`."""
    return lax.div(total(x, axes, keepdims=True), number(math.prod(x.shape[i] for i in axes), x))


def chosen(mask: Array, x: Array | float, y: Array | float) -> Array:
    """``x`` where ``mask`` holds, else ``y``, all of one shape; one of both may be a number."""
    if not hasattr(x, "shape"):
        x = lax.full_like(y, x)
    elif not hasattr(y, "shape"):
        y = lax.full_like(x, y)
    return lax.select(mask, x, y)
