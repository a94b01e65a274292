"""Elementwise functions with the bits of the C library, which PyTorch's scalar kernels call.

Python's ``math`` calls the same library. NumPy has vector code of its own for many functions, off by an ulp
here and there; where a vectorised function does give the library's bits on this machine (tried once), it is
used.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from jtorch.rng._layout import Array

__all__ = ["cos", "exp", "log", "log1p", "sin", "tan"]

_SMALL = 256  # below, a loop is as fast, and nothing needs to be tried


def _loop(function: Callable[[float], float], x: Array) -> Array:
    return np.fromiter(map(function, x.tolist()), np.float64, x.size)


@functools.cache
def _has_same_bits(
    vectorised: Callable[[Array], Array], function: Callable[[float], float], end: float
) -> bool:
    # A function that differs from the library does so for one value in some hundred.
    x = np.random.default_rng(0).random(1 << 13) * end
    return bool(np.array_equal(vectorised(x), _loop(function, x)))


def _libm(
    vectorised: Callable[[Array], Array], function: Callable[[float], float], end: float
) -> Callable[[Array], Array]:
    def call(x: Array) -> Array:
        if x.size < _SMALL or not _has_same_bits(vectorised, function, end):
            return _loop(function, x)
        return vectorised(x)

    call.__doc__ = f"``math.{function.__name__}`` of each element of a float64 array with one dimension."
    return call


def _log(x: Array) -> Array:
    from scipy import special  # noqa: PLC0415  (a tenth of a second that an import of jtorch need not take)

    result: Array = special.xlogy(1.0, x)  # SciPy calls the library here
    return result


log = _libm(_log, math.log, 1.0)
cos = _libm(np.cos, math.cos, 2 * math.pi)
sin = _libm(np.sin, math.sin, 2 * math.pi)


def log1p(x: Array) -> Array:
    """``math.log1p`` of each element of a float64 array with one dimension."""
    return _loop(math.log1p, x)


def tan(x: Array) -> Array:
    """``math.tan`` of each element of a float64 array with one dimension."""
    return _loop(math.tan, x)


def exp(x: Array) -> Array:
    """``math.exp`` of each element of a float64 array with one dimension; infinity where that overflows."""
    return _loop(_exp, x)


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf
