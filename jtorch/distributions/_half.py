"""The positive half of a symmetric distribution."""

from __future__ import annotations

import math
from typing import Any

import jtorch
from jtorch import inf
from jtorch.distributions import constraints
from jtorch.distributions.transformed_distribution import TransformedDistribution
from jtorch.tensor import Tensor

__all__ = []


class _Half(TransformedDistribution):
    """|x| for x of a distribution that is symmetric about 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    @property
    def scale(self) -> Tensor:
        """Scale of the whole distribution."""
        return self.base_dist.scale

    @property
    def mode(self) -> Tensor:
        return jtorch.zeros_like(self.scale)

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        value = jtorch.as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
        return jtorch.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -inf)

    def cdf(self, value: Any) -> Tensor:
        self._check_value(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob: Any) -> Tensor:
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)
