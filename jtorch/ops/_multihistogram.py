"""Histograms of points with several coordinates."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import not_implemented, type_name
from jtorch.ops._histograms import limits
from jtorch.ops._registry import register

__all__ = ["histogram_by_counts", "histogram_by_edges"]


def check_points(input: Array, dims: int, weight: Array | None) -> None:
    """Shapes and types of the points and their weights."""
    op = "torch.histogramdd"
    if input.ndim < 2:
        raise RuntimeError(f"{op}: input tensor should have at least 2 dimensions")
    if dims != input.shape[-1]:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        )
    if weight is not None:
        if weight.dtype != input.dtype:
            raise RuntimeError(
                f"{op}: if weight tensor is provided, input tensor and weight tensor should have the same "
                "dtype, but "
                f"got input({type_name(input)}), and weight({type_name(weight)})"
            )
        if weight.shape != input.shape[:-1]:
            raise RuntimeError(
                f"{op}: if weight tensor is provided it should have the same shape as the input tensor "
                "excluding its "
                f"innermost dimension, but got input with shape {list(input.shape)} and weight with shape "
                f"{list(weight.shape)}"
            )
    if input.dtype not in (jnp.float32, jnp.float64):
        raise not_implemented("histogramdd", input)


def counted(
    input: Array, places: list[Array], edges: list[Array], weight: Array | None, density: bool
) -> tuple[Array, ...]:
    """The histogram from each point's bin per coordinate (beyond the last one: outside), and the edges."""
    shape = [e.shape[0] - 1 for e in edges]
    outside = jnp.stack([p >= n for p, n in zip(places, shape, strict=True)]).any(0)
    # One sink takes the points that lie outside in any coordinate.
    flat = jnp.zeros(places[0].shape, jnp.int64)
    for place, n in zip(places, shape, strict=True):
        flat = flat * n + jnp.minimum(place, max(n - 1, 0))
    flat = jnp.where(outside, math.prod(shape), flat)
    amount = jnp.ones(flat.shape, input.dtype) if weight is None else weight.reshape(-1)
    hist = jnp.zeros(math.prod(shape), input.dtype).at[flat].add(amount, mode="drop").reshape(shape)
    if density:
        hist = hist / jnp.sum(hist)
        for axis, e in enumerate(edges):
            hist = hist / jnp.diff(e).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return (hist, *edges)


@register(
    "_histogramdd.counts", node=None, static="bins range density", promote=None, saves="", function=False
)
def histogram_by_counts(
    input: Array,
    bins: tuple[int, ...],
    range: tuple[float, ...] | None = None,
    weight: Array | None = None,
    density: bool = False,
) -> tuple[Array, ...]:
    """Counts per cell of a regular grid, and the grid's edges along each coordinate.

    Args:
        input: points, shape ``(*, n)``, float32 or float64.
        bins: number of bins per coordinate.
        range: lower and upper edge per coordinate; the extremes of the points by default.
        weight: what each point counts, shape ``(*)``.
        density: divide by the total and the cells' sizes.

    Raises:
        RuntimeError: shapes, types or limits that do not go together.
    """
    for axis, count in enumerate(bins):
        if count <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {count} for dimension {axis}")
    check_points(input, len(bins), weight)
    if range is not None and len(range) != 2 * len(bins):
        raise RuntimeError(
            f"torch.histogramdd: for a {len(bins)}-dimensional histogram range should have {2 * len(bins)} "
            "elements, "
            f"but got {len(range)}"
        )
    points = input.reshape(-1, input.shape[-1])
    places, edges = [], []
    for axis, count in enumerate(bins):
        given = None
        if range is not None:
            given = check_range(range[2 * axis], range[2 * axis + 1], axis)
        x = points[:, axis]
        low, high = limits(x, given, 0.5)
        place = jnp.clip(jnp.floor((x - low) * count / (high - low)), 0, count - 1).astype(jnp.int64)
        places.append(jnp.where((x >= low) & (x <= high), place, count))
        edges.append(jnp.linspace(low, high, count + 1, dtype=x.dtype))
    return counted(input, places, edges, weight, density)


def check_range(low: float, high: float, axis: int) -> tuple[float, float]:
    """Limits are finite and in order."""
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histogramdd: dimension {axis}'s range [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(
            f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for dimension "
            f"{axis}"
        )
    return low, high


@register(
    "_histogramdd.edges", node=None, lists="bins", static="density", promote=None, saves="", function=False
)
def histogram_by_edges(
    input: Array, bins: tuple[Array, ...], weight: Array | None = None, density: bool = False
) -> tuple[Array, ...]:
    """Counts per cell of a grid with the given edges along each coordinate, and these.

    Raises:
        RuntimeError: shapes or types that do not go together.
    """
    check_points(input, len(bins), weight)
    for axis, edges in enumerate(bins):
        check_edges(input, edges, axis)
    points = input.reshape(-1, input.shape[-1])
    places = []
    for axis, edges in enumerate(bins):
        x, count = points[:, axis], edges.shape[0] - 1
        place = jnp.searchsorted(edges, x, side="right") - 1
        place = jnp.where(x == edges[-1], count - 1, place)
        places.append(jnp.where((x >= edges[0]) & (x <= edges[-1]), place, count))
    return counted(input, places, list(bins), weight, density)


def check_edges(input: Array, edges: Any, axis: int) -> None:
    """The edges along one coordinate are a vector of the points' type."""
    op = "torch.histogramdd"
    if edges.dtype != input.dtype:
        raise RuntimeError(
            f"{op}: input tensor and bins tensors should have the same dtype, but got input with dtype "
            f"{type_name(input)} and bins for dimension {axis} with dtype {type_name(edges)}"
        )
    if edges.ndim != 1:
        raise RuntimeError(
            f"{op}: bins tensor should have one dimension, but got {edges.ndim} dimensions in the bins "
            "tensor for "
            f"dimension {axis}"
        )
    if edges.size == 0:
        raise RuntimeError(
            f"{op}: bins tensor should have at least 1 element, but got 0 elements in the bins tensor for "
            "dimension "
            f"{axis}"
        )
