"""A density on [0, 1] for pixels."""

from __future__ import annotations

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions._expanding import ProbsOrLogits
from jtorch.distributions.exp_family import ExponentialFamily
from jtorch.distributions.utils import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
)
from jtorch.tensor import Tensor

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """The density proportional to p ** x * (1 - p) ** (1 - x) on [0, 1].

    Args:
        probs, logits: as for ``Bernoulli``.
        lims: near p = 0.5, between these, Taylor series replace formulas that divide 0 by 0.
        validate_args: as for every distribution.

    Reference: Loaiza-Ganem and Cunningham, 2019, https://arxiv.org/abs/1907.06845
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    _mean_carrier_measure = 0
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        shape = self._choose(probs, logits)
        if probs is not None:
            valid = self.arg_constraints["probs"].check(self.probs)
            if validate_args is not None and not bool(valid.all()):
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(shape, validate_args=validate_args)

    @lazy_property
    def probs(self) -> Tensor:
        """Probabilities."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _stable(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut(self) -> Tensor:
        """Probabilities with the lower limit in place of those near 0.5."""
        return jtorch.where(self._stable(), self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Tensor:
        cut = self._cut()
        below, above = jtorch.where(cut <= 0.5, cut, 0.0), jtorch.where(cut >= 0.5, cut, 1.0)
        denominator = jtorch.where(cut <= 0.5, (-2.0 * below).log1p(), (2.0 * above - 1.0).log())
        exact = ((-cut).log1p() - cut.log()).abs().log() - denominator
        x = (self.probs - 0.5).pow(2)
        return jtorch.where(self._stable(), exact, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        cut, x = self._cut(), self.probs - 0.5
        exact = cut / (2.0 * cut - 1.0) + 1.0 / ((-cut).log1p() - cut.log())
        return jtorch.where(self._stable(), exact, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x)

    @property
    def variance(self) -> Tensor:
        cut, x = self._cut(), (self.probs - 0.5).pow(2)
        exact = cut * (cut - 1.0) / (1.0 - 2.0 * cut).pow(2) + 1.0 / ((-cut).log1p() - cut.log()).pow(2)
        return jtorch.where(self._stable(), exact, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with jtorch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return self.icdf(jtorch.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        logits, value = broadcast_all(self.logits, value)
        cross = jtorch.nn.functional.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -cross + self._cont_bern_log_norm()

    def cdf(self, value: Any) -> Tensor:
        self._check_value(value)
        cut = self._cut()
        exact = (cut.pow(value) * (1.0 - cut).pow(1.0 - value) + cut - 1.0) / (2.0 * cut - 1.0)
        inside = jtorch.where(self._stable(), exact, value)
        return jtorch.where(value <= 0.0, 0.0, jtorch.where(value >= 1.0, 1.0, inside))

    def icdf(self, value: Any) -> Tensor:
        cut = self._cut()
        numerator = (-cut + value * (2.0 * cut - 1.0)).log1p() - (-cut).log1p()
        return jtorch.where(self._stable(), numerator / (cut.log() - (-cut).log1p()), value)

    def entropy(self) -> Tensor:
        none, one = (-self.probs).log1p(), self.probs.log()
        return self.mean * (none - one) - self._cont_bern_log_norm() - none

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        low, high = self._lims[0] - 0.5, self._lims[1] - 0.5
        stable = (x <= low) | (x > high)
        cut = jtorch.where(stable, x, low)
        exact = cut.expm1().abs().log() - cut.abs().log()
        return jtorch.where(stable, exact, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)
