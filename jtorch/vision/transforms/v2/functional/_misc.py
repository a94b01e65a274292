"""Value ranges, blur, noise, conversions (``torchvision.transforms.v2.functional._misc``)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

import jtorch
from jtorch.dtypes import dtype as _dtype
from jtorch.tensor import Tensor
from jtorch.vision import tv_tensors
from jtorch.vision.io import decode_jpeg, encode_jpeg
from jtorch.vision.transforms import _colors, _warps
from jtorch.vision.transforms import _functional_pil as F_pil
from jtorch.vision.transforms import _functional_tensor as F_t
from jtorch.vision.transforms import functional as F
from jtorch.vision.transforms.functional import pil_to_tensor, to_pil_image
from jtorch.vision.transforms.v2.functional._dispatch import functional


def normalize_image(image: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """``(image - mean) / std`` with a mean and a deviation per channel."""
    if isinstance(image, Tensor) and image.is_floating_point() and image.ndim < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got {image.shape}.")
    if (isinstance(std, tuple | list) and not all(std)) or (isinstance(std, int | float) and std == 0):
        raise ValueError("std evaluated to zero, leading to division by zero.")
    return F_t.normalize(image, mean, std, inplace)


def gaussian_blur_image(image: Tensor, kernel_size: Any, sigma: Any = None) -> Tensor:
    """A Gaussian blur."""
    sizes, deviations = F._blur_arguments(kernel_size, sigma)
    return image if image.numel() == 0 else _warps.blur(image, sizes, deviations)


def gaussian_noise_image(image: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """Normal noise added, of values up to 1.

    Raises:
        ValueError: a negative ``sigma``, or an image of other integers than bytes.
    """
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if image.is_floating_point():
        made = image + (mean + jtorch.randn_like(image) * sigma)
        return made.clamp(0, 1) if clip else made
    if image.dtype != jtorch.uint8:
        raise ValueError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={image.dtype}")
    noise = jtorch.randn_like(image, dtype=jtorch.float32) * (sigma * 255)
    made = image + (mean * 255 + noise).to(jtorch.int16)
    return (made.clamp(0, 255) if clip else made).to(jtorch.uint8)


def _gaussian_noise_pil(image: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    raise ValueError("Gaussian Noise is not implemented for PIL images.")


def to_dtype_image(image: Tensor, dtype: _dtype = jtorch.float32, scale: bool = False) -> Tensor:
    """Another dtype, with ``scale`` with values scaled to its range.

    Raises:
        RuntimeError: floats to integers that they cannot hold.
    """
    if image.dtype == dtype:
        return image
    if not scale:
        return image.to(dtype)
    _colors.check_conversion(image.dtype, dtype, "conversion")
    return _colors.convert(image, dtype, fused=True)


def convert_image_dtype(image: Tensor, dtype: _dtype = jtorch.float32) -> Tensor:
    """Another dtype, with values scaled to its range."""
    return to_dtype_image(image, dtype, scale=True)


def _to_dtype_other(inpt: Tensor, dtype: _dtype = jtorch.float32, scale: bool = False) -> Tensor:
    return inpt.to(dtype)


def _to_dtype_boxes(inpt: Any, dtype: _dtype = jtorch.float32, scale: bool = False) -> Any:
    return inpt.as_subclass(Tensor).to(dtype), {}


def erase_image(image: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """``v`` in the place of a part."""
    return F_t.erase(image, i, j, h, w, v, inplace)


def _erase_pil(image: Image.Image, *args: Any, **kwargs: Any) -> Image.Image:
    return to_pil_image(erase_image(pil_to_tensor(image), *args, **kwargs), mode=image.mode)


def jpeg_image(image: Tensor, quality: int) -> Tensor:
    """As if it had been saved as JPEG."""
    flat = image.reshape(-1, *image.shape[-3:])
    made: list[Any] = [decode_jpeg(encode_jpeg(one, quality=quality)) for one in flat]
    return jtorch.stack(made).reshape(image.shape) if made else image.clone()


def _jpeg_pil(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return Image.open(buffer).copy()


def to_image(inpt: Any) -> Any:
    """A PIL image, an array ``(H, W, C)`` or a tensor as :class:`~jtorch.vision.tv_tensors.Image`.

    Raises:
        TypeError: something else.
    """
    if isinstance(inpt, np.ndarray):
        inpt = jtorch.from_numpy(np.ascontiguousarray(np.atleast_3d(inpt).transpose(2, 0, 1)))
    elif isinstance(inpt, Image.Image):
        inpt = pil_to_tensor(inpt)
    elif not isinstance(inpt, Tensor):
        raise TypeError(
            f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead."
        )
    return tv_tensors.Image(inpt)


def get_dimensions(inpt: Any) -> list[int]:
    """[channels, height, width]."""
    return F_t.get_dimensions(inpt) if isinstance(inpt, Tensor) else F_pil.get_dimensions(inpt)


def get_num_channels(inpt: Any) -> int:
    """Number of channels."""
    return get_dimensions(inpt)[0]


def get_num_frames(inpt: Any) -> int:
    """Number of frames of a video ``(..., T, C, H, W)``."""
    return int(inpt.shape[-4])


def get_size(inpt: Any) -> list[int]:
    """[height, width] of an image, a mask, or of the image that boxes belong to."""
    if isinstance(inpt, tv_tensors.BoundingBoxes | tv_tensors.KeyPoints):
        return list(inpt.canvas_size)
    return get_dimensions(inpt)[1:]


normalize = functional(normalize_image)
gaussian_blur = functional(gaussian_blur_image, F.gaussian_blur)
gaussian_noise = functional(gaussian_noise_image, _gaussian_noise_pil)
to_dtype = functional(to_dtype_image, mask=_to_dtype_other, boxes=_to_dtype_boxes, points=_to_dtype_boxes)
erase = functional(erase_image, _erase_pil)
jpeg = functional(jpeg_image, _jpeg_pil)
