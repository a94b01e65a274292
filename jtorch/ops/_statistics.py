"""Variance, standard deviation, order statistics (median, quantiles, k-th values), most frequent values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import kind, reject_kinds, wrap_dim, wrap_dims
from jtorch.ops._extrema import along, check_not_empty, shared
from jtorch.ops._ranking import computed_once, kth_position, order
from jtorch.ops._registry import register

Dim = int | Sequence[int] | None

spread = partial(
    register, static="dim unbiased keepdim correction", promote=None, opmath=True, method=True, out=True
)


def moments(
    name: str,
    input: Array,
    dim: Dim | bool,
    unbiased: bool | None,
    keepdim: bool,
    correction: float | None,
) -> tuple[Array, Array]:
    """Variance and mean over ``dim``; PyTorch's older call ``var(input, unbiased)`` passes a bool as ``dim``.

    The variance is the sum of squared distances from the mean divided by N - ``correction`` (0 at least).
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if kind(input) in "bi":
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    if correction is None:
        correction = 0 if unbiased is False else 1
    axes = wrap_dims(dim, input.ndim)
    count = math.prod(input.shape[a] for a in axes)
    mean = jnp.mean(input, axes, keepdims=True)
    away = input - mean
    squares = jnp.real(away) ** 2 + jnp.imag(away) ** 2 if kind(input) == "c" else away * away
    total = jnp.sum(squares, axes, keepdims=keepdim)
    return total / max(count - correction, 0), mean if keepdim else jnp.squeeze(mean, axes)


def root(variance: Array) -> Array:
    """The square root, whose gradient at 0 is 0: there PyTorch's standard deviation has none."""
    flat = variance == 0
    return jnp.where(flat, variance, jnp.sqrt(jnp.where(flat, jnp.ones_like(variance), variance)))


