"""Where the elements of a strided target lie, because draws fill memory from low to high addresses.

PyTorch's samplers visit a tensor in the order of its memory, whatever the order of its indices: the third
number drawn for a transposed matrix is the third one of its storage. A target is described by its shape and
by its strides in elements; ``None`` for the strides means a contiguous one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Array", "flatten", "is_contiguous", "numel", "place"]

Array = np.ndarray[Any, np.dtype[Any]]


def numel(shape: Sequence[int]) -> int:
    """Number of elements."""
    return math.prod(shape)


def is_contiguous(shape: Sequence[int], strides: Sequence[int] | None) -> bool:
    """Whether index order is memory order without gaps; sizes 1 and empty targets never break it."""
    if strides is None or 0 in shape:
        return True
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def _visiting_order(shape: Sequence[int], strides: Sequence[int]) -> list[int]:
    # The dimension with the smallest step runs fastest. A dimension of size 1 may stand anywhere.
    return sorted(range(len(shape)), key=lambda dim: (shape[dim] != 1, -strides[dim]))


def place(draws: Array, shape: Sequence[int], strides: Sequence[int] | None) -> Array:
    """Give draws in memory order the target's shape.

    Args:
        draws: one dimension, one value per element.
        shape: of the target.
        strides: of the target, in elements.

    Returns:
        A view of ``draws`` with shape ``shape``. Its own memory order is that of the target.
    """
    if strides is None or is_contiguous(shape, strides):
        return draws if len(shape) == 1 else draws.reshape(tuple(shape))
    order = _visiting_order(shape, strides)
    return draws.reshape([shape[dim] for dim in order]).transpose(np.argsort(order))


def flatten(values: Array, shape: Sequence[int], strides: Sequence[int] | None) -> Array:
    """Line up an operand's values with the draws of a target: the reverse of :func:`place`.

    Args:
        values: broadcastable to ``shape``.
        shape: of the target.
        strides: of the target, in elements.

    Returns:
        One dimension, one value per element of the target, in its memory order.
    """
    values = np.broadcast_to(values, tuple(shape))
    if is_contiguous(shape, strides):
        return values.reshape(-1)
    assert strides is not None
    return values.transpose(_visiting_order(shape, strides)).reshape(-1)
