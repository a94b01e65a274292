"""Complete IoU loss (``torchvision.ops.ciou_loss``)."""

from __future__ import annotations

import math

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision.ops._utils import reduce_loss, upcast_non_float
from jtorch.vision.ops.diou_loss import distance_loss_and_iou

__all__ = ["complete_box_iou_loss"]


def complete_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """The distance IoU loss plus a term for different aspect ratios.

    Args:
        boxes1: predictions ``(N, 4)`` or ``(4,)`` as (x1, y1, x2, y2).
        boxes2: truth, of the same shape.
        reduction: ``none``, ``mean`` or ``sum``.
        eps: added to what divides.

    Raises:
        ValueError: an unknown reduction.

    Reference: Zheng et al., "Distance-IoU Loss", 2019, https://arxiv.org/abs/1911.08287
    """
    boxes1, boxes2 = upcast_non_float(boxes1), upcast_non_float(boxes2)
    distance, iou = distance_loss_and_iou(boxes1, boxes2)
    aspect = aspect_difference(boxes1, boxes2)
    with jtorch.no_grad():
        alpha = aspect / (1 - iou + aspect + eps)
    return reduce_loss(distance + alpha * aspect, reduction, empty_is_zero=True)


def aspect_difference(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Squared difference of the angles of two boxes' diagonals, scaled to [0, 1]."""
    angles = [jtorch.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (boxes2, boxes1)]
    return (4 / math.pi**2) * (angles[0] - angles[1]) ** 2
