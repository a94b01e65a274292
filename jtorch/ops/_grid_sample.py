"""Images read at points of a grid, and grids of affine maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.dtypes import from_numpy_dtype
from jtorch.ops._checks import kind, not_implemented, scalar_type
from jtorch.ops._half import widened
from jtorch.ops._loss_reduction import size_text
from jtorch.ops._precision import precision
from jtorch.ops._registry import register

INTERPOLATION = ("bilinear", "nearest", "bicubic")
PADDING = ("zeros", "border", "reflection")


def check_grid(input: Array, grid: Array, mode: str) -> None:
    """Shapes and dtypes of both."""
    shapes = f"but got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if input.shape[:1] != grid.shape[:1]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, {shapes}")
    if input.ndim - 2 != grid.shape[-1] and input.ndim == grid.ndim:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but got grid "
            "with sizes "
            f"{list(grid.shape)}"
        )
    for axis in range(2, input.ndim):
        if not input.shape[axis]:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {axis} being empty"
            )
    if input.ndim not in (4, 5) or input.ndim != grid.ndim:
        expected = "4D or 5D" if input.ndim not in (4, 5) else f"{input.ndim}D"
        raise RuntimeError(
            f"grid_sampler(): expected {expected} input and grid with same number of dimensions, {shapes}"
        )
    if mode == "bicubic" and input.ndim != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if kind(input) != "f":
        raise not_implemented(f"grid_sampler_{input.ndim - 2}d_cpu_kernel_impl", input)
    if input.dtype != grid.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(grid)}")


def pixel(x: Array, size: int, align_corners: bool) -> Array:
    """Coordinates in [-1, 1] as positions in ``size`` elements."""
    return (x + 1) / 2 * (size - 1) if align_corners else ((x + 1) * size - 1) / 2


def inside(x: Array, size: int, padding_mode: str, align_corners: bool) -> Array:
    """Positions brought into the input, if the mode says so."""
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        twice = (0, 2 * (size - 1)) if align_corners else (-1, 2 * size - 1)
        x = reflected(x, *twice)
    low, high = jnp.zeros((), x.dtype), jnp.asarray(size - 1, x.dtype)
    # A position at a bound or beyond has no slope.
    return jnp.where(x <= low, low, jnp.where(x >= high, high, x))


def reflected(x: Array, twice_low: int, twice_high: int) -> Array:
    """Positions reflected at both (half-integer) bounds as often as needed."""
    if twice_low == twice_high:
        return jnp.zeros_like(x)
    low, span = twice_low / 2, (twice_high - twice_low) / 2
    away = jnp.where(x < low, low - x, x - low)
    flips = jnp.floor(away / span)
    rest = away - flips * span
    return jnp.where(flips % 2 == 0, rest + low, span - rest + low)


def read(x: Array, places: Sequence[Array], padding_mode: str) -> Array:
    """Elements of ``(N, C, *)`` at whole positions ``(N, *)``, zero beyond the edges: ``(N, C, *)``."""
    sizes = x.shape[2:]
    flat: Any = 0
    exists: Any = True
    for place, n in zip(places, sizes, strict=True):
        exists = exists & (place >= 0) & (place <= n - 1)
        index = jnp.clip(place, 0, n - 1).astype(jnp.int32)
        flat = flat * n + index
    rows = flat.reshape(flat.shape[0], 1, -1)
    pixels = x.reshape(*x.shape[:2], math.prod(sizes))
    found = jnp.take_along_axis(pixels, rows, 2, mode="promise_in_bounds")
    found = found.reshape(*x.shape[:2], *flat.shape[1:])
    return found if padding_mode == "border" else jnp.where(exists[:, None], found, 0)


def linear_sample(x: Array, at: Sequence[Array], padding_mode: str) -> Array:
    """The weighted sum of the corners of the cell around each position."""
    low = [jnp.floor(p) for p in at]
    total: Any = 0
    for corner in np.ndindex(*(2,) * len(at)):
        weight: Any = 1
        for p, q, i in zip(at, low, corner, strict=True):
            weight = weight * (p - q if i else q + 1 - p)
        places = [q + i for q, i in zip(low, corner, strict=True)]
        total = total + read(x, places, padding_mode) * weight[:, None]
    return total


def cubic_weights(t: Array) -> list[Array]:
    """Keys' cubic convolution kernel with slope -0.75, at distances 1 + t, t, 1 - t and 2 - t."""
    a = -0.75
    near = [((a + 2) * s - (a + 3)) * s * s + 1 for s in (t, 1 - t)]
    far = [((a * s - 5 * a) * s + 8 * a) * s - 4 * a for s in (1 + t, 2 - t)]
    return [far[0], *near, far[1]]


def cubic_sample(x: Array, at: Sequence[Array], padding_mode: str, align_corners: bool) -> Array:
    """The weighted sum of the 4 x 4 elements around each position; each of them is brought into the input."""
    low = [jnp.floor(p) for p in at]
    weights = [cubic_weights(p - q) for p, q in zip(at, low, strict=True)]
    total: Any = 0
    for i in range(4):
        for j in range(4):
            places = [
                jnp.floor(inside(q + k - 1, n, padding_mode, align_corners) + 0.5)
                for q, k, n in zip(low, (i, j), x.shape[2:], strict=True)
            ]
            total = total + read(x, places, padding_mode) * (weights[0][i] * weights[1][j])[:, None]
    return total


