"""Kernels that move pixels: padding, resampling, blurring, grids; see :mod:`._backends`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

import jtorch
from jtorch.nn import functional as F
from jtorch.ops._resampling import taps_of
from jtorch.tensor import Tensor
from jtorch.vision._host import host_array, to_tensor
from jtorch.vision.transforms._backends import Arrays, on_images
from jtorch.vision.transforms._colors import floating

__all__ = ["blur", "grid_sample", "pad", "resize"]


@on_images
def flip(xp: Any, image: Any, dim: int) -> Any:
    """The other way round."""
    return xp.flip(image, dim)


@on_images
def pad(xp: Any, image: Any, sides: Sequence[int], fill: Any, mode: str) -> Any:
    """More or, where ``sides`` (left, right, top, bottom) are negative, fewer pixels.

    ``fill``: of the new pixels where ``mode`` is ``constant``, one for all channels or one each.
    """
    height, width = image.shape[-2:]
    if min(sides) < 0:
        left, right, top, bottom = (-min(s, 0) for s in sides)
        image = image[..., top : height - bottom, left : width - right]
        height, width = image.shape[-2:]
    left, right, top, bottom = (max(s, 0) for s in sides)
    if mode != "constant":
        if mode == "reflect" and (max(left, right) >= width or max(top, bottom) >= height):
            raise _too_wide(image.shape, left, right, top, bottom)
        rows = np.pad(np.arange(height), (top, bottom), mode=mode)  # type: ignore[call-overload]
        columns = np.pad(np.arange(width), (left, right), mode=mode)  # type: ignore[call-overload]
        return image[..., xp.indices(rows[:, None], image), xp.indices(columns, image)]
    if xp is Arrays:
        made = np.empty((*image.shape[:-2], height + top + bottom, width + left + right), image.dtype)
        made[...] = np.reshape(np.asarray(fill), (-1, 1, 1))
        made[..., top : top + height, left : left + width] = image
        return made
    if not isinstance(fill, Sequence):
        return F.pad(image, [left, right, top, bottom], value=fill)
    inside = F.pad(image[..., :1, :, :] * 0 + 1, [left, right, top, bottom])
    padded = F.pad(image, [left, right, top, bottom])
    return jtorch.where(inside != 0, padded, xp.like(fill, image)[:, None, None])


def _too_wide(shape: Any, left: int, right: int, top: int, bottom: int) -> RuntimeError:
    across = max(left, right) >= shape[-1]
    sides, dim = ((left, right), len(shape) - 1) if across else ((top, bottom), len(shape) - 2)
    return RuntimeError(
        "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
        f"({sides[0]}, {sides[1]}) at dimension {dim} of input {list(shape)}"
    )


#: Interpolations that tensors know -> names of their filters.
_FILTERS = {"bilinear": "linear", "bicubic": "cubic"}
#: Pixels that are worked on at a time, so that they stay in the cache.
_CACHED = 1 << 17


@lru_cache(maxsize=256)
def _weights(mode: str, size: int, count: int, antialias: bool, kind: str) -> tuple[Any, int]:
    """A sparse matrix from pixels to results along one side, and the bits that its weights are scaled by.

    ``kind``: ``float32``, ``float64``, or ``uint8`` for whole numbers as PyTorch computes with bytes.
    """
    real = np.float32 if kind == "float32" else np.float64
    places, weights = taps_of(_FILTERS[mode], size, count, False, None, antialias, real)
    bits = 0
    if kind == "uint8":
        # As many bits as leave the largest weight below 2 ** 15.
        most = float(weights.max())
        while bits < 22 and int(0.5 + most * (1 << (bits + 1))) < 1 << 15:
            bits += 1
        weights = np.trunc(weights * (1 << bits) + np.copysign(0.5, weights))
        # Sums of whole numbers, and the half that rounds them: float32 has them all where 24 bits hold them.
        if 255 * np.abs(weights).sum(1).max() + (1 << bits >> 1) < 1 << 24:
            real = np.float32
    taps = places.shape[1]
    entries = (weights.astype(real).reshape(-1), places.reshape(-1), np.arange(0, count * taps + 1, taps))
    matrix = import_module("scipy.sparse").csr_matrix(entries, (count, size))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix, bits


def _resample(image: Any, axis: int, count: int, mode: str, antialias: bool, kind: str) -> Any:
    """A NumPy image with ``count`` pixels along its last or second last axis."""
    # Differs from PyTorch: floats are added in another order; where bytes are floats meanwhile, one may round
    # the other way.
    size = image.shape[axis]
    if size == count:
        return image
    matrix, bits = _weights(mode, size, count, antialias, kind)
    made = np.empty(
        (*image.shape[:-1], count) if axis == -1 else (*image.shape[:-2], count, image.shape[-1]),
        image.dtype if kind == "uint8" else matrix.dtype,
    )
    if axis == -2:
        images, out = image.reshape(-1, *image.shape[-2:]), made.reshape(-1, *made.shape[-2:])
        for one, result in zip(images, out, strict=True):
            result[...] = _rounded(matrix @ one.astype(matrix.dtype, copy=False), bits)
        return made
    rows, out = image.reshape(-1, size), made.reshape(-1, count)
    few = max(_CACHED // size, 1)
    for i in range(0, len(rows), few):
        part = np.ascontiguousarray(rows[i : i + few].T).astype(matrix.dtype, copy=False)
        out[i : i + few] = _rounded(matrix @ part, bits).T
    return made


def _rounded(sums: Any, bits: int) -> Any:
    """Sums of bytes with whole weights as bytes; others as they are."""
    if not bits:
        return sums
    sums *= 1.0 / (1 << bits)
    sums += 0.5
    # Cutting off is rounding down from 0 on; what is below becomes 0 as well.
    return np.clip(sums, 0, 255, out=sums).astype(np.uint8)


def resize(
    image: Tensor, size: Sequence[int], mode: str, antialias: bool, bytes_as_such: bool = False
) -> Tensor:
    """An image ``(..., H, W)`` of another size.

    Args:
        image: of any dtype.
        size: (height, width).
        mode: ``nearest``, ``nearest-exact``, ``bilinear`` or ``bicubic``.
        antialias: widen the filter when making smaller.
        bytes_as_such: round bytes after each side, as PyTorch does; else they are floats meanwhile.
    """
    array = host_array(image)
    if array is None or 0 in array.shape:
        return _resize_tensor(image, list(size), mode, antialias)
    height, width = size
    if mode not in _FILTERS:
        sides = zip(array.shape[-2:], size, strict=True)
        rows, columns = (taps_of(mode, n, m, False, None, False, np.float32)[0][:, 0] for n, m in sides)
        return to_tensor(array[..., rows[:, None], columns])
    floats = array.dtype in (np.float32, np.float64)
    kind = "uint8" if bytes_as_such else (array.dtype.name if floats else "float32")
    work = array if floats or bytes_as_such else array.astype(np.float32)
    made = _resample(work, -1, width, mode, antialias, kind)
    made = _resample(made, -2, height, mode, antialias, kind)
    if not floats and not bytes_as_such:
        if array.dtype == np.uint8 and mode == "bicubic":
            made = np.clip(made, 0, 255)
        made = (made if array.dtype.kind not in "iu" else np.round(made)).astype(array.dtype)
    return to_tensor(made, array)


def _resize_tensor(image: Tensor, size: list[int], mode: str, antialias: bool) -> Tensor:
    kind, shape = image.dtype, image.shape
    x = image.reshape(-1, *shape[-3:]) if image.ndim > 3 else image.reshape(1, -1, *shape[-2:])
    x = x if kind in (jtorch.float32, jtorch.float64) else x.float()
    corners = False if mode in _FILTERS else None
    x = F.interpolate(x, size=size, mode=mode, align_corners=corners, antialias=antialias)
    if mode == "bicubic" and kind == jtorch.uint8:
        x = x.clamp(0, 255)
    if not kind.is_floating_point:
        x = x.round()
    return x.to(kind).reshape(*shape[:-2], *size)


def gaussian(size: int, sigma: float) -> Any:
    """Weights of a blur along one side, float32."""
    half = (size - 1) * 0.5
    x: Any = np.linspace(-half, half, size, dtype=np.float32)
    weights = np.exp(np.float32(-0.5) * (x / np.float32(sigma)) ** 2)
    return weights / weights.sum()


@on_images
def blur(xp: Any, image: Any, kernel_size: Sequence[int], sigma: Sequence[float]) -> Any:
    """A Gaussian blur of (width, height) ``kernel_size``; pixels outside are those inside, mirrored."""
    kind = xp.dtype_of(image)
    height, width = image.shape[-2:]
    half = [k // 2 for k in kernel_size]
    if half[0] >= width or half[1] >= height:
        raise _too_wide(image.shape, half[0], half[0], half[1], half[1])
    made = floating(xp, image)
    for axis, size, reach, spread in ((-1, width, half[0], sigma[0]), (-2, height, half[1], sigma[1])):
        places = np.pad(np.arange(size), reach, mode="reflect")
        index = (
            (..., xp.indices(places, image)) if axis == -1 else (..., xp.indices(places, image), slice(None))
        )
        wide, total = made[index], None
        for k, weight in enumerate(gaussian(2 * reach + 1, spread).tolist()):
            cut = slice(k, k + size)
            part = (wide[..., cut] if axis == -1 else wide[..., cut, :]) * weight
            total = part if total is None else total + part
        made = total
    return made if kind.is_floating_point else xp.cast(xp.round(made), kind)


def affine_grid(matrix: Sequence[float], size: tuple[int, int], out: tuple[int, int]) -> Any:
    """Where the pixels of the result lie in the image, from -1 to 1: float32 ``(h, w, 2)`` as (x, y).

    Args:
        matrix: of the inverse map around the centre, two rows of three.
        size: of the image, (height, width).
        out: of the result.
    """
    x, y = _centers(out[1], out[1] * 0.5), _centers(out[0], out[0] * 0.5)[:, None]
    theta: Any = np.asarray(matrix, np.float32).reshape(2, 3)
    theta = theta / np.array([[0.5 * size[1]], [0.5 * size[0]]], np.float32)
    return np.stack([_linear(row, x, y) for row in theta], -1)


def _centers(count: int, origin: float) -> Any:
    return np.arange(count, dtype=np.float32) + np.float32(0.5 - origin)


def _linear(row: Any, x: Any, y: Any) -> Any:
    """``row[0] * x + row[1] * y + row[2]`` in float32, added in the order of PyTorch's matrix product."""
    return (x * row[0] + y * row[1]) + row[2]


