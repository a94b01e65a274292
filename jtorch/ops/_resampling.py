"""Resampling along one dimension: which elements each new element is made of, with which weights."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._precision import precision

__all__ = ["resample", "sizes_after", "taps_of"]

Taps = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

#: Up to this many weights of a whole matrix, a product with it is used, whose gradient is a product, too.
MATRIX = 1 << 19


def step_of(size: int, count: int, align_corners: bool, factor: float | None, real: Any) -> Any:
    """How far apart output elements are in the input, in PyTorch's floating type for positions."""
    if align_corners:
        return real(size - 1) / real(count - 1) if count > 1 else real(0)
    if factor is not None and factor > 0:
        return real(1.0 / factor)
    return real(size) / real(count)


def taps_of(
    mode: str, size: int, count: int, align_corners: bool, factor: float | None, antialias: bool, real: Any
) -> Taps:
    """Positions and weights of the elements that each output element is made of, shape ``(count, taps)``.

    Args:
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"``, ``"cubic"`` or ``"lanczos"``.
        size: input elements.
        count: output elements.
        align_corners: first and last elements keep their places; else the outer borders do.
        factor: how much larger the output is, if that was given instead of ``count``.
        antialias: widen the filter when making smaller.
        real: NumPy's float32 or float64, to compute positions in.
    """
    i = np.arange(count).astype(real)
    if count == size and (antialias or mode == "linear"):
        return np.arange(count)[:, None], np.ones((count, 1), real)  # whatever the factor is
    step = step_of(size, count, align_corners, factor, real)
    if mode in ("nearest", "nearest-exact"):
        at = i * step if mode == "nearest" else (i + real(0.5)) * step
        place = np.minimum(np.floor(at).astype(np.int64), size - 1)
        return place[:, None], np.ones((count, 1), real)
    if antialias:
        return filtered(mode, size, count, step, real)
    at = i * step if align_corners else (i + real(0.5)) * step - real(0.5)
    if mode == "linear":
        at = np.maximum(at, real(0))
        low = np.minimum(np.floor(at).astype(np.int64), size - 1)
        rest = np.clip(at - low.astype(real), 0, 1).astype(real)
        return np.stack([low, np.minimum(low + 1, size - 1)], 1), np.stack([real(1) - rest, rest], 1)
    low = np.floor(at).astype(np.int64)
    rest = (at - low.astype(real)).astype(real)
    places = np.clip(low[:, None] + np.arange(-1, 3), 0, size - 1)
    weights = [cubic(np.abs(rest - real(k)), real(-0.75)) for k in range(-1, 3)]
    return places, np.stack(weights, 1).astype(real)


def cubic(x: np.ndarray[Any, Any], a: Any) -> np.ndarray[Any, Any]:
    """Keys' cubic convolution kernel at distance ``x``, with slope ``a`` at 1."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def lanczos(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The sinc function, windowed by its central lobe stretched to 3."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def filtered(mode: str, size: int, count: int, step: Any, real: Any) -> Taps:
    """Taps of a filter that covers as much of the input as an output element stands for."""
    reach = {"linear": 1, "cubic": 2, "lanczos": 3}[mode]
    wide = max(step, real(1))
    support = real(reach) * wide
    center = step * (np.arange(count).astype(real) + real(0.5))
    first = np.maximum((center - support + real(0.5)).astype(np.int64), 0)
    last = np.minimum((center + support + real(0.5)).astype(np.int64), size)
    width = max(int((last - first).max(initial=1)), 1)
    places = first[:, None] + np.arange(width)
    x = np.abs((places.astype(real) - center[:, None] + real(0.5)) * (real(1) / wide))
    if mode == "linear":
        weights = np.maximum(1 - x, 0)
    else:
        weights = cubic(x, real(-0.5)) if mode == "cubic" else lanczos(x)
    weights = np.where(places < last[:, None], weights, 0)
    total = weights.sum(1, keepdims=True)
    weights = np.where(total != 0, weights / np.where(total == 0, 1, total), weights)
    return np.minimum(places, size - 1), weights.astype(real)


def resample(x: Array, axis: int, taps: Taps) -> Array:
    """Weighted sums of elements along ``axis``."""
    places, weights = taps
    size, (count, width) = x.shape[axis], places.shape
    if width == 1:
        ratio = count // size if size else 0
        if ratio and np.array_equal(places[:, 0], np.arange(count) // ratio):
            return jnp.repeat(x, ratio, axis) if ratio > 1 else x
        return jnp.take(x, places[:, 0], axis)
    if size * count <= MATRIX:
        matrix = np.zeros((count, size), weights.dtype)
        np.add.at(matrix, (np.arange(count)[:, None], places), weights)
        table = jnp.asarray(matrix, x.dtype)
        return jnp.moveaxis(jnp.tensordot(x, table, ((axis,), (1,)), precision=precision()), -1, axis)
    shape = [1] * x.ndim
    shape[axis] = count
    total: Any = 0
    for k in range(width):
        factor = jnp.asarray(weights[:, k].reshape(shape), x.dtype)
        total = total + jnp.take(x, places[:, k], axis) * factor
    return total


def sizes_after(sizes: tuple[int, ...], factors: tuple[float, ...]) -> tuple[int, ...]:
    """Sizes times factors, rounded down."""
    return tuple(math.floor(float(n) * f) for n, f in zip(sizes, factors, strict=True))
