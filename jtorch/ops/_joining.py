"""Joining tensors along a dimension that exists or is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import wrap_dim
from jtorch.ops._registry import register

__all__ = ["cat", "check_cat", "column_stack", "dstack", "hstack", "stack", "vstack"]


def check_cat(tensors: tuple[Any, ...], dim: int) -> int:
    """Sizes of what is to be joined along ``dim``; returns ``dim`` counted from the front.

    Empty vectors, shape ``(0,)``, count as nothing, as PyTorch has it for old programs' sake.
    """
    for i, x in enumerate(tensors):
        if x.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    full = [(i, x) for i, x in enumerate(tensors) if x.shape != (0,)]
    if not full:
        return wrap_dim(dim, 1)
    first = full[0][1]
    dim = wrap_dim(dim, first.ndim)
    for i, x in full:
        if x.ndim != first.ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {first.ndim} and {x.ndim}")
        for axis, (n, m) in enumerate(zip(first.shape, x.shape, strict=True)):
            if n != m and axis != dim:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but got size "
                    f"{m} for tensor number {i} in the list."
                )
    return dim


def joined(tensors: tuple[Array, ...], dim: int) -> Array:
    """The tensors behind each other along ``dim``, checked."""
    dim = check_cat(tensors, dim)
    full = [x for x in tensors if x.shape != (0,)]
    return jnp.concatenate(full, dim) if full else tensors[0]


@register(
    node="CatBackward0",
    static="dim",
    lists="tensors",
    promote="default",
    opmath=False,
    saves="",
    out=True,
    aliases="concat concatenate",
    joins="cat",
)
def cat(tensors: tuple[Array, ...], dim: int = 0) -> Array:
    """Join along a dimension that exists; the other sizes are equal.

    Raises:
        ValueError: no tensors.
        RuntimeError: sizes that differ in other dims, 0-d tensors.
        IndexError: ``dim`` out of range.
    """
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    return joined(tensors, dim)


@register(
    node="StackBackward0",
    static="dim",
    lists="tensors",
    promote="default",
    opmath=False,
    saves="",
    out=True,
    joins="cat",
)
def stack(tensors: tuple[Array, ...], dim: int = 0) -> Array:
    """Join tensors of one shape along a new dimension.

    Raises:
        RuntimeError: no tensors, or shapes that differ.
        IndexError: ``dim`` out of range.
    """
    check_some("stack", tensors)
    dim = wrap_dim(dim, tensors[0].ndim + 1)
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 "
                f"and {list(x.shape)} at entry {i}"
            )
    return jnp.stack(tensors, dim)


def check_some(op: str, tensors: Sequence[Any]) -> None:
    """There is something to join."""
    if not tensors:
        raise RuntimeError(f"{op} expects a non-empty TensorList")


@register(node="CatBackward0", lists="tensors", promote="default", opmath=False, saves="", out=True)
def hstack(tensors: tuple[Array, ...]) -> Array:
    """Join along the second dimension, vectors (and numbers) along their only one.

    Raises:
        RuntimeError: no tensors, or sizes that differ elsewhere.
    """
    check_some("hstack", tensors)
    rows = tuple(jnp.atleast_1d(x) for x in tensors)
    return joined(rows, 0 if rows[0].ndim == 1 else 1)


@register(
    node="CatBackward0",
    lists="tensors",
    promote="default",
    opmath=False,
    saves="",
    out=True,
    aliases="row_stack",
)
def vstack(tensors: tuple[Array, ...]) -> Array:
    """Join along the first dimension, vectors as rows.

    Raises:
        RuntimeError: no tensors, or sizes that differ elsewhere.
    """
    check_some("vstack", tensors)
    return joined(tuple(jnp.atleast_2d(x) for x in tensors), 0)


@register(node="CatBackward0", lists="tensors", promote="default", opmath=False, saves="", out=True)
def dstack(tensors: tuple[Array, ...]) -> Array:
    """Join along the third dimension, which matrices and vectors get as a new last one.

    Raises:
        RuntimeError: no tensors, or sizes that differ elsewhere.
    """
    check_some("dstack", tensors)
    return joined(tuple(jnp.atleast_3d(x) for x in tensors), 2)


@register(node="CatBackward0", lists="tensors", promote="default", opmath=False, saves="", out=True)
def column_stack(tensors: tuple[Array, ...]) -> Array:
    """Join along the second dimension, vectors as columns.

    Raises:
        RuntimeError: no tensors, or sizes that differ elsewhere.
    """
    check_some("column_stack", tensors)
    return joined(tuple(x if x.ndim > 1 else x.reshape(-1, 1) for x in tensors), 1)


@register(
    "_chunk_cat",
    node="ChunkCatBackward0",
    static="dim num_chunks",
    lists="tensors",
    promote=None,
    saves="",
    function=False,
)
def chunk_cat(tensors: tuple[Array, ...], dim: int, num_chunks: int) -> Array:
    """Cut every tensor into ``num_chunks`` pieces along ``dim`` and join the pieces of equal number, flat.

    The last pieces are filled up with zeros; the dims from ``dim`` on become two: the number and the
    contents.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: no tensors, empty ones, other dtypes, sizes before ``dim`` that differ.
    """
    dim = check_chunk_cat(tensors, dim, num_chunks)
    pieces = []
    for x in tensors:
        missing = -x.shape[dim] % num_chunks
        padding = [(0, missing if axis == dim else 0) for axis in range(x.ndim)]
        pieces.append(jnp.pad(x, padding).reshape(*x.shape[:dim], num_chunks, -1))
    return jnp.concatenate(pieces, dim + 1)


def check_chunk_cat(tensors: tuple[Any, ...], dim: int, num_chunks: int) -> int:
    """Sizes and types of ``_chunk_cat``; returns ``dim`` counted from the front."""
    if num_chunks < 1:
        raise RuntimeError("_chunk_cat expects positive num_chunks")
    if not tensors:
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    first = tensors[0]
    if any(x.dtype != first.dtype for x in tensors):
        raise RuntimeError("_chunk_cat expects all input tensors with the same dtype")
    if any(x.size == 0 for x in tensors):
        raise RuntimeError("_chunk_cat expects non-empty tensor")
    if any(x.ndim != first.ndim for x in tensors):
        if dim < 0:
            raise RuntimeError("_chunk_cat expects non-negative dim when input tensors have different ndims")
    else:
        dim = wrap_dim(dim, first.ndim)
    if any(dim >= x.ndim for x in tensors):
        raise RuntimeError("_chunk_cat expects dim < ndim for all input tensors")
    if any(x.shape[:dim] != first.shape[:dim] for x in tensors):
        raise RuntimeError("_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors")
    return dim