def perspective_grid(coefficients: Sequence[float], size: tuple[int, int]) -> Any:
    """As :func:`affine_grid`, of a perspective map with 8 coefficients."""
    height, width = size
    x, y = _centers(width, 0.0), _centers(height, 0.0)[:, None]
    rows = np.asarray([*coefficients, 1.0], np.float32).reshape(3, 3)
    halves = np.array([0.5 * width, 0.5 * height], np.float32)
    below = _linear(rows[2], x, y)
    return np.stack([_linear(rows[i] / halves[i], x, y) / below - np.float32(1.0) for i in range(2)], -1)


def identity_grid(size: Sequence[int]) -> Any:
    """The grid of no map at all."""
    height, width = size
    x = np.linspace((1 - width) / width, (width - 1) / width, width, dtype=np.float32)
    y = np.linspace((1 - height) / height, (height - 1) / height, height, dtype=np.float32)
    return np.stack(np.broadcast_arrays(x, y[:, None]), -1)


@on_images
def grid_sample(xp: Any, image: Any, grid: Any, mode: str, fill: Any, fused: bool = False) -> Any:
    """The image at the places of a grid.

    Args:
        xp: of the image.
        image: ``(..., C, H, W)``.
        grid: NumPy, ``(h, w, 2)``, from -1 to 1 as (x, y).
        mode: ``nearest`` or ``bilinear``.
        fill: of what lies outside, one for all channels or one each; ``None``: 0.
        fused: the arithmetic of ``transforms.v2``.
    """
    kind = xp.dtype_of(image)
    height, width = image.shape[-2:]
    levels = floating(xp, image)
    flat = levels.reshape(*levels.shape[:-2], height * width)
    x = (grid[..., 0] + np.float32(1)) * np.float32(width / 2) - np.float32(0.5)
    y = (grid[..., 1] + np.float32(1)) * np.float32(height / 2) - np.float32(0.5)
    made: Any = 0
    inside: Any = 0
    for at_x, at_y, weight in _corners(x, y, mode):
        counts = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
        place = np.where(counts, at_y * width + at_x, 0)
        share = (counts * weight).astype(np.float32)
        inside = inside + share
        made = made + flat[..., xp.indices(place, image)] * xp.like(share, levels)
    if fill is not None:
        mask = xp.like(inside, levels)
        color = xp.like(np.reshape(np.asarray(fill, np.float64), (-1, 1, 1)), levels)
        if mode == "nearest":
            made = xp.where(mask < 0.5, color, made)
        elif fused:
            made = (made - color) * mask + color
        else:
            made = made * mask + (1.0 - mask) * color
    return made if kind.is_floating_point else xp.cast(xp.round(made), kind)


