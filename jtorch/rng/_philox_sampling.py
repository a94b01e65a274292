"""Samples that a counter-based generator has to make from several numbers each, on whole arrays at once.

Samplers that try until a proposal is accepted cannot know how many numbers they will take. So each element
has a subsequence of its own for each attempt, which ordinary draws never use: they leave the high word of the
subsequence 0, here it is the number of the attempt. A draw moves the offset by the same amount whatever it
meets, seed and offset stay operands, and the numbers do not depend on the device. PyTorch's CUDA kernels go
on in each thread's own subsequence, so for the same seed these numbers differ from CUDA's. ``multinomial``
without replacement takes CUDA's exponential numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.rng._philox import Number, counter_of, exponential, halves, philox, unit32, unit64, units

__all__ = ["binomial", "dirichlet", "multinomial", "poisson", "rrelu_slopes", "standard_gamma"]

_ATTEMPTS = 10_000  # every proposal is accepted with at least half of the probability
_FEW = 10  # expected events: below, the distribution is summed up from 0 on
_TERMS = 110  # of that sum; beyond, less than 1e-40 is left

_HALF_LOG_TURN = 0.5 * math.log(2 * math.pi)
#: log(k!) less Stirling's approximation, for k from 0 to 9.
_TAILS = np.array(
    [math.lgamma(k + 1) - (k + 0.5) * math.log(k + 1) + (k + 1) - _HALF_LOG_TURN for k in range(10)]
)

_Words = Sequence[jax.Array]


# -- attempts


class _Stream:
    """Numbers for each attempt of each element.

    Args:
        seed, offset: of the generator.
        n: number of elements.
    """

    def __init__(self, seed: Number, offset: Number, n: int) -> None:
        self.key, self.place = halves(seed), counter_of(offset)
        self.element = jnp.arange(n, dtype=jnp.uint32)

    def words(self, attempt: Any) -> list[jax.Array]:
        """Four words for each element; attempts count from 1."""
        counter = [jnp.broadcast_to(word, self.element.shape) for word in (*self.place, jnp.uint32(attempt))]
        return philox([*counter[:2], self.element, counter[2]], self.key)

    def aside(self) -> list[jax.Array]:
        """Four words for each element that :meth:`accepted` does not take."""
        return self.words(1)

    def accepted(
        self, propose: Callable[[_Words], tuple[jax.Array, jax.Array]], wanted: jax.Array, others: jax.Array
    ) -> jax.Array:
        """The first accepted proposal of each element.

        Args:
            propose: makes proposals of words, and says which are accepted.
            wanted: elements to find one for.
            others: values of all other elements.
        """

        def attempt(state: Any) -> Any:
            turn, left, values = state
            proposal, good = propose(self.words(turn))
            good &= left
            return turn + jnp.uint32(1), left & ~good, jnp.where(good, proposal, values)

        def unfinished(state: Any) -> Any:
            return jnp.any(state[1]) & (state[0] < _ATTEMPTS)

        return jax.lax.while_loop(unfinished, attempt, (jnp.uint32(2), wanted, others))[2]


def _counted(u: jax.Array, wanted: jax.Array, first: jax.Array, ratio: Callable[[Any], Any]) -> jax.Array:
    """Invert a distribution over 0, 1, 2, ...: the first count whose cumulative probability reaches ``u``.

    Args:
        u: uniform numbers.
        wanted: elements to do so for; the others get 0.
        first: probability of 0.
        ratio: of the probability of k to that of k - 1.
    """

    def step(state: Any) -> Any:
        k, p, total, count = state
        p = p * ratio(k)
        return k + 1, p, total + p, jnp.where(u > total, k, count)

    def unfinished(state: Any) -> Any:
        return jnp.any(u > state[2]) & (state[0] < _TERMS)

    u = jnp.where(wanted, u, 0)
    start = jnp.ones((), u.dtype), first, first, jnp.zeros_like(u)
    return jax.lax.while_loop(unfinished, step, start)[3]


def _flat(x: Any, shape: Sequence[int], real: Any) -> jax.Array:
    return jnp.broadcast_to(x, tuple(shape)).reshape(-1).astype(real)


# -- counts, in float64, which holds large ones


def poisson(seed: Number, offset: Number, shape: Sequence[int], dtype: Any, rate: Any) -> jax.Array:
    """Draw Poisson numbers: by inversion where few events are expected, else by transformed rejection.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4. A draw takes one call of the generator.
        shape: of the result.
        dtype: of the result, floating.
        rate: broadcasts to ``shape``; where it is negative or nan, so is the result nan.

    Reference: Hörmann, "The transformed rejection method for generating Poisson random variables", 1993
    """
    rate = _flat(rate, shape, jnp.float64)
    stream = _Stream(seed, offset, rate.size)
    allowed = (rate >= 0) & (rate < jnp.inf)
    few = allowed & (rate < _FEW)
    many = allowed & ~few
    low, high = jnp.where(few, rate, 0.0), jnp.where(many, rate, float(_FEW))
    count = _counted(unit64(*stream.aside()[:2]), few, jnp.exp(-low), lambda k: low / k)
    others = jnp.where(allowed, count, jnp.where(rate > 0, jnp.inf, jnp.nan))
    b = 0.931 + 2.53 * jnp.sqrt(high)
    a = -0.059 + 0.02483 * b
    log_rate, log_inverse_alpha = jnp.log(high), jnp.log(1.1239 + 1.1328 / (b - 3.4))
    v_r = 0.9277 - 3.6224 / (b - 2)

    def propose(words: _Words) -> tuple[jax.Array, jax.Array]:
        u, v = unit64(*words[:2]) - 0.5, unit64(*words[2:])
        us = 0.5 - jnp.abs(u)
        k = jnp.floor((2 * a / us + b) * u + high + 0.43)
        inside = (k >= 0) & ((us >= 0.013) | (v <= us))
        left = jnp.log(v) + log_inverse_alpha - jnp.log(a / (us * us) + b)
        log_k = jnp.log(jnp.maximum(k, 0) + 1)
        log_probability = k * (log_rate - log_k) - 0.5 * log_k + (k + 1 - high) - _HALF_LOG_TURN
        below = left <= log_probability - _stirling_tail(k)
        return k, ((us >= 0.07) & (v <= v_r)) | (inside & below)

    return stream.accepted(propose, many, others).reshape(tuple(shape)).astype(dtype)


def binomial(
    seed: Number, offset: Number, shape: Sequence[int], dtype: Any, count: Any, prob: Any
) -> jax.Array:
    """Draw numbers of successes: by inversion where few are expected, else by transformed rejection.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4. A draw takes one call of the generator.
        shape: of the result.
        dtype: of the result, floating.
        count: number of trials, broadcasts to ``shape``; 0 successes where it is not positive.
        prob: alike; 0 or ``count`` successes where it is outside of (0, 1).

    Reference: Hörmann, "The generation of binomial random variates", 1993
    """
    n, p = _flat(count, shape, jnp.float64), _flat(prob, shape, jnp.float64)
    stream = _Stream(seed, offset, n.size)
    usual = (n > 0) & (n < jnp.inf) & (p > 0) & (p < 1)
    settled = jnp.where((n <= 0) | (p <= 0), 0.0, jnp.where(p >= 1, n, jnp.nan))
    rare = jnp.where(p <= 0.5, p, 1 - p)
    few = usual & (n * rare < _FEW)
    many = usual & ~few
    trials, q = jnp.where(few, jnp.floor(n), 0.0), jnp.where(few, rare, 0.5)
    odds = q / (1 - q)
    found = _counted(
        unit64(*stream.aside()[:2]),
        few,
        jnp.exp(trials * jnp.log1p(-q)),
        lambda k: jnp.maximum(trials - k + 1, 0) / k * odds,
    )
    found = jnp.minimum(found, trials)  # of what rounding leaves above the last sum
    proposal = _binomial_proposals(jnp.where(many, n, 40.0), jnp.where(many, rare, 0.5))
    found = stream.accepted(proposal, many, found)
    found = jnp.where(p <= 0.5, found, n - found)
    return jnp.where(usual, found, settled).reshape(tuple(shape)).astype(dtype)


def _binomial_proposals(n: jax.Array, p: jax.Array) -> Callable[[_Words], tuple[jax.Array, jax.Array]]:
    std = jnp.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * std
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = n * p + 0.5
    v_r = 0.92 - 4.2 / b
    r = p / (1 - p)
    alpha = (2.83 + 5.1 / b) * std
    mode = jnp.floor((n + 1) * p)
    at_mode = (mode + 0.5) * jnp.log((mode + 1) / (r * (n - mode + 1)))
    at_mode += _stirling_tail(mode) + _stirling_tail(n - mode)

    def propose(words: _Words) -> tuple[jax.Array, jax.Array]:
        u, v = unit64(*words[:2]) - 0.5, unit64(*words[2:])
        us = 0.5 - jnp.abs(u)
        k = jnp.floor((2 * a / us + b) * u + c)
        inside = (k >= 0) & (k <= n)
        k = jnp.clip(k, 0, n)
        bound = at_mode + (n + 1) * jnp.log((n - mode + 1) / (n - k + 1))
        bound += (k + 0.5) * jnp.log(r * (n - k + 1) / (k + 1)) - _stirling_tail(k) - _stirling_tail(n - k)
        below = jnp.log(v * alpha / (a / (us * us) + b)) <= bound
        return k, inside & (((us >= 0.07) & (v <= v_r)) | below)

    return propose


def _stirling_tail(k: jax.Array) -> jax.Array:
    """log(k!) less Stirling's approximation."""
    exact = jnp.asarray(_TAILS)[jnp.clip(k, 0, len(_TAILS) - 1).astype(jnp.int32)]
    square = (k + 1) * (k + 1)
    series = (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)
    return jnp.where(k < len(_TAILS), exact, series)


