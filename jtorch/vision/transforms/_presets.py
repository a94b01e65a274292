"""Preprocessing that published weights expect (``torchvision.transforms._presets``)."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.transforms import functional as F
from jtorch.vision.transforms.functional import InterpolationMode

__all__ = ["ImageClassification", "InterpolationMode"]


class ImageClassification(nn.Module):
    """Resizing, the middle part, floats from 0 to 1, normalization.

    Args:
        crop_size: side of the result.
        resize_size: shorter side after resizing.
        mean: per channel.
        std: per channel.
        interpolation: of resizing.
        antialias: of tensors: widen the filter when making smaller.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        """What the model takes, ``(C, H, W)``, of a PIL image or of a tensor ``(..., C, H, W)``."""
        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        img = F.convert_image_dtype(img, jtorch.float32)
        return F.normalize(img, mean=self.mean, std=self.std)

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        lines = [f"    {name}={getattr(self, name)}" for name in names]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])

    def describe(self) -> str:
        """In words."""
        return (
            "Accepts ``PIL.Image``, batched ``(B, C, H, W)`` and single ``(C, H, W)`` image ``torch.Tensor`` "
            f"objects. The shorter side becomes ``resize_size={self.resize_size}`` by "
            f"``interpolation={self.interpolation}``; of that, the middle ``crop_size={self.crop_size}`` is "
            f"taken. Values are scaled to ``[0.0, 1.0]`` and normalized with ``mean={self.mean}`` and "
            f"``std={self.std}``."
        )
