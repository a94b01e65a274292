"""Finding places: in sorted sequences, in sets, and of values that are not 0."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import kind, scalar_type
from jtorch.ops._registry import register


def check_searchsorted(sequence: Array, values: Any, right: bool, side: str | None, sorter: Any) -> None:
    name = "torch.searchsorted(): "
    if side not in (None, "left", "right"):
        raise RuntimeError(f"{name}side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError(
            f"{name}side and right can't be set to opposites, got side of left while right was True"
        )
    if sorter is not None:
        if sorter.shape != sequence.shape:
            raise RuntimeError(
                f"{name}boundary and sorter must have the same size, but got boundary tensor "
                f"{list(sequence.shape)}and got sorter tensor {list(sorter.shape)}"
            )
        if sorter.dtype != jnp.int64:
            raise RuntimeError(
                f"{name}sorter must be a tensor of long dtype but got dtype {scalar_type(sorter)}"
            )
    if not values.ndim and sequence.ndim != 1:
        raise RuntimeError(
            f"{name}input value can be a scalar only when boundaries tensor dimension is 1, but we "
            "got boundaries "
            f"tensor dim({sequence.ndim}) and input value's dim(0) numel(1)"
        )
    if sequence.ndim != 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            f"{name}boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            "tensor and "
            f"input value tensor must match, but we got boundaries tensor {list(sequence.shape)} and "
            "input value "
            f"tensor {list(values.shape)}"
        )


def insertion_points(sequence: Array, values: Array, right: bool, out_int32: bool) -> Array:
    """Where ``values`` belong in the last dimension of ``sequence``, whose others match or are absent."""
    dtype = jnp.int32 if out_int32 else jnp.int64
    find = partial(jnp.searchsorted, side="right" if right else "left")
    if not values.size or not sequence.size:
        return jnp.zeros(values.shape, dtype)
    if sequence.ndim == 1:
        return find(sequence, values).astype(dtype)
    rows = sequence.reshape(-1, sequence.shape[-1])
    found = jax.vmap(find)(rows, values.reshape(rows.shape[0], values.shape[-1]))
    return found.reshape(values.shape).astype(dtype)


@register(
    "searchsorted",
    numbers="input",
    node=None,
    static="out_int32 right side",
    promote=None,
    opmath=False,
    saves="",
    out=True,
)
def searchsorted(
    sorted_sequence: Array,
    input: Array,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Array | None = None,
) -> Array:
    """The positions in ``sorted_sequence`` before which ``input`` can be inserted in order.

    Args:
        sorted_sequence: increasing along its last dimension; in 1-D it serves all of ``input``.
        input: values, of the same leading dimensions.
        out_int32: int32 positions instead of int64.
        right: after equal values instead of before them, as ``side="right"``.
        side: ``"left"`` or ``"right"``.
        sorter: positions (int64) that sort ``sorted_sequence``.

    Raises:
        RuntimeError: shapes, types or sides that do not go together.
    """
    check_searchsorted(sorted_sequence, input, right, side, sorter)
    if sorter is not None:
        sorted_sequence = jnp.take_along_axis(sorted_sequence, sorter, -1)
    dtype = jnp.promote_types(sorted_sequence.dtype, input.dtype)
    sequence, values = sorted_sequence.astype(dtype), input.astype(dtype)
    return insertion_points(sequence, values, right or side == "right", out_int32)


@register("bucketize", numbers="input", node=None, static="out_int32 right", promote=None, saves="", out=True)
def bucketize(input: Array, boundaries: Array, *, out_int32: bool = False, right: bool = False) -> Array:
    """The number of the interval between ``boundaries`` (1-D, increasing) that holds each value.

    Raises:
        RuntimeError: ``boundaries`` is not 1-D.
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    dtype = jnp.promote_types(boundaries.dtype, input.dtype)
    return insertion_points(boundaries.astype(dtype), input.astype(dtype), right, out_int32)


@register(
    "isin",
    numbers="elements test_elements",
    node=None,
    static="assume_unique invert",
    promote="default",
    opmath=False,
    saves="",
    out=True,
)
def isin(
    elements: Array, test_elements: Array, *, assume_unique: bool = False, invert: bool = False
) -> Array:
    """Where ``elements`` are among ``test_elements`` (or are not, if ``invert``).

    Raises:
        RuntimeError: booleans and complex numbers.
    """
    if kind(elements) in "bc":
        raise RuntimeError(f"Unsupported input type encountered for isin(): {scalar_type(elements)}")
    return jnp.isin(elements, test_elements, invert=invert)


@register("nonzero", node=None, static="as_tuple", promote=None, method=True, out=True, host=True)
def nonzero(input: np.ndarray, *, as_tuple: bool = False) -> np.ndarray | tuple[np.ndarray, ...]:
    """The positions of values that are not 0, in row-major order.

    Returns:
        int64 of shape ``(count, ndim)``; if ``as_tuple``, one 1-D array per dimension (one for 0-d inputs).
    """
    found = np.nonzero(np.atleast_1d(input) if as_tuple else input) if input.ndim or as_tuple else None
    if found is None:
        return np.zeros((int(input != 0), 0), np.int64)
    found = tuple(f.astype(np.int64) for f in found)
    return found if as_tuple else np.stack(found, -1)


@register("argwhere", node=None, promote=None, method=True, host=True)
def argwhere(input: np.ndarray) -> np.ndarray:
    """The positions of values that are not 0, as :func:`nonzero`."""
    found = nonzero(input)
    assert isinstance(found, np.ndarray)
    return found


@register(
    "nonzero_static", node=None, static="size fill_value", promote=None, saves="", method=True, out=True
)
def nonzero_static(input: Array, *, size: int, fill_value: int = -1) -> Array:
    """The first ``size`` rows of :func:`nonzero`, filled up with ``fill_value``: no read of the values.

    Raises:
        RuntimeError: a negative ``size``.
    """
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    if not input.ndim or not input.size:
        return jnp.full((size, input.ndim), fill_value, jnp.int64)
    found = jnp.nonzero(input, size=size, fill_value=fill_value)
    return jnp.stack(found, -1).astype(jnp.int64)
