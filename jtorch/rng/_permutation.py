"""Random permutations: PyTorch's shuffle, without a loop over the elements."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from jtorch.rng._checks import BFLOAT16, DIGITS, INTEGERS, cast, not_implemented, scalar_type
from jtorch.rng._layout import Array
from jtorch.rng._mt19937 import MT19937

__all__ = ["randperm"]

_TINY = 128  # below, a loop is faster than LAPACK
_SHORT = 700  # below, a loop is fast enough not to import LAPACK for it
_LAPACK = "scipy.linalg.lapack"
_LONG = 214748364  # from here on PyTorch shuffles inside out, with two words per element
_INT64 = np.dtype(np.int64)


def randperm(engine: MT19937, n: int, dtype: np.dtype[Any] = _INT64) -> Array:
    """A permutation of 0 to n - 1 (``randperm``).

    Step i exchanges element i with element i + word % (n - i), for i from 0 to n - 2.

    Args:
        engine: source of the words, n - 1 of them.
        n: number of elements.
        dtype: an integer or floating type that holds them exactly, or bfloat16.

    Returns:
        One dimension of ``n`` elements.

    Raises:
        NotImplementedError: other dtypes.
        RuntimeError: negative ``n``, or one too large for the dtype.
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    _check_dtype(n, dtype)
    if n >= _LONG:
        order = _inside_out(engine, n)
    else:
        short = n < _TINY or (n < _SHORT and _LAPACK not in sys.modules)
        order = (_shuffled if short else _exchanged)(engine.words(max(n - 1, 0)), n)
    return cast(order, dtype)


def _check_dtype(n: int, dtype: np.dtype[Any]) -> None:
    if dtype in (np.float16, np.float32, np.float64):
        digits = DIGITS[dtype]
        if n > (1 << digits) + 1:
            limit = "2049" if digits == 11 else f"2^{digits}+1"
            raise RuntimeError(f"n cannot be greater than {limit} for {scalar_type(dtype)} type.")
    elif dtype.kind in "iu" and n - 1 > np.iinfo(dtype).max:
        name = "int" if dtype == np.int32 else f"{dtype.name}_t"
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    elif dtype != BFLOAT16 and dtype not in INTEGERS:
        raise not_implemented("randperm", dtype)


def _shuffled(words: Array, n: int) -> Array:
    order = list(range(n))
    for i, word in enumerate(words.tolist()):
        j = i + word % (n - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def _exchanged(words: Array, n: int) -> Array:
    """The same by LAPACK, whose ``laswp`` exchanges row i with row target[i], one after the other."""
    from scipy.linalg.lapack import dlaswp  # noqa: PLC0415  (as slow to import as jtorch itself)

    target = np.arange(n - 1, dtype=np.int32)
    target += (words % np.arange(n, 1, -1, dtype=np.uint32)).view(np.int32)
    column = np.arange(n, dtype=np.float64).reshape(n, 1)
    order: Array = dlaswp(column, target, overwrite_a=1)[:, 0].astype(np.int64)
    return order


def _inside_out(engine: MT19937, n: int) -> Array:
    order = np.empty(n, np.int64)
    block = 1 << 20
    for start in range(0, n, block):
        stop = min(start + block, n)
        targets = engine.doublewords(stop - start) % np.arange(start + 1, stop + 1, dtype=np.uint64)
        for i, j in enumerate(targets.tolist(), start):
            order[i] = order[j] if j < i else i
            order[j] = i
    return order
