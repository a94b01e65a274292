"""Cholesky factors of correlation matrices."""

from __future__ import annotations

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions._expanding import Expanding
from jtorch.distributions.beta import Beta
from jtorch.tensor import Size, Tensor

__all__ = ["LKJCholesky"]


class LKJCholesky(Expanding):
    """Lower factors of ``dim`` x ``dim`` correlation matrices; the density is det ** (concentration - 1).

    Reference: Lewandowski, Kurowicka and Joe, 2009, https://doi.org/10.1016/j.jmva.2009.04.008
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        shape = self._take(concentration=concentration)
        offset = jtorch.arange(dim - 1).to(self.concentration)
        offset = jtorch.cat([offset.new_zeros((1,)), offset])
        marginal = self.concentration + 0.5 * (dim - 2)
        self._beta = Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)
        super().__init__(shape, Size((dim, dim)), validate_args)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """The onion method: rows are points of spheres of beta distributed radius."""
        with jtorch.no_grad():
            y = self._beta.sample(sample_shape).unsqueeze(-1)
            shape = self._extended_shape(sample_shape)
            normal = jtorch.randn(shape, dtype=y.dtype, device=y.device).tril(-1)
            directions = normal / normal.norm(dim=-1, keepdim=True)
            directions[..., 0, :] = 0.0
            w = y.sqrt() * directions
            rest = (1 - (w**2).sum(-1)).clamp(min=jtorch.finfo(w.dtype).tiny).sqrt()
            return w + jtorch.diag_embed(rest)

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        d = self.dim - 1
        order = jtorch.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        density = (order * value.diagonal(dim1=-1, dim2=-2)[..., 1:].log()).sum(-1)
        alpha = self.concentration + 0.5 * d
        normalizer = 0.5 * d * math.log(math.pi) + jtorch.mvlgamma(alpha - 0.5, d) - alpha.lgamma() * d
        return density - normalizer
