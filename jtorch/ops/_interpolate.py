"""Images, signals and volumes in another resolution."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._adaptive_pooling import adaptive_avg
from jtorch.ops._checks import kind, not_implemented
from jtorch.ops._half import widened
from jtorch.ops._registry import register
from jtorch.ops._resampling import resample, sizes_after, taps_of

#: mode -> number of spatial dimensions (0 for any) and name of the filter
MODES = {
    "nearest": (0, "nearest"),
    "nearest-exact": (0, "nearest-exact"),
    "area": (0, "area"),
    "linear": (1, "linear"),
    "bilinear": (2, "linear"),
    "bicubic": (2, "cubic"),
    "lanczos": (2, "lanczos"),
    "trilinear": (3, "linear"),
}


def interpolate_node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
    """A node per mode and number of dimensions."""
    mode, ndim = static["mode"], len(shapes[0]) - 2
    if mode == "area":
        return "SqueezeBackward1" if ndim == 1 else f"AdaptiveAvgPool{ndim}DBackward0"
    names = {"nearest": "Nearest", "nearest-exact": "NearestExact"}
    name = names.get(mode) or mode.capitalize()
    return f"Upsample{name}{ndim}D{'Aa' * bool(static['antialias'])}Backward0"


def check_corners(mode: str, align_corners: bool | None) -> None:
    """Only weighted means know of corners."""
    if align_corners is not None and mode in ("nearest", "area", "nearest-exact"):
        raise ValueError(
            "align_corners option can only be set with the "
            "interpolating modes: linear | bilinear | bicubic | trilinear"
        )


def check_modes(mode: str, ndim: int, antialias: bool) -> None:
    """The mode is for inputs of this kind."""
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and ndim == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D "
            "tensor as input"
        )
    needed = MODES.get(mode, (0, ""))[0]
    if mode in ("linear", "bilinear", "trilinear") and ndim in (1, 2, 3) and ndim != needed:
        raise NotImplementedError(f"Got {ndim + 2}D input, but {mode} mode needs {needed + 2}D input")
    if mode not in MODES or ndim not in (1, 2, 3) or (needed and ndim != needed):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim + 2}D) for the modes: "
            "nearest | "
            f"linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
        )


def sizes_and_factors(
    input: Array, size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """Spatial sizes of the result, and the factors if they count."""
    space = input.shape[2:]
    advice = "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None:
        sizes = tuple(size) if isinstance(size, tuple | list) else (size,) * len(space)
        if len(sizes) != len(space):
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with "
                "spatial "
                f"dimensions of {list(space)} and output size of {size}. {advice}"
                "output size in (o1, o2, ...,oK) format."
            )
        if not all(isinstance(n, int | np.integer) for n in sizes):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], "
                "but got size "
                f"with types {[type(n) for n in sizes]}"
            )
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return sizes, None
    factors = tuple(scale_factor) if isinstance(scale_factor, tuple | list) else (scale_factor,) * len(space)
    if len(factors) != len(space):
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with "
            "spatial "
            f"dimensions of {list(space)} and scale_factor of shape {scale_factor}. {advice}"
            "scale_factor in (s1, s2, ...,sK) format."
        )
    return sizes_after(space, factors), None if recompute else factors


def check_sizes(mode: str, input: Array, sizes: tuple[int, ...]) -> None:
    """Something to make something of."""
    space = input.shape[2:]
    if min(*space, *sizes, 1) < 1:
        names = [f"{name}: " for name in "DHW"[-len(space) :]]
        shown = [", ".join(f"{n}{v}" for n, v in zip(names, v, strict=True)) for v in (space, sizes)]
        link = " and" if len(space) == 1 else ""
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({shown[0]}){link} output "
            f"({shown[1]})"
        )
    if not input.shape[1]:
        raise RuntimeError(
            f"Non-empty {input.ndim}D data tensor expected but got a tensor with sizes {list(input.shape)}"
        )
    if kind(input) in "bc" or (kind(input) == "i" and input.dtype != jnp.uint8):
        label = {"bilinear": "bilinear", "bicubic": "bicubic"}.get(mode, mode.partition("-")[0])
        raise not_implemented(f"upsample_{label}{len(space)}d_channels_last", input)


@register(
    "nn.functional.interpolate",
    node=interpolate_node,
    static="size scale_factor mode align_corners recompute_scale_factor antialias",
    promote=None,
    saves="",
    watches=lambda args: "input" if args["mode"] == "area" else "",
)
def interpolate(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """``input`` in another resolution.

    Args:
        input: shape ``(N, C, *)`` with one to three spatial dimensions, floating or uint8.
        size: spatial sizes of the result, or one for all.
        scale_factor: their ratio to the input's, instead of ``size``.
        mode: ``"nearest"``, ``"nearest-exact"`` (rounding like other libraries), ``"linear"``,
            ``"bilinear"``, ``"trilinear"``, ``"bicubic"``, ``"lanczos"`` (with ``antialias``) or ``"area"``
            (means).
        align_corners: the centres of the corner elements keep their places; else their outer corners do.
        recompute_scale_factor: compute with the ratio of the (whole) sizes instead of ``scale_factor``.
        antialias: widen the filter when making smaller; with ``"bilinear"``, ``"bicubic"`` and ``"lanczos"``.

    Raises:
        ValueError, NotImplementedError, TypeError: arguments that do not go together.
        RuntimeError: empty sizes.
    """
    ndim = input.ndim - 2
    check_corners(mode, align_corners)
    recompute = bool(recompute_scale_factor) or (mode == "area" and size is None)
    if ndim < 1 and (size is None or isinstance(size, int)):
        check_modes(mode, ndim, antialias)
    sizes, factors = sizes_and_factors(input, size, scale_factor, recompute)
    check_modes(mode, ndim, antialias)
    if mode == "area":
        return adaptive_avg(f"adaptive_avg_pool{ndim}d", ndim, input, sizes)
    if mode == "lanczos" and not antialias:
        raise ValueError("lanczos mode requires antialias=True")
    check_sizes(mode, input, sizes)
    x = widened(input)
    if kind(x) == "i" and not mode.startswith("nearest"):
        x = x.astype(jnp.float32)
    real = np.float64 if x.dtype == jnp.float64 else np.float32
    name = MODES[mode][1]
    # PyTorch's kernel for small images takes a factor that leaves or doubles the size for exactly that.
    whole = mode == "nearest" and ndim == 2 and sum(sizes) <= 128
    for i in reversed(range(ndim)):
        n = x.shape[2 + i]
        factor = None if factors is None or (whole and sizes[i] in (n, 2 * n)) else factors[i]
        taps = taps_of(name, n, sizes[i], bool(align_corners), factor, antialias, real)
        x = resample(x, 2 + i, taps)
    if kind(input) == "i" and kind(x) == "f":
        x = jnp.clip(jnp.round(x), 0, 255)
    return x.astype(input.dtype)


@register(
    "_upsample_bilinear2d_aa",
    node="UpsampleBilinear2DAaBackward0",
    static="output_size align_corners scale_factors scales_h scales_w",
    promote=None,
    saves="",
)
def upsample_bilinear2d_aa(
    input: Array,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Array:
    """:func:`interpolate` by lines with a filter that widens; ``scales`` beside a size set its step.

    Raises:
        RuntimeError: neither or both of size and factors, empty sizes.
    """
    if (output_size is None) == (scale_factors is None):
        raise RuntimeError("Must specify exactly one of output_size and scale_factors")
    if output_size is None:
        return interpolate(input, None, scale_factors, "bilinear", align_corners, None, True)
    check_sizes("bilinear", input, tuple(output_size))
    x = widened(input)
    if kind(x) == "i":
        x = x.astype(jnp.float32)
    real = np.float64 if x.dtype == jnp.float64 else np.float32
    for axis, factor in ((3, scales_w), (2, scales_h)):
        taps = taps_of("linear", x.shape[axis], output_size[axis - 2], align_corners, factor, True, real)
        x = resample(x, axis, taps)
    if kind(input) == "i":
        x = jnp.clip(jnp.round(x), 0, 255)
    return x.astype(input.dtype)


def warn_old(name: str) -> None:
    """PyTorch's names for :func:`interpolate` before 0.4."""
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3
    )


OLD = "size scale_factor mode align_corners"


def old_node(mode: str | None) -> Any:
    """The node of the mode that the old name means."""

    def node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
        return interpolate_node(shapes, {"antialias": False, "mode": mode or static["mode"]})

    return node


@register("nn.functional.upsample", node=old_node(None), static=OLD, promote=None, saves="")
def upsample(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Array:
    """Old name of :func:`interpolate`."""
    warn_old("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@register(
    "nn.functional.upsample_nearest",
    node=old_node("nearest"),
    static="size scale_factor",
    promote=None,
    saves="",
)
def upsample_nearest(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Array:
    """Old name of :func:`interpolate` with ``mode="nearest"``."""
    warn_old("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


@register(
    "nn.functional.upsample_bilinear",
    node=old_node("bilinear"),
    static="size scale_factor",
    promote=None,
    saves="",
)
def upsample_bilinear(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Array:
    """Old name of :func:`interpolate` with ``mode="bilinear"`` and aligned corners."""
    warn_old("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)
