"""Points of the simplex."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions._expanding import Expanding
from jtorch.distributions.exp_family import ExponentialFamily
from jtorch.tensor import Tensor

__all__ = ["Dirichlet"]


class _Dirichlet(jtorch.autograd.Function):
    """Points of the simplex with their implicit gradient."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        drawn = jtorch._sample_dirichlet(concentration.detach())
        ctx.save_for_backward(concentration, drawn)
        return drawn

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        concentration, drawn = ctx.saved_tensors
        total = concentration.sum(-1, True).expand_as(concentration)
        slope = jtorch._dirichlet_grad(drawn, concentration, total)
        return slope * (grad_output - (drawn * grad_output).sum(-1, True))


class Dirichlet(Expanding, ExponentialFamily):
    """Points of the simplex; ``concentration`` has them along its last dimension.

    Gradients of samples: Jankowiak and Obermeyer, 2018, https://arxiv.org/abs/1806.01851
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return _Dirichlet.apply(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        c = self.concentration
        return (c - 1.0).xlogy(value).sum(-1) + c.sum(-1).lgamma() - c.lgamma().sum(-1)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0.0)
        mode = above / above.sum(-1, True)
        corners = jtorch.nn.functional.one_hot(mode.argmax(-1), above.shape[-1]).to(mode)
        return jtorch.where((self.concentration < 1).all(-1, True), corners, mode)

    @property
    def variance(self) -> Tensor:
        c, total = self.concentration, self.concentration.sum(-1, True)
        return c * (total - c) / (total.pow(2) * (total + 1))

    def entropy(self) -> Tensor:
        c, total = self.concentration, self.concentration.sum(-1)
        normalizer = c.lgamma().sum(-1) - total.lgamma()
        return normalizer - (c.size(-1) - total) * total.digamma() - ((c - 1.0) * c.digamma()).sum(-1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return x.lgamma().sum(-1) - x.sum(-1).lgamma()