# -- gamma


def standard_gamma(seed: Number, offset: Number, shape: Sequence[int], dtype: Any, alpha: Any) -> jax.Array:
    """Draw gamma numbers of scale 1.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4. A draw takes one call of the generator.
        shape: of the result.
        dtype: of the result; what is not float64 is made in float32.
        alpha: shape parameter, broadcasts to ``shape``; where it is negative or nan, so is the result nan.

    Returns:
        Numbers not below the dtype's least normal number.

    Reference: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000
    """
    real = jnp.float64 if jnp.dtype(dtype) == jnp.float64 else jnp.float32
    alpha = _flat(alpha, shape, real)
    stream = _Stream(seed, offset, alpha.size)
    wanted = (alpha > 0) & (alpha < jnp.inf)
    given = jnp.where(wanted, alpha, 1)
    # Below 1: a number for alpha + 1, times the power 1 / alpha of a uniform one.
    d = jnp.where(given < 1, given + 1, given) - 1 / 3
    c = 1 / jnp.sqrt(9 * d)

    def propose(words: _Words) -> tuple[jax.Array, jax.Array]:
        if real == jnp.float64:
            radius, angle, u = unit64(*words[:2]), unit32(words[2]).astype(real), unit32(words[3])
        else:
            radius, angle, u = (unit32(word) for word in words[:3])
        x = jnp.sqrt(-2 * jnp.log(radius)) * jnp.cos(2 * math.pi * angle)
        y = 1 + c * x
        v = jnp.maximum(y * y * y, jnp.finfo(real).tiny)
        return d * v, (y > 0) & (jnp.log(u) < 0.5 * x * x + d * (1 - v + jnp.log(v)))

    values = stream.accepted(propose, wanted, jnp.where(alpha >= 0, alpha, jnp.nan))
    first, second, *_ = stream.aside()
    u = unit64(first, second) if real == jnp.float64 else unit32(first)
    values = jnp.where(given < 1, values * u ** (1 / given), values).astype(dtype)
    return jnp.maximum(values, jnp.finfo(dtype).tiny).reshape(tuple(shape))


