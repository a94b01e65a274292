"""Elementwise indexing along one dimension: gather, and scatter in its forms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, ShapeDtypeStruct

from jtorch.ops._checks import VALUE_CHECKS, check_broadcast, kind, not_implemented, scalar_type, wrap_dim
from jtorch.ops._matmul import check_factor
from jtorch.ops._places import (
    add_at,
    check_bounds,
    check_index_type,
    outside,
    read_at,
    reduce_at,
    write_at,
)
from jtorch.ops._registry import register

__all__ = ["check_scatter", "gather", "scatter", "scatter_add", "scatter_reduce", "take_along_dim"]

for _name in ("gather", "scatter", "scatter_add", "scatter_reduce"):
    VALUE_CHECKS[_name] = {"index": check_bounds}


def check_scatter(input: Array, dim: int, index: Array, src: Array | None) -> int:
    """Shapes and types of a scatter; returns ``dim`` counted from the front."""
    dim = wrap_dim(dim, input.ndim)
    if index.size:
        check_index_type("scatter", index)
    if src is not None and src.dtype != input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if index.size == 0:
        return dim
    ndim, shape = max(input.ndim, 1), index.shape or (1,)
    if max(index.ndim, 1) != ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    if src is not None and max(src.ndim, 1) != ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    too_large = any(
        n > m for axis, (n, m) in enumerate(zip(shape, input.shape or (1,), strict=True)) if axis != dim
    )
    if src is None and too_large:
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from "
            f"dimension {dim}"
        )
    if src is not None and (too_large or any(n > m for n, m in zip(shape, src.shape or (1,), strict=True))):
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from "
            f"dimension {dim} and to be no larger size than src {list(src.shape)}"
        )
    return dim


@register(
    node="GatherBackward0",
    static="dim sparse_grad",
    promote=None,
    saves="index",
    watches="input",
    method=True,
    out=True,
)
def gather(input: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> Array:
    """Read along ``dim``: ``out[i][j][k] = input[i][index[i][j][k]][k]`` for ``dim`` 1 of a 3-d input.

    Args:
        input: any dtype.
        dim: the dimension that ``index`` counts along.
        index: int64 or int32, as many dims as ``input``, in the other dims no larger.
        sparse_grad: accepted; gradients are dense.

    Returns:
        Shape of ``index``, dtype of ``input``.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: another index type, sizes that do not fit.
    """
    dim = wrap_dim(dim, input.ndim)
    if index.size == 0:
        return jnp.zeros(index.shape, input.dtype)
    check_index_type("gather", index)
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    x, at = jnp.atleast_1d(input), jnp.atleast_1d(index)
    for axis, (n, m) in enumerate(zip(at.shape, x.shape, strict=True)):
        if axis != dim and n > m:
            raise RuntimeError(
                f"Size does not match at dimension {axis} expected index {list(index.shape)} to be no larger "
                f"than self {list(input.shape)} apart from dimension {dim}"
            )
    return read_at(x, at, dim, False).reshape(index.shape)


def _scatter_node(shapes: Any, static: Any) -> str:
    return f"ScatterBackward{int(not shapes[3])}"


@register(
    node=_scatter_node, static="dim reduce", promote=None, saves="index", method=True, inplace=True, out=True
)
def scatter(
    input: Array, dim: int, index: Array, src: Any = None, *, reduce: str | None = None, value: Any = None
) -> Array:
    """Write along ``dim``: ``out[i][index[i][j][k]][k] = src[i][j][k]`` for ``dim`` 1 of a 3-d input.

    Args:
        input: what is copied and written to.
        dim: the dimension that ``index`` counts along.
        index: int64 or int32, as many dims as ``input``, in the other dims no larger.
        src: values, at least as large as ``index`` in every dim, dtype of ``input``; or a number.
        reduce: ``"add"`` or ``"multiply"`` combines with what is there instead.
        value: a number instead of ``src``.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: types, sizes or ``reduce`` that do not fit.
    """
    if src is None or jnp.ndim(src) == 0:
        number = value if src is None else src
        check_factor(input, number)
        dim = check_scatter(input, dim, index, None)
        src = jnp.broadcast_to(jnp.asarray(number).astype(input.dtype), index.shape)
    else:
        dim = check_scatter(input, dim, index, src)
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if index.size == 0:
        return input
    x, at, values = _aligned(input, index, src)
    if reduce == "add":
        out = add_at(x, at, values, dim, False)
    elif reduce == "multiply":
        out = reduce_at(x, at, values, dim, False, "prod", True)
    else:
        out = write_at(x, at, values, dim, False)
    return out.reshape(input.shape)


def _aligned(input: Array, index: Array, src: Array) -> tuple[Array, Array, Array]:
    """The operands of a scatter with at least one dim, and of ``src`` the part that ``index`` speaks of."""
    x, at, values = jnp.atleast_1d(input), jnp.atleast_1d(index), jnp.atleast_1d(src)
    if values.shape != at.shape:
        values = values[tuple(slice(n) for n in at.shape)]
    return x, at, values


@register(
    node="ScatterAddBackward0", static="dim", promote=None, saves="index", method=True, inplace=True, out=True
)
def scatter_add(input: Array, dim: int, index: Array, src: Array) -> Array:
    """Add along ``dim``: ``out[i][index[i][j][k]][k] += src[i][j][k]`` for ``dim`` 1 of a 3-d input.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: types or sizes that do not fit (see :func:`scatter`).
    """
    dim = check_scatter(input, dim, index, src)
    if index.size == 0:
        return input
    x, at, values = _aligned(input, index, src)
    return add_at(x, at, values, dim, False).reshape(input.shape)


@register(
    node="ScatterReduceBackward0",
    static="dim reduce include_self",
    promote=None,
    method=True,
    inplace=True,
    out=True,
    saves="input index src result",
)
def scatter_reduce(
    input: Array, dim: int, index: Array, src: Array, reduce: str, *, include_self: bool = True
) -> Array:
    """Reduce the values of ``src`` that ``index`` sends to one place along ``dim``.

    Args:
        input: what is copied and reduced into.
        dim: the dimension that ``index`` counts along.
        index: int64 or int32, as many dims as ``input``, in the other dims no larger.
        src: values, at least as large as ``index`` in every dim, dtype of ``input``.
        reduce: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the values of ``input`` take part where others meet.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: types, sizes or ``reduce`` that do not fit.
        NotImplementedError: means of bool, extrema of complex numbers.
    """
    dim = check_scatter(input, dim, index, src)
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if (reduce == "mean" and kind(input) == "b") or (reduce in ("amax", "amin") and kind(input) == "c"):
        raise not_implemented(f"scatter_gather_tensor_cpu_reduce_{reduce}", input)
    if index.size == 0:
        return input
    x, at, values = _aligned(input, index, src)
    return reduce_at(x, at, values, dim, False, reduce, include_self).reshape(input.shape)


@register(
    node="GatherBackward0",
    static="dim",
    promote=None,
    saves="intermediate",
    watches=lambda args: "input indices" if args["dim"] is None else "input",
    method=True,
    out=True,
)
def take_along_dim(input: Array, indices: Array, dim: int | None = None) -> Array:
    """Read along ``dim`` like :func:`gather`, the other dims of input and indices broadcast together.

    Along ``dim`` indices count on around the end; without it both are flattened and they must be in range.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: another index type, numbers of dims that differ, sizes that do not broadcast.
    """
    if dim is None:
        check_index_type("gather", indices)
        return read_at(input.reshape(-1), indices.reshape(-1), 0, False)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    if indices.dtype != np.int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {scalar_type(indices)}"
        )
    if not input.ndim:
        wrap_dim(dim, 0)
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, input.ndim)
    without = [ShapeDtypeStruct((*x.shape[:dim], 1, *x.shape[dim + 1 :]), x.dtype) for x in (indices, input)]
    shape = list(check_broadcast(*without[::-1]))
    shape[dim] = input.shape[dim]
    x = jnp.broadcast_to(input, shape)
    shape[dim] = indices.shape[dim]
    return read_at(x, jnp.broadcast_to(indices, shape) % max(x.shape[dim], 1), dim, False)


def _check_flat(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    size = math.prod(arguments["input"].shape)
    bad = outside(values, 0, size) if arguments["dim"] is None else None
    if bad is not None:
        raise RuntimeError(f"index {bad} is out of bounds for dimension 0 with size {size}")


VALUE_CHECKS["take_along_dim"] = {"indices": _check_flat}
