"""``make_tensor``: random tensors for tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import jtorch
from jtorch.tensor import Tensor

__all__ = ["make_tensor"]


def _bounds(
    low: float | None, high: float | None, dtype: Any, limits: tuple[float, float], defaults: tuple[int, int]
) -> tuple[float, float]:
    """The interval to draw from, inside of what the dtype holds."""
    low = defaults[0] if low is None else low
    high = defaults[1] if high is None else high
    inexact = dtype.is_floating_point or dtype.is_complex
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low!r} and high={high!r}")
    if low == high and inexact:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated "
            "since 2.1 and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < limits[0] or low >= limits[1]:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports "
            f"[{limits[0]}, {limits[1]})"
        )
    low, high = (min(max(v, limits[0]), limits[1]) for v in (low, high))
    return (low, high) if inexact else (math.ceil(low), math.ceil(high))


def _drawn(shape: tuple[int, ...], dtype: Any, device: Any, low: float | None, high: float | None) -> Tensor:
    if dtype is jtorch.bool:
        first, last = _bounds(low, high, dtype, (0, 2), (0, 2))
        return jtorch.randint(int(first), int(last), shape, device=device, dtype=dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        info = jtorch.iinfo(dtype)
        limits = (info.min, info.max + (dtype is not jtorch.int64))
        first, last = _bounds(low, high, dtype, limits, (-9, 10))
        return jtorch.randint(int(first), int(last), shape, device=device, dtype=dtype)
    limit = jtorch.finfo(dtype)
    low, high = _bounds(low, high, dtype, (limit.min, limit.max), (-9, 9))
    small = dtype.itemsize == 1
    result = jtorch.empty(shape, device=device, dtype=jtorch.float32 if small else dtype)
    target = jtorch.view_as_real(result) if dtype.is_complex else result
    if high - low >= limit.max:  # the width itself would overflow
        target.uniform_(low / 2, high / 2).mul_(2)
    else:
        target.uniform_(low, high)
    return result.to(dtype)


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of uniform random numbers in ``[low, high)``.

    Args:
        shape: sizes, or one sequence of them.
        dtype: of the tensor.
        device: of the tensor.
        low: lower bound; -9 by default, 0 for booleans.
        high: upper bound; 9 for floating and complex numbers, 10 for integers, 2 for booleans.
        requires_grad: as for other tensors.
        noncontiguous: whether to take every second element of a larger tensor.
        exclude_zero: replace zeros by 1 or, for floating numbers, by the smallest normal number.
        memory_format: of the result.

    Raises:
        ValueError: an empty interval, one outside of the dtype's, or arguments that exclude each other.
    """
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous!r} and memory_format={memory_format!r}"
        )
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype!r}"
        )
    if noncontiguous and math.prod(shape) > 1:
        result = _drawn((*shape[:-1], 2 * shape[-1]), dtype, device, low, high)[..., 1::2]
    else:
        result = _drawn(tuple(shape), dtype, device, low, high)
        if memory_format is not None:
            result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = jtorch.finfo(dtype).tiny if inexact else 1
    return result.requires_grad_(requires_grad) if inexact else result
