"""Augmentation with several operations (``v2``); it draws other random numbers than ``transforms``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from jtorch.tensor import Tensor
from jtorch.vision import tv_tensors
from jtorch.vision._host import contents, to_tensor
from jtorch.vision.transforms import _colors, _draws, autoaugment
from jtorch.vision.transforms.autoaugment import AutoAugmentPolicy, Space
from jtorch.vision.transforms.v2 import functional as F
from jtorch.vision.transforms.v2._fill import fill_for, setup_fill
from jtorch.vision.transforms.v2._transform import Transform, check_type, leaves, rebuilt

__all__ = ["AugMix", "AutoAugment", "RandAugment", "TrivialAugmentWide"]


class _Augmentation(Transform):
    def __init__(self, *, interpolation: Any = "nearest", fill: Any = None) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill, self._fill = fill, setup_fill(fill)

    def _augmented(self, image: Any) -> Any:
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """The sample with its only image augmented.

        Raises:
            TypeError: no image or several, or masks or boxes beside it.
        """
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat = leaves(sample)
        kinds = (tv_tensors.Image, Image.Image, F.is_pure_tensor, tv_tensors.Video)
        found = []
        for i, (inpt, yes) in enumerate(zip(flat, self._needs_transform_list(flat), strict=True)):
            if yes and check_type(inpt, kinds):
                found.append(i)
            elif isinstance(inpt, tv_tensors.BoundingBoxes | tv_tensors.Mask):
                raise TypeError(
                    f"Inputs of type {type(inpt).__name__} are not supported by {type(self).__name__}()"
                )
        if not found:
            raise TypeError("Found no image in the sample.")
        if len(found) > 1:
            raise TypeError(
                "Auto augment transformations are only properly defined for a single image or video, but "
                f"found {len(found)}."
            )
        flat[found[0]] = self._augmented(flat[found[0]])
        return rebuilt(sample, iter(flat))

    def _one(self, image: Any, name: str, magnitude: float) -> Any:
        """One operation, by the functions of ``v2``."""
        fill = fill_for(self._fill, image)
        if name == "Solarize":
            bound = _colors.max_value(image.dtype) if isinstance(image, Tensor) else 255.0
            return F.solarize(image, threshold=bound * (magnitude / 255.0))
        return autoaugment._apply_op(image, name, magnitude, self.interpolation, fill, F)

    def _random(self, image: Any, space: Space, choose: Callable[[int], int]) -> Any:
        """A random operation of a space."""
        name = list(space)[_draws.integer(0, len(space))]
        return self._one(image, name, self._magnitude(*space[name], choose))

    def _magnitude(self, magnitudes: Any, signed: bool, choose: Callable[[int], int]) -> float:
        if magnitudes is None:
            return 0.0
        magnitude = magnitudes[choose(len(magnitudes))]
        return -magnitude if signed and _draws.chance() <= 0.5 else magnitude


class AutoAugment(_Augmentation):
    """See ``transforms.AutoAugment``."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        self.policy = policy
        self._policies = autoaugment.AutoAugment._get_policies(policy)

    def _augmented(self, image: Any) -> Any:
        height, width = F.get_size(image)
        space = autoaugment.AutoAugment._augmentation_space(10, (height, width))
        for name, p, level in self._policies[_draws.integer(0, len(self._policies))]:
            if _draws.chance() <= np.float32(p):
                magnitudes, signed = space[name]
                chosen = None if magnitudes is None or level is None else [magnitudes[level]]
                image = self._one(image, name, self._magnitude(chosen, signed, lambda n: 0))
        return image


class RandAugment(_Augmentation):
    """See ``transforms.RandAugment``.

    Raises:
        ValueError: ``num_ops`` is negative.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ValueError(f"num_ops should be a non-negative integer, but got {num_ops} instead.")
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins

    def _augmented(self, image: Any) -> Any:
        height, width = F.get_size(image)
        bins = self.num_magnitude_bins
        space = autoaugment.RandAugment._augmentation_space(bins, (height, width))
        for _ in range(self.num_ops):
            image = self._random(image, space, lambda n: self.magnitude)
        return image


class TrivialAugmentWide(_Augmentation):
    """See ``transforms.TrivialAugmentWide``."""

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = "nearest", fill: Any = None
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augmented(self, image: Any) -> Any:
        space = autoaugment.TrivialAugmentWide._augmentation_space(self.num_magnitude_bins)
        return self._random(image, space, lambda n: _draws.integer(0, n))


class AugMix(_Augmentation):
    """See ``transforms.AugMix``."""

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = "bilinear",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        autoaugment.AugMix(severity)  # checks
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops

    def _augmented(self, image: Any) -> Any:
        height, width = F.get_size(image)
        of_v1 = autoaugment.AugMix(self.severity, self.mixture_width, alpha=self.alpha, all_ops=self.all_ops)
        plain = image.as_subclass(Tensor) if isinstance(image, Tensor) else F.pil_to_tensor(image)
        space = of_v1._augmentation_space(10, (height, width))
        batch = plain.reshape([1] * max(4 - plain.ndim, 0) + list(plain.shape))
        own, shares = of_v1._shares(batch.shape[0])
        column = (-1, *[1] * (batch.ndim - 1))
        mix = own.reshape(column) * contents(batch)
        for i in range(self.mixture_width):
            aug = batch
            for _ in range(self.chain_depth if self.chain_depth > 0 else _draws.integer(1, 4)):
                aug = self._random(aug, space, lambda n: _draws.integer(0, self.severity))
            mix = mix + shares[:, i].reshape(column) * contents(aug)
        made = to_tensor(mix.reshape(tuple(plain.shape)).astype(plain.dtype.numpy)).to(plain.device)
        if isinstance(image, Image.Image):
            return F.to_pil_image(made)
        return made if F.is_pure_tensor(image) else tv_tensors.wrap(made, like=image)