def _corners(x: Any, y: Any, mode: str) -> list[tuple[Any, Any, Any]]:
    """Pixels that count at each place, and how much."""
    # Far outside is as good as further outside, and fits into an int.
    x, y = np.clip(np.nan_to_num(x, nan=-2.0), -2.0, 1e7), np.clip(np.nan_to_num(y, nan=-2.0), -2.0, 1e7)
    if mode == "nearest":
        return [(np.round(x).astype(np.int64), np.round(y).astype(np.int64), np.float32(1))]
    left, top = np.floor(x), np.floor(y)
    right_share, below_share = x - left, y - top
    left, top = left.astype(np.int64), top.astype(np.int64)
    one = np.float32(1)
    return [
        (left, top, (one - right_share) * (one - below_share)),
        (left + 1, top, right_share * (one - below_share)),
        (left, top + 1, (one - right_share) * below_share),
        (left + 1, top + 1, right_share * below_share),
    ]


def affine_output_size(matrix: Sequence[float], width: int, height: int) -> tuple[int, int]:
    """(width, height) that holds a whole image after the map, computed in float32 as torchvision does."""
    half = np.array([0.5 * width, 0.5 * height], np.float32)
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]], np.float32) * half
    theta = np.asarray(matrix, np.float32).reshape(2, 3)
    points = np.stack([_linear(row, corners[:, 0], corners[:, 1]) for row in theta], -1)
    tolerance = np.float32(1e-4)
    high = np.ceil(np.trunc((points.max(0) + half) / tolerance) * tolerance)
    low = np.floor(np.trunc((points.min(0) + half) / tolerance) * tolerance)
    return int(high[0] - low[0]), int(high[1] - low[1])


