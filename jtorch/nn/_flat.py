"""Losses and pools as ``torch`` itself has them: reductions are numbers."""

from __future__ import annotations

from typing import Any

from jtorch.nn import functional as F
from jtorch.tensor import Tensor

__all__ = [
    "adaptive_max_pool1d",
    "binary_cross_entropy_with_logits",
    "convolution",
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "kl_div",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool3d",
    "poisson_nll_loss",
    "triplet_margin_loss",
]


def _reduced(loss: Any, reduction: int) -> Tensor:
    """All losses (0), their mean (1) or their sum (2)."""
    if not isinstance(reduction, int):
        raise TypeError(f"argument 'reduction' must be int, not {type(reduction).__name__}")
    return loss.mean() if reduction == 1 else loss.sum() if reduction == 2 else loss


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """:func:`nn.functional.binary_cross_entropy_with_logits` with a number for the reduction."""
    loss = F.binary_cross_entropy_with_logits(input, target, weight, reduction="none", pos_weight=pos_weight)
    return _reduced(loss, reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """:func:`nn.functional.cosine_embedding_loss` with a number for the reduction."""
    return _reduced(F.cosine_embedding_loss(input1, input2, target, margin, reduction="none"), reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 1) -> Tensor:
    """:func:`nn.functional.hinge_embedding_loss` with a number for the reduction."""
    return _reduced(F.hinge_embedding_loss(input, target, margin, reduction="none"), reduction)


def kl_div(input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False) -> Tensor:
    """:func:`nn.functional.kl_div` with a number for the reduction."""
    return _reduced(F.kl_div(input, target, reduction="none", log_target=log_target), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """:func:`nn.functional.margin_ranking_loss` with a number for the reduction."""
    return _reduced(F.margin_ranking_loss(input1, input2, target, margin, reduction="none"), reduction)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """:func:`nn.functional.poisson_nll_loss` with a number for the reduction."""
    loss = F.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction="none")
    return _reduced(loss, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: int = 1,
) -> Tensor:
    """:func:`nn.functional.triplet_margin_loss` with a number for the reduction."""
    loss = F.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction="none")
    return _reduced(loss, reduction)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Largest element of each window (``torch.max_pool1d``)."""
    return F.max_pool1d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Largest element of each window (``torch.max_pool2d``)."""
    return F.max_pool2d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Largest element of each window (``torch.max_pool3d``)."""
    return F.max_pool3d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """Largest element of each window and its position (``torch.max_pool1d_with_indices``)."""
    return F.max_pool1d(input, kernel_size, stride or None, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """Largest elements of so many windows and their positions (``torch.adaptive_max_pool1d``)."""
    return F.adaptive_max_pool1d(input, output_size, True)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Tensor:
    """A convolution in 1 to 3 dimensions, or its transpose (``torch.convolution``).

    Raises:
        RuntimeError: sizes that do not go together.
    """
    n = weight.dim() - 2
    if transposed:
        function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
        return function(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return (F.conv1d, F.conv2d, F.conv3d)[n - 1](input, weight, bias, stride, padding, dilation, groups)
