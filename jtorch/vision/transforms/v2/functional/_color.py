"""Colours (``torchvision.transforms.v2.functional._color``)."""

from __future__ import annotations

import numpy as np
from PIL import Image

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor
from jtorch.vision.transforms import _colors
from jtorch.vision.transforms import _functional_pil as F_pil
from jtorch.vision.transforms.v2.functional._dispatch import functional
from jtorch.vision.transforms.v2.functional._misc import to_dtype_image


def _check(image: Tensor, factor: float = 0.0, name: str = "") -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")
    channels = image.shape[-3]
    if channels not in (1, 3):
        raise TypeError(f"Input image tensor permitted channel values are 1 or 3, but found {channels}")


def rgb_to_grayscale_image(image: Tensor, num_output_channels: int = 1) -> Tensor:
    """Brightness in one or three channels."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    return _colors.grayscale(image, num_output_channels, fused=True)


def _rgb_to_grayscale_pil(image: Image.Image, num_output_channels: int = 1) -> Image.Image:
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    return F_pil.to_grayscale(image, num_output_channels)


def grayscale_to_rgb_image(image: Tensor) -> Tensor:
    """Three channels of one."""
    return image if image.shape[-3] >= 3 else _colors.grayscale(image, 3, fused=True)


def adjust_brightness_image(image: Tensor, brightness_factor: float) -> Tensor:
    """Times a factor."""
    _check(image, brightness_factor, "brightness_factor")
    return _colors.brightness(image, brightness_factor)


def adjust_saturation_image(image: Tensor, saturation_factor: float) -> Tensor:
    """Distances from each pixel's brightness times a factor."""
    _check(image, saturation_factor, "saturation_factor")
    return _colors.saturation(image, saturation_factor, fused=True)


def adjust_contrast_image(image: Tensor, contrast_factor: float) -> Tensor:
    """Distances from the mean brightness times a factor."""
    _check(image, contrast_factor, "contrast_factor")
    return _colors.contrast(image, contrast_factor, fused=True)


def adjust_sharpness_image(image: Tensor, sharpness_factor: float) -> Tensor:
    """Distances from the smoothed image times a factor."""
    channels, height, width = image.shape[-3:]
    if channels not in (1, 3):
        raise TypeError(f"Input image tensor can have 1 or 3 channels, but found {channels}")
    if sharpness_factor < 0:
        raise ValueError(f"sharpness_factor ({sharpness_factor}) is not non-negative.")
    if image.numel() == 0 or height <= 2 or width <= 2:
        return image
    return _colors.sharpness(image, float(sharpness_factor), fused=True)


def adjust_hue_image(image: Tensor, hue_factor: float) -> Tensor:
    """Hue moved along its circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    _check(image)
    return _colors.hue(image, hue_factor, fused=True)


def adjust_gamma_image(image: Tensor, gamma: float, gain: float = 1.0) -> Tensor:
    """``gain * image ** gamma``, of values up to 1."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return _colors.gamma(image, gamma, gain, fused=True)


def posterize_image(image: Tensor, bits: int) -> Tensor:
    """The highest bits of each value."""
    if not isinstance(bits, int) or not 0 <= bits <= 8:
        raise TypeError(f"bits must be a positive integer in the range [0, 8], got {bits} instead.")
    return _colors.posterize(image, bits)


def solarize_image(image: Tensor, threshold: float) -> Tensor:
    """Values from ``threshold`` on inverted."""
    if threshold > _colors.max_value(image.dtype):
        raise TypeError(
            f"Threshold should be less or equal the maximum value of the dtype, but got {threshold}"
        )
    return _colors.solarize(image, threshold)


def autocontrast_image(image: Tensor) -> Tensor:
    """Each channel stretched to the whole range."""
    _check(image)
    return _colors.autocontrast(image, fused=True)


def equalize_image(image: Tensor) -> Tensor:
    """Each channel with all levels about equally often; computed on the host with 256 levels."""
    if image.numel() == 0:
        return image
    levels = contents(to_dtype_image(image, jtorch.uint8, scale=True))
    made = to_tensor(_colors.equalized(np.ascontiguousarray(levels))).to(image.device)
    return to_dtype_image(made, image.dtype, scale=True)


def invert_image(image: Tensor) -> Tensor:
    """Full brightness minus the image."""
    if not image.is_floating_point() and image.dtype != jtorch.uint8:
        return _colors.max_value(image.dtype) - image
    return _colors.invert(image)


def permute_channels_image(image: Tensor, permutation: list[int]) -> Tensor:
    """Channels in another order.

    Raises:
        ValueError: it has another length.
    """
    shape = image.shape
    if len(permutation) != shape[-3]:
        raise ValueError(
            f"Length of permutation does not match number of channels: {len(permutation)} != {shape[-3]}"
        )
    return image[..., list(permutation), :, :]


def _permute_channels_pil(image: Image.Image, permutation: list[int]) -> Image.Image:
    bands = image.split()
    if len(permutation) != len(bands):
        raise ValueError(
            f"Length of permutation does not match number of channels: {len(permutation)} != {len(bands)}"
        )
    return Image.merge(image.mode, [bands[i] for i in permutation])


def _grayscale_to_rgb_pil(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


rgb_to_grayscale = to_grayscale = functional(rgb_to_grayscale_image, _rgb_to_grayscale_pil)
grayscale_to_rgb = functional(grayscale_to_rgb_image, _grayscale_to_rgb_pil)
adjust_brightness = functional(adjust_brightness_image, F_pil.adjust_brightness)
adjust_saturation = functional(adjust_saturation_image, F_pil.adjust_saturation)
adjust_contrast = functional(adjust_contrast_image, F_pil.adjust_contrast)
adjust_sharpness = functional(adjust_sharpness_image, F_pil.adjust_sharpness)
adjust_hue = functional(adjust_hue_image, F_pil.adjust_hue)
adjust_gamma = functional(adjust_gamma_image, F_pil.adjust_gamma)
posterize = functional(posterize_image, F_pil.posterize)
solarize = functional(solarize_image, F_pil.solarize)
autocontrast = functional(autocontrast_image, F_pil.autocontrast)
equalize = functional(equalize_image, F_pil.equalize)
invert = functional(invert_image, F_pil.invert)
permute_channels = functional(permute_channels_image, _permute_channels_pil)
