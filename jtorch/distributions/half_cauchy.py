"""Absolute values of Cauchy numbers."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch import inf
from jtorch.distributions._half import _Half
from jtorch.distributions.cauchy import Cauchy
from jtorch.distributions.transforms import AbsTransform
from jtorch.tensor import Tensor

__all__ = ["HalfCauchy"]


class HalfCauchy(_Half):
    """|x| for x of ``Cauchy(0, scale)``."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        base = Cauchy(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return jtorch.full(self._extended_shape(), inf, dtype=self.scale.dtype, device=self.scale.device)

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance
