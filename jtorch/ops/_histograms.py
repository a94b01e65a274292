"""Counts of values per bin."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import kind, not_implemented, reject_kinds, type_name
from jtorch.ops._registry import register


@register("histc", node=None, static="bins min max", promote=None, saves="", method=True, out=True)
def histc(input: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
    """Counts per bin, ``bins`` of equal width from ``min`` to ``max``; values outside and nan count nowhere.

    Equal limits mean the smallest and largest value.

    Returns:
        Shape ``(bins,)``, dtype of ``input``.

    Raises:
        RuntimeError: no bins, or limits out of order or not finite.
    """
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    reject_kinds("aminmax_cpu", "c", input)
    reject_kinds("linspace_cpu", "b", input)
    reject_kinds("histogram_cpu", "i", input)
    if not (math.isfinite(min) and math.isfinite(max)):
        raise RuntimeError(f"torch.histc: range of [{min:g}, {max:g}] is not finite")
    if min > max:
        raise RuntimeError("torch.histc: max must be larger than min")
    low, high = limits(input, (min, max), 1)
    return counts(input.reshape(-1), low, high, bins, None)


def limits(input: Array, given: tuple[float, float] | None, margin: float) -> tuple[Array, Array]:
    """The outer edges: as given, else (or if equal) the extremes, moved out by ``margin`` if equal."""
    if given is not None and (given[0] != given[1] or not input.size):
        low, high = (jnp.asarray(x, input.dtype) for x in given)
    elif input.size:
        low, high = jnp.min(input), jnp.max(input)
    else:
        low, high = jnp.zeros((), input.dtype), jnp.ones((), input.dtype)
    same = low == high
    return jnp.where(same, low - margin, low), jnp.where(same, high + margin, high)


def counts(x: Array, low: Array, high: Array, bins: int, weight: Array | None) -> Array:
    """Weighted counts over ``bins`` equal bins; the last one includes its upper edge."""
    place = jnp.floor((x - low) * bins / (high - low))
    inside = (x >= low) & (x <= high)
    index = jnp.where(inside, jnp.clip(place, 0, bins - 1), bins).astype(jnp.int64)
    amount = jnp.ones_like(x) if weight is None else weight.reshape(-1)
    return jnp.zeros(bins, x.dtype).at[index].add(amount, mode="drop")


def check_histogram(input: Array, bins: Any, range: tuple[float, float] | None, weight: Array | None) -> None:
    if hasattr(bins, "dtype"):
        if bins.dtype != input.dtype:
            raise RuntimeError(
                "torch.histogramdd: input tensor and bins tensors should have the same dtype, but "
                "got input with "
                f"dtype {type_name(input)} and bins for dimension 0 with dtype {type_name(bins)}"
            )
        if bins.ndim != 1:
            raise RuntimeError(
                f"torch.histogramdd: bins tensor should have one dimension, but got {bins.ndim} "
                "dimensions in the "
                "bins tensor for dimension 0"
            )
        if bins.size == 0:
            raise RuntimeError(
                "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements "
                "in the bins "
                "tensor for dimension 0"
            )
    elif bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    if range is not None:
        if not all(math.isfinite(r) for r in range):
            raise RuntimeError(
                f"torch.histogramdd: dimension 0's range [{range[0]:g}, {range[1]:g}] is not finite"
            )
        if range[0] > range[1]:
            raise RuntimeError(
                f"torch.histogramdd: min should not exceed max, but got min {range[0]:g} max "
                f"{range[1]:g} for "
                "dimension 0"
            )
    if weight is not None:
        if weight.dtype != input.dtype:
            raise RuntimeError(
                "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor "
                "should have the "
                f"same dtype, but got input({type_name(input)}), and weight({type_name(weight)})"
            )
        if weight.shape != input.shape:
            raise RuntimeError(
                "torch.histogramdd: if weight tensor is provided it should have the same shape as "
                "the input tensor "
                f"excluding its innermost dimension, but got input with shape [{input.size}, 1] and "
                "weight with "
                f"shape [{weight.size}]"
            )
    if kind(input) != "f" or input.dtype not in (jnp.float32, jnp.float64):
        raise not_implemented("histogramdd", input)


@register(
    "histogram",
    numbers="bins",
    node=None,
    static="range density",
    promote=None,
    baked="bins",
    saves="",
    method=True,
    out=True,
    returns="histogram hist bin_edges",
)
def histogram(
    input: Array,
    bins: Array | int,
    *,
    range: tuple[float, float] | None = None,
    weight: Array | None = None,
    density: bool = False,
) -> tuple[Array, Array]:
    """Counts per bin and the bins' edges.

    Args:
        input: float32 or float64.
        bins: their number, or their edges in increasing order.
        range: outer edges, by default the smallest and largest value.
        weight: what each value counts.
        density: divide by the total and the widths, so that the integral is 1.

    Raises:
        RuntimeError: shapes, types or limits that do not go together.
    """
    check_histogram(input, bins, range, weight)
    x = input.reshape(-1)
    if isinstance(bins, int):
        low, high = limits(x, None if range is None else (range[0], range[1]), 0.5)
        edges = jnp.linspace(low, high, bins + 1, dtype=x.dtype)
        hist = counts(x, low, high, bins, weight)
    else:
        edges, number = bins, bins.shape[0] - 1
        index = jnp.searchsorted(edges, x, side="right") - 1
        index = jnp.where(x == edges[-1], number - 1, index)
        index = jnp.where((x >= edges[0]) & (x <= edges[-1]), index, number)
        amount = jnp.ones_like(x) if weight is None else weight.reshape(-1)
        hist = jnp.zeros(number, x.dtype).at[index].add(amount, mode="drop")
    return (hist / jnp.sum(hist) / jnp.diff(edges) if density else hist), edges


@register("bincount", node=None, static="minlength", promote=None, method=True, host=True)
def bincount(input: np.ndarray, weights: np.ndarray | None = None, minlength: int = 0) -> np.ndarray:
    """How often 0, 1, 2, ... occur; with ``weights``, the sum of these per number.

    Args:
        input: 1-D integers, none negative.
        weights: of the same length.
        minlength: least length of the result.

    Returns:
        int64, or the floating type of ``weights`` (float64 for other types).

    Raises:
        RuntimeError: other shapes or values.
        NotImplementedError: other types.
    """
    if kind(input) != "i":
        raise not_implemented("bincount_cpu", input)
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input.ndim != 1 or (input.size and input.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if weights is None:
        return np.bincount(input, minlength=minlength).astype(np.int64)
    dtype = weights.dtype if weights.dtype in (np.float32, np.float64) else np.float64
    return np.bincount(input, weights.astype(np.float64), minlength).astype(dtype)
