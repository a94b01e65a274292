"""Kernels that change colours; see :mod:`jtorch.vision.transforms._backends`.

``fused`` tells the arithmetic of ``transforms.v2``, which rounds products and sums together, from that of
``transforms``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import jtorch
from jtorch.dtypes import dtype
from jtorch.vision.transforms._backends import Arrays, on_images, unbind

__all__ = ["max_value"]

_MAX = {"uint8": 255, "int8": 127, "int16": 32767, "uint16": 65535, "int32": 2**31 - 1, "int64": 2**63 - 1}


def max_value(d: dtype) -> int:
    """What stands for full brightness."""
    return _MAX.get(d.name, 1)


def value_bits(d: dtype) -> int:
    """Bits of an integer dtype without that of the sign.

    Raises:
        TypeError: another dtype.
    """
    if d.name not in _MAX:
        raise TypeError(f"Number of value bits is only defined for integer dtypes, but got {d}.")
    return max_value(d).bit_length()


def floating(xp: Any, image: Any) -> Any:
    """Integers as float32."""
    return image if xp.dtype_of(image).is_floating_point else xp.cast(image, jtorch.float32)


def weighted(xp: Any, image: Any, fused: bool) -> Any:
    """Brightness of an RGB image as a float image with one channel."""
    red, green, blue = unbind(floating(xp, image))
    if fused:
        made = xp.add_times(xp.add_times(red * 0.2989, green, 0.587), blue, 0.114)
    else:
        made = 0.2989 * red + 0.587 * green + 0.114 * blue
    return made[..., None, :, :]


@on_images
def grayscale(xp: Any, image: Any, num_output_channels: int, fused: bool = False) -> Any:
    """An image's brightness in one or three channels."""
    one = image if image.shape[-3] == 1 else xp.cast(weighted(xp, image, fused), xp.dtype_of(image))
    if num_output_channels == 3:
        return xp.concatenate([one, one, one], -3)
    return one + 0 if one is image else one  # a copy


def mixed(xp: Any, image: Any, other: Any, ratio: float, fused: bool) -> Any:
    """``ratio`` of an image and the rest of another, within the dtype's range."""
    kind = xp.dtype_of(image)
    first, ratio = floating(xp, image), float(ratio)
    other = floating(xp, other)
    made = xp.add_times(first * ratio, other, 1.0 - ratio) if fused else ratio * first + (1.0 - ratio) * other
    return xp.cast(xp.clip(made, 0, max_value(kind)), kind)


@on_images
def brightness(xp: Any, image: Any, factor: float) -> Any:
    """Times ``factor``."""
    kind = xp.dtype_of(image)
    return xp.cast(xp.clip(floating(xp, image) * float(factor), 0, max_value(kind)), kind)


def gray_levels(xp: Any, image: Any, fused: bool) -> Any:
    """Brightness as a float image, of integers rounded down."""
    gray = floating(xp, image) if image.shape[-3] == 1 else weighted(xp, image, fused)
    return gray if xp.dtype_of(image).is_floating_point else xp.floor(gray)


@on_images
def contrast(xp: Any, image: Any, factor: float, fused: bool = False) -> Any:
    """Distances from the mean brightness times ``factor``."""
    mean = xp.mean(gray_levels(xp, image, fused), (-3, -2, -1))
    return mixed(xp, image, mean, factor, fused)


@on_images
def saturation(xp: Any, image: Any, factor: float, fused: bool = False) -> Any:
    """Distances from each pixel's brightness times ``factor``."""
    if image.shape[-3] == 1:
        return image
    return mixed(xp, image, gray_levels(xp, image, fused), factor, fused)


