"""Functions of images, PIL images and tensors ``(..., C, H, W)`` (``torchvision.transforms.functional``)."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
from PIL import Image

import jtorch
from jtorch.dtypes import dtype as _dtype
from jtorch.tensor import Tensor
from jtorch.vision._host import contents
from jtorch.vision._host import to_tensor as _to_tensor
from jtorch.vision.transforms import _functional_pil as F_pil
from jtorch.vision.transforms import _functional_tensor as F_t
from jtorch.vision.transforms._warps import inverse_affine_matrix as _get_inverse_affine_matrix
from jtorch.vision.transforms._warps import perspective_coefficients as _get_perspective_coeffs

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_modes_mapping",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

_Image = Any  # a PIL image or a tensor; the result is of the same kind
_Fill = float | Sequence[float] | None


class InterpolationMode(Enum):
    """How values between pixels are found; ``BOX``, ``HAMMING`` and ``LANCZOS`` are for PIL images only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


pil_modes_mapping = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.LANCZOS: 1,
}
_FROM_PIL = {n: m for m, n in pil_modes_mapping.items() if m is not InterpolationMode.NEAREST_EXACT}

_is_pil_image = F_pil._is_pil_image


def _interpolation_modes_from_int(i: int) -> InterpolationMode:
    return _FROM_PIL[i]


def _interpolation(interpolation: Any) -> InterpolationMode:
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int):
        return _FROM_PIL[interpolation]
    raise TypeError(
        "Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant"
    )


def get_dimensions(img: _Image) -> list[int]:
    """[channels, height, width]."""
    return F_t.get_dimensions(img) if isinstance(img, Tensor) else F_pil.get_dimensions(img)


def get_image_size(img: _Image) -> list[int]:
    """[width, height]."""
    return F_t.get_image_size(img) if isinstance(img, Tensor) else F_pil.get_image_size(img)


def get_image_num_channels(img: _Image) -> int:
    """Number of channels."""
    if isinstance(img, Tensor):
        return F_t.get_image_num_channels(img)
    return F_pil.get_image_num_channels(img)


_PIL_TYPES = {"I": np.int32, "I;16": np.int16, "I;16B": np.int16, "F": np.float32}


def to_tensor(pic: Any) -> Tensor:
    """A PIL image or a NumPy array ``(H, W, C)`` as a tensor ``(C, H, W)``; bytes become floats up to 1.

    Raises:
        TypeError: neither of them.
        ValueError: an array without two or three dimensions.
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        pixels = pic
    elif isinstance(pic, Image.Image):
        pixels = np.asarray(pic)
        if pic.mode in _PIL_TYPES:
            pixels = pixels.astype(_PIL_TYPES[pic.mode], copy=False)
        elif pixels.dtype == bool:
            pixels = pixels.astype(np.uint8) * np.uint8(255)
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if pixels.dtype != np.uint8:
        return _to_tensor(pixels, pixels if isinstance(pic, np.ndarray) else np.asarray(pic))
    kind = jtorch.get_default_dtype().numpy
    made = np.empty(pixels.shape, kind)
    np.divide(pixels, kind.type(255), out=made, dtype=kind)
    return _to_tensor(made)


def pil_to_tensor(pic: Any) -> Tensor:
    """A PIL image as a tensor ``(C, H, W)`` of the same dtype.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(pic, Image.Image):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    pixels = np.array(pic)
    return _to_tensor(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def convert_image_dtype(image: Tensor, dtype: _dtype = jtorch.float32) -> Tensor:
    """Another dtype, with values scaled to its range: 0 to 1 for floats, to the largest number for integers.

    Raises:
        TypeError: it is no tensor.
        RuntimeError: floats to integers that they cannot hold.
    """
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return F_t.convert_image_dtype(image, dtype)


#: Number of channels -> modes that may be asked for, and the mode of bytes if none is.
_PIL_MODES = {
    2: (["LA"], "LA"),
    3: (["RGB", "YCbCr", "HSV"], "RGB"),
    4: (["RGBA", "CMYK", "RGBX"], "RGBA"),
}
_GRAY_MODES = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}


