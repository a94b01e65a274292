"""Parameters of distributions: how they are stored, and how a batch of them is expanded."""

from __future__ import annotations

from typing import Any

from jtorch.distributions.distribution import Distribution
from jtorch.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits
from jtorch.tensor import Size, Tensor

__all__ = ["Expanding", "ProbsOrLogits"]


class Expanding(Distribution):
    """A distribution whose parameters and parts begin with the dimensions of the batch."""

    def _take(self, **parameters: Any) -> Size:
        """Store parameters, broadcast against each other.

        Returns:
            Their shape.
        """
        tensors = broadcast_all(*parameters.values())
        # Into the dictionary: a lazy property may have the name.
        self.__dict__.update(zip(parameters, tensors, strict=True))
        return tensors[0].size()

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """A distribution whose batch is expanded to ``batch_shape``, sharing memory with this one."""
        library = __name__.rpartition(".")[0]
        own = next(c for c in type(self).__mro__ if c.__module__.startswith(library))
        new = self._get_checked_instance(own, _instance)
        batch_shape, old = Size(batch_shape), len(self._batch_shape)
        for name, value in self.__dict__.items():
            if isinstance(value, Distribution):
                value = value.expand(Size((*batch_shape, *value.batch_shape[old:])))
            elif isinstance(value, Tensor) and name in self.arg_constraints:
                value = value.expand((*batch_shape, *value.shape[old:]))
            new.__dict__.setdefault(name, value)
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new


class ProbsOrLogits(Expanding):
    """A distribution given by probabilities or by their logarithms; the other form is computed when read.

    Attributes:
        _binary: whether the logarithms are log odds of single events.
    """

    _binary = True

    def _choose(self, probs: Any, logits: Any, **others: Any) -> Size:
        """Store what was given, broadcast against other parameters.

        Returns:
            Its shape.
        """
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._given = "logits" if probs is None else "probs"
        return self._take(**others, **{self._given: logits if probs is None else probs})

    @lazy_property
    def logits(self) -> Tensor:
        """Logarithms: of odds, or of the probabilities along the last dimension."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> Tensor:
        """Probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)

    @property
    def _param(self) -> Tensor:
        return self.__dict__[self._given]

    @property
    def param_shape(self) -> Size:
        """Shape of the parameter."""
        return self._param.size()
