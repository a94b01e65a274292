"""Triangles and diagonals of matrices."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import kind, reject_kinds, wrap_dim
from jtorch.ops._registry import register

__all__ = ["diag", "diag_embed", "diagflat", "trace", "tril", "triu"]


@register(
    node="TrilBackward0", static="diagonal", promote=None, saves="", method=True, inplace=True, out=True
)
def tril(input: Array, diagonal: int = 0) -> Array:
    """Zero above a diagonal of the last two dims (0 the main one, positive above it).

    Raises:
        RuntimeError: fewer than 2 dims.
    """
    if input.ndim < 2:
        raise RuntimeError("tril: input tensor must have at least 2 dimensions")
    return jnp.tril(input, diagonal)


@register(
    node="TriuBackward0", static="diagonal", promote=None, saves="", method=True, inplace=True, out=True
)
def triu(input: Array, diagonal: int = 0) -> Array:
    """Zero below a diagonal of the last two dims (0 the main one, positive above it).

    Raises:
        RuntimeError: fewer than 2 dims.
    """
    if input.ndim < 2:
        raise RuntimeError("triu: input tensor must have at least 2 dimensions")
    return jnp.triu(input, diagonal)


def _diag_node(shapes: Any, static: Any) -> str:
    return "DiagEmbedBackward0" if len(shapes[0]) == 1 else "DiagonalBackward0_copy"


@register(node=_diag_node, static="diagonal", promote=None, saves="", method=True, out=True)
def diag(input: Array, diagonal: int = 0) -> Array:
    """The matrix with a vector as its diagonal, or the vector of a matrix's diagonal.

    Raises:
        RuntimeError: other than 1 or 2 dims.
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    rows, columns = input.shape
    if diagonal <= -rows or diagonal >= columns:
        return jnp.zeros((0,), input.dtype)
    return jnp.diagonal(input, diagonal)


@register(node="DiagEmbedBackward0", static="offset dim1 dim2", promote=None, saves="", method=True)
def diag_embed(input: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """Matrices, over two new dims, with the last dim of ``input`` on a diagonal and zeros elsewhere.

    Args:
        input: shape ``(*, n)``.
        offset: which diagonal: 0 the main one, positive above it.
        dim1: where the rows, n + ``abs(offset)``, stand in the result.
        dim2: where the columns stand.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: twice the same dim.
    """
    first, second = wrap_dim(dim1, input.ndim + 1), wrap_dim(dim2, input.ndim + 1)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input.shape[-1]
    size = n + abs(offset)
    # Column j of the padded vector is where row j - offset has its element.
    before = max(offset, 0)
    padding = [(0, 0, 0)] * (input.ndim - 1) + [(before, size - n - before, 0)]
    spread = lax.pad(input, jnp.zeros((), input.dtype), padding)
    on_diagonal = np.eye(size, k=offset, dtype=bool)
    matrices = jnp.where(on_diagonal, spread[..., None, :], jnp.zeros((), input.dtype))
    return jnp.moveaxis(matrices, (-2, -1), (first, second))


@register(node="DiagEmbedBackward0", static="offset", promote=None, saves="", method=True)
def diagflat(input: Array, offset: int = 0) -> Array:
    """The matrix with all elements of ``input``, in order, on a diagonal."""
    return diag_embed(input.reshape(-1), offset)


@register(node="TraceBackward0", promote=None, saves="", method=True)
def trace(input: Array) -> Array:
    """Sum of a matrix's main diagonal; int64 for integers.

    Raises:
        RuntimeError: other than 2 dims.
        NotImplementedError: bool.
    """
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    reject_kinds("trace", "b", input)
    return jnp.trace(input, dtype=jnp.int64 if kind(input) == "i" else input.dtype)
