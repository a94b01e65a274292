"""Boxes: overlap, suppression, formats (``torchvision.ops.boxes``).

Unless a format says otherwise, boxes are (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision.ops._box_convert import DIRECT, FORMATS
from jtorch.vision.ops._utils import upcast
from jtorch.vision.ops.ciou_loss import aspect_difference

__all__ = [
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "complete_box_iou",
    "distance_box_iou",
    "generalized_box_iou",
    "masks_to_boxes",
    "nms",
    "remove_small_boxes",
]

_STRAIGHT = ("xyxy", "xywh", "cxcywh")
_ROTATED = ("cxcywhr", "xywhr", "xyxyxyxy")


def _check_nms(boxes: Tensor, scores: Tensor) -> None:
    if boxes.dim() != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {boxes.dim()}D")
    if boxes.size(1) != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {boxes.size(1)}")
    if scores.dim() != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.dim()}D")
    if boxes.size(0) != scores.size(0):
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, got "
            f"{boxes.size(0)} and {scores.size(0)}"
        )


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that remain when each one removes those of lower score that overlap it too much.

    The number of results depends on values, so the boxes are read and the work is done on the host.

    Args:
        boxes: ``(N, 4)``.
        scores: ``(N,)``.
        iou_threshold: boxes with a larger IoU than this are removed.

    Returns:
        int64, by descending score.

    Raises:
        RuntimeError: other shapes.
    """
    _check_nms(boxes, scores)
    corners = boxes.detach().float().cpu().numpy()
    order = np.argsort(-scores.detach().float().cpu().numpy(), kind="stable")
    kept = _suppress(corners[order], float(iou_threshold))
    return jtorch.from_numpy(np.ascontiguousarray(order[kept])).to(boxes.device)


