"""Channels traded for pixels, channels shuffled, and images as columns of patches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import kind, not_implemented, wrap_dim
from jtorch.ops._convolution_kernels import Geometry, padded, patches
from jtorch.ops._registry import register

Sizes = int | Sequence[int]


def check_pixels(name: str, input: Array, label: str, factor: int) -> None:
    """An image at least, and a factor of 1 at least."""
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {label}, but got {factor}")


@register(
    "pixel_shuffle",
    node="PixelShuffleBackward0",
    static="upscale_factor",
    promote=None,
    saves="",
    aliases="nn.functional.pixel_shuffle",
)
def pixel_shuffle(input: Array, upscale_factor: int) -> Array:
    """Trade channels for resolution: r * r channels fill each r x r block of one larger channel.

    out[c, h * r + i, w * r + j] = input[(c * r + i) * r + j, h, w], with r = ``upscale_factor``.

    Args:
        input: shape ``(*, C * r * r, H, W)``, any dtype.
        upscale_factor: r, at least 1.

    Returns:
        Shape ``(*, C, H * r, W * r)``, dtype of ``input``.

    Raises:
        RuntimeError: fewer than 3 dims, r below 1, or channels that r * r does not divide.

    Reference: Shi et al., sub-pixel convolution, 2016, https://arxiv.org/abs/1609.05158
    """
    check_pixels("pixel_shuffle", input, "upscale_factor", upscale_factor)
    *batch, channels, height, width = input.shape
    r, c = upscale_factor, channels // upscale_factor**2
    if channels % r**2:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            "upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r**2}"
        )
    x = input.reshape(*batch, c, r, r, height, width)
    # (*, C, i, j, H, W) -> (*, C, H, i, W, j): each offset moves in behind the axis it refines.
    return jnp.moveaxis(x, (-4, -3), (-3, -1)).reshape(*batch, c, height * r, width * r)


@register(
    "pixel_unshuffle",
    node="PixelUnshuffleBackward0",
    static="downscale_factor",
    promote=None,
    saves="",
    aliases="nn.functional.pixel_unshuffle",
)
def pixel_unshuffle(input: Array, downscale_factor: int) -> Array:
    """The inverse of :func:`pixel_shuffle`: each r x r block of a channel becomes r * r channels.

    Args:
        input: shape ``(*, C, H * r, W * r)``, any dtype.
        downscale_factor: r, at least 1.

    Returns:
        Shape ``(*, C * r * r, H, W)``.

    Raises:
        RuntimeError: fewer than 3 dims, r below 1, or sizes that r does not divide.
    """
    check_pixels("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    *batch, channels, height, width = input.shape
    r = downscale_factor
    for label, place, size in (("height", -2, height), ("width", -1, width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {label} to be divisible by downscale_factor, "
                f"but input.size({place})={size} is not divisible by {r}"
            )
    if not input.size:
        return input  # as it is, in PyTorch
    x = input.reshape(*batch, channels, height // r, r, width // r, r)
    return jnp.moveaxis(x, (-3, -1), (-4, -3)).reshape(*batch, channels * r * r, height // r, width // r)


@register(
    "channel_shuffle",
    node="ChannelShuffleBackward0",
    static="groups",
    promote=None,
    saves="",
    aliases="nn.functional.channel_shuffle native_channel_shuffle nn.functional.native_channel_shuffle",
)
def channel_shuffle(input: Array, groups: int) -> Array:
    """The first channel of each group, then the second of each, and so on.

    Args:
        input: shape ``(N, C, *)`` with one more dimension at least, any dtype.
        groups: divides C.

    Raises:
        RuntimeError: other shapes, or groups that do not divide the channels.
    """
    if input.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    channels = input.shape[1]
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    x = input.reshape(input.shape[0], groups, channels // groups, *input.shape[2:])
    return jnp.swapaxes(x, 1, 2).reshape(input.shape)


# ---- patches as columns --------------------------------------------------------------------------------


def pairs_of(**arguments: Sizes) -> dict[str, tuple[int, ...]]:
    """Two numbers of each argument.

    Raises:
        RuntimeError: another number of them.
    """
    found = {}
    for name, value in arguments.items():
        values = (value, value) if isinstance(value, int) else tuple(value)
        if len(values) != 2:
            raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(values)}")
        found[name] = values
    return found  # type: ignore[return-value]


def check_blocks(pairs: dict[str, tuple[int, ...]]) -> None:
    """Positive sizes and steps."""
    rules = (
        ("kernel size", "kernel", "kernel_size"),
        ("stride", "stride", "stride"),
        ("padding", "pad", "padding"),
        ("dilation", "dilation", "dilation"),
    )
    for label, letter, name in rules:
        height, width = pairs[name]
        if name == "padding" and min(height, width) < 0:
            raise RuntimeError(
                f"padding should be non-negative, but got pad_height: {height} pad_width: {width}"
            )
        if name != "padding" and min(height, width) <= 0:
            raise RuntimeError(
                f"{label} should be greater than zero, but got {letter}_height: {height} {letter}_width: "
                f"{width}"
            )


def blocks(sizes: Sequence[int], pairs: dict[str, tuple[int, ...]]) -> tuple[Geometry, list[int]]:
    """The patches' geometry, and how many there are down and across."""
    pad_h, pad_w = pairs["padding"]
    stride_h, stride_w = pairs["stride"]
    dilation_h, dilation_w = pairs["dilation"]
    margins = ((pad_h, pad_h), (pad_w, pad_w))
    g = Geometry((stride_h, stride_w), margins, (dilation_h, dilation_w), 1)
    return g, g.outputs(tuple(sizes), pairs["kernel_size"])


