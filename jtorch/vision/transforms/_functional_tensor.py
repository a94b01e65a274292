"""Functions of tensor images ``(..., C, H, W)`` (``torchvision.transforms._functional_tensor``)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import jtorch
from jtorch.dtypes import dtype as _dtype
from jtorch.tensor import Tensor
from jtorch.vision._host import contents, host_array, to_tensor
from jtorch.vision.transforms import _colors, _warps
from jtorch.vision.transforms._colors import max_value as _max_value

__all__ = ["get_dimensions", "get_image_num_channels", "get_image_size"]

_Fill = float | Sequence[float] | None


def _assert_image_tensor(img: Tensor) -> None:
    if img.ndim < 2:
        raise TypeError("Tensor is not a torch image.")


def _assert_threshold(img: Tensor, threshold: float) -> None:
    if threshold > _max_value(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")


def _assert_channels(img: Tensor, permitted: list[int]) -> None:
    found = get_dimensions(img)[0]
    if found not in permitted:
        raise TypeError(f"Input image tensor permitted channel values are {permitted}, but found {found}")


def _assert_colors(img: Tensor, permitted: list[int], *, whole: bool = False) -> None:
    """Refuse what has no channels, or, if ``whole``, no dimension for them."""
    _assert_image_tensor(img)
    if whole and img.ndim < 3:
        raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {img.ndim}")
    _assert_channels(img, permitted)


def _assert_not_negative(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def get_dimensions(img: Tensor) -> list[int]:
    """[channels, height, width]."""
    _assert_image_tensor(img)
    shape = img.shape
    return [1 if len(shape) == 2 else shape[-3], shape[-2], shape[-1]]


def get_image_size(img: Tensor) -> list[int]:
    """[width, height]."""
    _assert_image_tensor(img)
    return [img.shape[-1], img.shape[-2]]


def get_image_num_channels(img: Tensor) -> int:
    """Number of channels."""
    if img.ndim < 2:
        raise TypeError(f"Input ndim should be 2 or more. Got {img.ndim}")
    return 1 if img.ndim == 2 else img.shape[-3]


def convert_image_dtype(image: Tensor, dtype: _dtype = jtorch.float32) -> Tensor:
    """Another dtype, with values scaled to its range."""
    _colors.check_conversion(image.dtype, dtype, "cast")
    return _colors.convert(image, dtype)


def vflip(img: Tensor) -> Tensor:
    """Top and bottom exchanged."""
    _assert_image_tensor(img)
    return _warps.flip(img, -2)


def hflip(img: Tensor) -> Tensor:
    """Left and right exchanged."""
    _assert_image_tensor(img)
    return _warps.flip(img, -1)


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A part, as a view; what lies outside of the image is 0."""
    _, h, w = get_dimensions(img)
    right, bottom = left + width, top + height
    if left < 0 or top < 0 or right > w or bottom > h:
        sides = [
            max(-left + min(0, right), 0),
            max(-top + min(0, bottom), 0),
            max(right - max(w, left), 0),
            max(bottom - max(h, top), 0),
        ]
        return pad(img[..., max(top, 0) : bottom, max(left, 0) : right], sides, fill=0)
    return img[..., top:bottom, left:right]


def rgb_to_grayscale(img: Tensor, num_output_channels: int = 1) -> Tensor:
    """Brightness in one or three channels."""
    if img.ndim < 3:
        raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {img.ndim}")
    _assert_channels(img, [1, 3])
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if img.shape[-3] == 1 and num_output_channels == 3:
        return img.expand(img.shape)  # of one channel, as in torchvision
    return _colors.grayscale(img, num_output_channels)


def adjust_brightness(img: Tensor, brightness_factor: float) -> Tensor:
    """Times a factor."""
    _assert_not_negative("brightness_factor", brightness_factor)
    _assert_colors(img, [1, 3])
    return _colors.brightness(img, brightness_factor)


def adjust_contrast(img: Tensor, contrast_factor: float) -> Tensor:
    """Distances from the mean brightness times a factor."""
    _assert_not_negative("contrast_factor", contrast_factor)
    _assert_colors(img, [3, 1])
    return _colors.contrast(img, contrast_factor)


