"""Multiply-add with one rounding, which NumPy lacks and PyTorch's kernels use.

float32: the product of two float32 numbers is exact in float64, and so in most cases is the sum. float64: the
product is split into two numbers (Dekker) and the three-term sum is rounded by way of a rounding to odd.

Reference: Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008,
https://doi.org/10.1109/TC.2007.70819
"""

from __future__ import annotations

import numpy as np

from jtorch.rng._layout import Array

__all__ = ["fma"]

_LOW_BITS = np.uint64((1 << 29) - 1)  # what a float64 loses on its way to float32
_HALFWAY = np.uint64(1 << 28)
_HUGE = 2.0**900
_SPLIT = float((1 << 27) + 1)


def fma(x: Array, factor: float, summand: float) -> Array:
    """``x * factor + summand``, rounded once to the type of ``x``.

    Args:
        x: float32 or float64.
        factor: a number of that type.
        summand: a number of that type.
    """
    real = x.dtype.type
    if factor == 1.0:
        return x + real(summand)
    if summand == 0.0:
        return x * real(factor) + real(0.0)  # -0 becomes 0, as in the fused operation
    if x.dtype == np.float32:
        return _fma32(x, factor, summand)
    if abs(factor) > _HUGE or abs(summand) > _HUGE:  # splitting would overflow
        with np.errstate(invalid="ignore", over="ignore"):
            return x * factor + summand
    return _fma64(x, factor, summand)


def _fma32(x: Array, factor: float, summand: float) -> Array:
    product = np.multiply(x, factor, dtype=np.float64)
    total = product + summand
    result = total.astype(np.float32)
    # A sum that float64 has rounded matters only where it lies halfway between two float32 numbers, or is
    # subnormal.
    doubtful = np.flatnonzero(
        ((total.view(np.uint64) & _LOW_BITS) == _HALFWAY) | (np.abs(total) < np.finfo(np.float32).tiny)
    )
    if doubtful.size:
        result[doubtful] = _add_to_odd(product[doubtful], np.array(summand)).astype(np.float32)
    return result


def _fma64(x: Array, factor: float, summand: float) -> Array:
    product, product_error = _exact_product(x, np.array(factor))
    low, low_error = _exact_sum(np.array(summand), product_error)
    high, high_error = _exact_sum(product, low)
    result: Array = high + _add_to_odd(low_error, high_error)
    return result


def _exact_sum(a: Array, b: Array) -> tuple[Array, Array]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _exact_product(a: Array, b: Array) -> tuple[Array, Array]:
    product = a * b
    a_high = _SPLIT * a - (_SPLIT * a - a)
    b_high = _SPLIT * b - (_SPLIT * b - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _add_to_odd(a: Array, b: Array) -> Array:
    """A + b, where an inexact sum becomes the neighbour whose last bit is set: safe to round once more."""
    total, error = _exact_sum(a, b)
    even = (total.view(np.int64) & 1) == 0
    return np.where((error != 0) & even, np.nextafter(total, np.where(error > 0, np.inf, -np.inf)), total)
