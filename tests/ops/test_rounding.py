"""Rounding and the parts of numbers."""

import numpy as np
import pytest

import jtorch

INF, NAN = float("inf"), float("nan")
X = np.array([-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.675, 1234.5678, INF, NAN], np.float32)
I = np.array([-7, 0, 1250], np.int64)  # noqa: E741


def test_halves_go_to_even():
    assert jtorch.tensor([0.5, 1.5, 2.5, -0.5]).round().tolist() == [0.0, 2.0, 2.0, -0.0]
    assert jtorch.tensor([1250.0, 1350.0]).round(decimals=-2).tolist() == [1200.0, 1400.0]


def test_frexp_takes_numbers_apart():
    mantissa, exponent = jtorch.frexp(jtorch.tensor([8.0, -0.75, 0.0]))
    assert mantissa.tolist() == [0.5, -0.75, 0.0]
    assert exponent.tolist() == [4, 0, 0]
    assert exponent.dtype == jtorch.int32


@pytest.mark.parametrize("name", ["ceil", "floor", "trunc", "round", "frac"])
def test_rounding_matches_torch(compare, name):
    compare(name, X)
    if name != "frac":
        compare(name, I, grad=False)


def test_parts_match_torch(compare):
    compare("frexp", X[:-2])
    compare("round", X, decimals=2)
    compare("copysign", X[:-2], np.array([[-1.0], [0.0], [-0.0]], np.float32))
    compare("copysign", I, -1, grad=False)
    compare("ldexp", X[:-2], np.array([3, -2] * 4, np.float32))
    compare("nextafter", X, np.zeros(1, np.float32), grad=False)
    compare("heaviside", X, np.array([0.25], np.float32), grad=False)


def test_errors_are_torchs(same_error):
    same_error("floor", np.ones(2, np.complex64))
    same_error("ceil", np.ones(2, bool))
    same_error("frac", I)
    same_error("frexp", I)
    same_error("heaviside", X, I)