def to_hsv(xp: Any, image: Any) -> Any:
    """Hue, saturation and value of an RGB image with values up to 1."""
    red, green, blue = unbind(image)
    high = xp.maximum(xp.maximum(red, green), blue)
    low = xp.minimum(xp.minimum(red, green), blue)
    gray = high == low
    spread = high - low
    saturation = spread / xp.where(gray, high * 0 + 1, high)
    divisor = xp.where(gray, high * 0 + 1, spread)
    r, g, b = (high - red) / divisor, (high - green) / divisor, (high - blue) / divisor
    # In sixths of the circle, by the channel that is highest.
    hue = xp.where(high == red, b - g, xp.where(high == green, 2.0 + r - b, 4.0 + g - r))
    return hue, saturation, high


def to_rgb(xp: Any, hue: Any, saturation: Any, value: Any) -> Any:
    """The RGB image of hue (from 0 to 1), saturation and value."""
    sixths = hue * 6.0
    sector = xp.floor(sixths)
    rest = sixths - sector
    p = xp.clip(value * (1.0 - saturation), 0.0, 1.0)
    q = xp.clip(value * (1.0 - saturation * rest), 0.0, 1.0)
    t = xp.clip(value * (1.0 - saturation * (1.0 - rest)), 0.0, 1.0)
    sector = xp.remainder(sector, 6.0)

    def chosen(*by_sector: Any) -> Any:
        made = by_sector[5]
        for i in range(4, -1, -1):
            made = xp.where(sector == i, by_sector[i], made)
        return made

    red = chosen(value, q, p, p, t, value)
    green = chosen(t, value, value, q, p, p)
    blue = chosen(p, p, t, value, value, q)
    return xp.stack([red, green, blue], -3)


@on_images
def hue(xp: Any, image: Any, factor: float, fused: bool = False) -> Any:
    """Hue moved along its circle by ``factor``, from -0.5 to 0.5."""
    if image.shape[-3] == 1 or 0 in image.shape:
        return image
    kind = xp.dtype_of(image)
    sixths, saturation, value = to_hsv(xp, converted(xp, image, jtorch.float32, fused))
    hue = xp.fmod((sixths * (1.0 / 6.0) if fused else sixths / 6.0) + 1.0, 1.0)
    hue = xp.remainder(hue + factor, 1.0)
    return converted(xp, to_rgb(xp, hue, saturation, value), kind, fused)


@on_images
def gamma(xp: Any, image: Any, gamma: float, gain: float, fused: bool = False) -> Any:
    """``gain * image ** gamma`` of values up to 1."""
    kind = xp.dtype_of(image)
    levels = image if kind.is_floating_point else converted(xp, image, jtorch.float32, fused)
    made = levels**gamma
    if not fused or gain != 1.0:
        made = xp.clip(gain * made, 0, 1)
    return converted(xp, made, kind, fused)


@on_images
def invert(xp: Any, image: Any) -> Any:
    """Full brightness minus the image."""
    return inverted(xp, image)


def inverted(xp: Any, image: Any) -> Any:
    """See :func:`invert`."""
    return max_value(xp.dtype_of(image)) - image


@on_images
def solarize(xp: Any, image: Any, threshold: float) -> Any:
    """Values from ``threshold`` on inverted."""
    return xp.where(image >= threshold, inverted(xp, image), image)


@on_images
def posterize(xp: Any, image: Any, bits: int) -> Any:
    """The highest ``bits`` bits of each value."""
    kind = xp.dtype_of(image)
    if kind.is_floating_point:
        levels = 1 << bits
        return xp.clip(xp.floor(image * levels), 0, levels - 1) * (1.0 / levels)
    unused = value_bits(kind) - bits
    if unused <= 0:
        return image
    return image & (((1 << bits) - 1) << unused)


@on_images
def autocontrast(xp: Any, image: Any, fused: bool = False) -> Any:
    """Each channel stretched to the whole range; one with a single value stays."""
    if 0 in image.shape:
        return image
    kind = xp.dtype_of(image)
    bound = max_value(kind)
    low = floating(xp, xp.least(image, (-2, -1)))
    high = floating(xp, xp.most(image, (-2, -1)))
    flat = high == low
    spread = xp.where(flat, low * 0 + 1, high - low)
    low = xp.where(flat, low * 0, low)
    distance = floating(xp, image) - low
    if fused:
        made = distance / xp.where(flat, spread, spread * (1.0 / bound))
    else:
        made = distance * xp.where(flat, spread, 1.0 / spread * bound)  # as PyTorch divides a number
    return xp.cast(xp.clip(made, 0, bound), kind)


