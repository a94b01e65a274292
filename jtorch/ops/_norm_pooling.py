"""Pooling by a norm of each window."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import kind
from jtorch.ops._half import widened
from jtorch.ops._pooling import avg_pool, max_pool
from jtorch.ops._pooling_windows import Sizes, repeated
from jtorch.ops._registry import register

LP_POOL = "norm_type kernel_size stride ceil_mode"


def lp_pool(
    name: str, ndim: int, input: Array, norm_type: float, kernel_size: Sizes, stride: Any, ceil_mode: bool
) -> Array:
    """``sum(x ** norm_type) ** (1 / norm_type)`` of each window."""
    if ndim > 1 and not isinstance(kernel_size, int) and len(kernel_size) != ndim:
        many = len(kernel_size) > ndim  # PyTorch unpacks them
        much, got = ("too many", "") if many else ("not enough", f", got {len(kernel_size)}")
        raise ValueError(f"{much} values to unpack (expected {ndim}{got})")
    kernel = repeated(kernel_size, ndim, None, f"{name}: kernel_size must have {ndim} elements")
    if ndim == 1 and not isinstance(kernel_size, int):
        given = type(kernel_size).__name__  # PyTorch multiplies by what it is given
        raise TypeError(f"mul(): argument 'other' (position 1) must be Tensor, not {given}")
    if math.isinf(norm_type):
        x = jnp.abs(input) if norm_type > 0 else -jnp.abs(input)
        largest: Array = max_pool(f"max_pool{ndim}d", ndim, x, kernel, stride, 0, 1, ceil_mode, False)
        return largest if norm_type > 0 else -largest
    x = widened(input)
    if kind(x) == "i" and isinstance(norm_type, float):
        x = x.astype(jnp.float32)
    mean = avg_pool(f"avg_pool{ndim}d", ndim, x**norm_type, kernel, stride, 0, ceil_mode, True, None)
    total = mean * math.prod(kernel)
    # The root has no finite slope at 0, where PyTorch takes 0; of negative sums it is nan.
    zero = total == 0
    result = jnp.where(zero, 0, jnp.where(zero, 1, total) ** (1.0 / norm_type))
    return result.astype(jnp.float32 if kind(input) == "i" else input.dtype)


@register("nn.functional.lp_pool1d", node="PowBackward0", static=LP_POOL, promote=None)
def lp_pool1d(
    input: Array,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Array:
    """``sum(x ** norm_type) ** (1 / norm_type)`` of each window of a signal.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        norm_type: 1 sums, large ones tend to the maximum.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        ceil_mode: count a last window that begins inside, even if it ends beyond.
    """
    return lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


@register("nn.functional.lp_pool2d", node="PowBackward0", static=LP_POOL, promote=None)
def lp_pool2d(
    input: Array,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Array:
    """:func:`lp_pool1d` of images, ``(N, C, H, W)`` or ``(C, H, W)``."""
    return lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


@register("nn.functional.lp_pool3d", node="PowBackward0", static=LP_POOL, promote=None)
def lp_pool3d(
    input: Array,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Array:
    """:func:`lp_pool1d` of volumes, ``(N, C, D, H, W)`` or ``(C, D, H, W)``."""
    return lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)
