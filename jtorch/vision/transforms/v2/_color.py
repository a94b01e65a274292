"""Transforms that change colours (``v2``)."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch.vision.transforms import _draws
from jtorch.vision.transforms._color_transforms import check_jitter
from jtorch.vision.transforms.v2 import functional as F
from jtorch.vision.transforms.v2._transform import RandomApplied, Transform, query_chw

__all__ = [
    "RGB",
    "ColorJitter",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPhotometricDistort",
    "RandomPosterize",
    "RandomSolarize",
]


class Grayscale(Transform):
    """Brightness in one or three channels."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The grey image."""
        return self._call_kernel(F.rgb_to_grayscale, inpt, num_output_channels=self.num_output_channels)


class RandomGrayscale(RandomApplied):
    """Brightness, in as many channels as the image has, with probability ``p``."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The number of channels."""
        return {"num_output_channels": query_chw(flat_inputs)[0]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The grey image."""
        return self._call_kernel(F.rgb_to_grayscale, inpt, **params)


class RGB(Transform):
    """Three channels of one."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image with three channels."""
        return self._call_kernel(F.grayscale_to_rgb, inpt)


_JITTERS = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in random order; see ``transforms``."""

    def __init__(
        self, brightness: Any = None, contrast: Any = None, saturation: Any = None, hue: Any = None
    ) -> None:
        super().__init__()
        unbounded = (0, float("inf"))
        self.brightness = brightness and check_jitter(brightness, "brightness", 1, unbounded, True)
        self.contrast = contrast and check_jitter(contrast, "contrast", 1, unbounded, True)
        self.saturation = saturation and check_jitter(saturation, "saturation", 1, unbounded, True)
        self.hue = hue and check_jitter(hue, "hue", 0, (-0.5, 0.5), False)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The changes, in order."""
        order = jtorch.randperm(4).tolist()
        names = list(_JITTERS)
        factors = {n: _draws.uniform(*r) for n in names if (r := getattr(self, n) or None) is not None}
        return {"changes": [(names[i], factors[names[i]]) for i in order if names[i] in factors]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image with other colours."""
        for name, factor in params["changes"]:
            inpt = self._call_kernel(_JITTERS[name], inpt, factor)
        return inpt


class RandomChannelPermutation(Transform):
    """Channels in random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The order."""
        return {"permutation": jtorch.randperm(query_chw(flat_inputs)[0]).tolist()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image with other channels."""
        return self._call_kernel(F.permute_channels, inpt, params["permutation"])


class RandomPhotometricDistort(Transform):
    """Each of several changes of colours with probability ``p``, as in SSD (https://arxiv.org/abs/1512.02325).

    Args:
        brightness: range of factors.
        contrast: range of factors.
        saturation: range of factors.
        hue: range of moves.
        p: probability of each.
    """

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.brightness, self.contrast, self.hue, self.saturation = brightness, contrast, hue, saturation
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The changes, in order."""
        channels = query_chw(flat_inputs)[0]
        factors: dict[str, float] = {}
        for name in _JITTERS:
            if _draws.chance() < self.p:
                factors[name] = _draws.uniform(*getattr(self, name))
        middle = ["saturation", "hue"]
        order = ["brightness", *(["contrast", *middle] if _draws.chance() < 0.5 else [*middle, "contrast"])]
        permutation = jtorch.randperm(channels).tolist() if _draws.chance() < self.p else None
        return {"changes": [(n, factors[n]) for n in order if n in factors], "permutation": permutation}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image with other colours."""
        for name, factor in params["changes"]:
            inpt = self._call_kernel(_JITTERS[name], inpt, factor)
        if params["permutation"] is not None:
            inpt = self._call_kernel(F.permute_channels, inpt, params["permutation"])
        return inpt


class RandomEqualize(RandomApplied):
    """Each channel with all levels about equally often, with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The equalized image."""
        return self._call_kernel(F.equalize, inpt)


class RandomInvert(RandomApplied):
    """Full brightness minus the image, with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The inverted image."""
        return self._call_kernel(F.invert, inpt)


class RandomAutocontrast(RandomApplied):
    """Each channel stretched to the whole range, with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The stretched image."""
        return self._call_kernel(F.autocontrast, inpt)


class RandomPosterize(RandomApplied):
    """The highest ``bits`` bits of each value, with probability ``p``."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.bits = bits

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image with fewer levels."""
        return self._call_kernel(F.posterize, inpt, bits=self.bits)


class RandomSolarize(RandomApplied):
    """Values from ``threshold`` on inverted, with probability ``p``."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image, inverted in part."""
        return self._call_kernel(F.solarize, inpt, threshold=self.threshold)


class RandomAdjustSharpness(RandomApplied):
    """Distances from the smoothed image times ``sharpness_factor``, with probability ``p``."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image, sharper or softer."""
        return self._call_kernel(F.adjust_sharpness, inpt, sharpness_factor=self.sharpness_factor)
