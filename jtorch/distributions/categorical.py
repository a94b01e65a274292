"""One of several categories."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch import nan
from jtorch.distributions import constraints
from jtorch.distributions._expanding import ProbsOrLogits
from jtorch.tensor import Size, Tensor

__all__ = ["Categorical"]


class Categorical(ProbsOrLogits):
    """The number of a category, whose probabilities lie along the last dimension.

    Args:
        probs: weights, at least 0; they are divided by their sum.
        logits: unnormalised log probabilities, instead.
        validate_args: as for every distribution.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _binary = False

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        for name, given in (("probs", probs), ("logits", logits)):
            if (probs is None) != (logits is None) and given is not None and given.dim() < 1:
                raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is not None and logits is None:
            probs = probs / probs.sum(-1, keepdim=True)
        elif probs is None and logits is not None:
            logits = logits - logits.logsumexp(-1, keepdim=True)
        shape = self._choose(probs, logits)
        self._num_events = shape[-1]
        super().__init__(shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> constraints.Constraint:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        return jtorch.full(self._extended_shape(), nan, dtype=self.probs.dtype, device=self.probs.device)

    variance = mean

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        sample_shape = Size(sample_shape)
        rows = self.probs.detach().reshape(-1, self._num_events)
        drawn = jtorch.multinomial(rows, sample_shape.numel(), True).T
        return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        value, logits = jtorch.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        finite = self.logits.clamp(min=jtorch.finfo(self.logits.dtype).min)
        return -(finite * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        return self._enumerated(jtorch.arange(self._num_events, device=self._param.device), expand)
