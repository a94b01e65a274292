from fractions import Fraction

import numpy as np
import pytest

from jtorch.rng._fma import fma


def nearest(value: Fraction, dtype) -> float:
    """The float nearest to an exact number: correct rounding is what the fused operation promises."""
    near = dtype(float(value))
    candidates = [near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf))]
    # Of two at the same distance, the one with an even last digit.
    return min(candidates, key=lambda x: (abs(Fraction(float(x)) - value), int(x.view(f"i{x.itemsize}")) & 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("factor", "summand"), [(0.8, -0.1), (1e-4, 1.0), (3.0, 1e-9), (1.0, 0.3), (0.02, 0.0), (1e-30, 1e-38)]
)
def test_fma_rounds_once(dtype, factor, summand):
    x = np.random.default_rng(0).standard_normal(500).astype(dtype)
    factor, summand = float(dtype(factor)), float(dtype(summand))
    exact = [Fraction(float(value)) * Fraction(factor) + Fraction(summand) for value in x]
    expected = np.array([nearest(value, dtype) for value in exact])
    result = fma(x, factor, summand)
    assert result.dtype == dtype
    assert np.array_equal(result, expected)


def test_sums_that_float64_rounds_to_a_tie():
    # x * factor + summand = 1 + 2**-23 + 2**-24 - 2**-70, just below a tie; float64 drops the last term.
    x = np.array([1 + 2.0**-23], np.float32)
    factor, summand = 2.0**-24 * (1 - 2.0**-23), 1 + 2.0**-23
    twice_rounded = np.float32(np.float64(x[0]) * factor + summand)
    assert twice_rounded == np.float32(1 + 2.0**-22)
    assert fma(x, factor, summand)[0] == np.float32(1 + 2.0**-23)


def test_negative_zero_becomes_zero():
    assert not np.signbit(fma(np.array([-0.0], np.float32), 2.0, 0.0))[0]
    assert not np.signbit(fma(np.array([-0.0]), 1.0, 0.0))[0]


def test_infinite_factors():
    assert fma(np.array([-1.0, 2.0]), float("inf"), 1.0).tolist() == [-np.inf, np.inf]
    assert fma(np.array([-1.0, 2.0], np.float32), float("inf"), 1.0).tolist() == [-np.inf, np.inf]
