"""Dropping of whole residual branches (``torchvision.ops.stochastic_depth``)."""

from __future__ import annotations

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor

__all__ = ["StochasticDepth", "stochastic_depth"]


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Set rows, or everything, to 0 with probability ``p`` and scale what stays by 1 / (1 - p).

    Args:
        input: shape ``(N, *)``.
        p: probability of dropping, in [0, 1].
        mode: ``"row"``: each of the N rows on its own; ``"batch"``: all or nothing.
        training: otherwise the input is returned.

    Raises:
        ValueError: ``p`` or ``mode`` is out of range.

    Reference: Huang et al., "Deep Networks with Stochastic Depth", 2016, https://arxiv.org/abs/1603.09382
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    survival = 1.0 - p
    rows = input.shape[0] if mode == "row" else 1
    noise = jtorch.empty([rows] + [1] * (input.ndim - 1), dtype=input.dtype, device=input.device)
    noise = noise.bernoulli_(survival)
    if survival > 0.0:
        noise = noise.div_(survival)
    return input * noise


class StochasticDepth(nn.Module):
    """Module form of :func:`stochastic_depth`."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        """See :func:`stochastic_depth`."""
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
