"""Transforms of batches that mix images and their labels (``v2``)."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

import jtorch
from jtorch.distributions import Beta
from jtorch.nn.functional import one_hot
from jtorch.tensor import Tensor
from jtorch.vision import tv_tensors
from jtorch.vision.transforms import _draws
from jtorch.vision.transforms.v2 import functional as F
from jtorch.vision.transforms.v2._transform import (
    Transform,
    has_any,
    labels_getter_of,
    leaves,
    query_size,
    rebuilt,
)

__all__ = ["CutMix", "MixUp"]


class _Mixing(Transform):
    """Base of what mixes each image of a batch and its label with those before it."""

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        self._dist = Beta(jtorch.tensor([alpha]), jtorch.tensor([alpha]))
        self.num_classes = num_classes
        self._labels_getter = labels_getter_of(labels_getter)

    def _share(self) -> float:
        return float(self._dist.sample(()))

    def forward(self, *inputs: Any) -> Any:
        """The batch, mixed."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat = leaves(sample)
        if has_any(flat, Image.Image, tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks."
            )
        labels = self._labels_getter(sample)
        self._check_labels(labels)
        chosen = self._needs_transform_list(flat)
        params = {"labels": labels, "batch_size": labels.shape[0]}
        params |= self.make_params([inpt for inpt, yes in zip(flat, chosen, strict=True) if yes])
        # A plain tensor after an image is not transformed, but the labels are.
        new = (
            self.transform(inpt, params) if yes or inpt is labels else inpt
            for inpt, yes in zip(flat, chosen, strict=True)
        )
        return rebuilt(sample, new)

    def _check_labels(self, labels: Any) -> None:
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with shape "
                f"(batch_size, num_classes), but got a tensor of shape {labels.shape} instead."
            )
        if labels.ndim == 2 and self.num_classes is not None and labels.shape[-1] != self.num_classes:
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match num_classes: "
                f"{labels.shape[-1]} != {self.num_classes}. You can Leave num_classes to None."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mixed images or labels."""
        if inpt is params["labels"]:
            labels = one_hot(inpt, num_classes=self.num_classes) if inpt.ndim == 1 else inpt
            labels = labels if labels.is_floating_point() else labels.float()
            return self._mixed(labels, params["share"])
        if not (isinstance(inpt, tv_tensors.Image | tv_tensors.Video) or F.is_pure_tensor(inpt)):
            return inpt
        dims = 5 if isinstance(inpt, tv_tensors.Video) else 4
        if inpt.ndim != dims:
            raise ValueError(
                f"Expected a batched input with {dims} dims, but got {inpt.ndim} dimensions instead."
            )
        if inpt.shape[0] != params["batch_size"]:
            raise ValueError(
                "The batch size of the image or video does not match the batch size of the labels: "
                f"{inpt.shape[0]} != {params['batch_size']}."
            )
        return tv_tensors.wrap(self._images(inpt.as_subclass(Tensor), params), like=inpt)

    @staticmethod
    def _mixed(x: Tensor, share: float) -> Tensor:
        """A share of each row, and what is left to 1 of the row before it."""
        return x.roll(1, 0).mul_(1.0 - share).add_(x.mul(share))

    def _images(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        raise NotImplementedError


class MixUp(_Mixing):
    """A share of each image of a batch, and what is left to 1 of the image before it; labels likewise.

    Args:
        alpha: of the Beta distribution that the share is drawn from.
        num_classes: of labels ``(N,)``; those ``(N, num_classes)`` are taken as they are.
        labels_getter: ``default``: the second part of the sample, or what is there under "labels"; or a
            function of the sample that returns labels.

    Raises:
        ValueError: at the call, if labels are missing or of another shape, or the sample is no batch of
            tensors.

    Reference: Zhang et al., "mixup", 2017, https://arxiv.org/abs/1710.09412
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The share of each image itself."""
        return {"share": self._share()}

    def _images(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        return self._mixed(images, params["share"])


class CutMix(_Mixing):
    """A rectangle of each image of a batch replaced by that of the image before it; labels mixed by area.

    Args:
        alpha: of the Beta distribution that the area is drawn from.
        num_classes: of labels ``(N,)``; those ``(N, num_classes)`` are taken as they are.
        labels_getter: ``default``: the second part of the sample, or what is there under "labels"; or a
            function of the sample that returns labels.

    Raises:
        ValueError: at the call, if labels are missing or of another shape, or the sample is no batch of
            tensors.

    Reference: Yun et al., "CutMix", 2019, https://arxiv.org/abs/1905.04899
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The rectangle, and the share of the area around it."""
        share = self._share()
        height, width = query_size(flat_inputs)
        x, y = _draws.integer(0, width), _draws.integer(0, height)
        side = 0.5 * math.sqrt(1.0 - share)
        across, down = int(side * width), int(side * height)
        left, right = max(x - across, 0), min(x + across, width)
        top, bottom = max(y - down, 0), min(y + down, height)
        area = (right - left) * (bottom - top) / (width * height)
        return {"rows": slice(top, bottom), "columns": slice(left, right), "share": 1.0 - area}

    def _images(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        place = (..., params["rows"], params["columns"])
        made = images.clone()
        made[place] = images.roll(1, 0)[place]
        return made
