"""What losses do with their values: keep, average or sum them."""

from __future__ import annotations

import warnings
from typing import Any

from jax import Array

from jtorch.ops._reductions import mean, sum_

__all__ = ["flattened", "reduced", "reduction_of", "size_text"]


def reduction_of(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """``"none"``, ``"mean"`` or ``"sum"``, the older two arguments taking precedence with a warning.

    Raises:
        ValueError: another word.
    """
    if size_average is not None or reduce is not None:
        found = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.",
            stacklevel=3,
        )
        return found
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", stacklevel=3
        )
        return "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(loss: Array, reduction: str) -> Array:
    """The values, their mean or their sum.

    Raises:
        RuntimeError: the mean of integers.
    """
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum_(loss)


#: XLA's CPU compiler computes exp and log element by element in loops whose innermost dimension is shorter.
SHORT = 8


def flattened(input: Array, target: Array) -> tuple[Array, Array]:
    """Operands of an elementwise loss that is reduced, as vectors if their last dimension is short.

    800 x 1 logits: the loss and its gradient take 12 us instead of 21.
    """
    if input.ndim > 1 and input.shape == target.shape and input.shape[-1] < SHORT:
        return input.reshape(-1), target.reshape(-1)
    return input, target


def size_text(x: Any) -> str:
    """The shape of an array as PyTorch prints ``x.size()``."""
    return f"torch.Size({list(x.shape)})"
