"""Max pooling by factors that are no whole numbers: windows whose places are drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import kind, not_implemented, wrap_dim
from jtorch.ops._pooling_windows import largest_along
from jtorch.ops._registry import register


def starts(samples: Array, size: int, count: int, kernel: int) -> Array:
    """Where each window begins along one dimension: increasing, the last at the end.

    Args:
        samples: one number in [0, 1) per sample and channel.
        size: elements to cover.
        count: windows.
        kernel: elements of a window.

    Returns:
        Shape ``(*samples.shape, count)``, int64.
    """
    if count < 2:
        return jnp.full((*samples.shape, count), size - kernel, jnp.int64)
    alpha = (size - kernel) / (count - 1)
    u = samples[..., None]
    i = np.arange(count - 1).astype(u.dtype)
    step = jnp.asarray(alpha, u.dtype)
    begin = ((i + u) * step).astype(jnp.int64) - (u * step).astype(jnp.int64)
    last = jnp.full((*samples.shape, 1), size - kernel, jnp.int64)
    return jnp.concatenate([begin, last], -1)


def check_fractional(
    name: str, input: Array, kernel: tuple[int, ...], sizes: tuple[int, ...], samples: Array
) -> None:
    """Sizes that fit, and a random number per sample, channel and dimension."""
    ndim = len(kernel)
    if input.ndim <= ndim:
        wrap_dim(-ndim - 1, input.ndim)
    if input.ndim > ndim + 2:
        raise RuntimeError(
            f"{name}(): Expected {ndim + 1}D or {ndim + 2}D tensor, but got: {list(input.shape)}"
        )
    for axis in range(input.ndim - ndim - 1, input.ndim):
        if not input.shape[axis]:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, "
                f"but got{list(input.shape)} with dimension {axis} being empty."
            )
    labels = ("time", "height", "width")[-ndim:]
    for label, n, k, m in zip(labels, input.shape[-ndim:], kernel, sizes, strict=True):
        if m + k - 1 > n - (ndim == 3):  # PyTorch wants a window to spare in volumes
            raise RuntimeError(f"{name}(): pool {label} {k} too large relative to input {label} {n}")
    if samples.dtype != input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.ndim}")
    batch = input.shape[0] if input.ndim == ndim + 2 else 1
    if samples.shape[0] < batch:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != input.shape[-ndim - 1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.shape[2] != ndim:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {ndim}; got {samples.shape[2]}.")
    if kind(input) != "f":
        raise not_implemented(f"{name.removesuffix('_out')}_out_frame", input)


def fractional(
    name: str, input: Array, kernel_size: Sequence[int], output_size: Sequence[int], samples: Array
) -> tuple[Array, Array]:
    """The largest values and their positions in the flattened spatial dimensions."""
    kernel, sizes = tuple(kernel_size), tuple(output_size)
    ndim = len(kernel)
    check_fractional(name, input, kernel, sizes, samples)
    x = input if input.ndim == ndim + 2 else input[None]
    value, index = x, jnp.zeros((1,) * x.ndim, jnp.int64)
    step = 1
    for i in reversed(range(ndim)):
        axis = 2 + i
        # The samples of images are for width and height, those of volumes for depth, height and width.
        which = 1 - i if ndim == 2 else i
        begin = starts(samples[: x.shape[0], :, which], x.shape[axis], sizes[i], kernel[i])
        shape = [*x.shape[:2], *(1 for _ in range(ndim))]
        shape[axis] = sizes[i]
        pairs = []
        for j in range(kernel[i]):
            place = (begin + j).reshape(shape)
            taken = jnp.take_along_axis(value, place, axis)
            inner = index if index.shape[axis] == 1 else jnp.take_along_axis(index, place, axis)
            pairs.append((taken, inner + place * step))
        step *= x.shape[axis]
        value, index = largest_along(pairs)
        index = jnp.broadcast_to(index, value.shape)
    return (value, index) if input.ndim == ndim + 2 else (value[0], index[0])


@register(
    "_fractional_max_pool2d",
    node="FractionalMaxPool2DBackward0",
    static="kernel_size output_size",
    promote=None,
    saves="input result1",
)
def fractional_max_pool2d(
    input: Array, kernel_size: Sequence[int], output_size: Sequence[int], samples: Array
) -> tuple[Array, Array]:
    """The largest values of a grid of windows over images, and their positions.

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size: height and width of the windows.
        output_size: of the grid.
        samples: random numbers in [0, 1) that place the windows, ``(N, C, 2)``: width, then height.

    Raises:
        RuntimeError: sizes that do not agree.

    Reference: Graham, "Fractional Max-Pooling", 2014, https://arxiv.org/abs/1412.6071
    """
    return fractional("fractional_max_pool2d", input, kernel_size, output_size, samples)


@register(
    "_fractional_max_pool3d",
    node="FractionalMaxPool3DBackward0",
    static="kernel_size output_size",
    promote=None,
    saves="input result1",
)
def fractional_max_pool3d(
    input: Array, kernel_size: Sequence[int], output_size: Sequence[int], samples: Array
) -> tuple[Array, Array]:
    """:func:`fractional_max_pool2d` of volumes; the samples are for depth, height and width."""
    return fractional("fractional_max_pool3d_out", input, kernel_size, output_size, samples)
