"""Transforms that move pixels about or overwrite them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor
from jtorch.vision.transforms import _draws
from jtorch.vision.transforms import functional as F
from jtorch.vision.transforms._arguments import (
    check_fill,
    check_sequence,
    fill_of,
    interpolation_mode,
    setup_angle,
    setup_size,
)
from jtorch.vision.transforms._crops import check_scale_and_ratio
from jtorch.vision.transforms.functional import InterpolationMode

__all__ = [
    "ElasticTransform",
    "GaussianBlur",
    "RandomAffine",
    "RandomErasing",
    "RandomPerspective",
    "RandomRotation",
]


class RandomPerspective(nn.Module):
    """A random perspective with probability ``p``.

    Args:
        distortion_scale: how far corners may move in, as a share of half the size.
        p: probability.
        interpolation: an :class:`InterpolationMode`, or pillow's number of it.
        fill: of what lies outside, one number or one per channel.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p = p
        self.interpolation = interpolation_mode(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = check_fill(fill)

    def forward(self, img: Any) -> Any:
        """The image, distorted or as it is."""
        channels, height, width = F.get_dimensions(img)
        if _draws.chance() >= self.p:
            return img
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, fill_of(self.fill, img, channels))

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The corners, and where they go: top left, then clockwise, each as [x, y]."""
        across = int(distortion_scale * (width // 2))
        down = int(distortion_scale * (height // 2))
        low_x, high_x = (0, across + 1), (width - across - 1, width)
        low_y, high_y = (0, down + 1), (height - down - 1, height)
        corners = [(low_x, low_y), (high_x, low_y), (high_x, high_y), (low_x, high_y)]
        end = [[_draws.integer(*x), _draws.integer(*y)] for x, y in corners]
        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return start, end

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomRotation(nn.Module):
    """A turn by a random angle.

    Args:
        degrees: range (least, most), or one number for that much to either side.
        interpolation: an :class:`InterpolationMode`, or pillow's number of it.
        expand: make the result large enough for all of the image.
        center: (x, y) from the top left; ``None``: the middle.
        fill: of what lies outside, one number or one per channel.
    """

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = setup_angle(degrees, "degrees", (2,))
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center
        self.interpolation = interpolation_mode(interpolation)
        self.expand = expand
        self.fill = check_fill(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle."""
        return _draws.uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        """The turned image."""
        fill = fill_of(self.fill, img, F.get_dimensions(img)[0])
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        fill = "" if self.fill is None else f", fill={self.fill}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}{fill})"
        )


