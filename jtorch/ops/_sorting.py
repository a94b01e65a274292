"""Sorting along a dimension and the largest values of it."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import kind, wrap_dim
from jtorch.ops._ranking import order
from jtorch.ops._registry import register

#: Up to this many values XLA's top_k is faster than a full sort on a CPU (1000 rows of 1000: 36 ms for both).
MOST_BY_TOP_K = 150


def sort_along(input: Array, axis: int, descending: bool) -> tuple[Array, Array]:
    """Values in order, with their former positions; equal ones keep their order, nan count as largest."""
    if kind(input) == "c":
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    if not input.ndim:
        return input, jnp.zeros((), jnp.int64)
    index = order(input, axis, descending)
    return jnp.take_along_axis(input, index, axis, mode="promise_in_bounds"), index


@register(
    "sort",
    node=lambda shapes, static: f"SortBackward{int(static['stable'] is not None)}",
    static="dim descending stable",
    promote=None,
    saves="indices",
    method=True,
    out=True,
    returns="sort values indices",
)
def sort(
    input: Array, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> tuple[Array, Array]:
    """Sort along ``dim``; equal values always keep their order (``stable``), nan count as largest.

    Returns:
        The values, and their positions in ``input`` as int64.

    Raises:
        RuntimeError: complex numbers.
    """
    return sort_along(input, wrap_dim(dim, input.ndim), descending)


@register("argsort", node=None, static="dim descending stable", promote=None, saves="", method=True)
def argsort(input: Array, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Array:
    """The positions that :func:`sort` returns."""
    return sort_along(input, wrap_dim(dim, input.ndim), descending)[1]


@register("msort", node="SortBackward0", promote=None, saves="intermediate", method=True, out=True)
def msort(input: Array) -> Array:
    """The values in increasing order along the first dimension."""
    return sort_along(input, 0, descending=False)[0]


def check_topk(input: Array, k: int, axis: int) -> None:
    if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if kind(input) == "c":
        raise RuntimeError(" topk does not support complex dtypes on CPU")
    if kind(input) == "b":
        raise RuntimeError("topk does not support bool dtypes on CPU")


@register(
    "topk",
    node="TopkBackward0",
    static="k dim largest sorted",
    promote=None,
    saves="indices",
    method=True,
    out=True,
    returns="topk values indices",
)
def topk(
    input: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Array, Array]:
    """The ``k`` largest (or smallest) values along ``dim`` in order, and their positions as int64.

    Raises:
        RuntimeError: ``k`` exceeds the size of ``dim``; booleans and complex numbers.
    """
    axis = wrap_dim(dim, input.ndim)
    check_topk(input, k, axis)
    if not input.ndim:
        shape = (k,) if k != 1 else ()
        return jnp.broadcast_to(input, shape), jnp.zeros(shape, jnp.int64)
    if largest and 0 < k <= MOST_BY_TOP_K:
        values, index = lax.top_k(jnp.moveaxis(input, axis, -1), k)
        return jnp.moveaxis(values, -1, axis), jnp.moveaxis(index, -1, axis).astype(jnp.int64)
    values, index = sort_along(input, axis, descending=largest)
    return lax.slice_in_dim(values, 0, k, axis=axis), lax.slice_in_dim(index, 0, k, axis=axis)