def dirichlet(seed: Number, offset: Number, shape: Sequence[int], dtype: Any, alpha: Any) -> jax.Array:
    """Draw vectors of positive numbers with sum 1: gamma numbers over their sum.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4. A draw takes one call of the generator.
        shape: of the result.
        dtype: of the result, floating.
        alpha: concentrations along the last dimension, of ``shape``.
    """
    values = standard_gamma(seed, offset, shape, jnp.float64, alpha)
    shares = (values / values.sum(-1, keepdims=True)).astype(dtype)
    return jnp.clip(shares, jnp.finfo(dtype).tiny, 1 - jnp.finfo(dtype).epsneg)


# -- categories


def multinomial(
    seed: Number,
    offset: Number,
    shape: Sequence[int],
    dtype: Any,
    weights: Any,
    replacement: bool = False,
) -> jax.Array:
    """Draw category numbers by weight.

    Without replacement, or for a single sample: with exponential numbers q, the categories of the largest
    weight / q; q takes what an exponential draw of the weights' size takes. Otherwise by inverting the
    cumulative weights, which takes what a float64 draw of ``shape`` takes.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4.
        shape: ``(samples,)`` or ``(rows, samples)``.
        dtype: of the result, an integer type.
        weights: shape ``(categories,)`` or ``(rows, categories)``, floating.
        replacement: whether a row may have a category twice.

    Returns:
        Numbers of categories; the dtype's least number all over a row whose weights are no distribution
        (negative, infinite or nan, or all 0).
    """
    samples = shape[-1]
    allowed = jnp.all((weights >= 0) & (weights < jnp.inf), -1, keepdims=True)
    allowed &= jnp.any(weights > 0, -1, keepdims=True)
    if not replacement or samples == 1:
        wide = jnp.float64 if weights.dtype == jnp.float64 else jnp.float32
        score = weights.astype(wide) / exponential(seed, offset, weights.shape, wide)
        found = jnp.argmax(score, -1, keepdims=True) if samples == 1 else jax.lax.top_k(score, samples)[1]
    else:
        u = units(seed, offset, shape, True)
        rows = u.reshape(-1, samples), _cumulative(weights).reshape(-1, weights.shape[-1])
        found = jax.vmap(lambda u, total: jnp.searchsorted(total, u))(*rows).reshape(tuple(shape))
    return jnp.where(allowed, found.astype(dtype), jnp.iinfo(dtype).min)


