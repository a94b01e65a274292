"""Pooling: the largest value, the mean or a norm of each window of a signal, an image or a volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import kind, not_implemented
from jtorch.ops._half import widened
from jtorch.ops._plain import larger
from jtorch.ops._pooling_checks import check_pool, check_pool_rank, check_pool_steps, pool_arguments
from jtorch.ops._pooling_windows import Sizes, Windows, fold_windows, largest_along, least, windows
from jtorch.ops._registry import register


def squeezed(name: str, ndim: int) -> Callable[[Sequence[Any], Mapping[str, Any]], str]:
    """Pooling in one dimension is composed by PyTorch: it ends with the removal of a dimension."""

    def node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
        return "SqueezeBackward1" if ndim == 1 else name

    return node


# ---- the largest value ---------------------------------------------------------------------------------


def largest_with_position(input: Array, along: Sequence[Windows]) -> tuple[Array, Array]:
    """The largest value of each window and its position in the flattened spatial dimensions."""
    first = input.ndim - len(along)
    value, index = input, None
    for axis in reversed(range(len(along))):
        w = along[axis]
        shape = [1] * input.ndim
        shape[first + axis] = w.count
        places = w.positions() * math.prod(input.shape[first + axis + 1 :])
        values = w.elements(value, first + axis, least(input))
        inner = [0] * w.kernel if index is None else w.elements(index, first + axis, 0)
        value, index = largest_along(
            [
                (v, e + jnp.asarray(places[:, i].reshape(shape)))  # type: ignore[operator]
                for i, (v, e) in enumerate(zip(values, inner, strict=True))
            ]
        )
        index = jnp.broadcast_to(index, value.shape)
    assert index is not None
    return value, index


def max_pool(
    name: str,
    ndim: int,
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    """Any of the max poolings, after its checks."""
    kernel, steps, pad, spread = pool_arguments(name, ndim, kernel_size, stride, padding, dilation)
    if ndim == 1 and return_indices:
        name += "_with_indices"  # for which PyTorch takes signals for images
    check_pool_rank(name, input, ndim)
    check_pool_steps(name, kernel, steps, spread)
    along = windows(input.shape[-ndim:], kernel, steps, pad, spread, ceil_mode)
    check_pool(name, input, kernel, pad, spread, along)
    if kind(input) in "bc" or (ndim == 1 and kind(input) == "i" and not return_indices):
        raise not_implemented("max_pool1d_impl" if ndim == 1 else name, input)
    if return_indices:
        return largest_with_position(input, along)
    return fold_windows(input, along, larger, least(input))


def positions(args: Mapping[str, Any]) -> str:
    """The result that max pooling keeps, if it is handed out."""
    return "result1" if args["return_indices"] else ""


MAX_POOL = "kernel_size stride padding dilation ceil_mode return_indices"


@register(
    "nn.functional.max_pool1d",
    node=squeezed("", 1),
    static=MAX_POOL,
    promote=None,
    watches=positions,
)
def max_pool1d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of a signal; the first of equal ones has the gradient.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: positions before and after the signal, which never win; half a window at most.
        dilation: distance of a window's elements.
        ceil_mode: count a last window that begins inside, even if it ends beyond.
        return_indices: return the positions, too (int64, in the flattened spatial dimensions).

    Raises:
        RuntimeError: sizes that do not agree.
    """
    return max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@register(
    "nn.functional.max_pool2d",
    node="MaxPool2DWithIndicesBackward0",
    static=MAX_POOL,
    promote=None,
    watches=positions,
)
def max_pool2d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of an image, ``(N, C, H, W)`` or a sample, like :func:`max_pool1d`."""
    return max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@register(
    "nn.functional.max_pool3d",
    node="MaxPool3DWithIndicesBackward0",
    static=MAX_POOL,
    promote=None,
    watches=positions,
)
def max_pool3d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of a volume, ``(N, C, D, H, W)``, like :func:`max_pool1d`."""
    return max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# ---- means ---------------------------------------------------------------------------------------------


def divisors(along: Sequence[Windows], sizes: Sequence[int], count_include_pad: bool) -> np.ndarray | int:
    """How many elements each window is averaged over: a number, or one per window."""
    counts: Any = np.ones((1,) * len(along), np.int64)
    for axis, (w, n) in enumerate(zip(along, sizes, strict=True)):
        places = w.positions()
        low, high = (-w.pad, n + w.pad) if count_include_pad else (0, n)
        inside = ((places >= low) & (places < high)).sum(1)
        shape = [1] * len(along)
        shape[axis] = w.count
        counts = counts * inside.reshape(shape)
    return int(counts.flat[0]) if (counts == counts.flat[0]).all() else counts


def avg_pool(
    name: str,
    ndim: int,
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Any of the average poolings, after its checks."""
    kernel, steps, pad, spread = pool_arguments(name, ndim, kernel_size, stride, padding)
    check_pool_rank(name, input, ndim)
    check_pool_steps(name, kernel, steps, spread)
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    along = windows(input.shape[-ndim:], kernel, steps, pad, spread, ceil_mode)
    check_pool(name, input, kernel, pad, spread, along)
    if kind(input) != "f" and input.dtype != jnp.int64:
        raise not_implemented("avg_pool3d_out_frame" if ndim == 3 else "avg_pool2d", input)
    x = widened(input)
    if all(w == Windows(1, n, w.stride, 0, 1) for w, n in zip(along, input.shape[-ndim:], strict=True)):
        total = jnp.sum(x, tuple(range(x.ndim - ndim, x.ndim)), keepdims=True)
    else:
        total = fold_windows(x, along, lambda a, b: a + b, 0)
    divisor = divisor_override
    if divisor is None:
        divisor = divisors(along, input.shape[-ndim:], count_include_pad)  # type: ignore[assignment]
    if kind(input) == "i":
        return lax.div(total, jnp.broadcast_to(jnp.asarray(divisor, total.dtype), total.shape))
    return (total / jnp.asarray(divisor, total.dtype)).astype(input.dtype)


AVG_POOL = "kernel_size stride padding ceil_mode count_include_pad"


@register(
    "avg_pool1d",
    node=squeezed("", 1),
    static=AVG_POOL,
    promote=None,
    saves="",
    watches="input",
    aliases="nn.functional.avg_pool1d",
)
def avg_pool1d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean of each window of a signal.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``, floating.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: zeros before and after the signal; half a window at most.
        ceil_mode: count a last window that begins inside, even if it ends beyond.
        count_include_pad: divide by the padding's elements, too.

    Raises:
        RuntimeError: sizes that do not agree.
    """
    return avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@register(
    "nn.functional.avg_pool2d",
    node="AvgPool2DBackward0",
    static=AVG_POOL + " divisor_override",
    promote=None,
    saves="",
    watches="input",
    out=True,
    aliases="_C._nn.avg_pool2d",
)
def avg_pool2d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window of an image, or its sum over ``divisor_override``, as :func:`avg_pool1d`."""
    return avg_pool(
        "avg_pool2d",
        2,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


@register(
    "nn.functional.avg_pool3d",
    node="AvgPool3DBackward0",
    static=AVG_POOL + " divisor_override",
    promote=None,
    saves="",
    watches="input",
    out=True,
    aliases="_C._nn.avg_pool3d",
)
def avg_pool3d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window of a volume, or its sum over ``divisor_override``, as :func:`avg_pool1d`."""
    return avg_pool(
        "avg_pool3d",
        3,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )
