"""Focal loss (``torchvision.ops.focal_loss``)."""

from __future__ import annotations

import jtorch
from jtorch.nn import functional as F
from jtorch.tensor import Tensor
from jtorch.vision.ops._utils import reduce_loss

__all__ = ["sigmoid_focal_loss"]


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Binary cross entropy, times (1 - p_t) ** gamma so that easy examples count less.

    Args:
        inputs: logits.
        targets: 0 or 1, of the inputs' shape and dtype.
        alpha: weight of positive examples in [0, 1] (negative ones: 1 - alpha); -1: no weights.
        gamma: how much less easy examples count.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        ValueError: ``alpha`` or ``reduction`` out of range.

    Reference: Lin et al., "Focal Loss for Dense Object Detection", 2017, https://arxiv.org/abs/1708.02002
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = jtorch.sigmoid(inputs)
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    loss = entropy * (1 - p_t) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return reduce_loss(loss, reduction, empty_is_zero=False)
