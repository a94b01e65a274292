"""Functions of PIL images (``torchvision.transforms._functional_pil``)."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

__all__ = ["get_dimensions", "get_image_num_channels", "get_image_size"]

_Fill = float | Sequence[float] | None


def _is_pil_image(img: Any) -> bool:
    return isinstance(img, Image.Image)


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse what is no PIL image."""

    @wraps(function)
    def checking(img: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(img, Image.Image):
            raise TypeError(f"img should be PIL Image. Got {type(img)}")
        return function(img, *args, **kwargs)

    return checking


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width].

    Raises:
        TypeError: it is no PIL image.
    """
    if not isinstance(img, Image.Image):
        raise TypeError(f"Unexpected type {type(img)}")
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Any) -> list[int]:
    """[width, height].

    Raises:
        TypeError: it is no PIL image.
    """
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """Number of channels.

    Raises:
        TypeError: it is no PIL image.
    """
    return get_dimensions(img)[0]


@_checked
def hflip(img: Image.Image) -> Image.Image:
    """Left and right exchanged."""
    return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


@_checked
def vflip(img: Image.Image) -> Image.Image:
    """Top and bottom exchanged."""
    return img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


@_checked
def adjust_brightness(img: Image.Image, brightness_factor: float) -> Image.Image:
    """Times a factor."""
    return ImageEnhance.Brightness(img).enhance(brightness_factor)


@_checked
def adjust_contrast(img: Image.Image, contrast_factor: float) -> Image.Image:
    """Distances from the mean brightness times a factor."""
    return ImageEnhance.Contrast(img).enhance(contrast_factor)


@_checked
def adjust_saturation(img: Image.Image, saturation_factor: float) -> Image.Image:
    """Distances from each pixel's brightness times a factor."""
    return ImageEnhance.Color(img).enhance(saturation_factor)


@_checked
def adjust_sharpness(img: Image.Image, sharpness_factor: float) -> Image.Image:
    """Distances from the smoothed image times a factor."""
    return ImageEnhance.Sharpness(img).enhance(sharpness_factor)