class RandomAffine(nn.Module):
    """A random turn, move, scaling and shear around the middle.

    Args:
        degrees: range of the turn, or one number for that much to either side.
        translate: most of width and of height to move by, each in [0, 1].
        scale: range of the factor.
        shear: range of degrees along x, and possibly along y; one number: that much to either side, along x.
        interpolation: an :class:`InterpolationMode`, or pillow's number of it.
        fill: of what lies outside, one number or one per channel.
        center: of turn and scaling, (x, y) from the top left; ``None``: the middle.

    Raises:
        TypeError, ValueError: arguments out of range.
    """

    def __init__(
        self,
        degrees: Any,
        translate: Any = None,
        scale: Any = None,
        shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Any = None,
    ) -> None:
        super().__init__()
        self.degrees = setup_angle(degrees, "degrees", (2,))
        check_affine(translate, scale, center)
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else setup_angle(shear, "shear", (2, 4))
        self.interpolation = interpolation_mode(interpolation)
        self.fill = check_fill(fill)
        self.center = center

    @staticmethod
    def get_params(
        degrees: Any, translate: Any, scale_ranges: Any, shears: Any, img_size: Sequence[int]
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, move in pixels, scale and shear, for an image of size (width, height)."""
        angle = _draws.uniform(degrees[0], degrees[1])
        moves = [0, 0]
        if translate is not None:
            most = [float(t * s) for t, s in zip(translate, img_size, strict=True)]
            moves = [round(_draws.uniform(-m, m)) for m in most]
        scale = 1.0 if scale_ranges is None else _draws.uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = _draws.uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = _draws.uniform(shears[2], shears[3])
        return angle, (moves[0], moves[1]), scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        """The transformed image."""
        channels, height, width = F.get_dimensions(img)
        params = self.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        fill = fill_of(self.fill, img, channels)
        return F.affine(img, *params, interpolation=self.interpolation, fill=fill, center=self.center)

    def __repr__(self) -> str:
        shown = [f"degrees={self.degrees}"]
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                shown.append(f"{name}={getattr(self, name)}")
        if self.interpolation != InterpolationMode.NEAREST:
            shown.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            shown.append(f"fill={self.fill}")
        if self.center is not None:
            shown.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(shown)})"


def check_affine(translate: Any, scale: Any, center: Any) -> None:
    """See :class:`RandomAffine`."""
    if translate is not None:
        check_sequence(translate, "translate", (2,))
        if not all(0.0 <= t <= 1.0 for t in translate):
            raise ValueError("translation values should be between 0 and 1")
    if scale is not None:
        check_sequence(scale, "scale", (2,))
        if any(s <= 0 for s in scale):
            raise ValueError("scale values should be positive")
    if center is not None:
        check_sequence(center, "center", (2,))


class RandomErasing(nn.Module):
    """A random part of a tensor overwritten, with probability ``p``.

    Args:
        p: probability.
        scale: range of the part's share of the area.
        ratio: range of height over width.
        value: a number, one per channel, or ``"random"`` for normal noise.
        inplace: overwrite the tensor itself.

    Raises:
        TypeError, ValueError: arguments out of range.

    Reference: Zhong et al., "Random Erasing Data Augmentation", 2017, https://arxiv.org/abs/1708.04896
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, numbers.Number | str | tuple | list):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        check_scale_and_ratio(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """Top, left, height, width and contents of the part; after 10 vain attempts the image itself."""
        channels, height, width = img.shape[-3:]
        for _ in range(10):
            area = height * width * _draws.uniform(scale[0], scale[1])
            aspect = _draws.log_uniform(ratio)
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (h < height and w < width):
                continue
            if value is None:
                v = jtorch.empty([channels, h, w], dtype=jtorch.float32).normal_()
            else:
                v = jtorch.tensor(value)[:, None, None]
            top = _draws.integer(0, height - h + 1)
            return top, _draws.integer(0, width - w + 1), h, w, v
        return 0, 0, height, width, img

    def forward(self, img: Tensor) -> Tensor:
        """The image, with a part overwritten or as it is.

        Raises:
            ValueError: ``value`` has neither one number nor one per channel.
        """
        if _draws.chance() >= self.p:
            return img
        value: list[float] | None = None
        if not isinstance(self.value, str):
            given: Any = self.value if isinstance(self.value, Sequence) else [self.value]
            value = [float(v) for v in given]
            if len(value) not in (1, img.shape[-3]):
                raise ValueError(
                    "If value is a sequence, it should have either a single value or "
                    f"{img.shape[-3]} (number of input channels)"
                )
        place = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, *place, self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )


class GaussianBlur(nn.Module):
    """A Gaussian blur of random width.

    Args:
        kernel_size: odd, one number or (across, down).
        sigma: range of the deviation in pixels, or the deviation itself.

    Raises:
        ValueError: arguments out of range.
    """

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = setup_size(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(k <= 0 or k % 2 == 0 for k in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:  # type: ignore[operator]
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not (isinstance(sigma, Sequence) and len(sigma) == 2):
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The deviation."""
        return _draws.uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        """The blurred image."""
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


def setup_elastic(x: Any, name: str) -> list[float]:
    """Two floats of one or two.

    Raises:
        TypeError, ValueError: neither.
    """
    if not isinstance(x, float | Sequence):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(x)}")
    if isinstance(x, float):
        return [x, x]
    if len(x) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(x)}")
    for element in x:
        if not isinstance(element, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(element)}")
    return x  # type: ignore[return-value]


class ElasticTransform(nn.Module):
    """Pixels moved by smooth noise, as if seen through water.

    Args:
        alpha: how far, one float or (across, down).
        sigma: how smooth, one float or (across, down).
        interpolation: an :class:`InterpolationMode`, or pillow's number of it.
        fill: of what lies outside, one number or one per channel.

    Raises:
        TypeError, ValueError: arguments of another kind.
    """

    def __init__(
        self,
        alpha: Any = 50.0,
        sigma: Any = 5.0,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = setup_elastic(alpha, "alpha")
        self.sigma = setup_elastic(sigma, "sigma")
        self.interpolation = interpolation_mode(interpolation)
        if not isinstance(fill, int | float | list | tuple):
            raise TypeError(f"fill should be int or float or a list or tuple of them. Got {type(fill)}")
        self.fill = [float(f) for f in (fill if isinstance(fill, list | tuple) else (fill,))]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """The displacement of each pixel, ``(1, H, W, 2)``."""
        moves = []
        for i, extent in enumerate(reversed(size)):
            noise = to_tensor(contents(jtorch.rand([1, 1, *size])) * np.float32(2) - np.float32(1))
            if sigma[i] > 0.0:
                kernel = int(8 * sigma[i] + 1) | 1
                noise = F.gaussian_blur(noise, [kernel, kernel], list(sigma))
            moves.append(contents(noise)[0, 0] * np.float32(alpha[i]) / np.float32(extent))
        return to_tensor(np.stack(moves, -1)[None])

    def forward(self, tensor: Any) -> Any:
        """The distorted image."""
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )
