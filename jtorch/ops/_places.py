"""Reading, writing, reducing at the places that an index tensor names: the base of gather and ``index_*``.

Indices are run-time values: the functions promise XLA that they are in bounds (it clamps reads and drops
writes that are not). ``VALUE_CHECKS`` lets the caller raise PyTorch's errors where it knows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import kind, scalar_type
from jtorch.ops._ranking import computed_once
from jtorch.ops._written_parts import apart, written

__all__ = [
    "IN_BOUNDS",
    "add_at",
    "check_bounds",
    "check_index_type",
    "from_front",
    "outside",
    "places",
    "pointer",
    "read_at",
    "reduce_at",
    "size_along",
    "touched",
    "write_at",
]


def check_index_type(
    op: str, index: Array, text: str = "{op}(): Expected dtype int32/int64 for index"
) -> None:
    """An index is int64 or int32."""
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(text.format(op=op, dtype=scalar_type(index)))


def outside(values: np.ndarray[Any, Any], low: int, high: int) -> Any:
    """The first value outside ``[low, high)``, or ``None``."""
    bad = values[(values < low) | (values >= high)]
    return bad.flat[0] if bad.size else None


def size_along(arguments: Mapping[str, Any]) -> tuple[int, int]:
    """An op's ``dim``, counted from the front, and the size of its ``input`` along it."""
    shape, dim = arguments["input"].shape, arguments["dim"]
    return dim % max(len(shape), 1), shape[dim] if len(shape) else 1