def _cumulative(weights: jax.Array) -> jax.Array:
    """Running sums over the total, rising, from the last positive weight on 1; equal where a weight is 0."""
    categories = weights.shape[-1]
    # Sums that are made in parallel may fall by a rounding.
    total = jax.lax.cummax(jnp.cumsum(weights.astype(jnp.float64), -1), axis=weights.ndim - 1)
    place = jnp.where(weights > 0, jnp.arange(categories), -1)
    before = jax.lax.cummax(place, axis=weights.ndim - 1)
    sums = jnp.take_along_axis(total, jnp.maximum(before, 0), -1) / total[..., -1:]
    last = place.max(-1, keepdims=True)
    return jnp.where(before < 0, 0.0, jnp.where(before == last, 1.0, sums))


# -- slopes


def rrelu_slopes(
    seed: Number,
    offset: Number,
    shape: Sequence[int],
    dtype: Any,
    input: Any,
    lower: Any,
    upper: Any,
) -> jax.Array:
    """The slopes of ``rrelu`` in training: uniform where ``input`` is not positive, 1 elsewhere.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4. A draw takes what a uniform one of ``shape`` takes.
        shape: of ``input`` and the result.
        dtype: of the result, float32 or float64.
        input: floating.
        lower: least slope.
        upper: largest slope.
    """
    u = units(seed, offset, shape, jnp.dtype(dtype) == jnp.float64)
    slope = u * (jnp.asarray(upper, dtype) - jnp.asarray(lower, dtype)) + jnp.asarray(lower, dtype)
    return jnp.where(input <= 0, slope, 1).astype(dtype)
