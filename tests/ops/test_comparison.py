"""Comparisons and tests of single values."""

import numpy as np
import pytest

import jtorch

INF, NAN = float("inf"), float("nan")
X = np.array([1.0, -2.0, 0.0, -0.0, INF, -INF, NAN], np.float32)
C = np.array([1 + 2j, 1, complex(0, INF), complex(NAN, 1)], np.complex64)


def test_operators_give_booleans():
    x = jtorch.tensor([1, 2, 3])
    assert (x > 2).tolist() == [False, False, True]
    assert (2 >= x).tolist() == [True, True, False]  # noqa: SIM300
    assert (x == 2.5).dtype == jtorch.bool


def test_closeness():
    x = jtorch.tensor([1.0, INF, NAN])
    assert jtorch.isclose(x, x).tolist() == [True, True, False]
    assert jtorch.isclose(x, x, equal_nan=True).all().item()
    assert jtorch.allclose(x[:2], x[:2] + 1e-9) is True
    assert jtorch.equal(x, x) is False  # nan
    assert jtorch.equal(x[:2], x[:1]) is False


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_match_torch(compare, name):
    compare(name, X, X[::-1].copy(), grad=False)
    compare(name, X, 0, grad=False)
    compare(name, np.array([1, 2], np.uint8), np.array([1.5], np.float32), grad=False)


@pytest.mark.parametrize(
    "name", ["isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "signbit", "logical_not"]
)
def test_tests_match_torch(compare, name):
    compare(name, X, grad=False)
    compare(name, np.array([1, -2, 0]), grad=False)
    if name not in ("isposinf", "isneginf", "signbit"):
        compare(name, C, grad=False)


def test_isclose_matches_torch(compare):
    compare("isclose", X, X + 1e-6, rtol=1e-3, grad=False)
    compare("isclose", np.array([1, 5]), np.array([2, 5]), atol=1.0, grad=False)
    compare("isclose", C, C, equal_nan=True, grad=False)


def test_errors_are_torchs(same_error):
    same_error("lt", C, C)
    same_error("isclose", X, X.astype(np.float64))
    same_error("isclose", X, X, rtol=-0.5)
    same_error("isposinf", C)
