"""Random numbers of transforms, from PyTorch's default generator and in torchvision's order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import jtorch

__all__ = ["chance", "integer", "log_uniform", "uniform"]


def chance() -> float:
    """A number from 0 to 1: ``rand(1)``."""
    return jtorch.rand(1).item()


def uniform(low: float, high: float) -> float:
    """``empty(1).uniform_(low, high)``."""
    return jtorch.empty(1).uniform_(float(low), float(high)).item()


def integer(low: int, high: int) -> int:
    """``randint(low, high, (1,))``."""
    return jtorch.randint(int(low), int(high), size=(1,)).item()


def log_uniform(bounds: Sequence[float]) -> float:
    """A ratio whose logarithm is evenly distributed between two; in float32, as torchvision draws it."""
    low, high = (float(np.float32(math.log(np.float32(b)))) for b in bounds)
    return float(np.float32(math.exp(uniform(low, high))))
