"""Copies of a tensor with one part, named by position, replaced: the ``*_scatter`` functions."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import wrap_dim
from jtorch.ops._places import write_at
from jtorch.ops._registry import register
from jtorch.ops._written_parts import written

__all__ = ["as_strided_scatter", "diagonal_scatter", "select_scatter", "slice_scatter"]


def check_part(src: Any, shape: tuple[int, ...]) -> None:
    """The values have the shape of the part they replace."""
    if tuple(src.shape) != tuple(shape):
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. "
            f"src size = {list(src.shape)}, slice size = {list(shape)}"
        )


@register(
    node="SliceScatterBackward0",
    static="dim start end step",
    promote=None,
    saves="",
    method=True,
    out=True,
)
def slice_scatter(
    input: Array, src: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    """A copy of ``input`` with ``input[..., start:end:step, ...]`` along ``dim`` replaced by ``src``.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: a ``src`` of another shape than the slice, a step below 1.
    """
    dim = wrap_dim(dim, input.ndim)
    if step < 1:
        raise RuntimeError("slice step must be positive")
    part = (slice(None),) * dim + (slice(start, end, step),)
    count = len(range(*part[-1].indices(input.shape[dim])))
    check_part(src, (*input.shape[:dim], count, *input.shape[dim + 1 :]))
    return written(input.at[part].set(src.astype(input.dtype), unique_indices=True))


@register(node="SelectScatterBackward0", static="dim index", promote=None, saves="", method=True)
def select_scatter(input: Array, src: Array, dim: int, index: int) -> Array:
    """A copy of ``input`` with its slice number ``index`` along ``dim`` replaced by ``src``.

    Raises:
        IndexError: ``dim`` or ``index`` out of range.
        RuntimeError: a ``src`` of another shape than the slice.
    """
    dim = wrap_dim(dim, input.ndim)
    if not -input.shape[dim] <= index < input.shape[dim]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}"
        )
    check_part(src, (*input.shape[:dim], *input.shape[dim + 1 :]))
    part = (slice(None),) * dim + (index,)
    return written(input.at[part].set(src.astype(input.dtype), unique_indices=True))


@register(node="DiagonalScatterBackward0", static="offset dim1 dim2", promote=None, saves="", method=True)
def diagonal_scatter(input: Array, src: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """A copy of ``input`` with a diagonal over two dims replaced by ``src``, whose last dim runs along it.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: twice the same dim, a ``src`` of another shape than the diagonal.
    """
    first, second = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    x = jnp.moveaxis(input, (first, second), (0, 1))
    rows, columns, *rest = x.shape
    length = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    check_part(src, (*rest, length))
    if not length:
        return input
    at = np.arange(length)
    values = jnp.moveaxis(src, -1, 0).astype(input.dtype)
    x = written(x.at[at + max(-offset, 0), at + max(offset, 0)].set(values, unique_indices=True))
    return jnp.moveaxis(x, (0, 1), (first, second))


@register(
    node="AsStridedScatterBackward0", static="size stride storage_offset", promote=None, saves="", method=True
)
def as_strided_scatter(
    input: Array,
    src: Array,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    storage_offset: int | None = None,
) -> Array:
    """A contiguous copy of ``input`` with the part that ``as_strided`` names replaced by ``src``.

    Raises:
        RuntimeError: a part that reaches beyond the elements, a ``src`` of another shape.
    """
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    offset = storage_offset or 0
    places = np.full(tuple(size), offset)
    for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
        places = places + (np.arange(n) * step).reshape([-1 if a == axis else 1 for a in range(len(size))])
    if places.size and places.max() >= input.size:
        itemsize = input.dtype.itemsize
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
            f"{itemsize} requiring a storage size of {(places.max() + 1) * itemsize} are out of bounds for "
            f"storage of size {input.size * itemsize}"
        )
    check_part(src, size)
    values = src.astype(input.dtype).reshape(-1)
    # Differs from PyTorch: its gradient of `input` is that of the part replaced, where the true one is zero.
    return write_at(input.reshape(-1), jnp.asarray(places.reshape(-1)), values, 0, True).reshape(input.shape)
