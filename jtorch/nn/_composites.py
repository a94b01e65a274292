"""Functions of neural networks that compose others: random samples."""

from __future__ import annotations

import warnings
from typing import Any

from jtorch.tensor import Tensor
from jtorch.tensor._creation import empty_like, zeros_like

__all__ = ["gumbel_softmax"]


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
