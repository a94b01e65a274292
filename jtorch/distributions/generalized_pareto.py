"""Tails beyond a threshold."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch import inf, nan
from jtorch.distributions import constraints
from jtorch.distributions._expanding import Expanding
from jtorch.tensor import Tensor

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Expanding):
    """Excesses over a threshold ``loc``; exponential where ``concentration`` is 0."""

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        shape = self._take(loc=loc, scale=scale, concentration=concentration)
        super().__init__(shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        upper = jtorch.where(self.concentration < 0, self.loc - self.scale / self.concentration, inf)
        return constraints.interval(self.loc, upper)

    def _zero(self) -> tuple[Tensor, Tensor]:
        """Where the concentration counts as 0, and the concentration with a 1 there."""
        zero = jtorch.isclose(self.concentration, jtorch.zeros_like(self.concentration))
        return zero, jtorch.where(zero, jtorch.ones_like(self.concentration), self.concentration)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return self.icdf(jtorch.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        z, (zero, safe) = (value - self.loc) / self.scale, self._zero()
        y = 1 / safe + jtorch.ones_like(z)
        powers = jtorch.where(y == 0, y, y * (safe * z).log1p())
        return -self.scale.log() - jtorch.where(zero, z, powers)

    def log_survival_function(self, value: Any) -> Tensor:
        """Logarithm of the probability of more than ``value``."""
        self._check_value(value)
        z, (zero, safe) = (value - self.loc) / self.scale, self._zero()
        return jtorch.where(zero, -z, -(safe * z).log1p() / safe)

    def log_cdf(self, value: Any) -> Tensor:
        """Logarithm of ``cdf``."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Any) -> Tensor:
        return self.log_cdf(value).exp()

    def icdf(self, value: Any) -> Tensor:
        (zero, safe), log_rest = self._zero(), jtorch.log1p(-value)
        powers = self.loc + self.scale / safe * (-safe * log_rest).expm1()
        return jtorch.where(zero, self.loc - self.scale * log_rest, powers)

    @property
    def mean(self) -> Tensor:
        valid = self.concentration < 1
        safe = jtorch.where(valid, self.concentration, 0.5)
        return jtorch.where(valid, self.loc + self.scale / (1 - safe), nan)

    @property
    def variance(self) -> Tensor:
        valid = self.concentration < 0.5
        safe = jtorch.where(valid, self.concentration, 0.25)
        return jtorch.where(valid, self.scale**2 / ((1 - safe) ** 2 * (1 - 2 * safe)), nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    def entropy(self) -> Tensor:
        return jtorch.broadcast_to(self.scale.log() + self.concentration + 1, self._batch_shape)
