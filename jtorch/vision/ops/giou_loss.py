"""Generalized IoU loss (``torchvision.ops.giou_loss``)."""

from __future__ import annotations

from jtorch.tensor import Tensor
from jtorch.vision.ops._utils import enclosing, intersection_and_union, reduce_loss, upcast_non_float

__all__ = ["generalized_box_iou_loss"]


def generalized_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 minus the generalized IoU of each pair of boxes.

    Args:
        boxes1: ``(N, 4)`` or ``(4,)`` as (x1, y1, x2, y2).
        boxes2: of the same shape.
        reduction: ``none``, ``mean`` or ``sum``.
        eps: added to areas that divide.

    Raises:
        ValueError: an unknown reduction.

    Reference: Rezatofighi et al., 2019, https://arxiv.org/abs/1902.09630
    """
    boxes1, boxes2 = upcast_non_float(boxes1), upcast_non_float(boxes2)
    intersection, union = intersection_and_union(boxes1, boxes2)
    width, height = enclosing(boxes1, boxes2)
    area = width * height
    loss = 1 - (intersection / (union + eps) - (area - union) / (area + eps))
    return reduce_loss(loss, reduction, empty_is_zero=True)