def inverse_affine_matrix(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    inverted: bool = True,
) -> list[float]:
    """Two rows of three: from places in the result to places in the image, or the other way round.

    The map is a move to ``translate`` and ``center`` after a turn, two shears and a scaling around
    ``center``: R(angle) Sy Sx scale, whose inverse is written out here.
    """
    turn, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(turn - sy) / math.cos(sy)
    b = -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
    (cx, cy), (tx, ty) = center, translate
    if inverted:
        rows = [[d / scale, -b / scale], [-c / scale, a / scale]]
        moved = [r[0] * (-cx - tx) + r[1] * (-cy - ty) for r in rows]
        ends = [cx, cy]
    else:
        rows = [[a * scale, b * scale], [c * scale, d * scale]]
        moved = [r[0] * -cx + r[1] * -cy for r in rows]
        ends = [cx + tx, cy + ty]
    return [*rows[0], moved[0] + ends[0], *rows[1], moved[1] + ends[1]]


def perspective_coefficients(startpoints: Any, endpoints: Any) -> list[float]:
    """Of the map that takes four end points back to their start points.

    Raises:
        ValueError: not four points.
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and "
            f"{len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    right = np.asarray(startpoints, np.float64).reshape(8)
    solution = np.linalg.lstsq(np.asarray(rows, np.float64), right, rcond=None)[0]
    return solution.astype(np.float32).tolist()