def adjust_hue(img: Image.Image, hue_factor: float) -> Image.Image:
    """Hue moved along its circle.

    Raises:
        ValueError: the factor is not in [-0.5, 0.5].
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return _moved_hue(img, hue_factor)


@_checked
def _moved_hue(img: Image.Image, hue_factor: float) -> Image.Image:
    if img.mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    levels = np.array(hue)
    levels += np.int32(hue_factor * 255).astype(np.uint8)  # wraps around, as hues do
    moved = Image.merge("HSV", (Image.fromarray(levels), saturation, value))
    return moved.convert(img.mode)


@_checked
def adjust_gamma(img: Image.Image, gamma: float, gain: float = 1.0) -> Image.Image:
    """``gain * img ** gamma``, of values up to 1.

    Raises:
        ValueError: ``gamma`` is negative.
    """
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    table = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)]
    return img.convert("RGB").point(table * 3).convert(img.mode)


def _pad_arguments(padding: Any, fill: Any, padding_mode: Any) -> Any:
    if not isinstance(padding, numbers.Number | tuple | list):
        raise TypeError("Got inappropriate padding arg")
    if fill is not None and not isinstance(fill, numbers.Number | tuple | list):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    padding = tuple(padding) if isinstance(padding, list) else padding
    if isinstance(padding, tuple):
        if len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
            )
        padding = padding[0] if len(padding) == 1 else padding
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    return padding


@_checked
def pad(img: Image.Image, padding: Any, fill: _Fill = 0, padding_mode: str = "constant") -> Image.Image:
    """More pixels on the sides: one number, (across, down) or (left, top, right, bottom).

    Raises:
        TypeError, ValueError: arguments of another kind.
    """
    padding = _pad_arguments(padding, fill, padding_mode)
    palette = img.getpalette() if img.mode == "P" else None
    if padding_mode == "constant":
        made = ImageOps.expand(img, border=padding, **_parse_fill(fill, img, name="fill"))
    else:
        sides = (padding,) * 4 if isinstance(padding, int) else padding * (4 // len(padding))
        left, top, right, bottom = (-min(s, 0) for s in sides)
        if left or top or right or bottom:
            img = img.crop((left, top, img.width - right, img.height - bottom))
        left, top, right, bottom = (max(s, 0) for s in sides)
        pixels = np.asarray(img)
        widths = [(top, bottom), (left, right), (0, 0)][: pixels.ndim]
        made = Image.fromarray(np.pad(pixels, widths, mode=padding_mode))  # type: ignore[call-overload]
    if palette is not None:
        made.putpalette(palette)
    return made


@_checked
def crop(img: Image.Image, top: int, left: int, height: int, width: int) -> Image.Image:
    """A part; what lies outside of the image is black."""
    return img.crop((left, top, left + width, top + height))


@_checked
def resize(img: Image.Image, size: list[int], interpolation: int = Image.Resampling.BILINEAR) -> Image.Image:
    """Another size, [height, width].

    Raises:
        TypeError: ``size`` is no list of two.
    """
    if not (isinstance(size, list) and len(size) == 2):
        raise TypeError(f"Got inappropriate size arg: {size}")
    return img.resize((size[1], size[0]), Image.Resampling(interpolation))


def _parse_fill(fill: _Fill, img: Image.Image, name: str = "fillcolor") -> dict[str, Any]:
    """A colour as pillow wants it.

    Raises:
        ValueError: another number of channels than the image's.
    """
    channels = len(img.getbands())
    color: Any = 0 if fill is None else fill
    if isinstance(color, int | float) and channels > 1:
        color = (color,) * channels
    if isinstance(color, list | tuple):
        if len(color) == 1:
            color = tuple(color) * channels
        elif len(color) != channels:
            raise ValueError(
                "The number of elements in 'fill' does not match the number of channels of the image "
                f"({len(color)} != {channels})"
            )
        color = tuple(color)
    if img.mode != "F":
        color = tuple(int(c) for c in color) if isinstance(color, tuple) else int(color)
    return {name: color}


@_checked
def affine(img: Image.Image, matrix: list[float], interpolation: int = 0, fill: _Fill = None) -> Image.Image:
    """The image through an affine map."""
    kind = Image.Transform.AFFINE
    return img.transform(img.size, kind, matrix, interpolation, **_parse_fill(fill, img))


@_checked
def rotate(
    img: Image.Image,
    angle: float,
    interpolation: int = 0,
    expand: bool = False,
    center: tuple[int, int] | None = None,
    fill: _Fill = None,
) -> Image.Image:
    """Turned counterclockwise by degrees."""
    return img.rotate(angle, Image.Resampling(interpolation), expand, center, **_parse_fill(fill, img))


@_checked
def perspective(
    img: Image.Image, perspective_coeffs: list[float], interpolation: int = 3, fill: _Fill = None
) -> Image.Image:
    """The image through a perspective map."""
    kind = Image.Transform.PERSPECTIVE
    return img.transform(img.size, kind, perspective_coeffs, interpolation, **_parse_fill(fill, img))


@_checked
def to_grayscale(img: Image.Image, num_output_channels: int) -> Image.Image:
    """Brightness in one or three channels.

    Raises:
        ValueError: another number of channels.
    """
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    gray = img.convert("L")
    return gray if num_output_channels == 1 else Image.merge("RGB", (gray, gray, gray))


@_checked
def invert(img: Image.Image) -> Image.Image:
    """Full brightness minus the image."""
    return ImageOps.invert(img)


@_checked
def posterize(img: Image.Image, bits: int) -> Image.Image:
    """The highest bits of each value."""
    return ImageOps.posterize(img, bits)


@_checked
def solarize(img: Image.Image, threshold: int) -> Image.Image:
    """Values from ``threshold`` on inverted."""
    return ImageOps.solarize(img, threshold)


@_checked
def autocontrast(img: Image.Image) -> Image.Image:
    """Each channel stretched to the whole range."""
    return ImageOps.autocontrast(img)


@_checked
def equalize(img: Image.Image) -> Image.Image:
    """Each channel with all levels about equally often."""
    return ImageOps.equalize(img)