def to_pil_image(pic: Any, mode: str | None = None) -> Image.Image:
    """A tensor ``(C, H, W)`` or NumPy array ``(H, W, C)``, or without channels, as a PIL image.

    Args:
        pic: floats from 0 to 1 become bytes, unless ``mode`` is ``F``.
        mode: pillow's name of the colours; ``None``: by channels and dtype.

    Raises:
        TypeError: neither of them, or a dtype that pillow does not have.
        ValueError: dimensions, channels or mode that do not go together.
    """
    if isinstance(pic, Tensor):
        pixels = contents(pic.detach())
        pixels = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
    elif isinstance(pic, np.ndarray):
        pixels = pic
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3:
        raise ValueError(f"pic should be 2/3 dimensional. Got {pixels.ndim} dimensions.")
    channels = pixels.shape[-1]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    if np.issubdtype(pixels.dtype, np.floating) and mode != "F":
        pixels = (pixels * 255).astype(np.uint8)
    if channels == 1:
        pixels = pixels[:, :, 0]
        expected = _GRAY_MODES.get(pixels.dtype.name)
        if mode is not None and mode != expected:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {np.dtype}. Should be {expected}"
            )
        mode = expected
    else:
        permitted, usual = _PIL_MODES[channels]
        if mode is not None and mode not in permitted:
            raise ValueError(f"Only modes {permitted} are supported for {channels}D inputs")
        if mode is None and pixels.dtype == np.uint8:
            mode = usual
    if mode is None:
        raise TypeError(f"Input type {pixels.dtype} is not supported")
    pixels = np.ascontiguousarray(pixels)
    return Image.frombuffer(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes(), "raw", mode, 0, 1)


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """``(tensor - mean) / std`` with a mean and a deviation per channel.

    Raises:
        TypeError: it is no tensor of floats.
        ValueError: fewer than three dimensions, or a deviation of 0.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    return F_t.normalize(tensor, mean, std, inplace)


def _compute_resized_output_size(
    image_size: tuple[int, int],
    size: Sequence[int] | int | None,
    max_size: int | None = None,
    allow_size_none: bool = False,
) -> list[int]:
    """[height, width] of a resized image; a single number is the shorter side's."""
    h, w = image_size
    short, long = (w, h) if w <= h else (h, w)
    if size is None:
        if not allow_size_none or not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        new_short, new_long = int(max_size * short / long), max_size
    elif isinstance(size, int) or len(size) == 1:
        new_short = size if isinstance(size, int) else size[0]
        new_long = int(new_short * long / short)
        if max_size is not None:
            if max_size <= new_short:
                raise ValueError(
                    f"max_size = {max_size} must be strictly greater than the requested size for the smaller "
                    f"edge size = {size}"
                )
            if new_long > max_size:
                new_short, new_long = int(max_size * new_short / new_long), max_size
    else:
        return [size[0], size[1]]
    return [new_long, new_short] if w <= h else [new_short, new_long]


def resize(
    img: _Image,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> _Image:
    """Another size.

    Args:
        img: PIL image or tensor.
        size: (height, width), or one number for the shorter side.
        interpolation: an :class:`InterpolationMode`, or pillow's number of it.
        max_size: most that the longer side may have, if ``size`` is one number.
        antialias: of tensors: widen the filter when making smaller, as is always done with PIL images.

    Raises:
        TypeError, ValueError: arguments that do not go together.
    """
    interpolation = _interpolation(interpolation)
    if isinstance(size, list | tuple):
        if len(size) not in (1, 2):
            raise ValueError(
                f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list"
            )
        if max_size is not None and len(size) != 1:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, i.e. size "
                "should be an int or a sequence of length 1 in torchscript mode."
            )
    _, height, width = get_dimensions(img)
    output_size = _compute_resized_output_size((height, width), size, max_size)
    if [height, width] == output_size:
        return img
    if isinstance(img, Tensor):
        return F_t.resize(img, output_size, interpolation.value, antialias)
    if antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.",
            stacklevel=2,
        )
    return F_pil.resize(img, output_size, pil_modes_mapping[interpolation])


