"""Successes before a number of failures."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions._expanding import ProbsOrLogits
from jtorch.distributions.gamma import Gamma
from jtorch.tensor import Tensor

__all__ = ["NegativeBinomial"]


class NegativeBinomial(ProbsOrLogits):
    """How many trials succeed before ``total_count`` have failed; ``probs`` is that of success."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    total_count: Tensor

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        shape = self._choose(probs, logits, total_count=total_count)
        self.total_count = self.total_count.type_as(self._param)
        super().__init__(shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / (-self.logits).sigmoid()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with jtorch.no_grad():
            rates = Gamma(self.total_count, (-self.logits).exp(), validate_args=False).sample(sample_shape)
            return jtorch.poisson(rates)

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        log_sigmoid = jtorch.nn.functional.logsigmoid
        n, logits = self.total_count, self.logits
        choices = (n + value).lgamma() - (1.0 + value).lgamma() - n.lgamma()
        choices = choices.masked_fill(n + value == 0.0, 0.0)
        return n * log_sigmoid(-logits) + value * log_sigmoid(logits) + choices
