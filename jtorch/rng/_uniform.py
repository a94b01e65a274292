"""Uniform numbers, and the two ways in which engine words become fractions."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.rng._checks import CPP_NAMES, FLOATS, cast, not_implemented, scalar_type
from jtorch.rng._fma import fma
from jtorch.rng._layout import Array, numel, place
from jtorch.rng._mt19937 import MT19937

__all__ = ["fractions24", "fractions53", "uniform"]

_SMALL, _BLOCK = 1 << 11, 1 << 15
_LOW24, _ULP24 = np.uint32((1 << 24) - 1), np.float32(2.0**-24)
_LOW53, _ULP53 = np.uint64((1 << 53) - 1), 2.0**-53


def fractions24(words: Array) -> Array:
    """float32 numbers in [0, 1) from the low 24 bits of each word."""
    fractions = (words & _LOW24).view(np.int32).astype(np.float32)
    fractions *= _ULP24
    return fractions


def _small(engine: MT19937, n: int) -> Array:
    """The same of the next ``n`` words, 1 at least, worked out for all that were read ahead."""
    with engine.lock:
        batch, read = engine.unread(n)
        known = engine.memo.get("fractions")
        if known is None or known[0] is not batch:
            known = engine.memo["fractions"] = batch, fractions24(batch)
        engine.skip(n)
    found: Array = known[1][read : read + n].copy()
    return found


def fractions53(engine: MT19937, n: int) -> Array:
    """``n`` float64 numbers in [0, 1), two words each: the low 53 bits of the 64."""
    return (engine.doublewords(n) & _LOW53).view(np.int64).astype(np.float64) * _ULP53


def uniform(
    engine: MT19937,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    low: float = 0.0,
    high: float = 1.0,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw from [low, high) (``rand``, ``uniform_``).

    The value is fma(u, high - low, low) in float64 for float64 and in float32 otherwise, u with 53 or 24
    bits. Rounding may reach ``high``; such a value becomes ``low``.

    Args:
        engine: source of the words, one per element, two for float64.
        shape: of the target.
        dtype: floating or complex; the parts of a complex number are two elements.
        low: lower bound.
        high: upper bound.
        strides: of the target in elements, ``None`` if contiguous.

    Returns:
        An array of ``shape`` whose memory order is the target's.

    Raises:
        NotImplementedError: other dtypes.
        RuntimeError: bounds in the wrong order or out of range.
    """
    if dtype.kind == "c":
        parts = uniform(engine, (2 * numel(shape),), np.dtype(f"f{dtype.itemsize // 2}"), low, high)
        return place(parts.view(dtype), shape, strides)
    reaches_high = _check_bounds(dtype, low, high)
    n = numel(shape)
    with engine.lock:
        if n <= _BLOCK:
            out = _draw(engine, n, dtype, low, high)
        else:
            out = np.empty(n, dtype)
            for start in range(0, n, _BLOCK):
                out[start : start + _BLOCK] = _draw(engine, min(_BLOCK, n - start), dtype, low, high)
    if reaches_high:
        out[out == _rounded(high, dtype)] = _rounded(low, dtype)
    return place(out, shape, strides)


def _draw(engine: MT19937, n: int, dtype: np.dtype[Any], low: float, high: float) -> Array:
    if dtype.itemsize == 8:
        u = fractions53(engine, n)
    else:
        u = _small(engine, n) if 0 < n <= _SMALL else fractions24(engine.words(n))
    return cast(u if low == 0.0 and high == 1.0 else _between(u, low, high), dtype)


def _between(u: Array, low: float, high: float) -> Array:
    real = u.dtype.type
    low, span = real(low), real(high) - real(low)
    if low == 0.0:
        if span != 1.0:
            u *= span
        return u
    if span == -2 * low:
        # A centred interval: low + u * 2 * |low| = (u - 1/2) * span. The difference is exact, so one rounding
        # remains.
        u -= real(0.5)
        u *= span
        return u + real(0.0)
    if real is np.float32 and -28 <= math.frexp(low)[1] - math.frexp(span)[1] <= 4:
        # u has 24 bits behind the point, the product 48; adding a low so close to it keeps the sum within 53.
        return (u * np.float64(span) + np.float64(low)).astype(np.float32)
    return fma(u, float(span), float(low))


def _rounded(bound: float, dtype: np.dtype[Any]) -> Any:
    return cast(np.array(bound, np.float64), dtype)[()]


@functools.lru_cache
def _check_bounds(dtype: np.dtype[Any], low: float, high: float) -> bool:
    """Whether rounding can reach ``high``, once the bounds are found to be allowed."""
    if dtype not in FLOATS:
        raise not_implemented("check_uniform_bounds", dtype)
    largest = dtypes.finfo(dtypes.from_numpy_dtype(dtype)).max
    for name, bound in (("from", low), ("to", high)):
        if not -largest <= bound <= largest:
            raise RuntimeError(f"{name} is out of bounds for {CPP_NAMES[dtype.name]}")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    if high - low > largest:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{scalar_type(dtype)}>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )
    largest_fraction = np.array([1 - _ULP53]) if dtype.itemsize == 8 else np.array([1 - _ULP24], np.float32)
    return bool(cast(_between(largest_fraction, low, high), dtype)[0] == _rounded(high, dtype))
