"""Draws of categories with given weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch.rng._checks import FLOATS, scalar_type
from jtorch.rng._continuous import exponential
from jtorch.rng._layout import Array
from jtorch.rng._mt19937 import MT19937
from jtorch.rng._uniform import fractions53

__all__ = ["check_multinomial", "check_weights", "multinomial"]

_MOST_CATEGORIES = 1 << 24


def multinomial(
    engine: MT19937,
    input: Array,
    num_samples: int,
    replacement: bool = False,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw category numbers (``multinomial``).

    Without replacement, or for a single sample: with exponential numbers q, the categories of the largest
    weight / q, two words for each category. Otherwise by inverting the cumulative weights, two words for each
    sample.

    Args:
        engine: source of the words.
        input: weights with 1 or 2 dimensions, floating; they need not add up to 1.
        num_samples: per row.
        replacement: whether a row may have a category twice.
        strides: of ``input`` in elements, ``None`` if contiguous; the first method draws in its memory order.

    Returns:
        int64, shape ``(num_samples,)`` or ``(rows, num_samples)``.

    Raises:
        RuntimeError: an input or a number of samples that PyTorch rejects.
    """
    check_multinomial(input, num_samples, replacement)
    if not replacement or num_samples == 1:
        return _by_race(engine, input, num_samples, strides)
    rows = np.atleast_2d(input)
    weights = rows.astype(np.float32) if rows.dtype.itemsize == 2 else rows
    out = np.empty((len(rows), num_samples), np.int64)
    with engine.lock:
        for row, found in zip(weights, out, strict=True):
            cumulative = _cumulative(row)
            found[...] = np.searchsorted(cumulative.astype(np.float64), fractions53(engine, num_samples))
    return out if input.ndim == 2 else out[0]


def check_multinomial(input: Any, num_samples: int, replacement: bool) -> None:
    """Check what does not depend on the weights' values.

    Args:
        input: what has their dtype and shape.
        num_samples: per row.
        replacement: whether a row may have a category twice.

    Raises:
        RuntimeError: a shape, dtype or number of samples that PyTorch rejects.
    """
    if len(input.shape) not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if input.dtype not in FLOATS:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {scalar_type(input.dtype)}"
        )
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if input.shape[-1] > _MOST_CATEGORIES:
        raise RuntimeError("number of categories cannot exceed 2^24")


def check_weights(input: Array) -> None:
    """Check that every row is a distribution.

    Raises:
        RuntimeError: one is not.
    """
    with np.errstate(invalid="ignore"):
        allowed = (input >= 0) & np.isfinite(input)
    if not np.all(allowed):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if np.any(input.sum(-1) == 0):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def _by_race(engine: MT19937, input: Array, num_samples: int, strides: Sequence[int] | None) -> Array:
    if input.size == 0:
        return np.empty((*input.shape[:-1], num_samples), np.int64)
    check_weights(input)
    q = exponential(engine, input.shape, input.dtype, strides=strides)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        score = input / q
    if num_samples == 1:
        return score.argmax(-1, keepdims=True)
    # Differs from PyTorch: equal scores, frequent in 16 bits, come in the order of their categories.
    order: Array = np.argsort(-score, axis=-1, kind="stable")[..., :num_samples]
    return order


def _cumulative(row: Array) -> Array:
    if not np.all(row >= 0):
        raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
    if not np.all(np.isfinite(row)):
        raise RuntimeError(
            "invalid multinomial distribution (encountering probability entry = infinity or NaN)"
        )
    total = np.cumsum(row, dtype=row.dtype)
    if not total.size or not total[-1] > 0:
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    total /= total[-1]
    total[-1] = 1
    return total