def _suppress(corners: np.ndarray[Any, Any], threshold: float) -> list[int]:
    """Places of what remains of boxes in the order of their scores."""
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    removed = np.zeros(len(corners), bool)
    kept = []
    for i in range(len(corners)):
        if removed[i]:
            continue
        kept.append(i)
        low = np.maximum(corners[i, :2], corners[i + 1 :, :2])
        high = np.minimum(corners[i, 2:], corners[i + 1 :, 2:])
        width, height = np.maximum(high - low, 0).T
        shared = width * height
        with np.errstate(invalid="ignore", divide="ignore"):
            iou = shared / (areas[i] + areas[i + 1 :] - shared)
        removed[i + 1 :] |= iou > threshold
    return kept


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """:func:`nms` within each category.

    Args:
        boxes: ``(N, 4)``.
        scores: ``(N,)``.
        idxs: ``(N,)``, category of each box.
        iou_threshold: boxes with a larger IoU than this are removed.

    Returns:
        int64, by descending score.
    """
    if boxes.numel() == 0:
        return jtorch.empty((0,), dtype=jtorch.int64, device=boxes.device)
    # Categories are moved so far apart that they do not overlap.
    offsets = idxs.to(boxes) * (boxes.max() + 1)
    return nms(boxes + offsets[:, None], scores, iou_threshold)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices of the boxes ``(N, 4)`` with both sides at least ``min_size``."""
    widths, heights = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return jtorch.where((widths >= min_size) & (heights >= min_size))[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes ``(..., 4)`` cut to an image of ``size`` (height, width)."""
    height, width = size
    x = boxes[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return jtorch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes in another format.

    Args:
        boxes: ``(..., K)``; K is 4, 5 for formats with an angle, 8 for four corners.
        in_fmt: ``xyxy``, ``xywh``, ``cxcywh``, or of turned boxes ``xywhr``, ``cxcywhr``, ``xyxyxyxy``.
        out_fmt: one of these, straight if ``in_fmt`` is.

    Raises:
        ValueError: an unknown format.
        NotImplementedError: straight boxes to turned ones, or back.
    """
    if in_fmt not in FORMATS or out_fmt not in FORMATS:
        raise ValueError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    if (in_fmt, out_fmt) not in DIRECT:
        raise NotImplementedError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}"
        )
    for step in DIRECT[in_fmt, out_fmt]:
        boxes = step(boxes)
    return boxes


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """Areas of boxes ``(..., 4)``.

    Raises:
        ValueError: a format of turned boxes, or an unknown one.
    """
    if fmt not in _STRAIGHT:
        raise ValueError(f"Unsupported Bounding Box area for given format {fmt}")
    boxes = upcast(boxes)
    if fmt == "xyxy":
        return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return boxes[..., 2] * boxes[..., 3]


def _corners(boxes: Tensor, fmt: str) -> tuple[Tensor, Tensor]:
    first, second = boxes[..., :2], boxes[..., 2:]
    if fmt == "xyxy":
        return first, second
    return (first, first + second) if fmt == "xywh" else (first - second / 2, first + second / 2)


def _intersection_and_union(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> tuple[Tensor, Tensor]:
    """Of every pair: ``(..., N, M)``."""
    low1, high1 = _corners(boxes1, fmt)
    low2, high2 = _corners(boxes2, fmt)
    low = jtorch.max(low1[..., None, :], low2[..., None, :, :])
    high = jtorch.min(high1[..., None, :], high2[..., None, :, :])
    size = upcast(high - low).clamp(min=0)
    shared = size[..., 0] * size[..., 1]
    return shared, box_area(boxes1, fmt)[..., None] + box_area(boxes2, fmt)[..., None, :] - shared


def _enclosing(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Size of the smallest box around every pair: ``(..., N, M, 2)``."""
    low = jtorch.min(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = jtorch.max(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    return upcast(high - low).clamp(min=0)


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Area of the intersection over that of the union, for every pair.

    Args:
        boxes1: ``(..., N, 4)``.
        boxes2: ``(..., M, 4)``.
        fmt: ``xyxy``, ``xywh`` or ``cxcywh``.

    Returns:
        ``(..., N, M)``.

    Raises:
        ValueError: an unknown format.
        NotImplementedError: turned boxes.
    """
    if fmt in _ROTATED:
        raise NotImplementedError(
            f"box_iou of turned boxes (fmt={fmt!r}) is not available; use straight boxes"
        )
    if fmt not in _STRAIGHT:
        raise ValueError(
            f"Unsupported format '{fmt}'. Supported axis-aligned formats: {_STRAIGHT}. "
            f"Supported rotated formats: {_ROTATED}."
        )
    shared, union = _intersection_and_union(boxes1, boxes2, fmt)
    return shared / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU minus the share of the enclosing box that neither box covers, for every pair."""
    shared, union = _intersection_and_union(boxes1, boxes2)
    size = _enclosing(boxes1, boxes2)
    area = size[..., 0] * size[..., 1]
    return shared / union - (area - union) / area


def _distance_iou(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    iou = box_iou(boxes1, boxes2)
    diagonal = (_enclosing(boxes1, boxes2) ** 2).sum(dim=-1) + eps
    centers1 = (boxes1[..., :2] + boxes1[..., 2:]) / 2
    centers2 = (boxes2[..., :2] + boxes2[..., 2:]) / 2
    distance = (upcast(centers1[..., None, :] - centers2[..., None, :, :]) ** 2).sum(dim=-1)
    return iou - distance / diagonal, iou


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """IoU minus the squared distance of centres over the enclosing box's squared diagonal, for every pair."""
    return _distance_iou(upcast(boxes1), upcast(boxes2), eps)[0]


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """:func:`distance_box_iou` minus a term for different aspect ratios, for every pair."""
    boxes1, boxes2 = upcast(boxes1), upcast(boxes2)
    distance, iou = _distance_iou(boxes1, boxes2, eps)
    aspect = aspect_difference(boxes1[..., None, :], boxes2[..., None, :, :])
    with jtorch.no_grad():
        alpha = aspect / (1 - iou + aspect + eps)
    return distance - alpha * aspect


def masks_to_boxes(masks: Tensor) -> Tensor:
    """Smallest boxes around masks ``(N, H, W)``, as float32 ``(N, 4)``; zeros for empty masks."""
    if masks.numel() == 0:
        return jtorch.zeros((0, 4), device=masks.device, dtype=jtorch.float32)
    _, height, width = masks.shape
    filled = masks != 0
    rows, columns = filled.any(dim=2), filled.any(dim=1)
    y1, x1 = rows.float().argmax(dim=1), columns.float().argmax(dim=1)
    y2 = height - 1 - rows.flip([1]).float().argmax(dim=1)
    x2 = width - 1 - columns.flip([1]).float().argmax(dim=1)
    boxes = jtorch.stack([x1, y1, x2, y2], dim=1).float()
    return boxes * rows.any(dim=1)[:, None]
