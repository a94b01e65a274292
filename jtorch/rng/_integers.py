"""Uniform integers: ``randint`` and the three forms of ``random_``."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.rng._checks import BFLOAT16, CPP_NAMES, DIGITS, FLOATS, INTEGERS, cast, not_implemented
from jtorch.rng._layout import Array, numel, place
from jtorch.rng._mt19937 import MT19937

__all__ = ["integers"]

_BLOCK = 1 << 15
_FEW = 1 << 10  # words that NumPy takes the remainders of in one pass as fast as in three
_ONE_WORD = 1 << 28  # ranges below take one word per element, others two
_ALL = 1 << 64
_LEAST = -(1 << 63)


def integers(
    engine: MT19937,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    low: int | None = None,
    high: int | None = None,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw integers from [low, high) (``randint``, ``random_``).

    Args:
        engine: source of the words.
        shape: of the target.
        dtype: any but complex; the integers are rounded to a floating one.
        low: least value; ``None``, with ``high`` ``None`` too, means all values from 0 on that the dtype
            holds exactly.
        high: one more than the largest value; ``None`` means up to and including the largest that the dtype
            holds exactly, and with the least ``low`` of 64 bits all integers of 64 bits.
        strides: of the target in elements, ``None`` if contiguous.

    Returns:
        An array of ``shape`` whose memory order is the target's.

    Raises:
        NotImplementedError: a dtype that PyTorch's kernel lacks.
        RuntimeError: an empty range, or one that the dtype does not hold.

    Warns:
        UserWarning: the range holds integers that the floating dtype does not.
    """
    n = numel(shape)
    if low is not None and (high is not None or low != _LEAST):
        low, span = _checked_range(dtype, low, high)
        one_word = span < _ONE_WORD
    elif n == 0:  # checked by kernels, which PyTorch does not start for nothing
        low, span, one_word = 0, 1, True
    else:
        one_word = low is None and dtype.itemsize < 8
        low, span = 0, _whole_range(dtype) if low is None else _full_range(dtype)
    return place(_draw(engine, n, dtype, low, span, one_word), shape, strides)


def _draw(engine: MT19937, n: int, dtype: np.dtype[Any], low: int, span: int, one_word: bool) -> Array:
    if n <= _BLOCK:
        return _block(engine, n, dtype, low, span, one_word)
    out = np.empty(n, dtype)
    with engine.lock:
        for start in range(0, n, _BLOCK):
            size = min(_BLOCK, n - start)
            out[start : start + size] = _block(engine, size, dtype, low, span, one_word)
    return out


def _block(engine: MT19937, n: int, dtype: np.dtype[Any], low: int, span: int, one_word: bool) -> Array:
    if one_word:
        values = _remainders(engine.words(n), span).astype(np.int64)
    else:
        draws = engine.doublewords(n)
        values = (_remainders(draws, span) if span < _ALL else draws).view(np.int64)
    if low:
        values = values + np.int64(low)
    return cast(values, dtype)


def _remainders(words: Array, span: int) -> Array:
    if span & (span - 1) == 0:
        return words & words.dtype.type(span - 1)
    if words.size <= _FEW:
        return words % words.dtype.type(span)
    multiples: Array = words // words.dtype.type(span)  # NumPy divides by a constant faster than it takes %
    multiples *= words.dtype.type(span)
    return np.subtract(words, multiples, out=multiples)


def _largest(dtype: np.dtype[Any]) -> int:
    if dtype in FLOATS:
        return 1 << DIGITS[dtype]
    if dtype == np.uint64:
        return _ALL  # out of bounds, as it is in PyTorch
    return 1 if dtype == np.bool_ else int(np.iinfo(dtype).max)


def _whole_range(dtype: np.dtype[Any]) -> int:
    if dtype.kind == "c" or dtype in (np.uint16, np.uint32, np.uint64):
        raise not_implemented("random_kernel_cpu", dtype)
    return _largest(dtype) + 1


def _full_range(dtype: np.dtype[Any]) -> int:
    kernel = "random_full_64_bits_range_kernel_cpu"
    if dtype in (np.int64, np.float64, np.float32, BFLOAT16):
        return _ALL
    if dtype in INTEGERS:
        raise RuntimeError(f"{kernel} handles only int64, double, float and bfloat16")
    raise not_implemented(kernel, dtype)


def _checked_range(dtype: np.dtype[Any], low: int, high: int | None) -> tuple[int, int]:
    """The least value and the number of values."""
    if high is not None and low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype.kind == "c":
        name = "random_from_to_impl" if high is None else "check_random_bounds"
        raise RuntimeError(f"{name} handles only integral, floating-point and boolean types")
    last = _largest(dtype) if high is None else high - 1
    if dtype in FLOATS:
        low, last = _adjusted(dtype, low, high, last)
    _check_bounds(dtype, low, last)
    return low, last - low + 1


def _adjusted(dtype: np.dtype[Any], low: int, high: int | None, last: int) -> tuple[int, int]:
    """Bounds moved inwards to numbers of the dtype, where rounding would leave the range."""
    after, before = _rounded(low + 1, dtype), _rounded(last, dtype)
    if after < low:
        low = after + _step(low + 1, dtype)
    if high is None:
        if low >= last:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to "
                f"dtype, but got from={low} > to_inc={last}"
            )
        return low, last
    if before >= high:
        high = before - _step(last, dtype)
    if low >= high:
        raise RuntimeError(
            "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
            f"from={low} >= to={high}"
        )
    return low, high - 1


def _rounded(value: int, dtype: np.dtype[Any]) -> int:
    number = float(cast(np.array(float(value)), dtype))
    return int(number) if abs(number) < -_LEAST else _LEAST  # as C++ converts what 64 bits do not hold


def _step(value: int, dtype: np.dtype[Any]) -> int:
    """Distance of the dtype's numbers from ``value`` on."""
    return 1 << (abs(value).bit_length() - DIGITS[dtype])


def _check_bounds(dtype: np.dtype[Any], low: int, last: int) -> None:
    least, most = _limits(dtype)
    if dtype in INTEGERS and least <= low <= most and least <= last <= most:
        return
    for name, bound in (("from", low), ("to - 1", last)):
        if not least <= bound <= most:
            raise RuntimeError(f"{name} is out of bounds for {CPP_NAMES[dtype.name]}")
    for name, bound in (("from", low), ("to - 1", last)):
        if dtype in FLOATS and abs(bound) > 1 << DIGITS[dtype]:
            warnings.warn(
                f"{name} is out of bounds [-(2^{DIGITS[dtype]}), 2^{DIGITS[dtype]}]. Due to precision "
                f"limitations {CPP_NAMES[dtype.name]} can support discrete uniform distribution only within "
                "this range. This warning will become an error in version 1.7 release, please fix the code "
                "in advance",
                UserWarning,
                stacklevel=4,
            )


@functools.lru_cache
def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype in FLOATS:
        info = dtypes.finfo(dtypes.from_numpy_dtype(dtype))
        return info.min, info.max
    if dtype == np.bool_:
        return 0, 1
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
