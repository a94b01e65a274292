"""Functions of neural networks that compose others: random samples, losses with the user's own distance."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from jtorch.tensor import Tensor
from jtorch.tensor._core import call
from jtorch.tensor._creation import empty_like, zeros_like
from jtorch.tensor._derive import derived

__all__ = ["gumbel_softmax", "linear_cross_entropy", "triplet_margin_with_distance_loss"]

_functions = derived["nn.functional"]


def gumbel_softmax(
    logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Samples of a categorical distribution through which gradients flow.

    Args:
        logits: unnormalised log probabilities.
        tau: temperature; the lower, the nearer to one-hot.
        hard: return one-hot samples, with the gradient of the soft ones.
        eps: has no effect.
        dim: of the categories.

    Reference: Jang et al., 2016, https://arxiv.org/abs/1611.01144
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -empty_like(logits.detach()).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one_hot = zeros_like(logits.detach()).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """What lacks to a margin between an anchor's distances to a negative and to a positive example.

    Args:
        anchor: vectors.
        positive: vectors that should be near.
        negative: vectors that should be far.
        distance_function: of two batches of vectors; the pairwise distance by default.
        margin: that is asked for.
        swap: use the negative's distance to the positive where that is smaller.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: an unknown reduction, or a margin that is not positive.
        RuntimeError: different numbers of dimensions.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    dims = (anchor.ndim, positive.ndim, negative.ndim)
    if len(set(dims)) != 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    distance = _functions["pairwise_distance"] if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = call("minimum", far, distance(positive, negative))
    loss: Any = (margin + near - far).clamp_min(0)
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """Cross entropy of the logits that a linear map makes of the input.

    Args:
        input: shape ``(N, in_features)`` or ``(in_features,)``.
        linear_weight: ``(C, *, in_features)``.
        target: classes ``(N, *)`` or probabilities ``(N, C, *)``.
        linear_bias: ``(C, *)``.
        weight: factor per class.
        reduction: see ``cross_entropy``.
        ignore_index: classes that do not count.
        label_smoothing: share of the target that is spread evenly.
        options: accepted; XLA fuses the map and the loss.
    """
    classes, *more = linear_weight.shape[:-1]
    if more:
        linear_weight = linear_weight.reshape(classes * math.prod(more), linear_weight.shape[-1])
        linear_bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = _functions["linear"](input, linear_weight, linear_bias)
    logits = logits.reshape(*input.shape[:-1], classes, *more)
    return _functions["cross_entropy"](
        logits,
        target,
        weight=weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
