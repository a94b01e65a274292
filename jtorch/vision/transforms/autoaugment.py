"""Augmentation with several operations at a time (``torchvision.transforms.autoaugment``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor
from jtorch.vision.transforms import _draws
from jtorch.vision.transforms import functional as F
from jtorch.vision.transforms._arguments import fill_of
from jtorch.vision.transforms._policies import POLICIES, Step
from jtorch.vision.transforms.functional import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

#: Operation -> its magnitudes, or ``None`` if it has none, and whether they get a random sign.
Space = dict[str, tuple[Sequence[float] | None, bool]]


@lru_cache(maxsize=512)
def _evenly(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(jtorch.linspace(low, high, count).tolist())


def _bits(most: int, count: int, divisions: int) -> tuple[float, ...]:
    """Fewer and fewer bits for posterizing."""
    steps = np.arange(count, dtype=np.float32) / np.float32((count - 1) / divisions)
    return tuple((most - np.round(steps)).tolist())


#: Operation -> what it does to an image, by the functions ``fn`` of ``transforms`` or of ``transforms.v2``.
_CHANGES: dict[str, Callable[..., Any]] = {
    "Brightness": lambda fn, img, m: fn.adjust_brightness(img, 1.0 + m),
    "Color": lambda fn, img, m: fn.adjust_saturation(img, 1.0 + m),
    "Contrast": lambda fn, img, m: fn.adjust_contrast(img, 1.0 + m),
    "Sharpness": lambda fn, img, m: fn.adjust_sharpness(img, 1.0 + m),
    "Posterize": lambda fn, img, m: fn.posterize(img, int(m)),
    "Solarize": lambda fn, img, m: fn.solarize(img, m),
    "AutoContrast": lambda fn, img, m: fn.autocontrast(img),
    "Equalize": lambda fn, img, m: fn.equalize(img),
    "Invert": lambda fn, img, m: fn.invert(img),
    "Identity": lambda fn, img, m: img,
}


def _apply_op(
    img: Any, op_name: str, magnitude: float, interpolation: Any, fill: Any, functions: Any = F
) -> Any:
    """One operation.

    Raises:
        ValueError: an unknown one.
    """
    if op_name in _CHANGES:
        return _CHANGES[op_name](functions, img, magnitude)
    if op_name == "Rotate":
        return functions.rotate(img, magnitude, interpolation=interpolation, fill=fill)
    shear = math.degrees(math.atan(magnitude))
    moves: dict[str, dict[str, Any]] = {
        "ShearX": {"translate": [0, 0], "shear": [shear, 0.0], "center": [0, 0]},
        "ShearY": {"translate": [0, 0], "shear": [0.0, shear], "center": [0, 0]},
        "TranslateX": {"translate": [int(magnitude), 0], "shear": [0.0, 0.0]},
        "TranslateY": {"translate": [0, int(magnitude)], "shear": [0.0, 0.0]},
    }
    if op_name not in moves:
        raise ValueError(f"The provided operator {op_name} is not recognized.")
    options: dict[str, Any] = {"scale": 1.0, "interpolation": interpolation, "fill": fill}
    return functions.affine(img, 0.0, **options, **moves[op_name])


def _magnitude(magnitudes: Sequence[float] | None, signed: bool, choose: Callable[[int], int]) -> float:
    """One of an operation's magnitudes, with its sign."""
    magnitude = 0.0 if magnitudes is None else magnitudes[choose(len(magnitudes))]
    return -magnitude if signed and _draws.integer(0, 2) else magnitude


def _colors(count: int, most: float) -> Space:
    names = ("Brightness", "Color", "Contrast", "Sharpness")
    return {name: (_evenly(0.0, most, count), True) for name in names}


