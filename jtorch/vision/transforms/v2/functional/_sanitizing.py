"""Which boxes and points are worth keeping, and frames of videos (``v2.functional``)."""

from __future__ import annotations

from typing import Any

import numpy as np

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor
from jtorch.vision.transforms.v2.functional._boxes import _corners
from jtorch.vision.transforms.v2.functional._dispatch import functional, is_pure_tensor
from jtorch.vision.tv_tensors import BoundingBoxes, KeyPoints, wrap

__all__ = ["sanitize_bounding_boxes", "sanitize_keypoints", "uniform_temporal_subsample"]


def valid_boxes(boxes: Any, min_size: float, min_area: float) -> Tensor:
    """Whether boxes lie in their image and are large enough."""
    corners = _corners(boxes, "sanitize_bounding_boxes")
    height, width = boxes.canvas_size
    size = corners[:, 2:] - corners[:, :2]
    valid = (size >= min_size).all(1) & (size[:, 0] * size[:, 1] >= min_area)
    valid &= (corners >= 0).all(1) & (corners <= np.array([width, height] * 2)).all(1)
    return to_tensor(valid)


def valid_points(points: Any, canvas_size: tuple[int, int]) -> Tensor:
    """Whether points lie in their image; of groups, whether all points do."""
    x = contents(points)
    height, width = canvas_size
    valid: Any = ((x >= 0) & (x < np.array([width, height]))).all(-1)
    return to_tensor(valid.reshape(len(valid), -1).all(1) if valid.ndim > 1 else valid)


def sanitize_bounding_boxes(
    bounding_boxes: Tensor,
    format: Any = None,
    canvas_size: Any = None,
    min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Boxes without those that are too small or reach out of their image.

    Args:
        bounding_boxes: :class:`BoundingBoxes`, or a plain tensor ``(N, 4)``.
        format: of a plain tensor.
        canvas_size: (height, width) for a plain tensor.
        min_size: least width and height.
        min_area: least area.

    Returns:
        The boxes that are kept, and which they are: bool ``(N,)``.

    Raises:
        ValueError: arguments that are missing or given twice, or an input of another kind.
    """
    if is_pure_tensor(bounding_boxes):
        if format is None or canvas_size is None:
            raise ValueError(
                "format and canvas_size cannot be None if bounding_boxes is a pure tensor. "
                f"Got format={format} and canvas_size={canvas_size}."
                "Set those to appropriate values or pass bounding_boxes as a tv_tensors.BoundingBoxes object."
            )
        boxes = BoundingBoxes(bounding_boxes, format=format, canvas_size=canvas_size)
        valid = valid_boxes(boxes, min_size, min_area)
        return bounding_boxes[valid], valid
    if not isinstance(bounding_boxes, BoundingBoxes):
        raise ValueError("bounding_boxes must be a tv_tensors.BoundingBoxes instance or a pure tensor.")
    if format is not None or canvas_size is not None:
        raise ValueError(
            "format and canvas_size must be None when bounding_boxes is a tv_tensors.BoundingBoxes instance. "
            f"Got format={format} and canvas_size={canvas_size}. "
            "Leave those to None or pass bounding_boxes as a pure tensor."
        )
    valid = valid_boxes(bounding_boxes, min_size, min_area)
    return wrap(bounding_boxes[valid], like=bounding_boxes), valid


def sanitize_keypoints(key_points: Tensor, canvas_size: Any = None) -> tuple[Tensor, Tensor]:
    """Points without those outside of their image; groups ``(N, ..., 2)`` are kept or left out as a whole.

    Args:
        key_points: :class:`KeyPoints`, or a plain tensor.
        canvas_size: (height, width) for a plain tensor.

    Returns:
        The points that are kept, and which they are: bool ``(N,)``.

    Raises:
        ValueError: the size is missing or given twice, or an input of another kind.
    """
    if is_pure_tensor(key_points):
        if canvas_size is None:
            raise ValueError(
                "canvas_size cannot be None if key_points is a pure tensor. "
                "Set it to an appropriate value or pass key_points as a tv_tensors.KeyPoints object."
            )
        valid = valid_points(key_points, canvas_size)
        return key_points[valid], valid
    if not isinstance(key_points, KeyPoints):
        raise ValueError("key_points must be a tv_tensors.KeyPoints instance or a pure tensor.")
    if canvas_size is not None:
        raise ValueError(
            "canvas_size must be None when key_points is a tv_tensors.KeyPoints instance. "
            f"Got canvas_size={canvas_size}. "
            "Leave it to None or pass key_points as a pure tensor."
        )
    valid = valid_points(key_points, key_points.canvas_size)
    return wrap(key_points[valid], like=key_points), valid


def uniform_temporal_subsample_video(video: Tensor, num_samples: int) -> Tensor:
    """Frames at even distances of a video ``(..., T, C, H, W)``, the first and the last among them."""
    places = jtorch.linspace(0, video.shape[-4] - 1, num_samples).long()
    return video.index_select(-4, places.to(video.device))


uniform_temporal_subsample = functional(uniform_temporal_subsample_video, still=False)
