"""Writing where a mask says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import VALUE_CHECKS, check_broadcast, fitting, kind, scalar_type, type_name
from jtorch.ops._matmul import check_factor
from jtorch.ops._places import read_at
from jtorch.ops._registry import register

__all__ = ["masked_elements", "masked_fill", "masked_scatter"]


def _masked_fill_node(shapes: Any, static: Any) -> str:
    return f"MaskedFillBackward{int(shapes[2] is not None)}"


@register(
    node=_masked_fill_node, promote=None, numbers="value", saves="mask", method=True, inplace=True, out=True
)
def masked_fill(input: Array, mask: Array, value: Array) -> Array:
    """``value`` where the bool ``mask`` is set, ``input`` elsewhere; mask and input broadcast.

    Args:
        input: any dtype, which the result keeps.
        mask: bool.
        value: a number or a 0-d tensor.

    Raises:
        RuntimeError: another mask type, a value with dims, sizes that do not broadcast.
    """
    if kind(mask) != "b":
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {type_name(mask)}"
        )
    if value.ndim:
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    check_factor(input, value)
    check_broadcast(mask, input)
    return jnp.where(mask, value.astype(input.dtype), input)


def _check_enough(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    shape = np.broadcast_shapes(tuple(arguments["input"].shape), values.shape)
    if np.broadcast_to(values, shape).sum() > math.prod(arguments["source"].shape):
        raise RuntimeError("Number of elements of source < number of ones in mask")


VALUE_CHECKS["masked_scatter"] = {"mask": _check_enough}
VALUE_CHECKS["masked_fill"] = {"value": fitting}


@register(node="MaskedScatterBackward0", promote=None, saves="mask", method=True, inplace=True, out=True)
def masked_scatter(input: Array, mask: Array, source: Array) -> Array:
    """The elements of ``source``, in order, where the bool ``mask`` is set, ``input`` elsewhere.

    Args:
        input: any dtype.
        mask: bool; broadcasts with ``input``.
        source: dtype of ``input``, at least as many elements as the mask sets.

    Raises:
        RuntimeError: types that do not fit, sizes that do not broadcast.
    """
    if input.dtype != source.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{scalar_type(input)} and {scalar_type(source)}"
        )
    if kind(mask) != "b":
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {scalar_type(mask)}"
        )
    shape = check_broadcast(input, mask)
    x, mask = jnp.broadcast_to(input, shape), jnp.broadcast_to(mask, shape)
    if source.size == 0 or x.size == 0:
        return x
    rank = jnp.maximum(jnp.cumsum(mask.reshape(-1)) - 1, 0).reshape(shape)
    values = source.reshape(-1).at[rank].get(mode="promise_in_bounds", wrap_negative_indices=False)
    return jnp.where(mask, values, x)


@register(
    "_masked_select",
    node="MaskedSelectBackward0",
    promote=None,
    saves="places",
    watches="input mask",
    function=False,
)
def masked_elements(input: Array, mask: Array, places: Array) -> Array:
    """The elements at some places of the flat input: those where ``mask`` is set."""
    return read_at(input.reshape(-1), places, 0, True)