def sample(input: Array, grid: Array, mode: str, padding_mode: str, align_corners: bool) -> Array:
    """``input`` at the points of ``grid``, after the checks."""
    check_grid(input, grid, mode)
    # Differs from PyTorch: its CPU kernels round places and weights to half precision, unlike CUDA's.
    x, points = widened(input), widened(grid)
    ndim = input.ndim - 2
    # The grid names the last dimension first.
    at = [pixel(points[..., ndim - 1 - i], x.shape[2 + i], align_corners) for i in range(ndim)]
    if not x.size or not at[0].size:
        return jnp.zeros((*x.shape[:2], *at[0].shape[1:]), input.dtype)
    if mode == "bicubic":
        return cubic_sample(x, at, padding_mode, align_corners).astype(input.dtype)
    at = [inside(p, n, padding_mode, align_corners) for p, n in zip(at, x.shape[2:], strict=True)]
    if mode == "nearest":
        return read(x, [jnp.round(p) for p in at], padding_mode).astype(input.dtype)
    return linear_sample(x, at, padding_mode).astype(input.dtype)


def grid_node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
    """A node per number of dimensions."""
    return f"GridSampler{len(shapes[0]) - 2}DBackward0"


@register(
    "nn.functional.grid_sample",
    node=grid_node,
    static="mode padding_mode align_corners",
    promote=None,
    watches="input grid",
)
def grid_sample(
    input: Array,
    grid: Array,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Array:
    """``input`` read at the points of ``grid``.

    Args:
        input: shape ``(N, C, H, W)`` or ``(N, C, D, H, W)``, floating.
        grid: ``(N, *, 2)`` or ``(N, *, 3)``: x, y (and z) of each point, -1 and 1 being the edges.
        mode: ``"bilinear"`` (in volumes trilinear), ``"nearest"`` or ``"bicubic"`` (images only).
        padding_mode: what is beyond the edges: ``"zeros"``, the ``"border"``, or its ``"reflection"``.
        align_corners: -1 and 1 are the centres of the first and last elements, else their outer edges.

    Returns:
        Shape ``(N, C, *)``.

    Raises:
        ValueError: an unknown mode.
        RuntimeError: shapes or dtypes that do not agree.

    Reference: Jaderberg et al., "Spatial Transformer Networks", 2015, https://arxiv.org/abs/1506.02025
    """
    if mode not in INTERPOLATION:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: "
            f"'{mode}'"
        )
    if padding_mode not in PADDING:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            "but got: "
            f"'{padding_mode}'"
        )
    return sample(input, grid, mode, padding_mode, bool(align_corners))


def sampler(name: str) -> Any:
    """Registration of the forms that take PyTorch's numbers for the modes."""
    return register(
        name,
        node=grid_node,
        static="interpolation_mode padding_mode align_corners",
        promote=None,
        watches="input grid",
    )


@sampler("grid_sampler")  # type: ignore[untyped-decorator]
def grid_sampler(
    input: Array, grid: Array, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Array:
    """:func:`grid_sample` with 0, 1, 2 for the modes in their order."""
    return sample(input, grid, INTERPOLATION[interpolation_mode], PADDING[padding_mode], align_corners)


@sampler("grid_sampler_2d")  # type: ignore[untyped-decorator]
def grid_sampler_2d(
    input: Array, grid: Array, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Array:
    """:func:`grid_sampler` of images."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


@sampler("grid_sampler_3d")  # type: ignore[untyped-decorator]
def grid_sampler_3d(
    input: Array, grid: Array, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Array:
    """:func:`grid_sampler` of volumes."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


# ---- affine grids --------------------------------------------------------------------------------------


def affine_points(theta: Array, size: Sequence[int], align_corners: bool) -> Array:
    """The images of all points of a regular grid under each affine map."""
    axes = []
    for n in size[2:]:
        line = jnp.linspace(-1, 1, n, dtype=theta.dtype) if n > 1 else jnp.zeros(n, theta.dtype)
        axes.append(line if align_corners else line * ((n - 1) / n))
    points = jnp.meshgrid(*axes, indexing="ij")[::-1]  # x first
    base = jnp.stack([*points, jnp.ones_like(points[0])], -1)
    if theta.shape[0] != size[0]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{size[0]}, {base.shape[-1]}] "
            "but got: "
            f"[{theta.shape[0]}, {theta.shape[2]}]."
        )
    return jnp.einsum("...j,nij->n...i", base, theta, precision=precision())


@register(
    "nn.functional.affine_grid",
    node="AffineGridGeneratorBackward0",
    static="size align_corners",
    promote=None,
    opmath=True,
    saves="intermediate",
)
def affine_grid(theta: Array, size: Sequence[int], align_corners: bool | None = None) -> Array:
    """A grid for ``grid_sample`` that shows its input under affine maps.

    Args:
        theta: maps of x, y (and z), shape ``(N, 2, 3)`` for images or ``(N, 3, 4)`` for volumes.
        size: of what will be sampled, ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        align_corners: as of ``grid_sample``.

    Returns:
        Shape ``(N, H, W, 2)`` or ``(N, D, H, W, 3)``.

    Raises:
        ValueError, NotImplementedError: shapes or dtypes that do not agree.
    """
    if kind(theta) != "f":
        raise ValueError(
            f"Expected theta to have floating point type, but got {from_numpy_dtype(theta.dtype)}"
        )
    shown = tuple(size)
    if len(shown) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {shown}."
        )
    n = len(shown) - 2
    if theta.ndim != 3 or theta.shape[1:] != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {shown}. "
            f"Got {size_text(theta)}."
        )
    if min(shown) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {shown}")
    return affine_points(theta, shown, bool(align_corners))


@register(
    "affine_grid_generator",
    node="AffineGridGeneratorBackward0",
    static="size align_corners",
    promote=None,
    opmath=True,
)
def affine_grid_generator(theta: Array, size: Sequence[int], align_corners: bool) -> Array:
    """:func:`affine_grid` under its name in PyTorch's core."""
    return affine_grid(theta, size, align_corners)