def adjust_hue(img: Tensor, hue_factor: float) -> Tensor:
    """Hue moved along its circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    _assert_colors(img, [1, 3])
    return _colors.hue(img, hue_factor)


def adjust_saturation(img: Tensor, saturation_factor: float) -> Tensor:
    """Distances from each pixel's brightness times a factor."""
    _assert_not_negative("saturation_factor", saturation_factor)
    _assert_colors(img, [1, 3])
    return _colors.saturation(img, saturation_factor)


def adjust_gamma(img: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """``gain * img ** gamma``, of values up to 1."""
    _assert_channels(img, [1, 3])
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return _colors.gamma(img, gamma, gain)


def _parse_pad_padding(padding: int | Sequence[int]) -> list[int]:
    """[left, right, top, bottom] of one number, (across, down) or (left, top, right, bottom)."""
    sides = [padding] if isinstance(padding, int) else list(padding)
    left, top, right, bottom = sides * (4 // len(sides))
    return [left, right, top, bottom]


def pad(img: Tensor, padding: Any, fill: float | None = 0, padding_mode: str = "constant") -> Tensor:
    """More pixels on the sides; see :func:`jtorch.vision.transforms.functional.pad`."""
    _assert_image_tensor(img)
    fill = 0 if fill is None else fill
    if not isinstance(padding, int | tuple | list):
        raise TypeError("Got inappropriate padding arg")
    if not isinstance(fill, int | float):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
        )
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    return _warps.pad(img, _parse_pad_padding(padding), fill, padding_mode)


def resize(
    img: Tensor, size: Sequence[int], interpolation: str = "bilinear", antialias: bool | None = True
) -> Tensor:
    """Another size, [height, width]."""
    _assert_image_tensor(img)
    smooth = bool(antialias) and interpolation in ("bilinear", "bicubic")
    return _warps.resize(img, size, interpolation, smooth)


def _assert_grid_transform_inputs(
    img: Tensor, interpolation: str, fill: Any, coefficients: Any, count: int, name: str
) -> None:
    if not isinstance(coefficients, list):
        raise TypeError(f"Argument {name} should be a list")
    if len(coefficients) != count:
        raise ValueError(f"Argument {name} should have {count} float values")
    if fill is not None and not isinstance(fill, int | float | tuple | list):
        warnings.warn("Argument fill should be either int, float, tuple or list", stacklevel=4)
    channels = get_dimensions(img)[0]
    if isinstance(fill, tuple | list) and len(fill) > 1 and len(fill) != channels:
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
            f"({len(fill)} != {channels})"
        )
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{interpolation}' is unsupported with Tensor input")


def _sample(img: Tensor, grid: Any, mode: str, fill: _Fill) -> Tensor:
    made = _warps.grid_sample(img if img.ndim > 2 else img[None], grid, mode, fill)
    return made if img.ndim > 2 else made[0]


def affine(img: Tensor, matrix: list[float], interpolation: str = "nearest", fill: _Fill = None) -> Tensor:
    """The image through an affine map."""
    _assert_image_tensor(img)
    _assert_grid_transform_inputs(img, interpolation, fill, matrix, 6, "matrix")
    size = (img.shape[-2], img.shape[-1])
    return _sample(img, _warps.affine_grid(matrix, size, size), interpolation, fill)


def rotate(
    img: Tensor,
    matrix: list[float],
    interpolation: str = "nearest",
    expand: bool = False,
    fill: _Fill = None,
) -> Tensor:
    """The image through an affine map, with ``expand`` in a size that holds all of it."""
    _assert_image_tensor(img)
    _assert_grid_transform_inputs(img, interpolation, fill, matrix, 6, "matrix")
    height, width = img.shape[-2:]
    out = _warps.affine_output_size(matrix, width, height)[::-1] if expand else (height, width)
    return _sample(img, _warps.affine_grid(matrix, (height, width), out), interpolation, fill)


