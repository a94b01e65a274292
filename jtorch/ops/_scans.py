"""Cumulative sums, products and extrema, and the trapezoidal rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jax import Array, lax

from jtorch import dtypes
from jtorch.ops._checks import kind, not_implemented, reject_kinds, wrap_dim
from jtorch.ops._reductions import accumulated
from jtorch.ops._registry import register
from jtorch.ops._transcendental import log_of_sum

scan = partial(register, promote=None, method=True, out=True)


def scanned(scan: Callable[[Array, int], Array], x: Array, axis: int) -> Array:
    """A scan along ``axis``, in float32 for half precision."""
    if not x.ndim:
        return x
    half = x.dtype in (jnp.float16, jnp.bfloat16)
    return scan(x.astype(jnp.float32), axis).astype(x.dtype) if half else scan(x, axis)


@scan("cumsum", node="CumsumBackward0", static="dim dtype", saves="", inplace=True)
def cumsum(input: Array, dim: int, *, dtype: dtypes.dtype | None = None) -> Array:
    """The sums of the first 1, 2, ... values along ``dim``; integers and booleans give int64."""
    return scanned(lax.cumsum, accumulated(input, dtype), wrap_dim(dim, input.ndim))


@scan("cumprod", node="CumprodBackward0", static="dim dtype", inplace=True, saves="input result")
def cumprod(input: Array, dim: int, *, dtype: dtypes.dtype | None = None) -> Array:
    """The products of the first 1, 2, ... values along ``dim``; integers and booleans give int64."""
    return scanned(lax.cumprod, accumulated(input, dtype), wrap_dim(dim, input.ndim))


@scan("logcumsumexp", node="LogcumsumexpBackward0", static="dim", opmath=True, saves="input result")
def logcumsumexp(input: Array, dim: int) -> Array:
    """The logarithm of the cumulative sum of exponentials along ``dim``, without overflow.

    Raises:
        NotImplementedError: integers and booleans.
    """
    axis = wrap_dim(dim, input.ndim)
    reject_kinds("logcumsumexp_out_cpu", "bi", input)
    if not input.size or not input.ndim:
        return input
    if kind(input) == "c":
        return lax.associative_scan(log_of_sum, input, axis=axis)
    return lax.cumlogsumexp(input, axis)


def running_extreme(
    name: str, input: Array, dim: int, better: Callable[[Array, Array], Array]
) -> tuple[Array, Array]:
    """Running extrema and their positions; of equal values the last one counts, and nan wins for good.

    The values are gathered by position, so that each gradient goes to one element.
    """
    if not input.ndim and not -1 <= dim <= 0:
        raise IndexError(f"{name}(): Expected reduction dim -1 or 0 for scalar but got {dim}")
    axis = wrap_dim(dim, input.ndim)
    if kind(input) == "c":
        raise not_implemented(f"{name}_cpu", input)
    if not input.ndim or not input.size:
        return input, jnp.zeros(input.shape, jnp.int64)

    def later(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
        take = jnp.isnan(b[0]) | (better(b[0], a[0]) & ~jnp.isnan(a[0]))
        return jnp.where(take, b[0], a[0]), jnp.where(take, b[1], a[1])

    position = lax.broadcasted_iota(jnp.int64, input.shape, axis)
    _, index = lax.associative_scan(later, (lax.stop_gradient(input), position), axis=axis)
    return jnp.take_along_axis(input, index, axis), index


@scan("cummax", node="CummaxBackward0", static="dim", returns="cummax values indices", saves="input indices")
def cummax(input: Array, dim: int) -> tuple[Array, Array]:
    """The largest of the first 1, 2, ... values along ``dim`` and the last position that has it.

    Raises:
        NotImplementedError: complex numbers.
    """
    return running_extreme("cummax", input, dim, jnp.greater_equal)


@scan("cummin", node="CumminBackward0", static="dim", returns="cummin values indices", saves="input indices")
def cummin(input: Array, dim: int) -> tuple[Array, Array]:
    """The smallest of the first 1, 2, ... values along ``dim`` and the last position that has it.

    Raises:
        NotImplementedError: complex numbers.
    """
    return running_extreme("cummin", input, dim, jnp.less_equal)


def areas(y: Array, x: Array | None, dx: Array | float | None, axis: int) -> Array:
    """The area under each pair of neighbours along ``axis``."""
    if x is not None and dx is not None:
        raise RuntimeError("Cannot specify both x and dx")
    left = lax.slice_in_dim(y, 0, -1, axis=axis)
    right = lax.slice_in_dim(y, 1, None, axis=axis)
    if x is None:
        return (left + right) * (1.0 if dx is None else dx) / 2
    if x.ndim == 1 and y.ndim != 1:
        if x.shape[0] != y.shape[axis]:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        x = x.reshape((-1,) + (1,) * (y.ndim - 1 - axis))
        width = jnp.diff(x, axis=0)
    else:
        x = x.reshape((1,) * (y.ndim - x.ndim) + x.shape)
        width = jnp.diff(x, axis=axis)
    return width * (left + right) / 2


@register(
    "trapezoid",
    node=lambda shapes, static: "MulBackward1" if shapes[1] is None else "DivBackward1",
    static="dim",
    promote="float",
    promoted="y x",
    aliases="trapz",
    saves="intermediate",
)
def trapezoid(y: Array, x: Array | None = None, *, dx: Array | None = None, dim: int = -1) -> Array:
    """The integral along ``dim`` of the polygon through points spaced by ``dx`` (1), or at ``x``."""
    axis = wrap_dim(dim, y.ndim)
    if y.shape[axis] == 0:
        return jnp.zeros(y.shape[:axis] + y.shape[axis + 1 :], y.dtype)
    return jnp.sum(areas(y, x, dx, axis), axis)


@register(
    "cumulative_trapezoid",
    node=lambda shapes, static: "CumsumBackward0" if shapes[1] is None else "DivBackward1",
    static="dim",
    promote="float",
    promoted="y x",
    saves="intermediate",
)
def cumulative_trapezoid(
    y: Array, x: Array | None = None, *, dx: Array | None = None, dim: int = -1
) -> Array:
    """The cumulative sums of :func:`trapezoid`, one fewer than points."""
    axis = wrap_dim(dim, y.ndim)
    return jnp.cumsum(areas(y, x, dx, axis), axis)
