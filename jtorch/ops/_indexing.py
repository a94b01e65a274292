"""Reading and writing at the places that several index tensors name together: ``x[i, :, j]``."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jtorch.ops._registry import register
from jtorch.ops._written_parts import apart, written

__all__ = ["fill", "index", "index_put", "mask_put"]

Dims = tuple[int, ...]


def _pointer(x: Any, indices: tuple[Array, ...], dims: Dims) -> Any:
    """``x.at[...]`` with an index at each of ``dims``, whole slices elsewhere.

    NumPy's placement is PyTorch's.
    """
    at: list[Any] = [slice(None)] * x.ndim
    for d, i in zip(dims, indices, strict=True):
        at[d] = i
    return x.at[tuple(at)]


@register(
    "_index",
    node="IndexBackward0",
    static="dims",
    lists="indices",
    promote=None,
    saves="indices",
    function=False,
)
def index(input: Array, indices: tuple[Array, ...], dims: Dims) -> Array:
    """The elements at ``indices``, which broadcast together; negative ones count from the end.

    The dimensions of the indices take the place of ``dims`` if these are neighbours, else they come first.
    """
    return _pointer(apart(input), indices, dims).get(mode="promise_in_bounds")


@register(
    "_index_put",
    node="IndexPutBackward0",
    static="dims accumulate",
    lists="indices",
    promote=None,
    saves="indices",
    function=False,
)
def index_put(
    input: Array, values: Array, indices: tuple[Array, ...], dims: Dims, accumulate: bool = False
) -> Array:
    """``input`` with ``values``, broadcast, written or added at ``indices``; see :func:`index`."""
    values = jnp.asarray(values).astype(input.dtype)
    if not accumulate:
        return _write_at(input, indices, values, dims)
    place = _pointer(input, indices, dims)
    if input.dtype == jnp.bool_:
        return place.max(values, mode="promise_in_bounds")
    return written(place.add(values, mode="promise_in_bounds"))


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _write_at(x: Array, indices: tuple[Array, ...], values: Array, dims: Dims) -> Array:
    """Of several values for one place the last stays."""
    return written(_pointer(x, indices, dims).set(values, mode="promise_in_bounds"))


@_write_at.defjvp
def _write_at_jvp(dims: Dims, primals: Any, tangents: Any) -> tuple[Array, Array]:
    # PyTorch hands every value written the gradient of its place, also those overwritten by a later one.
    (x, indices, values), (dx, _, dvalues) = primals, tangents
    touched = _pointer(jnp.zeros(x.shape, bool), indices, dims).set(True, mode="promise_in_bounds")
    kept = jnp.where(touched, jnp.zeros((), dx.dtype), dx)
    out = _pointer(kept, indices, dims).add(dvalues, mode="promise_in_bounds")
    return _write_at(x, indices, values, dims), out


@register("_mask_put", node="IndexPutBackward0", static="dim", promote=None, saves="mask", function=False)
def mask_put(input: Array, mask: Array, value: Array, dim: int) -> Array:
    """``input`` with one value where the mask, which covers the dimensions from ``dim`` on, is set."""
    after = input.ndim - dim - mask.ndim
    mask = mask.astype(jnp.bool_).reshape(*mask.shape, *(1,) * after)
    return jnp.where(mask, jnp.asarray(value).astype(input.dtype).reshape(()), input)


@register("_fill", node="FillBackward3", promote=None, saves="", function=False)
def fill(input: Array, value: Array) -> Array:
    """One number everywhere, with the shape and dtype of ``input``."""
    return jnp.full(input.shape, jnp.asarray(value).astype(input.dtype))
