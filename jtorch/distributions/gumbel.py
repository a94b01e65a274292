"""The Gumbel distribution."""

from __future__ import annotations

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.transformed_distribution import TransformedDistribution
from jtorch.distributions.transforms import AffineTransform, ExpTransform
from jtorch.distributions.uniform import Uniform
from jtorch.distributions.utils import (
    broadcast_all,
    euler_constant,
)
from jtorch.tensor import Tensor

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """Limits of maxima: -log(-log(u)) for uniform u, scaled and moved."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        info = jtorch.finfo(self.loc.dtype)
        low, high = jtorch.full_like(self.loc, info.tiny), jtorch.full_like(self.loc, 1 - info.eps)
        minus_log = [ExpTransform().inv, AffineTransform(loc=0, scale=-jtorch.ones_like(self.scale))]
        transforms = [*minus_log, ExpTransform().inv, AffineTransform(loc=loc, scale=-self.scale)]
        base = Uniform(low, high, validate_args=validate_args)
        super().__init__(base, transforms, validate_args=validate_args)

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        y = (self.loc - value) / self.scale
        return y - y.exp() - self.scale.log()

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * euler_constant

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.pow(2)

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + euler_constant)
