"""Sums, means and choices made of JAX's primitives.

``jax.numpy`` traces a function of its own for each operator and new shape, which takes ten times as long as
the primitive: most of an op's first call. Ops that every network meets in many shapes state their formulas
with these and with ``lax``, whose arithmetic broadcasts dimensions of size 1 and scalars of the same dtype.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

__all__ = ["average", "chosen", "converted", "larger", "number", "smaller", "total"]


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


def converted(x: Array, dtype: Any) -> Array:
    """``x`` in another dtype.

    Booleans as 1 and 0, chosen from: of a product with a converted boolean XLA makes a choice between the
    other factor and 0, which loses nan and infinities.
    """
    if x.dtype == np.bool_ and jnp.issubdtype(dtype, jnp.inexact):
        return lax.select(x, lax.full_like(x, 1, dtype), lax.full_like(x, 0, dtype))
    return x.astype(dtype)


def larger(a: Array, b: Array | float) -> Array:
    """The larger of both, the first if they are equal; nan if one is. One of equals has the gradient.

    ``lax.max`` keeps nan, too, but not on CPUs where XLA fuses it with a reduction (its library for these,
    YNNPACK, takes the other operand), nor do its ``reduce_max`` and ``clamp``.
    """
    a, b = alike(a, b)
    if not jnp.issubdtype(a.dtype, jnp.floating):
        return lax.max(a, b)
    return lax.select(lax.bitwise_or(lax.gt(b, a), lax.ne(b, b)), b, a)


def smaller(a: Array, b: Array | float) -> Array:
    """The smaller of both; see :func:`larger`."""
    a, b = alike(a, b)
    if not jnp.issubdtype(a.dtype, jnp.floating):
        return lax.min(a, b)
    return lax.select(lax.bitwise_or(lax.lt(b, a), lax.ne(b, b)), b, a)


def alike(a: Array, b: Any) -> list[Array]:
    """Both with the dtype and the shape that they promote and broadcast to."""
    if not hasattr(b, "shape"):
        b = number(b, a)
    elif a.dtype != b.dtype:
        dtype = jnp.result_type(a, b)
        a, b = a.astype(dtype), b.astype(dtype)
    return jnp.broadcast_arrays(a, b)