def _space(
    count: int, shear: float, moves: tuple[float, float], turn: float, color: float, divisions: int
) -> Space:
    """The operations of three of the methods, in their order.

    Args:
        count: of magnitudes.
        shear: largest.
        moves: largest across and down, in pixels.
        turn: largest, in degrees.
        color: largest change of colours.
        divisions: bits that posterizing takes away at most.
    """
    return {
        "ShearX": (_evenly(0.0, shear, count), True),
        "ShearY": (_evenly(0.0, shear, count), True),
        "TranslateX": (_evenly(0.0, moves[0], count), True),
        "TranslateY": (_evenly(0.0, moves[1], count), True),
        "Rotate": (_evenly(0.0, turn, count), True),
        **_colors(count, color),
        "Posterize": (_bits(8, count, divisions), False),
        "Solarize": (_evenly(255.0, 0.0, count), False),
        "AutoContrast": (None, False),
        "Equalize": (None, False),
    }


def _paper_moves(image_size: tuple[int, int]) -> tuple[float, float]:
    height, width = image_size
    return 150.0 / 331.0 * width, 150.0 / 331.0 * height


class AutoAugmentPolicy(Enum):
    """Data sets for which policies were found."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


class AutoAugment(nn.Module):
    """Two operations, a pair of those that were found to help on a data set.

    Args:
        policy: the data set.
        interpolation: of operations that move pixels.
        fill: of what lies outside, one number or one per channel.

    Raises:
        ValueError: an unknown policy.

    Reference: Cubuk et al., "AutoAugment", 2018, https://arxiv.org/abs/1805.09501
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.interpolation = interpolation
        self.fill = fill
        self.policies = self._get_policies(policy)

    @staticmethod
    def _get_policies(policy: AutoAugmentPolicy) -> list[tuple[Step, Step]]:
        if not isinstance(policy, AutoAugmentPolicy):
            raise ValueError(f"The provided policy {policy} is not recognized.")
        return POLICIES[policy.value]

    @staticmethod
    def _augmentation_space(num_bins: int, image_size: tuple[int, int]) -> Space:
        space = _space(num_bins, 0.3, _paper_moves(image_size), 30.0, 0.9, 4)
        return space | {"Invert": (None, False)}

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Number of the pair, chances of its operations and signs of their magnitudes."""
        chosen = _draws.integer(0, transform_num)
        return chosen, jtorch.rand((2,)), jtorch.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        """The augmented image."""
        channels, height, width = F.get_dimensions(img)
        fill = fill_of(self.fill, img, channels)
        chosen, probs, signs = self.get_params(len(self.policies))
        space = self._augmentation_space(10, (height, width))
        draws = zip(self.policies[chosen], probs.tolist(), signs.tolist(), strict=True)
        for (name, p, level), chance, sign in draws:
            if chance <= np.float32(p):
                magnitudes, signed = space[name]
                magnitude = 0.0 if level is None or magnitudes is None else magnitudes[level]
                magnitude = -magnitude if signed and sign == 0 else magnitude
                img = _apply_op(img, name, magnitude, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(nn.Module):
    """Operations chosen at random, all of one magnitude.

    Args:
        num_ops: how many.
        magnitude: number of the magnitude.
        num_magnitude_bins: how many magnitudes there are.
        interpolation: of operations that move pixels.
        fill: of what lies outside, one number or one per channel.

    Reference: Cubuk et al., "RandAugment", 2019, https://arxiv.org/abs/1909.13719
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    @staticmethod
    def _augmentation_space(num_bins: int, image_size: tuple[int, int]) -> Space:
        return {"Identity": (None, False)} | _space(num_bins, 0.3, _paper_moves(image_size), 30.0, 0.9, 4)

    def forward(self, img: Any) -> Any:
        """The augmented image."""
        channels, height, width = F.get_dimensions(img)
        fill = fill_of(self.fill, img, channels)
        space = self._augmentation_space(self.num_magnitude_bins, (height, width))
        for _ in range(self.num_ops):
            name = list(space)[_draws.integer(0, len(space))]
            magnitude = _magnitude(*space[name], lambda count: self.magnitude)
            img = _apply_op(img, name, magnitude, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )


