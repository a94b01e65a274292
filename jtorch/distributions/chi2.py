"""Sums of squared normal numbers."""

from __future__ import annotations

from typing import Any

from jtorch.distributions import constraints
from jtorch.distributions.gamma import Gamma
from jtorch.tensor import Tensor

__all__ = ["Chi2"]


class Chi2(Gamma):
    """Sums of the squares of ``df`` normal numbers."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Chi2, _instance)
        new.concentration = self.concentration.expand(batch_shape)
        new.rate = self.rate.expand(batch_shape)
        return super().expand(batch_shape, new)

    @property
    def df(self) -> Tensor:
        """Degrees of freedom."""
        return self.concentration * 2
