"""Yes-or-no draws: Bernoulli samples, dropout masks and the slopes of a randomised rectifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch.rng._checks import FLOATS, INTEGERS, not_implemented
from jtorch.rng._layout import Array, flatten, numel, place
from jtorch.rng._mt19937 import MT19937
from jtorch.rng._uniform import fractions24, fractions53

__all__ = ["bernoulli", "dropout_mask", "rrelu_noise"]

_BLOCK = 1 << 14
_TARGETS = FLOATS | INTEGERS | {np.dtype(np.bool_)}


def bernoulli(
    engine: MT19937,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    p: float | Array = 0.5,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw ones with probability ``p`` and zeros otherwise (``bernoulli_``, ``bernoulli``).

    Args:
        engine: source of the words: two per element for a number ``p`` or a float64 array, otherwise one.
        shape: of the target.
        dtype: of the target.
        p: a number, or a floating array that broadcasts to ``shape``.
        strides: of the target in elements, ``None`` if contiguous.

    Returns:
        An array of ``shape`` whose memory order is the target's.

    Raises:
        NotImplementedError: a dtype of the target or of ``p`` that PyTorch's kernel lacks.
        RuntimeError: ``p`` outside of [0, 1].
    """
    if isinstance(p, np.ndarray):
        if numel(shape) == 0:  # checked by the kernel, which PyTorch does not start for nothing
            return np.empty(tuple(shape), dtype)
        return _bernoulli_by_element(engine, shape, dtype, p, strides)
    if not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    if dtype not in _TARGETS and numel(shape):
        raise not_implemented("bernoulli_scalar_cpu_", dtype)
    return place(_hits(engine, numel(shape), p).astype(dtype, copy=False), shape, strides)


def dropout_mask(
    engine: MT19937, shape: Sequence[int], p: float, strides: Sequence[int] | None = None
) -> Array:
    """Which elements dropout keeps: each one with probability 1 - ``p``, in two words.

    Args:
        engine: source of the words.
        shape: of the input, or of its channels.
        p: probability of dropping. PyTorch draws nothing for 0 and 1; leave the call out then.
        strides: of the noise in elements (the input's, if it is dense), ``None`` if contiguous.

    Returns:
        A boolean array of ``shape``. PyTorch's noise is this mask divided by 1 - ``p``.
    """
    return place(_hits(engine, numel(shape), 1.0 - p), shape, strides)


def rrelu_noise(engine: MT19937, input: Array, lower: float, upper: float) -> Array:
    """The slopes of ``rrelu`` in training: uniform where ``input`` is not positive, 1 elsewhere.

    Args:
        engine: source of the words, two for each element at or below 0.
        input: floating, visited in index order.
        lower: least slope.
        upper: largest slope.

    Returns:
        Slopes with the shape of ``input``, float64 for float64 and float32 otherwise. PyTorch multiplies by
        them before it rounds to a 16-bit dtype; its noise tensor has them rounded.

    Raises:
        NotImplementedError: a dtype that PyTorch's kernel lacks.
    """
    if input.dtype not in FLOATS or input.dtype == np.float16:
        raise not_implemented("rrelu_with_noise_out_cpu", input.dtype)
    real = np.float64 if input.dtype == np.float64 else np.float32
    least, span = float(real(lower)), float(real(upper)) - float(real(lower))
    noise = np.ones(input.shape, real)
    negative = input <= 0
    noise[negative] = fractions53(engine, int(np.count_nonzero(negative))) * span + least
    return noise


def _hits(engine: MT19937, n: int, p: float) -> Array:
    """u53 < p, compared as integers: 53 bits against p * 2**53, both moved up to the top of 64 bits."""
    hits = np.empty(n, np.bool_)
    bound = math.ceil(p * 2.0**53)
    with engine.lock:
        for start in range(0, n, _BLOCK):
            block = hits[start : start + _BLOCK]
            draws = engine.doublewords(block.size)
            if p >= 1.0:
                block[...] = True
            else:
                np.less(draws << np.uint64(11), np.uint64(bound << 11), out=block)
    return hits


def _bernoulli_by_element(
    engine: MT19937, shape: Sequence[int], dtype: np.dtype[Any], p: Array, strides: Sequence[int] | None
) -> Array:
    if dtype not in _TARGETS:
        raise not_implemented("bernoulli_tensor_cpu_self_", dtype)
    if p.dtype not in FLOATS:
        raise not_implemented("bernoulli_tensor_cpu_p_", p.dtype)
    if not np.all((p >= 0) & (p <= 1)):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be "
            "improved?  If so, please report an enhancement request to PyTorch.)"
        )
    n = numel(shape)
    if p.dtype == np.float64:
        u = fractions53(engine, n)
    else:
        u, p = fractions24(engine.words(n)), p.astype(np.float32)
    return place((u < flatten(p, shape, strides)).astype(dtype), shape, strides)
