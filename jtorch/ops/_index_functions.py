"""The ``index_*`` functions, which select whole slices of one dimension, and ``take`` and ``put``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import VALUE_CHECKS, fitting, kind, not_implemented, scalar_type, wrap_dim
from jtorch.ops._matmul import scaled
from jtorch.ops._places import (
    add_at,
    check_bounds,
    check_index_type,
    from_front,
    outside,
    read_at,
    reduce_at,
    size_along,
    touched,
    write_at,
)
from jtorch.ops._registry import register

__all__ = ["index_add", "index_copy", "index_fill", "index_reduce", "index_select", "put", "take"]


# --- checks of values ---


Values = np.ndarray[Any, Any]
Arguments = Mapping[str, Any]


def _check_select(values: Values, arguments: Arguments) -> None:
    _, size = size_along(arguments)
    bad = outside(values, 0, size)
    if bad is None:
        return
    if len(arguments["input"].shape) < 2:
        raise IndexError("index out of range in self")
    raise RuntimeError(f"INDICES element is out of DATA bounds, id={bad} axis_dim={size}")


def _check_add(values: Values, arguments: Arguments) -> None:
    if len(arguments["input"].shape) < 2:
        _check_reduce(values, arguments)
    else:
        check_bounds(values, arguments)


def _check_reduce(values: Values, arguments: Arguments) -> None:
    if outside(values, 0, size_along(arguments)[1]) is not None:
        raise IndexError("index out of range in self")


def _check_copy(values: Values, arguments: Arguments) -> None:
    axis, size = size_along(arguments)
    bad = outside(values, 0, size)
    if bad is not None:
        raise IndexError(f"index_copy_(): index {bad} is out of bounds for dimension {axis} with size {size}")


def _check_fill(values: Values, arguments: Arguments) -> None:
    axis, size = size_along(arguments)
    bad = outside(values, -size, size)
    if bad is not None:
        raise IndexError(f"index {bad} is out of bounds for dimension {axis} with size {size}")


def _check_flat(values: Values, arguments: Arguments) -> None:
    size = math.prod(arguments["input"].shape)
    bad = outside(values, -size, size)
    if bad is not None:
        raise IndexError(f"out of range: tried to access index {bad} on a tensor of {size} elements.")


VALUE_CHECKS.update(
    index_select={"index": _check_select},
    index_add={"index": _check_add},
    index_reduce={"index": _check_reduce},
    index_copy={"index": _check_copy},
    index_fill={"index": _check_fill, "value": fitting},
    take={"index": _check_flat},
    put={"index": _check_flat},
)


# --- slices of one dimension ---


@register(node="IndexSelectBackward0", static="dim", promote=None, saves="index", method=True, out=True)
def index_select(input: Array, dim: int, index: Array) -> Array:
    """The slices along ``dim`` that ``index``, an int64 or int32 vector, names.

    Raises:
        IndexError: ``dim`` out of range, an index with several dims.
        RuntimeError: another index type.
    """
    dim = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    check_index_type("index_select", index, "{op}(): Expected dtype int32 or int64 for index")
    if input.ndim == 0:
        if index.size != 1:
            raise RuntimeError(
                f"index_select(): Index to scalar can have only 1 value, got {index.size} value(s)"
            )
        return input
    if index.size and not input.shape[dim]:
        if input.ndim == 1:
            raise IndexError("index out of range in self")
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    return read_at(input, index.reshape(-1), dim, True)


def check_slices(op: str, input: Array, dim: int, index: Array, source: Array) -> int:
    """Shapes and types of values added to the slices that ``index`` names; returns ``dim`` from the front."""
    dim = wrap_dim(dim, input.ndim)
    length = (source.shape[dim] if source.ndim > dim else None) if source.ndim else 1
    if index.ndim > 1:
        raise IndexError(
            f"{op}(): Index is supposed to be a vector, but got dim: {index.ndim} with type: "
            f"{scalar_type(index)} and size: {list(index.shape)}"
        )
    check_index_type(op, index, "{op}(): Expected dtype int32/int64 for index but got: {dtype}")
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"{op}(): self ({scalar_type(input)}) and source ({scalar_type(source)}) must have the same "
            "scalar type"
        )
    if length is None:
        raise RuntimeError(
            f"{op}(): Indexing dim {dim} is out of bounds of the source tensor with dim {source.ndim}"
        )
    if index.size != length:
        raise RuntimeError(
            f"{op}(): Number of indices ({index.size}) should be equal to source.size(dim): "
            f"({length}), for dim: {dim}"
        )
    if _without(input.shape, dim) != _without(source.shape, dim):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        )
    return dim


def _without(shape: tuple[int, ...], dim: int) -> tuple[int, ...] | None:
    """The shape less one dim; ``()`` stays apart from ``(n,)``."""
    return (*shape[:dim], *shape[dim + 1 :]) if shape else None


def _with_dims(input: Array, index: Array, source: Array) -> tuple[Array, Array, Array]:
    """The operands with at least one dim each, and exactly one for the index."""
    return jnp.atleast_1d(input), index.reshape(-1), jnp.atleast_1d(source)


@register(
    node="IndexAddBackward0",
    static="dim",
    promote=None,
    saves="index source alpha",
    method=True,
    inplace=True,
    out=True,
)
def index_add(input: Array, dim: int, index: Array, source: Array, *, alpha: Any = 1) -> Array:
    """Add the slices of ``alpha * source`` along ``dim`` to slices of ``input`` by ``index``.

    Raises:
        IndexError: ``dim`` out of range, an index with several dims.
        RuntimeError: types or sizes that do not fit.
    """
    dim = check_slices("index_add_", input, dim, index, source)
    return add_at(*_with_dims(input, index, scaled(source, alpha)), dim, True).reshape(input.shape)


@register(
    node="IndexCopyBackward0",
    static="dim",
    promote=None,
    saves="index",
    watches="source@source",
    method=True,
    inplace=True,
    out=True,
)
def index_copy(input: Array, dim: int, index: Array, source: Array) -> Array:
    """Write the slices of ``source`` along ``dim`` over those of ``input`` that the int64 ``index`` names.

    Raises:
        IndexError: ``dim`` out of range, numbers of dims or indices that do not fit.
        RuntimeError: types or sizes that do not fit.
    """
    dim = wrap_dim(dim, input.ndim)
    check_index_copy(input, dim, index, source)
    return write_at(*_with_dims(input, index, source), dim, True).reshape(input.shape)


def check_index_copy(input: Array, dim: int, index: Array, source: Array) -> None:
    """Shapes and types of ``index_copy``."""
    if index.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index.ndim})")
    if source.ndim == 0 and index.size != 1:
        raise IndexError(
            f"index_copy_(): When source is scalar, index should have one element (got {index.size})"
        )
    if source.ndim != input.ndim and source.ndim and input.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. "
            f"Source dimensionality ({source.ndim}), destination dimensionality ({input.ndim})"
        )
    if index.dtype != np.int64:
        raise RuntimeError(f"index_copy_(): Expected a long tensor for index, but got {scalar_type(index)}")
    if input.dtype != source.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{scalar_type(input)} and (source) {scalar_type(source)}"
        )
    if input.ndim and index.size and not input.shape[dim]:
        raise IndexError(f"index_copy_(): index 0 is out of bounds for dimension {dim} with size 0")
    to, new = _without(input.shape, dim) or (), _without(source.shape, dim) or ()
    if to != new:
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{' '.join(map(str, to))} at dimension {dim} and source slice shape: {' '.join(map(str, new))} "
            "at dimension 0."
        )
    if source.ndim and index.size != source.shape[dim]:
        raise IndexError(
            f"index_copy_(): Number of indices ({index.size}) should be equal to source.size(dim) "
            f"({source.shape[dim]})"
        )


def _index_fill_node(shapes: Any, static: Any) -> str:
    return f"IndexFillBackward{int(shapes[3] is not None)}"


@register(
    node=_index_fill_node,
    static="dim",
    promote=None,
    numbers="value",
    saves="index",
    method=True,
    inplace=True,
    out=True,
)
def index_fill(input: Array, dim: int, index: Array, value: Any) -> Array:
    """Write one number into the slices along ``dim`` that the int64 ``index`` names.

    Raises:
        IndexError: ``dim`` out of range, another index type.
        RuntimeError: an index with several dims, a ``value`` that is no number.
    """
    dim = wrap_dim(dim, input.ndim)
    if value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    if index.dtype != np.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    if kind(value) == "c" and kind(input) != "c":
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    x = jnp.atleast_1d(input)
    mask = touched(x.shape, from_front(index.reshape(-1), x.shape[dim]), dim, True)
    return jnp.where(mask, value.astype(input.dtype), x).reshape(input.shape)


def check_reducible(input: Array, reduce: str) -> None:
    """What PyTorch's kernels lack for bool and complex numbers."""
    if input.ndim < 2:
        raise not_implemented("index_func_", input)
    if kind(input) == "b" and reduce == "mean":
        raise not_implemented("div_floor_cpu", input)
    if kind(input) == "c" and reduce in ("amax", "amin"):
        raise not_implemented("maximum_cpu" if reduce == "amax" else "minimum_cpu", input)


