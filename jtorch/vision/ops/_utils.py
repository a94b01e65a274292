"""What several operations on boxes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor

__all__ = [
    "check_roi_boxes_shape",
    "convert_boxes_to_roi_format",
    "reduce_loss",
    "split_normalization_params",
]


def upcast(t: Tensor) -> Tensor:
    """Products of coordinates in at least 32 bits."""
    if t.is_floating_point():
        return t if t.dtype in (jtorch.float32, jtorch.float64) else t.float()
    return t if t.dtype in (jtorch.int32, jtorch.int64) else t.int()


def upcast_non_float(t: Tensor) -> Tensor:
    """Any dtype but float32 and float64 as float32."""
    return t if t.dtype in (jtorch.float32, jtorch.float64) else t.float()


def intersection_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of the intersection and the union of each pair of boxes ``(..., 4)``, corners given."""
    x1, y1, x2, y2 = boxes1.unbind(dim=-1)
    x1g, y1g, x2g, y2g = boxes2.unbind(dim=-1)
    left, top = jtorch.max(x1, x1g), jtorch.max(y1, y1g)
    right, bottom = jtorch.min(x2, x2g), jtorch.min(y2, y2g)
    overlap = (bottom > top) & (right > left)
    intersection = jtorch.where(overlap, (right - left) * (bottom - top), 0.0)
    union = (x2 - x1) * (y2 - y1) + (x2g - x1g) * (y2g - y1g) - intersection
    return intersection, union


def enclosing(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height of the smallest box around each pair of boxes."""
    low = jtorch.min(boxes1[..., :2], boxes2[..., :2])
    high = jtorch.max(boxes1[..., 2:], boxes2[..., 2:])
    width, height = (high - low).unbind(dim=-1)
    return width, height


def reduce_loss(loss: Tensor, reduction: str, *, empty_is_zero: bool) -> Tensor:
    """A loss per element, its mean or its sum.

    Raises:
        ValueError: an unknown reduction.
    """
    if reduction == "none":
        return loss
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 or not empty_is_zero else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(
        f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'"
    )


def convert_boxes_to_roi_format(boxes: Sequence[Tensor]) -> Tensor:
    """One tensor ``(K, 5)`` of (image, x1, y1, x2, y2) from a list of ``(L, 4)`` per image."""
    numbers = jtorch.cat([jtorch.full_like(b[:, :1], i) for i, b in enumerate(boxes)])
    return jtorch.cat([numbers, jtorch.cat(list(boxes))], dim=1)


def check_roi_boxes_shape(boxes: Any) -> None:
    """Refuse what is neither a list of ``(L, 4)`` nor ``(K, 5)``.

    Raises:
        AssertionError: another shape or type.
    """
    if isinstance(boxes, list | tuple):
        if any(b.size(1) != 4 for b in boxes):
            raise AssertionError(
                "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]"
            )
    elif not isinstance(boxes, Tensor):
        raise AssertionError("boxes is expected to be a Tensor[L, 5] or a List[Tensor[K, 4]]")
    elif boxes.size(1) != 5:
        raise AssertionError("The boxes tensor shape is not correct as Tensor[K, 5]")


def split_normalization_params(
    model: nn.Module, norm_classes: list[type] | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Trainable parameters of normalization layers, and all others.

    Raises:
        ValueError: a class that is no module's.
    """
    if not norm_classes:
        norm_classes = [
            nn.modules.batchnorm._BatchNorm,
            nn.LayerNorm,
            nn.GroupNorm,
            nn.modules.instancenorm._InstanceNorm,
            nn.LocalResponseNorm,
        ]
    for t in norm_classes:
        if not issubclass(t, nn.Module):
            raise ValueError(f"Class {t} is not a subclass of nn.Module.")
    norm: list[Tensor] = []
    other: list[Tensor] = []
    for module in model.modules():
        composite = next(module.children(), None) is not None
        chosen = norm if not composite and isinstance(module, tuple(norm_classes)) else other
        chosen.extend(p for p in module.parameters(recurse=not composite) if p.requires_grad)
    return norm, other