def as_columns(x: Array, g: Geometry, kernel: tuple[int, ...]) -> Array:
    """Each patch of ``(N, C, H, W)`` as a column of ``(N, C * kh * kw, L)``."""
    found = patches(padded(x, g), g, kernel)
    points = math.prod(found[0].shape[2:])
    stacked = jnp.stack([p.reshape(*p.shape[:2], points) for p in found], 2)
    return stacked.reshape(x.shape[0], x.shape[1] * len(found), points)


@register(
    "nn.functional.unfold",
    node="Im2ColBackward0",
    static="kernel_size dilation padding stride",
    promote=None,
    saves="",
)
def unfold(
    input: Array, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Array:
    """Each patch that a convolution would meet, as a column.

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size: height and width of a patch, or a number for both.
        dilation: distance of a patch's elements.
        padding: zeros around the image.
        stride: from one patch to the next.

    Returns:
        Shape ``(N, C * kh * kw, L)`` or ``(C * kh * kw, L)``, for L patches.

    Raises:
        RuntimeError: sizes that do not agree.
    """
    pairs = pairs_of(kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    check_blocks(pairs)
    if input.ndim < 3:
        wrap_dim(2, input.ndim)
    if input.ndim > 4 or 0 in input.shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            "for "
            f"input, but got: {list(input.shape)}"
        )
    g, counts = blocks(input.shape[-2:], pairs)
    if min(counts) < 1:
        text = ", ".join(f"{n}={pairs[n]}" for n in ("kernel_size", "dilation", "padding"))
        raise RuntimeError(
            f"Given input with spatial size {input.shape[-2:]}, {text}, calculated shape of the array of "
            "sliding "
            f"blocks as {tuple(counts)}, but its components must be at least one."
        )
    if kind(input) == "i":
        raise not_implemented("im2col_out_cpu", input)
    columns = as_columns(input if input.ndim == 4 else input[None], g, pairs["kernel_size"])
    return columns if input.ndim == 4 else columns[0]


@register(
    "nn.functional.fold",
    node="Col2ImBackward0",
    static="output_size kernel_size dilation padding stride",
    promote=None,
    saves="",
)
def fold(
    input: Array,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Array:
    """The transpose of :func:`unfold`: columns as patches of an image, added where they overlap.

    Args:
        input: shape ``(N, C * kh * kw, L)`` or ``(C * kh * kw, L)``, for L patches.
        output_size: height and width of the image, or a number for both.
        kernel_size: of a patch.
        dilation: of ``unfold``.
        padding: of ``unfold``.
        stride: of ``unfold``.

    Returns:
        Shape ``(N, C, *output_size)`` or ``(C, *output_size)``.

    Raises:
        RuntimeError: sizes that do not agree.
    """
    pairs = pairs_of(
        output_size=output_size, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride
    )
    check_blocks(pairs)
    shape = list(input.shape)
    if input.ndim not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            "dimensions for "
            f"input, but got: {shape}"
        )
    kernel, sizes = pairs["kernel_size"], pairs["output_size"]
    x = input if input.ndim == 3 else input[None]
    if x.shape[1] % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={x.shape[1]} and kernel_size={kernel}."
        )
    g, counts = blocks(sizes, pairs)
    if math.prod(counts) != x.shape[2]:
        names = ("output_size", "kernel_size", "dilation", "padding", "stride")
        text = ", ".join(f"{n}={pairs[n]}" for n in names)
        raise RuntimeError(
            f"Given {text}, expected size of input's dimension 2 to match the calculated number of sliding "
            "blocks "
            f"{counts[0]} * {counts[1]} = {math.prod(counts)}, but got input.size(2)={x.shape[2]}."
        )
    if kind(input) == "i":
        raise not_implemented("col2im_out_cpu", input)
    image = jax.ShapeDtypeStruct((x.shape[0], x.shape[1] // math.prod(kernel), *sizes), x.dtype)
    if kind(input) == "b":
        image = jax.ShapeDtypeStruct(image.shape, jnp.float32)
    pull = jax.linear_transpose(lambda z: as_columns(z, g, kernel), image)
    result = pull(x.astype(image.dtype))[0].astype(input.dtype)
    return result if input.ndim == 3 else result[0]
