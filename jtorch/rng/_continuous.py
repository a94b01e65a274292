"""Exponential, geometric, Cauchy and log-normal numbers, made from float64 uniforms of two words each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch.rng import _libm
from jtorch.rng._checks import CPP_NAMES, FLOATS, INTEGERS, cast, not_implemented, scalar_type
from jtorch.rng._fma import fma
from jtorch.rng._layout import Array, numel, place
from jtorch.rng._mt19937 import MT19937
from jtorch.rng._normal import scalar_normals
from jtorch.rng._uniform import fractions53

__all__ = ["cauchy", "exponential", "geometric", "log_normal"]

_DOUBT = 2.0**-50  # more than NumPy's functions are off by, relative to their value


def exponential(
    engine: MT19937,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    lambd: float = 1.0,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw exponential numbers, -log(1 - u) / ``lambd`` (``exponential_``).

    Args:
        engine: source of the words.
        shape: of the target.
        dtype: floating.
        lambd: rate, above 0.
        strides: of the target in elements, ``None`` if contiguous.

    Returns:
        An array of ``shape`` whose memory order is the target's.

    Raises:
        RuntimeError: a rate of 0 or below, or another dtype.
    """
    if not lambd > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    n = numel(shape)
    if n == 0:
        return np.empty(tuple(shape), dtype)
    if dtype not in FLOATS:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a floating "
            f"point but you specified {scalar_type(dtype)}"
        )
    u = fractions53(engine, n)
    scale = -1.0 / lambd
    if dtype.itemsize == 8:
        return place(scale * _libm.log1p(-u), shape, strides)
    # NumPy's logarithm is fast, but an ulp or two off. The cast hides that, save where it is close to a tie.
    values = scale * np.log1p(-u)
    out = cast(values * (1 - _DOUBT), dtype)
    doubtful = np.flatnonzero(out != cast(values * (1 + _DOUBT), dtype))
    out[doubtful] = cast(scale * _libm.log1p(-u[doubtful]), dtype)
    return place(out, shape, strides)


def geometric(
    engine: MT19937,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    p: float,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw the number of the first success, ceil(log(u) / log(1 - ``p``)) (``geometric_``).

    Args:
        engine: source of the words.
        shape: of the target.
        dtype: floating, or one of uint8 and the signed integers.
        p: probability of success, inside (0, 1).
        strides: of the target in elements, ``None`` if contiguous.

    Returns:
        An array of ``shape`` whose memory order is the target's.

    Raises:
        NotImplementedError: other dtypes.
        RuntimeError: ``p`` outside of (0, 1).
    """
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    n = numel(shape)
    if n == 0:
        return np.empty(tuple(shape), dtype)
    if dtype not in FLOATS and dtype not in INTEGERS:
        raise not_implemented("geometric_cpu", dtype)
    values = np.ceil(_libm.log(fractions53(engine, n)) / math.log1p(-p))
    if dtype in INTEGERS:
        # What a register of 32 or 64 bits does not hold becomes its least number; narrow types keep the low
        # bits.
        bits = 64 if dtype.itemsize == 8 else 32
        least = -(2.0 ** (bits - 1))
        values = np.where(values < -least, values, least).astype(f"i{bits // 8}")
    return place(cast(values, dtype), shape, strides)


def cauchy(
    engine: MT19937,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    median: float = 0.0,
    sigma: float = 1.0,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw Cauchy numbers, ``median`` + ``sigma`` * tan(pi * (u - 1/2)) (``cauchy_``).

    Args:
        engine: source of the words.
        shape: of the target.
        dtype: floating.
        median: centre.
        sigma: half width at half maximum, above 0.
        strides: of the target in elements, ``None`` if contiguous.

    Returns:
        An array of ``shape`` whose memory order is the target's.

    Raises:
        RuntimeError: ``sigma`` 0 or below, or another dtype.
    """
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    if dtype not in FLOATS:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a floating "
            f"point but you specified {CPP_NAMES[dtype.name]}"
        )
    tangents = _libm.tan(math.pi * (fractions53(engine, numel(shape)) - 0.5))
    return place(cast(fma(tangents, float(sigma), float(median)), dtype), shape, strides)


def log_normal(
    engine: MT19937,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    mean: float = 1.0,
    std: float = 2.0,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw numbers whose logarithms are normal (``log_normal_``). Shares the cached normal with ``normal``.

    Args:
        engine: source of the words.
        shape: of the target.
        dtype: floating.
        mean: of the logarithm.
        std: of the logarithm, above 0.
        strides: of the target in elements, ``None`` if contiguous.

    Returns:
        An array of ``shape`` whose memory order is the target's.

    Raises:
        NotImplementedError: other dtypes.
        RuntimeError: ``std`` 0 or below.
    """
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    n = numel(shape)
    if n == 0:
        return np.empty(tuple(shape), dtype)
    if dtype not in FLOATS:
        raise not_implemented("log_normal_cpu", dtype)
    return place(cast(_libm.exp(scalar_normals(engine, n, mean, std)), dtype), shape, strides)
