"""Samples of counter-based streams that take several numbers each: their distributions, and their edges."""

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtorch.rng import philox, philox_sampling

N = 40_000


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def drawn(name, shape, dtype, *parameters, offset=0, seed=11, **options):
    sampler = getattr(philox_sampling, name)
    call = jax.jit(lambda seed, offset, *given: sampler(seed, offset, shape, dtype, *given, **options))
    return np.asarray(call(np.uint64(seed), np.uint64(offset), *parameters))


def assert_mean_and_variance(x, mean, variance):
    """Within 5 standard errors, each column."""
    x = x.astype(np.float64)
    assert np.all(np.abs(x.mean(0) - mean) <= 5 * np.sqrt(variance / len(x)))
    deviations = (x - mean) ** 2
    assert np.all(np.abs(deviations.mean(0) - variance) <= 5 * deviations.std(0) / math.sqrt(len(x)))


def assert_frequencies(x, probabilities):
    """Chi squared at a level of about 1e-6; categories that are expected less than 10 times are joined."""
    counts = np.bincount(
        np.minimum(x.astype(int).reshape(-1), len(probabilities)), minlength=len(probabilities) + 1
    )
    expected = np.append(probabilities, max(0.0, 1 - np.sum(probabilities))) * x.size
    rare = expected < 10
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    freedom = len(counts) - 1
    assert np.sum((counts - expected) ** 2 / expected) < freedom + 6 * math.sqrt(2 * freedom) + 10


def assert_distributed(x, cdf):
    """Kolmogorov-Smirnov distance at a level of about 1e-6."""
    x = np.sort(x.astype(np.float64).reshape(-1))
    values, steps = cdf(x), np.arange(x.size + 1) / x.size
    assert max(np.max(np.abs(values - steps[1:])), np.max(np.abs(values - steps[:-1]))) < 2.7 / math.sqrt(
        x.size
    )


def test_poisson():
    # By inversion below 10, by rejection from 10 on.
    rates = np.array([0.0, 0.3, 4.0, 9.9, 10.0, 31.0, 1e4, 3e7])
    x = drawn("poisson", (N, 8), "float64", rates)
    assert np.array_equal(x, np.floor(x))
    assert_mean_and_variance(x, rates, rates)
    for column in (1, 2, 3, 4, 5):
        rate = rates[column]
        terms = [math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) for k in range(80)]
        assert_frequencies(x[:, column], terms)