def perspective(
    img: Tensor, perspective_coeffs: list[float], interpolation: str = "bilinear", fill: _Fill = None
) -> Tensor:
    """The image through a perspective map."""
    _assert_image_tensor(img)
    _assert_grid_transform_inputs(img, interpolation, fill, perspective_coeffs, 8, "coeffs")
    grid = _warps.perspective_grid(perspective_coeffs, (img.shape[-2], img.shape[-1]))
    return _sample(img, grid, interpolation, fill)


def elastic_transform(
    img: Tensor, displacement: Tensor, interpolation: str = "bilinear", fill: _Fill = None
) -> Tensor:
    """The image with each pixel moved."""
    grid = _warps.identity_grid(list(img.shape[-2:])) + contents(displacement)[0]
    return _sample(img, grid, interpolation, fill)


def gaussian_blur(img: Tensor, kernel_size: list[int], sigma: list[float]) -> Tensor:
    """A Gaussian blur."""
    _assert_image_tensor(img)
    return _warps.blur(img, kernel_size, sigma)


def invert(img: Tensor) -> Tensor:
    """Full brightness minus the image."""
    _assert_colors(img, [1, 3], whole=True)
    return _colors.invert(img)


def posterize(img: Tensor, bits: int) -> Tensor:
    """The highest bits of each value."""
    _assert_bytes(img, 3, None, "at least 3")
    _assert_channels(img, [1, 3])
    return _colors.posterize(img, bits)


def _assert_bytes(img: Tensor, least: int, most: int | None, text: str) -> None:
    _assert_image_tensor(img)
    if img.ndim < least or (most is not None and img.ndim > most):
        raise TypeError(f"Input image tensor should have {text} dimensions, but found {img.ndim}")
    if img.dtype != jtorch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")


def solarize(img: Tensor, threshold: float) -> Tensor:
    """Values from ``threshold`` on inverted."""
    _assert_colors(img, [1, 3], whole=True)
    _assert_threshold(img, threshold)
    return _colors.solarize(img, threshold)


def adjust_sharpness(img: Tensor, sharpness_factor: float) -> Tensor:
    """Distances from the smoothed image times a factor."""
    _assert_not_negative("sharpness_factor", sharpness_factor)
    _assert_colors(img, [1, 3])
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    return _colors.sharpness(img, float(sharpness_factor))


def autocontrast(img: Tensor) -> Tensor:
    """Each channel stretched to the whole range."""
    _assert_colors(img, [1, 3], whole=True)
    return _colors.autocontrast(img)


def equalize(img: Tensor) -> Tensor:
    """Each channel with all levels about equally often; computed on the host."""
    _assert_bytes(img, 3, 4, "3 or 4")
    _assert_channels(img, [1, 3])
    return to_tensor(_colors.equalized(contents(img))).to(img.device)


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """``(tensor - mean) / std`` with a mean and a deviation per channel."""
    _assert_image_tensor(tensor)
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{tensor.size()}"
        )
    kind = tensor.dtype.numpy
    shift, scale = (_per_channel(contents(x).astype(kind)) for x in (mean, std))
    if not scale.all():
        raise ValueError(
            f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero."
        )
    array = host_array(tensor)
    if array is None:
        on_device = [jtorch.from_numpy(a).to(tensor.device) for a in (shift, scale)]
        if inplace:
            return tensor.sub_(on_device[0]).div_(on_device[1])
        return (tensor - on_device[0]) / on_device[1]
    result = array - shift
    result /= scale
    made = to_tensor(result)
    return tensor.copy_(made) if inplace else made


def _per_channel(x: Any) -> Any:
    return x.reshape(-1, 1, 1) if x.ndim == 1 else x


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """``v`` in the place of a part."""
    _assert_image_tensor(img)
    array = None if inplace else host_array(img)
    if array is None or v.device != img.device:
        made = img if inplace else img.clone()
        made[..., i : i + h, j : j + w] = v
        return made
    result: np.ndarray[Any, Any] = np.array(array, order="C")
    result[..., i : i + h, j : j + w] = contents(v)
    return to_tensor(result)
