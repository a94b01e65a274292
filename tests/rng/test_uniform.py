import ml_dtypes  # noqa: F401  (names bfloat16 to NumPy)
import numpy as np
import pytest

from jtorch import rng
from jtorch.rng._fma import fma

F4 = np.dtype(np.float32)


@pytest.mark.parametrize("exponent", range(-40, 41, 4))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_shortcuts_have_the_bits_of_the_fused_operation(exponent, sign):
    u = rng.uniform(rng.MT19937(exponent), (5000,), F4)
    low = float(np.float32(sign * 1.2345678 * 2.0**exponent))
    high = float(np.float32(low + 0.87654321))
    if high == low:
        high = float(np.nextafter(np.float32(low), np.float32(np.inf)))
    span = float(np.float32(high) - np.float32(low))
    expected = fma(u, span, low)
    expected[expected == np.float32(high)] = low
    assert np.array_equal(rng.uniform(rng.MT19937(exponent), (5000,), F4, low, high), expected)


def test_centred_intervals():
    u = rng.uniform(rng.MT19937(3), (5000,), F4)
    bound = float(np.float32(0.3))
    assert np.array_equal(rng.uniform(rng.MT19937(3), (5000,), F4, -bound, bound), fma(u, 2 * bound, -bound))


def test_16_bit_numbers_stay_below_the_upper_bound():
    # Rounding makes ones of the numbers next to 1; they become zeros.
    for dtype in ("float16", "bfloat16"):
        wide = rng.uniform(rng.MT19937(0), (100_000,), F4)
        narrow = rng.uniform(rng.MT19937(0), (100_000,), np.dtype(dtype))
        reached = wide.astype(dtype) == 1
        assert reached.any()
        assert np.all(narrow[reached] == 0)
        assert np.array_equal(narrow[~reached], wide.astype(dtype)[~reached])