def check_bounds(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    """Indices along ``dim`` lie within the input."""
    axis, size = size_along(arguments)
    bad = outside(values, 0, size)
    if bad is not None:
        raise RuntimeError(f"index {bad} is out of bounds for dimension {axis} with size {size}")


def places(index: Array, dim: int) -> tuple[Array, ...]:
    """Coordinates of every element of ``index``: its own, except that along ``dim`` it gives them itself."""
    return tuple(
        index if axis == dim else jax.lax.broadcasted_iota(index.dtype, index.shape, axis)
        for axis in range(index.ndim)
    )


def pointer(x: Array, index: Array, dim: int, slices: bool) -> Any:
    """``x.at[...]`` of whole slices along ``dim``, or of one place per element of ``index``."""
    if slices:
        return x.at[(slice(None),) * dim + (index,)]
    return x.at[places(index, dim)]


IN_BOUNDS: dict[str, Any] = {"mode": "promise_in_bounds", "wrap_negative_indices": False}


def from_front(index: Array, size: int) -> Array:
    """Count negative indices from the end."""
    return jnp.where(index < 0, index + size, index)


def touched(shape: tuple[int, ...], index: Array, dim: int, slices: bool) -> Array:
    """Which places ``index`` names, broadcastable to ``shape``."""
    if slices:
        mask = jnp.zeros(shape[dim], bool).at[index].set(True, **IN_BOUNDS)
        return mask.reshape([-1 if axis == dim else 1 for axis in range(len(shape))])
    return pointer(jnp.zeros(shape, bool), index, dim, slices).set(True, **IN_BOUNDS)


def add_at(x: Array, index: Array, source: Array, dim: int, slices: bool) -> Array:
    """Add ``source`` to ``x`` where ``index`` points; several values may meet in one place."""
    if kind(x) == "b":
        return pointer(x, index, dim, slices).max(source, **IN_BOUNDS)
    return written(pointer(x, index, dim, slices).add(source, **IN_BOUNDS))


def read_at(x: Array, index: Array, dim: int, slices: bool) -> Array:
    """The values of ``x`` where ``index`` points."""
    if slices:
        return pointer(apart(x), index, dim, True).get(**IN_BOUNDS)
    if any(n != m for axis, (n, m) in enumerate(zip(x.shape, index.shape, strict=True)) if axis != dim):
        x = x[tuple(slice(None) if axis == dim else slice(n) for axis, n in enumerate(index.shape))]
    return jnp.take_along_axis(apart(x), index, dim, **IN_BOUNDS)


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def write_at(x: Array, index: Array, source: Array, dim: int, slices: bool) -> Array:
    """Write ``source`` into ``x`` where ``index`` points; of several values for one place the last stays."""
    return written(pointer(x, index, dim, slices).set(source, **IN_BOUNDS))


@write_at.defjvp
def _write_at_jvp(dim: int, slices: bool, primals: Any, tangents: Any) -> tuple[Array, Array]:
    # PyTorch hands every value written the gradient of its place, also those overwritten by a later one.
    (x, index, source), (dx, _, dsource) = primals, tangents
    kept = jnp.where(touched(x.shape, index, dim, slices), jnp.zeros((), x.dtype), dx)
    return write_at(x, index, source, dim, slices), add_at(kept, index, dsource, dim, slices)


@partial(jax.custom_jvp, nondiff_argnums=(3, 4, 5, 6))
def reduce_at(
    x: Array, index: Array, source: Array, dim: int, slices: bool, reduce: str, include_self: bool
) -> Array:
    """Reduce ``source`` into ``x`` where ``index`` points, with or without what was there before."""
    if reduce == "mean":
        total = reduce_at(x, index, source, dim, slices, "sum", include_self)
        n = jnp.maximum(_count(x, index, dim, slices, include_self), 1)
        return total // n.astype(x.dtype) if kind(x) == "i" else total / n.astype(x.dtype)
    if not include_self:
        x = jnp.where(touched(x.shape, index, dim, slices), _neutral(x.dtype, reduce), x)
    place = pointer(x, index, dim, slices)
    if kind(x) == "b":
        method = place.min if reduce in ("prod", "amin") else place.max
    else:
        method = {"sum": place.add, "prod": place.multiply, "amax": place.max, "amin": place.min}[reduce]
    return written(method(source, **IN_BOUNDS))


def _neutral(dtype: Any, reduce: str) -> Array:
    if reduce in ("sum", "prod"):
        return jnp.array(reduce == "prod", dtype)
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.array(-jnp.inf if reduce == "amax" else jnp.inf, dtype)
    if dtype == jnp.bool_:
        return jnp.array(reduce == "amin", dtype)
    info = jnp.iinfo(dtype)
    return jnp.array(info.min if reduce == "amax" else info.max, dtype)


def _count(x: Array, index: Array, dim: int, slices: bool, include_self: bool) -> Array:
    """How many values meet in each place."""
    real = jnp.zeros((), x.dtype).real.dtype
    shape = [n if axis == dim else 1 for axis, n in enumerate(x.shape)] if slices else x.shape
    start = jnp.full(shape, int(include_self), real)
    return pointer(start, index, dim, slices).add(jnp.ones((), real), **IN_BOUNDS)


@reduce_at.defjvp
def _reduce_at_jvp(
    dim: int, slices: bool, reduce: str, include_self: bool, primals: Any, tangents: Any
) -> tuple[Array, Array]:
    (x, index, source), (dx, _, dsource) = primals, tangents
    if reduce in ("amax", "amin"):
        x, source = computed_once(x), computed_once(source)
    out = reduce_at(x, index, source, dim, slices, reduce, include_self)
    on_x, on_source = _reduce_weights(x, source, index, out, dim, slices, reduce, include_self)
    if not include_self:
        hit = touched(x.shape, index, dim, slices)
        on_x = jnp.where(hit, jnp.zeros((), x.dtype), on_x)
    return out, add_at(on_x * dx, index, on_source * dsource, dim, slices)


def _reduce_weights(
    x: Array, source: Array, index: Array, out: Array, dim: int, slices: bool, reduce: str, include_self: bool
) -> tuple[Array, Array]:
    """Derivatives of the result by ``x``, and by each value of ``source`` in its place."""
    one = jnp.ones((), x.dtype)
    read = partial(read_at, index=index, dim=dim, slices=slices)
    if reduce == "sum":
        return jnp.broadcast_to(one, x.shape), jnp.broadcast_to(one, source.shape)
    if reduce == "mean":
        count = jnp.maximum(_count(x, index, dim, slices, include_self), 1).astype(x.dtype)
        weights = jnp.broadcast_to(one / count, x.shape)
        return weights, read(weights)
    if reduce == "prod":
        full = x if include_self else jnp.ones_like(x)
        return _product_of_others(full, source, index, out, dim, slices)
    # Ties share: every value that equals the extremum takes the same part of it.
    x_wins = jnp.where(x == out, one, 0 * one)
    source_wins = jnp.where(source == read(out), one, 0 * one)
    share = one / jnp.maximum(add_at(x_wins, index, source_wins, dim, slices), one)
    return x_wins * share, source_wins * read(share)


def _product_of_others(
    x: Array, source: Array, index: Array, out: Array, dim: int, slices: bool
) -> tuple[Array, Array]:
    """For each factor of a place, the product of the other factors, without dividing by zero."""
    zero, one = jnp.zeros((), x.dtype), jnp.ones((), x.dtype)
    zeros = add_at(jnp.zeros_like(x), index, jnp.where(source == 0, one, zero), dim, slices)
    of_source = reduce_at(jnp.ones_like(x), index, source, dim, slices, "prod", True)
    nonzero_source = jnp.where(source == 0, one, source)
    without_one_zero = reduce_at(x, index, nonzero_source, dim, slices, "prod", True)
    on_zero = jnp.where(zeros == 1, without_one_zero, zero)
    on_nonzero = jnp.where(zeros == 0, without_one_zero, zero)
    read = partial(read_at, index=index, dim=dim, slices=slices)
    return of_source, jnp.where(source == 0, read(on_zero), read(on_nonzero) / nonzero_source)
