"""Transforms of boxes and key points, and those that choose among them (``v2``)."""

from __future__ import annotations

from typing import Any, ClassVar

from PIL import Image

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision import tv_tensors
from jtorch.vision.ops.boxes import box_iou
from jtorch.vision.transforms import _draws
from jtorch.vision.transforms.v2 import functional as F
from jtorch.vision.transforms.v2._transform import (
    Transform,
    get_bounding_boxes,
    get_keypoints,
    has_all,
    has_any,
    labels_getter_of,
    leaves,
    query_size,
    rebuilt,
)
from jtorch.vision.transforms.v2.functional._sanitizing import valid_boxes, valid_points

__all__ = [
    "ClampBoundingBoxes",
    "ClampKeyPoints",
    "ConvertBoundingBoxFormat",
    "RandomIoUCrop",
    "SanitizeBoundingBoxes",
    "SanitizeKeyPoints",
    "SetClampingMode",
    "UniformTemporalSubsample",
]


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format."""

    _transformed_types: ClassVar[Any] = (tv_tensors.BoundingBoxes,)

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The boxes."""
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes cut to the image."""

    _transformed_types: ClassVar[Any] = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The boxes."""
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class SetClampingMode(Transform):
    """Boxes that later transforms cut to the image (``"soft"``, ``"hard"``) or not (``None``).

    Raises:
        ValueError: an unknown mode.
    """

    _transformed_types: ClassVar[Any] = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        self.clamping_mode = clamping_mode
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The boxes."""
        return tv_tensors.wrap(inpt.as_subclass(Tensor).clone(), like=inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Key points moved to the nearest pixel of the image."""

    _transformed_types: ClassVar[Any] = (tv_tensors.KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The points."""
        return F.clamp_keypoints(inpt)


class RandomIoUCrop(Transform):
    """A part of the image that holds middles of boxes and overlaps one of them enough.

    Boxes whose middle lies outside become (0, 0, 0, 0): let ``SanitizeBoundingBoxes`` follow.

    Args:
        min_scale: least share of each side.
        max_scale: largest share.
        min_aspect_ratio: least width / height.
        max_aspect_ratio: largest width / height.
        sampler_options: overlaps (IoU) of which one is chosen at random; 1 and more: the image as it is.
            ``None``: 0, 0.1, 0.3, 0.5, 0.7, 0.9 and 1.
        trials: to find a part before another overlap is chosen.

    Raises:
        TypeError: at the call, if the sample lacks an image or boxes.

    Reference: Liu et al., "SSD: Single Shot MultiBox Detector", 2016, https://arxiv.org/abs/1512.02325
    """

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ) -> None:
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse samples without an image or boxes."""
        images = has_any(flat_inputs, Image.Image, tv_tensors.Image, F.is_pure_tensor)
        if not (images and has_all(flat_inputs, tv_tensors.BoundingBoxes)):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                "and bounding boxes. Sample can also contain masks."
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The part, and which boxes have their middle in it; nothing: the image as it is."""
        size = query_size(flat_inputs)
        boxes = get_bounding_boxes(flat_inputs)
        corners = F.convert_bounding_box_format(boxes.as_subclass(Tensor), boxes.format, "XYXY")
        while True:
            overlap = self.options[_draws.integer(0, len(self.options))]
            if overlap >= 1.0:
                return {}
            for _ in range(self.trials):
                found = self._trial(size, corners, overlap)
                if found is not None:
                    return found

    def _trial(self, size: tuple[int, ...], corners: Tensor, overlap: float) -> dict[str, Any] | None:
        height, width = size
        shares = self.min_scale + (self.max_scale - self.min_scale) * jtorch.rand(2)
        new_width, new_height = int(width * shares[0]), int(height * shares[1])
        if not self.min_aspect_ratio <= new_width / new_height <= self.max_aspect_ratio:
            return None
        shares = jtorch.rand(2)
        left, top = int((width - new_width) * shares[0]), int((height - new_height) * shares[1])
        right, bottom = left + new_width, top + new_height
        if left == right or top == bottom:
            return None
        x, y = 0.5 * (corners[..., 0] + corners[..., 2]), 0.5 * (corners[..., 1] + corners[..., 3])
        inside = (left < x) & (x < right) & (top < y) & (y < bottom)
        if not inside.any():
            return None
        part = jtorch.tensor([[left, top, right, bottom]], dtype=corners.dtype, device=corners.device)
        if box_iou(corners[inside], part).max() < overlap:
            return None
        return {"top": top, "left": left, "height": new_height, "width": new_width, "inside": inside}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The part."""
        if not params:
            return inpt
        place = {name: params[name] for name in ("top", "left", "height", "width")}
        made = self._call_kernel(F.crop, inpt, **place)
        if isinstance(made, tv_tensors.BoundingBoxes):
            made[~params["inside"]] = 0
        return made


class _Sanitizing(Transform):
    """Base of transforms that leave out parts of a sample, and their labels.

    Args:
        labels_getter: ``default``: the second part of the sample, or what is there under "labels"; a function
            of the sample that returns labels, or a tuple of several tensors; ``None``: there are no labels.
    """

    def __init__(self, labels_getter: Any, **shown: Any) -> None:
        super().__init__()
        for name, value in shown.items():
            setattr(self, name, value)
        self.labels_getter = labels_getter
        self._labels_getter = labels_getter_of(labels_getter)

    def _chosen(self, flat_inputs: list[Any]) -> tuple[Any, Tensor, str]:
        """What is chosen from, which of it is kept, and the start of an error about labels."""
        raise NotImplementedError

    def _follows(self, inpt: Any) -> bool:
        """Whether a part of the sample is cut as well."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """The sample without what is left out."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        labels = self._labels_getter(sample)
        found = [] if labels is None else list(labels) if isinstance(labels, tuple | list) else [labels]
        for entry in found:
            if not isinstance(entry, Tensor):
                raise ValueError(
                    "The labels in the input to forward() must be a tensor or None, got "
                    f"{type(entry)} instead."
                )
        flat = leaves(sample)
        source, valid, complaint = self._chosen(flat)
        for entry in found:
            if source.shape[0] != entry.shape[0]:
                raise ValueError(f"{complaint}Found labels with shape={entry.shape}).")
        params = {"valid": valid, "labels": found}
        return rebuilt(sample, (self.transform(inpt, params) for inpt in flat))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """A part of the sample without what is left out."""
        if any(inpt is label for label in params["labels"]):
            return inpt[params["valid"]]
        return tv_tensors.wrap(inpt[params["valid"]], like=inpt) if self._follows(inpt) else inpt


class SanitizeBoundingBoxes(_Sanitizing):
    """Leaves out boxes that are too small or reach out of the image, with their labels and masks.

    Masks ``(N, H, W)`` with one per box are cut as well, others are kept.

    Args:
        min_size: least width and height.
        min_area: least area.
        labels_getter: ``default``: the second part of the sample, or what is there under "labels"; a function
            of the sample that returns labels, or a tuple of several tensors; ``None``: there are no labels.

    Raises:
        ValueError: a least size or area below 1; at the call, if there are no boxes or there is
            not one label for each.
    """

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default") -> None:
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        super().__init__(labels_getter, min_size=min_size, min_area=min_area)
        self._count = 0

    def _chosen(self, flat_inputs: list[Any]) -> tuple[Any, Tensor, str]:
        boxes = get_bounding_boxes(flat_inputs)
        self._count = len(boxes)
        complaint = f"Number of boxes (shape={boxes.shape}) and must match the number of labels."
        return boxes, valid_boxes(boxes, self.min_size, self.min_area), complaint

    def _follows(self, inpt: Any) -> bool:
        if isinstance(inpt, tv_tensors.Mask):
            return inpt.ndim > 0 and len(inpt) == self._count
        return isinstance(inpt, tv_tensors.BoundingBoxes)


class SanitizeKeyPoints(_Sanitizing):
    """Leaves out key points outside of the image, with their labels; of groups ``(N, ..., 2)`` whole ones.

    Args:
        labels_getter: ``default``: the second part of the sample, or what is there under "labels"; a function
            of the sample that returns labels, or a tuple of several tensors; ``None``: there are no labels.

    Raises:
        ValueError: at the call, if there are no points or not one label for each.
    """

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__(labels_getter)

    def _chosen(self, flat_inputs: list[Any]) -> tuple[Any, Tensor, str]:
        points = get_keypoints(flat_inputs)
        complaint = f"Number of kepyoints (shape={points.shape}) must match the number of labels."
        return points, valid_points(points, points.canvas_size), complaint

    def _follows(self, inpt: Any) -> bool:
        return isinstance(inpt, tv_tensors.KeyPoints)


class UniformTemporalSubsample(Transform):
    """Frames at even distances of a video ``(..., T, C, H, W)``, the first and the last among them."""

    _transformed_types: ClassVar[Any] = (Tensor,)

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The frames."""
        return self._call_kernel(F.uniform_temporal_subsample, inpt, self.num_samples)
