"""Samplers that try until a proposal is accepted: Poisson, binomial, gamma and Dirichlet numbers.

How many words an element takes depends on the numbers drawn, so these go element by element. Uniforms are
float64 with two words each, normals the scalar ones with their cached partner; all arithmetic is float64
unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.rng._checks import FLOATS, cast, not_implemented, scalar_type
from jtorch.rng._layout import Array
from jtorch.rng._mt19937 import MT19937

__all__ = ["binomial", "check_rate", "dirichlet", "poisson", "standard_gamma"]


class _Numbers:
    """Single uniforms and normals; words are taken in batches and the engine is moved at the end."""

    def __init__(self, engine: MT19937) -> None:
        self._engine = engine
        self._values: list[float] = []
        self._next = 0

    def uniform(self) -> float:
        if self._next == len(self._values):
            self._take()
        self._next += 1
        return self._values[self._next - 1]

    def normal(self) -> float:
        cached = self._engine.cached_normal
        if cached is not None:
            self._engine.cached_normal = None
            return cached
        t = 2.0 * math.pi * self.uniform()
        r = math.sqrt(-2.0 * math.log1p(-self.uniform()))
        self._engine.cached_normal = r * math.sin(t)
        return r * math.cos(t)

    def _take(self) -> None:
        self.finish()
        batch, read = self._engine.unread()
        words = batch[read : read + min(batch.size - read, 1024) // 2 * 2].astype(np.uint64)
        bits = ((words[0::2] << np.uint64(32)) | words[1::2]) & np.uint64((1 << 53) - 1)
        self._values = (bits.astype(np.float64) * 2.0**-53).tolist()

    def finish(self) -> None:
        self._engine.words(2 * self._next)
        self._values, self._next = [], 0


def _elementwise(
    engine: MT19937, sample: Callable[..., float], dtype: np.dtype[Any], *parameters: Array
) -> Array:
    """``sample(numbers, *values)`` for each element, in index order."""
    arrays = np.broadcast_arrays(*parameters)
    lists = [array.astype(np.float64).reshape(-1).tolist() for array in arrays]
    with engine.lock:
        numbers = _Numbers(engine)
        values = [sample(numbers, *values) for values in zip(*lists, strict=True)]
        numbers.finish()
    return cast(np.array(values, np.float64), dtype).reshape(arrays[0].shape)


def _check_wide(kernel: str, dtype: np.dtype[Any]) -> None:
    if dtype not in (np.float32, np.float64):
        raise not_implemented(kernel, dtype)


# -- Poisson


def poisson(engine: MT19937, rate: Array) -> Array:
    """Draw Poisson numbers (``poisson``).

    Args:
        engine: source of the words.
        rate: floating, not negative.

    Returns:
        Shape and dtype of ``rate``.

    Raises:
        NotImplementedError: other dtypes.
        RuntimeError: a negative rate or nan.

    Reference: Hörmann, "The transformed rejection method for generating Poisson random variables", 1993
    """
    if rate.dtype not in FLOATS:
        raise not_implemented("poisson_cpu", rate.dtype)
    check_rate(rate)
    return _elementwise(engine, _poisson, rate.dtype, rate)


def check_rate(rate: Array) -> None:
    """Check the values of rates.

    Raises:
        RuntimeError: a negative rate or nan.
    """
    if not np.all(rate >= 0):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")


def _poisson(numbers: _Numbers, rate: float) -> float:
    if rate >= 10:
        return _poisson_by_rejection(numbers, rate)
    if rate == 0:
        return 0.0
    count, product, bound = 0, numbers.uniform(), math.exp(-rate)
    while product > bound:
        count += 1
        product *= numbers.uniform()
    return float(count)


def _poisson_by_rejection(numbers: _Numbers, rate: float) -> float:
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = numbers.uniform() - 0.5
        v = numbers.uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return float(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        left = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if left <= -rate + k * log_rate - math.lgamma(k + 1):
            return float(k)


# -- binomial


def binomial(engine: MT19937, count: Array, prob: Array) -> Array:
    """Draw the number of successes among ``count`` trials (``binomial``).

    Args:
        engine: source of the words.
        count: float32 or float64; 0 successes where it is not positive.
        prob: of the same dtype, with a shape that broadcasts; 0 or ``count`` successes where it is outside of
            (0, 1).

    Returns:
        The broadcast shape, dtype of ``count``.

    Raises:
        ValueError: a dtype that is not floating.
        RuntimeError: two dtypes.

    Reference: Hörmann, "The generation of binomial random variates", 1993
    """
    for name, array in (("count", count), ("prob", prob)):
        if array.dtype not in FLOATS:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {scalar_type(array.dtype)}"
            )
    _check_wide("binomial_cpu", count.dtype)
    if count.dtype != prob.dtype:
        raise RuntimeError(f"Found dtype {scalar_type(prob.dtype)} but expected {scalar_type(count.dtype)}")
    return _elementwise(engine, _binomial, count.dtype, count, prob)


def _binomial(numbers: _Numbers, count: float, prob: float) -> float:
    if count <= 0.0 or prob <= 0.0:
        return 0.0
    if prob >= 1.0:
        return count
    rare = prob if prob <= 0.5 else 1.0 - prob
    method = _binomial_by_rejection if count * rare >= 10.0 else _binomial_by_gaps
    successes = method(numbers, count, rare)
    return successes if prob <= 0.5 else count - successes


def _binomial_by_gaps(numbers: _Numbers, count: float, prob: float) -> float:
    """Add up the geometric waiting times until they exceed the number of trials."""
    trials, successes, log_failure = 0.0, 0, math.log1p(-prob)
    while True:
        trials += math.ceil(math.log(numbers.uniform()) / log_failure)
        if trials > count:
            return float(successes)
        successes += 1


def _binomial_by_rejection(numbers: _Numbers, count: float, prob: float) -> float:
    std = math.sqrt(count * prob * (1 - prob))
    b = 1.15 + 2.53 * std
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    c = count * prob + 0.5
    v_r = 0.92 - 4.2 / b
    r = prob / (1 - prob)
    alpha = (2.83 + 5.1 / b) * std
    mode = math.floor((count + 1) * prob)
    while True:
        u = numbers.uniform() - 0.5
        v = numbers.uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= v_r:
            return float(k)
        if k < 0 or k > count:
            continue
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (r * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(r * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return float(k)


def _stirling_tail(k: float) -> float:
    """log(k!) less Stirling's approximation."""
    if k < 10:
        n = int(k)
        return math.lgamma(n + 1) - ((n + 0.5) * math.log(n + 1) - (n + 1) + 0.5 * math.log(2 * math.pi))
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)


