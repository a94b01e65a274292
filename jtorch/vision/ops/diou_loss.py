"""Distance IoU loss (``torchvision.ops.diou_loss``)."""

from __future__ import annotations

from jtorch.tensor import Tensor
from jtorch.vision.ops._utils import enclosing, intersection_and_union, reduce_loss, upcast_non_float

__all__ = ["distance_box_iou_loss"]


def distance_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 minus the IoU of each pair of boxes, plus the squared distance of centres over the diagonal's square.

    Args:
        boxes1: ``(N, 4)`` or ``(4,)`` as (x1, y1, x2, y2).
        boxes2: of the same shape.
        reduction: ``none``, ``mean`` or ``sum``.
        eps: added to what divides.

    Raises:
        ValueError: an unknown reduction.

    Reference: Zheng et al., "Distance-IoU Loss", 2019, https://arxiv.org/abs/1911.08287
    """
    loss, _ = distance_loss_and_iou(upcast_non_float(boxes1), upcast_non_float(boxes2), eps)
    return reduce_loss(loss, reduction, empty_is_zero=True)


def distance_loss_and_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> tuple[Tensor, Tensor]:
    """The loss before reduction, and the IoU."""
    intersection, union = intersection_and_union(boxes1, boxes2)
    iou = intersection / (union + eps)
    width, height = enclosing(boxes1, boxes2)
    diagonal = width**2 + height**2 + eps
    centers1 = (boxes1[..., 2:] + boxes1[..., :2]) / 2
    centers2 = (boxes2[..., 2:] + boxes2[..., :2]) / 2
    distance = ((centers1 - centers2) ** 2).sum(dim=-1)
    return 1 - iou + distance / diagonal, iou
