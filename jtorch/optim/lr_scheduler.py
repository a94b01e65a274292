"""Schedules of learning rates (``torch.optim.lr_scheduler``).

Learning rates are operands of an optimizer's step, so no schedule makes anything compile.
"""

from __future__ import annotations

from jtorch.optim._combined import ChainedScheduler, SequentialLR
from jtorch.optim._cycles import CyclicLR, OneCycleLR
from jtorch.optim._plateau import ReduceLROnPlateau
from jtorch.optim._scheduler import EPOCH_DEPRECATION_WARNING as EPOCH_DEPRECATION_WARNING
from jtorch.optim._scheduler import LRScheduler, _LRScheduler
from jtorch.optim._schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

for _schedule in (*(globals()[name] for name in __all__), _LRScheduler):
    _schedule.__module__ = __name__  # where pickles look for it, and what its text shows