def test_binomial():
    counts = np.array([1.0, 7, 40, 15, 40, 100, 1000, 1e8, 30])
    probs = np.array([0.3, 0.5, 0.01, 0.95, 0.4, 0.9, 0.02, 0.5, 0.66])
    x = drawn("binomial", (N, 9), "float64", counts, probs)
    assert np.array_equal(x, np.floor(x))
    assert np.all((x >= 0) & (x <= counts))
    assert_mean_and_variance(x, counts * probs, counts * probs * (1 - probs))
    for column in (0, 1, 2, 3, 4, 5, 8):
        n, p = int(counts[column]), probs[column]
        assert_frequencies(x[:, column], [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gamma(dtype):
    alphas = np.array([0.05, 0.5, 1.0, 3.0, 250.0], dtype)
    x = drawn("standard_gamma", (N, 5), dtype, alphas)
    assert x.dtype == dtype
    assert_mean_and_variance(x, alphas, alphas)
    for column, alpha in enumerate(alphas):
        assert_distributed(
            x[:, column], lambda v, a=alpha: np.asarray(jax.scipy.special.gammainc(float(a), v))
        )
    assert x.min() >= np.finfo(dtype).tiny


def test_dirichlet():
    alpha = np.array([0.2, 1.0, 3.0], np.float32)
    x = drawn("dirichlet", (N, 3), "float32", np.broadcast_to(alpha, (N, 3)))
    assert np.allclose(x.sum(1), 1, atol=1e-6)
    mean = alpha / 4.2
    assert_mean_and_variance(x, mean, mean * (1 - mean) / 5.2)  # the marginals are beta distributions
    # Concentrations whose gamma numbers are below the least float32.
    tiny = drawn("dirichlet", (1000, 2), "float32", np.full((1000, 2), 1e-2, np.float32))
    assert 0.4 < np.mean(tiny[:, 0] > 0.999) < 0.6


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_multinomial(dtype):
    weights = jnp.array([0.0, 1.0, 2.0, 0.0, 5.0, 0.0], dtype)
    probabilities = np.array([0, 1, 2, 0, 5, 0]) / 8
    x = drawn("multinomial", (N,), "int64", weights, replacement=True)
    assert_frequencies(x, probabilities)
    rows = jnp.broadcast_to(weights, (N // 4, 6))
    assert_frequencies(drawn("multinomial", (N // 4, 1), "int64", rows), probabilities)
    pairs = drawn("multinomial", (N // 4, 2), "int64", rows)
    assert np.all(pairs[:, 0] != pairs[:, 1])
    assert_frequencies(pairs[:, 0], probabilities)
    # By hand: category k comes second if another one, j, came first: p_j * p_k / (1 - p_j).
    second = [
        sum(q * p / (1 - q) for j, q in enumerate(probabilities) if j != k)
        for k, p in enumerate(probabilities)
    ]
    assert_frequencies(pairs[:, 1], second)
    several = drawn(
        "multinomial", (2, N), "int64", jnp.array([[1, 0, 0], [0, 3, 1]], dtype), replacement=True
    )
    assert not several[0].any()
    assert_frequencies(several[1], [0, 0.75, 0.25])


def test_multinomial_without_replacement_takes_exponential_numbers():
    weights = np.array([[1.0, 2.0, 3.0, 0.5]] * 5, np.float32)
    q = np.asarray(philox.exponential(3, 8, (5, 4), "float32"))
    expected = np.argsort(-weights / q, -1)[:, :3]
    assert np.array_equal(drawn("multinomial", (5, 3), "int64", weights, seed=3, offset=8), expected)


def test_rrelu():
    x = np.linspace(-1, 1, 2 * N, dtype=np.float32)
    slopes = drawn("rrelu_slopes", (2 * N,), "float32", x, 0.1, 0.4)
    assert np.all(slopes[x > 0] == 1)
    assert_distributed(slopes[x <= 0], lambda v: (v - 0.1) / 0.3)


def test_elements_and_draws_are_independent():
    seen = [drawn("poisson", (N,), "float32", np.float32(20), offset=4 * i) for i in range(3)]
    seen.append(drawn("poisson", (N,), "float32", np.float32(20), seed=12))
    standard = [(x - 20) / math.sqrt(20) for x in seen]
    for a, b in [*pairwise(standard), (standard[0][1:], standard[0][:-1])]:
        assert abs(np.mean(a * b)) < 5 / math.sqrt(N)
    assert np.array_equal(seen[0], drawn("poisson", (N,), "float32", np.float32(20)))


def test_edges():
    nan, inf = np.nan, np.inf
    assert np.array_equal(
        drawn("poisson", (4,), "float32", np.array([-1, nan, inf, 0.0])), [nan, nan, inf, 0], equal_nan=True
    )
    found = drawn(
        "binomial", (6,), "float32", np.array([0, -2, 5, 5, nan, 5]), np.array([0.5, 0.5, 0, 1, 0.5, nan])
    )
    assert np.array_equal(found, [0, 0, 0, 5, nan, nan], equal_nan=True)
    found = drawn("standard_gamma", (3,), "float64", np.array([nan, -1, 0]))
    assert np.array_equal(found, [nan, nan, np.finfo(float).tiny], equal_nan=True)
    least = np.iinfo(np.int64).min
    weights = np.array([[0, 0], [1, nan], [1, -1], [inf, 1], [0, 1]], np.float32)
    for replacement in (True, False):
        found = drawn("multinomial", (5, 2), "int64", weights, replacement=replacement)
        assert np.all(found[:4] == least)
        assert found[4, 0] == 1
    assert drawn("poisson", (0, 3), "float32", np.ones((1, 3))).shape == (0, 3)