@register(
    node="IndexReduceBackward0",
    static="dim reduce include_self",
    promote=None,
    method=True,
    inplace=True,
    out=True,
    saves="input index source result",
)
def index_reduce(
    input: Array, dim: int, index: Array, source: Array, reduce: str, *, include_self: bool = True
) -> Array:
    """Reduce the slices of ``source`` along ``dim`` into those of ``input`` that ``index`` names.

    Args:
        input: what is copied and reduced into.
        dim: the dimension that ``index`` counts along.
        index: int64 or int32 vector, one entry per slice of ``source``.
        source: values, dtype of ``input``.
        reduce: ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the values of ``input`` take part where others meet.

    Raises:
        IndexError: ``dim`` out of range, an index with several dims.
        RuntimeError: types, sizes or ``reduce`` that do not fit.
        NotImplementedError: bool and complex types.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    dim = check_slices("index_reduce_", input, dim, index, source)
    if kind(input) in "bc":
        check_reducible(input, reduce)
    return reduce_at(*_with_dims(input, index, source), dim, True, reduce, include_self).reshape(input.shape)


# --- elements of the flattened tensor ---


@register(node="TakeBackward0", promote=None, saves="index", watches="input", method=True, out=True)
def take(input: Array, index: Array) -> Array:
    """Elements of the flattened ``input``, in the shape of the int64 ``index`` (negative: from the end).

    Raises:
        IndexError: taking from an empty tensor.
        RuntimeError: another index type.
    """
    if index.dtype != np.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {scalar_type(index)}")
    if input.size == 0 and index.size:
        raise IndexError("take(): tried to take from an empty tensor")
    return read_at(input.reshape(-1), from_front(index, input.size), 0, True)


@register(
    node="PutBackward0",
    static="accumulate",
    promote=None,
    saves="index",
    watches="source@source",
    method=True,
    inplace=True,
    out=False,
)
def put(input: Array, index: Array, source: Array, accumulate: bool = False) -> Array:
    """Write (or add, with ``accumulate``) ``source`` at int64 positions in the flattened ``input``.

    Raises:
        IndexError: as many values as indices are needed.
        RuntimeError: types that do not fit.
    """
    if index.dtype != np.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {scalar_type(index)}")
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{scalar_type(input)} and source.dtype = {scalar_type(source)}"
        )
    if index.size != source.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.size}, index.numel() = {index.size}"
        )
    at = from_front(index.reshape(-1), input.size)
    change = add_at if accumulate else write_at
    return change(input.reshape(-1), at, source.reshape(-1), 0, True).reshape(input.shape)