class TrivialAugmentWide(nn.Module):
    """One operation of random magnitude, from a wide range.

    Args:
        num_magnitude_bins: how many magnitudes there are.
        interpolation: of operations that move pixels.
        fill: of what lies outside, one number or one per channel.

    Reference: Müller and Hutter, "TrivialAugment", 2021, https://arxiv.org/abs/2103.10158
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    @staticmethod
    def _augmentation_space(num_bins: int) -> Space:
        return {"Identity": (None, False)} | _space(num_bins, 0.99, (32.0, 32.0), 135.0, 0.99, 6)

    def forward(self, img: Any) -> Any:
        """The augmented image."""
        fill = fill_of(self.fill, img, F.get_dimensions(img)[0])
        space = self._augmentation_space(self.num_magnitude_bins)
        name = list(space)[_draws.integer(0, len(space))]
        magnitude = _magnitude(*space[name], lambda count: _draws.integer(0, count))
        return _apply_op(img, name, magnitude, self.interpolation, fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


class AugMix(nn.Module):
    """A mixture of the image and of chains of operations on it.

    Args:
        severity: magnitudes go up to this, from 1 to 10.
        mixture_width: number of chains.
        chain_depth: operations per chain; -1: from 1 to 3, at random.
        alpha: of the Dirichlet distribution of the shares.
        all_ops: change colours, too.
        interpolation: of operations that move pixels.
        fill: of what lies outside, one number or one per channel.

    Raises:
        ValueError: ``severity`` is out of range.

    Reference: Hendrycks et al., "AugMix", 2019, https://arxiv.org/abs/1912.02781
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self._PARAMETER_MAX = 10
        if not 1 <= severity <= self._PARAMETER_MAX:
            raise ValueError(
                f"The severity must be between [1, {self._PARAMETER_MAX}]. Got {severity} instead."
            )
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.fill = fill

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        height, width = image_size
        space = _space(num_bins, 0.3, (width / 3.0, height / 3.0), 30.0, 0.9, 4)
        colors = _colors(num_bins, 0.9)
        # Colours come last, where they are used at all.
        space = {name: values for name, values in space.items() if name not in colors}
        space["Posterize"] = (_bits(4, num_bins, 4), False)
        return space | colors if self.all_ops else space

    def _sample_dirichlet(self, params: Tensor) -> Tensor:
        return jtorch._sample_dirichlet(params)

    def _shares(self, images: int) -> tuple[Any, Any]:
        """Of the original, and of each chain, in each image."""
        m = contents(self._sample_dirichlet(jtorch.tensor([self.alpha] * 2).expand(images, -1)))
        chains = jtorch.tensor([self.alpha] * self.mixture_width).expand(images, -1)
        return m[:, 0], contents(self._sample_dirichlet(chains)) * m[:, 1:]

    def forward(self, orig_img: Any) -> Any:
        """The augmented image."""
        channels, height, width = F.get_dimensions(orig_img)
        img = orig_img if isinstance(orig_img, Tensor) else F.pil_to_tensor(orig_img)
        fill = fill_of(self.fill, orig_img, channels)
        space = self._augmentation_space(self._PARAMETER_MAX, (height, width))
        batch = img.view([1] * max(4 - img.ndim, 0) + list(img.shape))
        own, shares = self._shares(batch.shape[0])
        column = (-1, *[1] * (batch.ndim - 1))
        mix = own.reshape(column) * contents(batch)
        for i in range(self.mixture_width):
            aug = self._chain(batch, space, fill)
            mix = mix + shares[:, i].reshape(column) * contents(aug)
        mixed = to_tensor(mix.reshape(tuple(img.shape)).astype(img.dtype.numpy)).to(img.device)
        return mixed if isinstance(orig_img, Tensor) else F.to_pil_image(mixed)

    def _chain(self, batch: Tensor, space: Space, fill: Any) -> Tensor:
        depth = self.chain_depth if self.chain_depth > 0 else _draws.integer(1, 4)
        for _ in range(depth):
            name = list(space)[_draws.integer(0, len(space))]
            magnitude = _magnitude(*space[name], lambda count: _draws.integer(0, self.severity))
            batch = _apply_op(batch, name, magnitude, self.interpolation, fill)
        return batch

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(severity={self.severity}, mixture_width={self.mixture_width}, "
            f"chain_depth={self.chain_depth}, alpha={self.alpha}, all_ops={self.all_ops}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )
