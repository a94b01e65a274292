"""Pairs of float32 normals with the bits of PyTorch's vector kernel, for NumPy and for XLA.

The kernel takes single-precision polynomials (Cephes) through fused multiply-adds. A product of two float32
numbers is exact in float64, so multiplying and adding there and rounding the sum to float32 is that fused
operation; what PyTorch rounds twice is rounded twice here. Checked against extended precision for each of the
2**24 operands of both halves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["pairs"]


def _singles(*values: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for value in values)


# Cephes logf: log(1 + y) = y - y**2 / 2 + y**3 * LOG(y), highest power first.
_LOG = _singles(
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_LN2_HIGH, _LN2_LOW = _singles(0.693359375, -2.12194440e-4)
_SQRT_HALF_BITS = 0x3F3504F3
# Cephes sinf and cosf on [-pi/4, pi/4]: cos(x) = 1 - z / 2 + z**2 * COS(z), sin(x) = x + x * z * SIN(z), z =
# x**2.
_COS = _singles(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SIN = _singles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_FOUR_OVER_PI = np.float32(1.27323954473516)
_PI_4 = _singles(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)  # -pi/4 in three parts
_TURN = np.float64(np.float32(2 * math.pi)) * 2.0**-24

_MANTISSA = np.int32((1 << 23) - 1)
_F32, _F64 = np.float32, np.float64


def pairs(radius: Any, angle: Any, xp: Any = np) -> tuple[Any, Any]:
    """R cos t and r sin t with r = sqrt(-2 log(1 - u)) and t = 2 pi v.

    Args:
        radius: u * 2**24, integers below 2**24, uint32.
        angle: v * 2**24, alike.
        xp: the arrays' module, ``numpy`` or, with 64-bit types on, ``jax.numpy``.

    Returns:
        The cosines and the sines, float32. A zero among them may have either sign.
    """
    sines, cosines = _sines_and_cosines(angle)
    r = _radii(radius, xp)
    return cosines * r, sines * r


def _fma(a: Any, b: Any, c: Any) -> Any:
    """A * b + c, rounded once to float32; ``a`` or ``b`` is float64."""
    return (a * b + c).astype(_F32)


def _horner(coefficients: tuple[np.float32, ...], x: Any) -> Any:
    """The polynomial, every step fused; ``x`` is float64."""
    first, second, *rest = coefficients
    value = _fma(x, _F64(first), _F64(second))
    for coefficient in rest:
        value = _fma(value, x, _F64(coefficient))
    return value


def _radii(radius: Any, xp: Any) -> Any:
    # 1 - u scaled by 2**24 is an integer; its float32 splits into m * 2**e with m in [sqrt(1/2), sqrt(2)).
    bits = (_F32(1 << 24) - radius.astype(_F32)).view(np.int32) - np.int32(_SQRT_HALF_BITS + (24 << 23))
    e = (bits >> 23).astype(_F32)
    y = ((bits & _MANTISSA) + np.int32(_SQRT_HALF_BITS)).view(_F32) - _F32(1)
    y64 = y.astype(_F64)
    square = y * y
    cubic = _fma((_horner(_LOG, y64) * y).astype(_F64), square, e * _LN2_LOW) - square * _F32(0.5)
    return xp.sqrt((y + cubic + e * _LN2_HIGH) * _F32(-2))


def _sines_and_cosines(angle: Any) -> tuple[Any, Any]:
    t = (angle.astype(_F64) * _TURN).astype(
        _F32
    )  # by way of float64, lest XLA fuse this product with the sum below
    octant = ((t * _FOUR_OVER_PI).astype(np.int32) + np.int32(1)) & np.int32(-2)
    j = octant.astype(_F32)
    x = _fma(j.astype(_F64), _F64(_PI_4[2]), t + j * _PI_4[0] + j * _PI_4[1])
    x64, z = x.astype(_F64), x * x
    z64 = z.astype(_F64)
    sine = _fma(_horner(_SIN, z64) * z, x64, x64)
    cosine = _fma(_horner(_COS, z64) * z, z64, z64 * _F64(-0.5)) + _F32(1)
    # Where bit 1 of the octant is set the two change places. Bit 2 is the sign of the sine, and of the cosine
    # two octants further on; a float's sign is its bit 31.
    exchange = (sine.view(np.int32) ^ cosine.view(np.int32)) & -((octant >> 1) & np.int32(1))
    sine_bits = sine.view(np.int32) ^ exchange ^ ((octant & np.int32(4)) << 29)
    cosine_bits = cosine.view(np.int32) ^ exchange ^ (((octant + np.int32(2)) & np.int32(4)) << 29)
    return sine_bits.view(_F32), cosine_bits.view(_F32)