def equalized(image: Any) -> Any:
    """A NumPy image, uint8 ``(..., C, H, W)``, each channel with all levels about equally often."""
    channels = image.reshape(-1, image.shape[-2] * image.shape[-1])
    made = np.empty_like(channels)
    for channel, out in zip(channels, made, strict=True):
        counts = np.bincount(channel, minlength=256)
        present = counts[counts != 0]
        step = int(present[:-1].sum()) // 255
        if step == 0:
            out[:] = channel
            continue
        table = (np.cumsum(counts) + step // 2) // step
        table = np.clip(np.concatenate([[0], table[:-1]]), 0, 255).astype(np.uint8)
        out[:] = table[channel]
    return made.reshape(image.shape)


@on_images
def sharpness(xp: Any, image: Any, factor: float, fused: bool = False) -> Any:
    """``factor`` of the image and the rest of its smoothed form, except for the outermost pixels."""
    kind = xp.dtype_of(image)
    levels = floating(xp, image)
    height, width = image.shape[-2:]
    shares = xp.like([1.0 / 13.0, 5.0 / 13.0], levels) if fused else xp.like([1.0, 5.0], levels) / 13.0
    smooth: Any = 0
    for i in range(3):
        for j in range(3):
            shifted = levels[..., i : height - 2 + i, j : width - 2 + j]
            smooth = smooth + shifted * shares[int(i == 1 and j == 1)]
    if not kind.is_floating_point:
        smooth = xp.round(smooth)
    inner = levels[..., 1:-1, 1:-1]
    if fused:
        inner = xp.add_times(inner, smooth - inner, 1.0 - factor)
    else:
        inner = factor * inner + (1.0 - factor) * smooth
    outer = levels if fused else factor * levels + (1.0 - factor) * levels
    rows = [outer[..., 1:-1, :1], inner, outer[..., 1:-1, -1:]]
    made = xp.concatenate([outer[..., :1, :], xp.concatenate(rows, -1), outer[..., -1:, :]], -2)
    return xp.cast(xp.clip(made, 0, max_value(kind)), kind)


@on_images
def convert(xp: Any, image: Any, to: dtype, fused: bool = False) -> Any:
    """Another dtype, with values scaled to its range."""
    return converted(xp, image, to, fused)


def converted(xp: Any, image: Any, to: dtype, fused: bool) -> Any:
    """See :func:`convert`."""
    kind = xp.dtype_of(image)
    if kind == to:
        return image
    if kind.is_floating_point:
        if to.is_floating_point:
            return xp.cast(image, to)
        # A hair less than 256 levels of the same width.
        return xp.cast(image * (float(max_value(to)) + 1.0 - 1e-3), to)
    if to.is_floating_point:
        made = xp.cast(image, to)
        return made * (1.0 / max_value(kind)) if fused else made / float(max_value(kind))
    have, want = value_bits(kind), value_bits(to)
    if have > want:
        return xp.cast(image // 2 ** (have - want) if xp is Arrays else image >> (have - want), to)
    return xp.cast(image, to) * 2 ** (want - have)


def check_conversion(kind: dtype, to: dtype, what: str) -> None:
    """Refuse dtypes whose numbers floats cannot hold.

    Raises:
        RuntimeError: float32 to 32 or 64 bits, or float64 to 64.
    """
    if (kind == jtorch.float32 and to in (jtorch.int32, jtorch.int64)) or (
        kind == jtorch.float64 and to == jtorch.int64
    ):
        raise RuntimeError(f"The {what} from {kind} to {to} cannot be performed safely.")