@spread("var", node="VarBackward0")
def var(
    input: Array,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Array:
    """The variance over ``dim``, divided by N - ``correction`` (1 by default, 0 if ``unbiased`` is false).

    Returns:
        Real, also for complex numbers; nan where N - ``correction`` is 0.

    Raises:
        RuntimeError: integers and booleans.
    """
    return moments("std and var", input, dim, unbiased, keepdim, correction)[0]


@spread("std", node="StdBackward0", saves="input result")
def std(
    input: Array,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Array:
    """The standard deviation, the root of :func:`var`; its gradient at 0 is 0."""
    return root(moments("std and var", input, dim, unbiased, keepdim, correction)[0])


@register(
    "var_mean", node="VarMeanBackward0", static="dim unbiased keepdim correction", promote=None, opmath=True
)
def var_mean(
    input: Array,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Array, Array]:
    """:func:`var` and the mean."""
    return moments("var_mean", input, dim, unbiased, keepdim, correction)


@register(
    "std_mean",
    node="StdMeanBackward0",
    static="dim unbiased keepdim correction",
    promote=None,
    opmath=True,
    saves="input result",
)
def std_mean(
    input: Array,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Array, Array]:
    """:func:`std` and the mean."""
    variance, mean = moments("std_mean", input, dim, unbiased, keepdim, correction)
    return root(variance), mean


def middle(input: Array, axis: int, skip_nan: bool) -> Array:
    """The index of the lower median along ``axis``, kept with size 1; of the first nan unless skipped."""
    size = input.shape[axis]
    missing = jnp.sum(jnp.isnan(input), axis, keepdims=True)
    rank = (jnp.maximum(size - missing, 1) - 1) // 2
    found = kth_position(input, rank, axis)
    if skip_nan:
        return found
    first_nan = jnp.expand_dims(lax.argmax(jnp.isnan(input), axis, jnp.int64), axis)
    return jnp.where(missing > 0, first_nan, found)


def median_of_all(input: Array, skip_nan: bool) -> Array:
    reject_kinds("median_cpu", "bc", input)
    flat = computed_once(input.reshape(-1))
    if not flat.size:
        return jnp.full((), jnp.nan if kind(input) == "f" else jnp.iinfo(input.dtype).min, input.dtype)
    return shared(flat, lax.stop_gradient(flat)[middle(lax.stop_gradient(flat), 0, skip_nan)[0]])


def median_along(name: str, input: Array, dim: int, keepdim: bool, skip_nan: bool) -> tuple[Array, Array]:
    axis = wrap_dim(dim, input.ndim)
    if not input.ndim:
        return input, jnp.zeros((), jnp.int64)
    check_not_empty(name, input, dim)
    reject_kinds("median_out", "bc", input)
    index = middle(lax.stop_gradient(input), axis, skip_nan)
    return along(input, axis, index, keepdim), index if keepdim else jnp.squeeze(index, axis)


@register("median", node="MedianBackward0", promote=None, method=True, saves="input result")
def median(input: Array) -> Array:
    """The lower median of all values, nan if there is one; equal values share the gradient."""
    return median_of_all(input, skip_nan=False)


@register("nanmedian", node="NanmedianBackward0", promote=None, method=True, saves="input result")
def nanmedian(input: Array) -> Array:
    """The lower median of all values that are not nan; equal values share the gradient."""
    return median_of_all(input, skip_nan=True)


@register(
    "median.dim",
    node="MedianBackward1",
    static="dim keepdim",
    promote=None,
    function=False,
    out=True,
    returns="median values indices",
    saves="indices",
)
def median_dim(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    """The lower median along ``dim``, nan if there is one, and a position that has it."""
    return median_along("median", input, dim, keepdim, skip_nan=False)


@register(
    "nanmedian.dim",
    node="NanmedianBackward1",
    static="dim keepdim",
    promote=None,
    function=False,
    out=True,
    returns="nanmedian values indices",
    saves="indices",
)
def nanmedian_dim(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    """The lower median of what is not nan along ``dim``, and a position that has it."""
    return median_along("nanmedian", input, dim, keepdim, skip_nan=True)


@register(
    "kthvalue",
    node="KthvalueBackward0",
    static="k dim keepdim",
    promote=None,
    method=True,
    out=True,
    returns="kthvalue values indices",
    saves="indices",
)
def kthvalue(input: Array, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The ``k``-th smallest value along ``dim`` (1 is the smallest, nan are largest) and its position.

    Raises:
        RuntimeError: ``k`` is below 1 or above the size of ``dim``.
    """
    axis = wrap_dim(dim, input.ndim)
    if input.ndim:
        check_not_empty("kthvalue", input, dim)
    if not 1 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
    reject_kinds("kthvalue_cpu", "bc", input)
    if not input.ndim:
        return input, jnp.zeros((), jnp.int64)
    index = kth_position(input, jnp.asarray(k - 1), axis)
    return along(input, axis, index, keepdim), index if keepdim else jnp.squeeze(index, axis)


@register(
    "mode",
    node="ModeBackward0",
    static="dim keepdim",
    promote=None,
    method=True,
    out=True,
    returns="mode values indices",
    saves="indices",
)
def mode(input: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The most frequent value along ``dim``, the smallest of several, and the last position that has it."""
    axis = wrap_dim(dim, input.ndim)
    if input.ndim:
        check_not_empty("mode", input, dim)
    reject_kinds("mode_cpu", "c", input)
    if not input.ndim:
        return input, jnp.zeros((), jnp.int64)
    index = order(input, axis)
    values = jnp.take_along_axis(lax.stop_gradient(input), index, axis, mode="promise_in_bounds")
    position = lax.broadcasted_iota(jnp.int64, input.shape, axis)
    before = jnp.roll(values, 1, axis)
    # Each nan is a value of its own, as in PyTorch.
    starts = jnp.where((position == 0) | (values != before), position, 0)
    length = position - lax.cummax(starts, axis)
    longest = jnp.expand_dims(lax.argmax(length, axis, jnp.int64), axis)
    found = jnp.take_along_axis(index, longest, axis)
    return along(input, axis, found, keepdim), found if keepdim else jnp.squeeze(found, axis)


INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def check_quantile(name: str, input: Array, q: Any, interpolation: str) -> None:
    if not input.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if getattr(q, "ndim", 0) > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if input.dtype not in (jnp.float32, jnp.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if hasattr(q, "dtype") and q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if not hasattr(q, "dtype") and not 0 <= q <= 1:
        raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            + interpolation
        )


def quantile_along(
    name: str, input: Array, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Array:
    """The values at fractional ranks of the sorted values along ``dim``, laid out as the result."""
    check_quantile(name, input, q, interpolation)
    axis = 0 if dim is None else wrap_dim(dim, input.ndim)
    kept = [1] * input.ndim
    if dim is not None and input.ndim:
        kept = [1 if a == axis else n for a, n in enumerate(input.shape)]
    x = jnp.moveaxis(input.reshape(-1) if dim is None or not input.ndim else input, axis, -1)
    x = jnp.take_along_axis(x, order(x, x.ndim - 1), -1, mode="promise_in_bounds")
    q = jnp.asarray(q, input.dtype)
    missing = jnp.sum(jnp.isnan(x), -1, keepdims=True)
    last = (
        jnp.maximum(x.shape[-1] - missing, 1) - 1 if name == "nanquantile" else jnp.asarray(x.shape[-1] - 1)
    )
    rank = q.reshape(-1) * last.astype(input.dtype)
    rank = jnp.broadcast_to(rank, (*x.shape[:-1], q.size))
    below, above = jnp.floor(rank), jnp.ceil(rank)
    if interpolation == "lower":
        rank = above = below
    elif interpolation == "higher":
        rank = below = above
    elif interpolation == "nearest":
        rank = below = above = jnp.round(rank)
    low = jnp.take_along_axis(x, below.astype(jnp.int64), -1)
    if interpolation in ("linear", "midpoint"):
        high = jnp.take_along_axis(x, above.astype(jnp.int64), -1)
        weight = jnp.asarray(0.5, input.dtype) if interpolation == "midpoint" else rank - below
        low = jnp.where(weight < 0.5, low + weight * (high - low), high - (high - low) * (1 - weight))
    if name == "quantile":
        low = jnp.where(missing > 0, jnp.asarray(jnp.nan, input.dtype), low)
    result = jnp.moveaxis(low, -1, 0) if q.ndim else low[..., 0]
    if keepdim:
        result = result.reshape(q.shape + tuple(kept))
    return result


@register(
    "quantile",
    numbers="q",
    node="SqueezeBackward4",
    static="dim keepdim interpolation",
    promote=None,
    baked="q",
    method=True,
    out=True,
    saves="intermediate",
)
def quantile(
    input: Array, q: Array, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Array:
    """The value below which a share ``q`` of the values lies, along ``dim`` or of all; nan if there is one.

    Args:
        input: float32 or float64, not empty.
        q: shares in [0, 1]; one, or several in 1-D, which become the first dimension of the result.
        dim: ``None`` for all values.
        keepdim: keep ``dim`` with size 1.
        interpolation: between ranks: ``linear``, ``lower``, ``higher``, ``midpoint`` or ``nearest``.

    Raises:
        RuntimeError: other types, shapes or values of these.
    """
    return quantile_along("quantile", input, q, dim, keepdim, interpolation)


@register(
    "nanquantile",
    numbers="q",
    node="SqueezeBackward4",
    static="dim keepdim interpolation",
    promote=None,
    baked="q",
    method=True,
    out=True,
    saves="intermediate",
)
def nanquantile(
    input: Array, q: Array, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Array:
    """:func:`quantile` of what is not nan."""
    return quantile_along("nanquantile", input, q, dim, keepdim, interpolation)
