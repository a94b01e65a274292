"""Transforms that change colours."""

from __future__ import annotations

import numbers
from typing import Any

import jtorch
from jtorch import nn
from jtorch.vision.transforms import _draws
from jtorch.vision.transforms import functional as F

__all__ = [
    "ColorJitter",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
]

_Range = float | tuple[float, float]


def check_jitter(value: Any, name: str, center: float, bound: tuple[float, float], clip: bool) -> Any:
    """A range of factors, or ``None`` if nothing varies.

    Raises:
        TypeError, ValueError: neither one number nor two within the bounds.
    """
    if isinstance(value, numbers.Number):
        if value < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        spread = float(value)  # type: ignore[arg-type]
        value = [center - spread, center + spread]
        if clip:
            value[0] = max(value[0], 0.0)
    elif isinstance(value, tuple | list) and len(value) == 2:
        value = [float(v) for v in value]
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= value[0] <= value[1] <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {value}.")
    return None if value[0] == value[1] == center else tuple(value)


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    Args:
        brightness: factors from max(0, 1 - brightness) to 1 + brightness, or the range itself.
        contrast: likewise.
        saturation: likewise.
        hue: moves from -hue to hue, at most 0.5, or the range itself.

    Raises:
        TypeError, ValueError: arguments out of range.
    """

    def __init__(
        self, brightness: _Range = 0, contrast: _Range = 0, saturation: _Range = 0, hue: _Range = 0
    ) -> None:
        super().__init__()
        unbounded = (0, float("inf"))
        self.brightness = check_jitter(brightness, "brightness", 1, unbounded, True)
        self.contrast = check_jitter(contrast, "contrast", 1, unbounded, True)
        self.saturation = check_jitter(saturation, "saturation", 1, unbounded, True)
        self.hue = check_jitter(hue, "hue", 0, (-0.5, 0.5), False)

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple[Any, ...]:
        """The order of the four changes, and a factor (or ``None``) for each."""
        order = jtorch.randperm(4)
        ranges = (brightness, contrast, saturation, hue)
        return (order, *(None if r is None else _draws.uniform(r[0], r[1]) for r in ranges))

    def forward(self, img: Any) -> Any:
        """The image with other colours."""
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = changes[i](img, factors[i])
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class Grayscale(nn.Module):
    """Brightness in one or three channels."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        """The grey image."""
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(nn.Module):
    """Brightness, in as many channels as the image has, with probability ``p``."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """The image, grey or as it is."""
        channels = F.get_dimensions(img)[0]
        return F.rgb_to_grayscale(img, channels) if _draws.chance() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class _Sometimes(nn.Module):
    """A function with probability ``p``."""

    #: Name of the argument before ``p``, if there is one.
    _argument = ""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def _apply_to(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        """The image, changed or as it is."""
        return self._apply_to(img) if _draws.chance() < self.p else img

    def __repr__(self) -> str:
        own = f"{self._argument}={getattr(self, self._argument)}," if self._argument else ""
        return f"{type(self).__name__}({own}p={self.p})"


class RandomInvert(_Sometimes):
    """Full brightness minus the image, with probability ``p``."""

    def _apply_to(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Sometimes):
    """The highest ``bits`` bits of each value, with probability ``p``."""

    _argument = "bits"

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def _apply_to(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Sometimes):
    """Values from ``threshold`` on inverted, with probability ``p``."""

    _argument = "threshold"

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def _apply_to(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Sometimes):
    """Distances from the smoothed image times ``sharpness_factor``, with probability ``p``."""

    _argument = "sharpness_factor"

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _apply_to(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Sometimes):
    """Each channel stretched to the whole range, with probability ``p``."""

    def _apply_to(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Sometimes):
    """Each channel with all levels about equally often, with probability ``p``."""

    def _apply_to(self, img: Any) -> Any:
        return F.equalize(img)