# -- gamma


def standard_gamma(engine: MT19937, alpha: Array) -> Array:
    """Draw gamma numbers of scale 1 (``_standard_gamma``).

    Args:
        engine: source of the words and of the cached normal.
        alpha: shape parameter, float32 or float64.

    Returns:
        Shape and dtype of ``alpha``; the dtype's least normal number at least.

    Raises:
        NotImplementedError: other dtypes.

    Reference: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000
    """
    _check_wide("gamma_cpu", alpha.dtype)
    real = alpha.dtype.type

    def sample(numbers: _Numbers, value: float) -> float:
        return _gamma(numbers, value, lambda x: float(real(x)))

    values = _elementwise(engine, sample, alpha.dtype, alpha)
    return np.maximum(values, np.finfo(alpha.dtype).tiny)


_THIRD, _SQUEEZE = float(np.float32(1.0) / np.float32(3.0)), float(np.float32(0.0331))


def _gamma(numbers: _Numbers, alpha: float, rounded: Callable[[float], float]) -> float:
    """One gamma number; what PyTorch computes in the dtype of alpha goes through ``rounded``."""
    scale = 1.0
    if alpha < 1.0:
        if alpha == 0.0:
            return 0.0
        scale = (1 - numbers.uniform()) ** rounded(1.0 / alpha)
        alpha = rounded(alpha + 1.0)
    d = rounded(alpha - _THIRD)
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = numbers.normal()
        y = 1.0 + c * x
        if y <= 0:
            continue
        v = y * y * y
        u = 1 - numbers.uniform()
        xx = x * x
        if u < 1.0 - _SQUEEZE * xx * xx or math.log(u) < 0.5 * xx + d * (1.0 - v + math.log(v)):
            return scale * d * v


def dirichlet(engine: MT19937, alpha: Array) -> Array:
    """Draw vectors of positive numbers with sum 1 (``_sample_dirichlet``): gamma numbers over their sum.

    Args:
        engine: source of the words and of the cached normal.
        alpha: concentrations along the last dimension, float32 or float64.

    Returns:
        Shape and dtype of ``alpha``.

    Raises:
        NotImplementedError: other dtypes.
    """
    _check_wide("dirichlet", alpha.dtype)
    values = standard_gamma(engine, alpha.astype(np.float64))
    shares = cast(values / values.sum(-1, keepdims=True), alpha.dtype)
    largest = np.nextafter(alpha.dtype.type(1), alpha.dtype.type(0))
    return np.clip(shares, np.finfo(alpha.dtype).tiny, largest)