def pad(img: _Image, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> _Image:
    """More pixels on the sides.

    Args:
        img: PIL image or tensor.
        padding: one number, (across, down) or (left, top, right, bottom).
        fill: of the new pixels, for ``constant``; PIL images take one number per channel, too.
        padding_mode: ``constant``, ``edge``, ``reflect`` or ``symmetric`` (which repeats the border).

    Raises:
        TypeError, ValueError: arguments of another kind.
    """
    return (F_t if isinstance(img, Tensor) else F_pil).pad(img, padding, fill, padding_mode)


def crop(img: _Image, top: int, left: int, height: int, width: int) -> _Image:
    """A part of an image; what lies outside is black."""
    return (F_t if isinstance(img, Tensor) else F_pil).crop(img, top, left, height, width)


def _size_pair(size: Any) -> Any:
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    return (size[0], size[0]) if isinstance(size, tuple | list) and len(size) == 1 else size


def center_crop(img: _Image, output_size: int | Sequence[int]) -> _Image:
    """The middle part; an image that is smaller is padded with black."""
    crop_height, crop_width = _size_pair(output_size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        across, down = max(crop_width - width, 0), max(crop_height - height, 0)
        img = pad(img, [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2], fill=0)
        _, height, width = get_dimensions(img)
        if (crop_height, crop_width) == (height, width):
            return img
    top = round((height - crop_height) / 2.0)
    left = round((width - crop_width) / 2.0)
    return crop(img, top, left, crop_height, crop_width)


def resized_crop(
    img: _Image,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> _Image:
    """A part of an image, then :func:`resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: _Image) -> _Image:
    """Left and right exchanged."""
    return F_t.hflip(img) if isinstance(img, Tensor) else F_pil.hflip(img)


def vflip(img: _Image) -> _Image:
    """Top and bottom exchanged."""
    return F_t.vflip(img) if isinstance(img, Tensor) else F_pil.vflip(img)


def perspective(
    img: _Image,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> _Image:
    """The perspective map that takes four points (top left, then clockwise) to four others.

    Raises:
        ValueError: not four points each.
        TypeError: another kind of interpolation.
    """
    coefficients = _get_perspective_coeffs(startpoints, endpoints)
    interpolation = _interpolation(interpolation)
    if isinstance(img, Tensor):
        return F_t.perspective(img, coefficients, interpolation.value, fill)
    return F_pil.perspective(img, coefficients, pil_modes_mapping[interpolation], fill)


def five_crop(img: _Image, size: Any) -> tuple[_Image, ...]:
    """The corners (top left, top right, bottom left, bottom right) and the middle.

    Raises:
        ValueError: the parts are larger than the image.
    """
    size = _size_pair(size)
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    _, height, width = get_dimensions(img)
    h, w = size
    if w > width or h > height:
        raise ValueError(f"Requested crop size {size} is bigger than input size {(height, width)}")
    corners = [(0, 0), (0, width - w), (height - h, 0), (height - h, width - w)]
    return (*(crop(img, top, left, h, w) for top, left in corners), center_crop(img, [h, w]))


def ten_crop(img: _Image, size: Any, vertical_flip: bool = False) -> tuple[_Image, ...]:
    """:func:`five_crop` of the image and of its mirror image."""
    size = _size_pair(size)
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def adjust_brightness(img: _Image, brightness_factor: float) -> _Image:
    """Times a factor: 0 is black, 1 the image."""
    return (F_t if isinstance(img, Tensor) else F_pil).adjust_brightness(img, brightness_factor)


def adjust_contrast(img: _Image, contrast_factor: float) -> _Image:
    """Distances from the mean brightness times a factor: 0 is grey, 1 the image."""
    return (F_t if isinstance(img, Tensor) else F_pil).adjust_contrast(img, contrast_factor)


def adjust_saturation(img: _Image, saturation_factor: float) -> _Image:
    """Distances from each pixel's brightness times a factor: 0 is grey, 1 the image."""
    return (F_t if isinstance(img, Tensor) else F_pil).adjust_saturation(img, saturation_factor)


def adjust_hue(img: _Image, hue_factor: float) -> _Image:
    """Hue moved along its circle by -0.5 to 0.5 of it.

    Raises:
        ValueError: the factor is out of range.
    """
    return (F_t if isinstance(img, Tensor) else F_pil).adjust_hue(img, hue_factor)


def adjust_gamma(img: _Image, gamma: float, gain: float = 1) -> _Image:
    """``gain * img ** gamma``, of values up to 1."""
    return (F_t if isinstance(img, Tensor) else F_pil).adjust_gamma(img, gamma, gain)


def _check_turn(angle: Any, center: Any) -> None:
    if not isinstance(angle, int | float):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, list | tuple):
        raise TypeError("Argument center should be a sequence")


def _from_middle(center: Any, img: Tensor) -> list[float]:
    """A centre in pixels from the top left, as one from the middle."""
    if center is None:
        return [0.0, 0.0]
    _, height, width = get_dimensions(img)
    return [1.0 * (c - s * 0.5) for c, s in zip(center, [width, height], strict=True)]


def rotate(
    img: _Image,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[int] | None = None,
    fill: _Fill = None,
) -> _Image:
    """Turned counterclockwise.

    Args:
        img: PIL image or tensor.
        angle: degrees.
        interpolation: an :class:`InterpolationMode`, or pillow's number of it.
        expand: make the result large enough for all of the image.
        center: of the turn, (x, y) from the top left; ``None``: the middle.
        fill: of what lies outside, one number or one per channel.

    Raises:
        TypeError: arguments of another kind.
    """
    interpolation = _interpolation(interpolation)
    _check_turn(angle, center)
    if not isinstance(img, Tensor):
        return F_pil.rotate(img, angle, pil_modes_mapping[interpolation], expand, center, fill)
    # Angles of the inverse map are counted the other way.
    matrix = _get_inverse_affine_matrix(_from_middle(center, img), -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    return F_t.rotate(img, matrix, interpolation.value, expand, fill)


def _shear_pair(shear: Any) -> list[float]:
    if not isinstance(shear, numbers.Number | list | tuple):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    pair: Any = [shear, 0.0] if isinstance(shear, numbers.Number) else list(shear)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    return pair


def affine(
    img: _Image,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = InterpolationMode.NEAREST,
    fill: _Fill = None,
    center: Sequence[int] | None = None,
) -> _Image:
    """Turned, moved, scaled and sheared around the middle.

    Args:
        img: PIL image or tensor.
        angle: degrees, clockwise.
        translate: pixels, (across, down).
        scale: factor.
        shear: degrees, (along x, along y), or along x.
        interpolation: an :class:`InterpolationMode`, or pillow's number of it.
        fill: of what lies outside, one number or one per channel.
        center: of turn and scaling, (x, y) from the top left; ``None``: the middle.

    Raises:
        TypeError, ValueError: arguments of another kind.
    """
    interpolation = _interpolation(interpolation)
    if not isinstance(angle, int | float):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, list | tuple):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    shear = _shear_pair(shear)
    _check_turn(angle, center)
    if isinstance(img, Tensor):
        matrix = _get_inverse_affine_matrix(_from_middle(center, img), angle, translate, scale, shear)
        return F_t.affine(img, matrix, interpolation.value, fill)
    _, height, width = get_dimensions(img)
    middle = [width * 0.5, height * 0.5] if center is None else list(center)
    matrix = _get_inverse_affine_matrix(middle, angle, translate, scale, shear)
    return F_pil.affine(img, matrix, pil_modes_mapping[interpolation], fill)


def to_grayscale(img: Image.Image, num_output_channels: int = 1) -> Image.Image:
    """A PIL image's brightness in one or three channels.

    Raises:
        TypeError: it is no PIL image.
    """
    if not isinstance(img, Image.Image):
        raise TypeError("Input should be PIL Image")
    return F_pil.to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: _Image, num_output_channels: int = 1) -> _Image:
    """Brightness in one or three channels."""
    if isinstance(img, Tensor):
        return F_t.rgb_to_grayscale(img, num_output_channels)
    return F_pil.to_grayscale(img, num_output_channels)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """``v`` in the place of the ``h`` x ``w`` pixels from row ``i`` and column ``j``.

    Raises:
        TypeError: it is no tensor.
    """
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    return F_t.erase(img, i, j, h, w, v, inplace)


def _blur_arguments(kernel_size: Any, sigma: Any) -> tuple[list[int], list[float]]:
    if not isinstance(kernel_size, int | list | tuple):
        raise TypeError(f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}")
    sizes = [kernel_size, kernel_size] if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(k % 2 == 0 or k < 0 for k in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {kernel_size}")
    if sigma is None:
        sigma = [k * 0.15 + 0.35 for k in sizes]
    if not isinstance(sigma, int | float | list | tuple):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    pair = [float(sigma)] * 2 if isinstance(sigma, int | float) else list(sigma)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(pair)}")
    if any(s <= 0.0 for s in pair):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    return sizes, pair


def _through_tensor(img: _Image, function: Any) -> _Image:
    """A function of tensors, of a PIL image too."""
    if isinstance(img, Tensor):
        return function(img)
    if not isinstance(img, Image.Image):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    return to_pil_image(function(pil_to_tensor(img)), mode=img.mode)


def gaussian_blur(img: _Image, kernel_size: Any, sigma: Any = None) -> _Image:
    """A Gaussian blur.

    Args:
        img: PIL image or tensor.
        kernel_size: odd, one number or (across, down).
        sigma: deviation in pixels, one number or (across, down); ``None``: 0.15 * kernel_size + 0.35.

    Raises:
        TypeError, ValueError: arguments of another kind.
    """
    sizes, deviations = _blur_arguments(kernel_size, sigma)
    return _through_tensor(img, lambda t: F_t.gaussian_blur(t, sizes, deviations))


def invert(img: _Image) -> _Image:
    """Full brightness minus the image."""
    return F_t.invert(img) if isinstance(img, Tensor) else F_pil.invert(img)


def posterize(img: _Image, bits: int) -> _Image:
    """The highest ``bits`` bits of each value.

    Raises:
        ValueError: ``bits`` is not in [0, 8].
    """
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return (F_t if isinstance(img, Tensor) else F_pil).posterize(img, bits)


def solarize(img: _Image, threshold: float) -> _Image:
    """Values from ``threshold`` on inverted."""
    return (F_t if isinstance(img, Tensor) else F_pil).solarize(img, threshold)


def adjust_sharpness(img: _Image, sharpness_factor: float) -> _Image:
    """Distances from the smoothed image times a factor: 0 is smooth, 1 the image."""
    return (F_t if isinstance(img, Tensor) else F_pil).adjust_sharpness(img, sharpness_factor)


def autocontrast(img: _Image) -> _Image:
    """Each channel stretched to the whole range."""
    return F_t.autocontrast(img) if isinstance(img, Tensor) else F_pil.autocontrast(img)


def equalize(img: _Image) -> _Image:
    """Each channel with all levels about equally often."""
    return F_t.equalize(img) if isinstance(img, Tensor) else F_pil.equalize(img)


def elastic_transform(
    img: _Image,
    displacement: Tensor,
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> _Image:
    """Each pixel moved by its own ``displacement``.

    Args:
        img: PIL image or tensor.
        displacement: ``(1, H, W, 2)`` as (x, y), where the image reaches from -1 to 1.
        interpolation: an :class:`InterpolationMode`.
        fill: of what lies outside, one number or one per channel.

    Raises:
        TypeError, ValueError: another kind of image or displacement.
    """
    if isinstance(interpolation, int):
        warnings.warn(
            "Argument interpolation should be of type InterpolationMode instead of int. Please, use "
            "InterpolationMode enum.",
            stacklevel=2,
        )
        interpolation = _interpolation_modes_from_int(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    _, height, width = get_dimensions(img)
    if tuple(displacement.shape) != (1, height, width, 2):
        shape = (1, height, width, 2)
        raise ValueError(f"Argument displacement shape should be {shape}, but given {displacement.shape}")
    return _through_tensor(img, lambda t: F_t.elastic_transform(t, displacement, interpolation.value, fill))
