"""Several tensors laid out against each other: grids, products, blocks, common shapes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._joining import check_some
from jtorch.ops._registry import register

__all__ = [
    "block_diag",
    "cartesian_prod",
    "check_grid",
    "combinations",
]


@register(
    node="BlockDiagBackward0", lists="tensors", varargs="tensors", promote="default", opmath=False, saves=""
)
def block_diag(tensors: tuple[Array, ...]) -> Array:
    """The matrix with the given ones (vectors as rows) along its diagonal and zeros elsewhere.

    Raises:
        RuntimeError: a tensor of more than 2 dims.
    """
    for i, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim} "
                "dimensions"
            )
    if not tensors:
        return jnp.zeros((1, 0), np.float32)
    blocks = [jnp.atleast_2d(x) for x in tensors]
    columns = sum(x.shape[1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        edges = [(0, 0, 0), (left, columns - left - x.shape[1], 0)]
        rows.append(lax.pad(x, jnp.zeros((), x.dtype), edges))
        left += x.shape[1]
    return jnp.concatenate(rows)


def check_grid(tensors: Sequence[Any], indexing: str) -> None:
    """What ``meshgrid`` takes: some vectors or numbers of one dtype, and ``"ij"`` or ``"xy"``."""
    check_some("meshgrid", tensors)
    if indexing not in ("xy", "ij"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for x in tensors:
        if x.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(x.shape)}"
            )
        if x.dtype != tensors[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")


@register(node="StackBackward0", lists="tensors", varargs="tensors", promote=None, saves="")
def cartesian_prod(tensors: tuple[Array, ...]) -> Array:
    """All choices of one element from each of n vectors: shape ``(size, n)``, or the vector itself if n is 1.

    Raises:
        RuntimeError: no tensors, other shapes, several dtypes.
    """
    for x in tensors:
        if x.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    check_grid(tensors, "ij")
    grids = jnp.meshgrid(*(x.reshape(-1) for x in tensors), indexing="ij")
    return jnp.stack([x.reshape(-1) for x in grids], 1)


@register(node="StackBackward0", static="r with_replacement", promote=None, saves="", watches="input")
def combinations(input: Array, r: int = 2, with_replacement: bool = False) -> Array:
    """All choices of ``r`` elements of a vector, in the order of ``itertools.combinations``, one per row.

    Raises:
        RuntimeError: other than 1 dim, a negative ``r``.
    """
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return jnp.zeros((0,), input.dtype)
    choose: Callable[..., Any] = (
        itertools.combinations_with_replacement if with_replacement else itertools.combinations
    )
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return input[places]
