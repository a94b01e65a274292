"""Absolute values of normal numbers."""

from __future__ import annotations

import math
from typing import Any

from jtorch.distributions._half import _Half
from jtorch.distributions.normal import Normal
from jtorch.distributions.transforms import AbsTransform
from jtorch.tensor import Tensor

__all__ = ["HalfNormal"]


class HalfNormal(_Half):
    """|x| for x of ``Normal(0, scale)``."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale.pow(2) * (1 - 2 / math.pi)
