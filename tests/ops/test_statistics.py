"""Spread, order statistics and modes."""

import math

import numpy as np
import pytest

import jtorch

NAN = float("nan")
X = np.array([[2.0, 1.0, 4.0, 0.5], [0.0, -3.0, 5.0, 8.0]], np.float32)
N = np.array([[2.0, NAN, 3.0, 1.0], [NAN, NAN, 1.0, NAN]], np.float32)
I = np.array([[1, 7, 7, 3], [-2, -2, 0, 0]], np.int64)  # noqa: E741


def test_spread_by_hand():
    x = jtorch.tensor([1.0, 2.0, 3.0, 4.0])
    assert x.var().item() == pytest.approx(5 / 3)
    assert x.var(correction=0).item() == x.var(False).item() == 1.25
    assert x.std(0, unbiased=False).item() == pytest.approx(math.sqrt(1.25))
    assert jtorch.tensor([1.0]).var().isnan().item()


def test_std_of_equal_values_has_gradient_0():
    x = jtorch.ones(3, requires_grad=True)
    x.std().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_median_is_the_lower_one():
    assert jtorch.tensor([4.0, 1.0, 3.0, 2.0]).median().item() == 2.0
    assert jtorch.tensor([4.0, NAN, 3.0]).median().isnan().item()
    assert jtorch.tensor([4.0, NAN, 3.0]).nanmedian().item() == 3.0


def test_mode_is_the_smallest_of_the_most_frequent():
    values, indices = jtorch.tensor([3, 1, 3, 1, 2]).mode()
    assert (values.item(), indices.item()) == (1, 3)


@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean"])
def test_spread_matches_torch(compare, name):
    compare(name, X)
    compare(name, X, 1)
    compare(name, X, (0, 1), keepdim=True, correction=0)
    compare(name, X, 0, unbiased=False)
    compare(name, X, dim=1, correction=1.5)
    compare(name, (X + 1j * X[::-1]).astype(np.complex64), 1)


@pytest.mark.parametrize("name", ["median", "nanmedian"])
def test_medians_match_torch(compare, name):
    for x in (X, N):
        compare(name, x)
        compare(name, x, 1)
    compare(name, X, 0, True)
    compare(name, np.array([5, 1, 3]), grad=False)


def test_order_statistics_match_torch(compare):
    for k in (1, 3):
        compare("kthvalue", X, k)
        compare("kthvalue", N[:1], k, 1, True)
    compare("mode", I, grad=False)
    compare("mode", X, 1, True)
    nan = float("nan")
    compare("mode", np.array([[1, nan, nan, 2], [nan, nan, nan, nan], [nan, 3, 3, nan]], np.float32), 1)


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_match_torch(compare, name, interpolation):
    compare(name, X, 0.3, interpolation=interpolation)
    q = np.array([0.0, 0.45, 1.0], np.float32)
    compare(name, X, q, dim=1, interpolation=interpolation, grad=interpolation == "linear")
    compare(name, N, 0.6, dim=1, keepdim=True, interpolation=interpolation, grad=False)


def test_errors_are_torchs(same_error):
    same_error("var", I)
    same_error("std_mean", I)
    same_error("median", I > 0)
    same_error("kthvalue", X, 9)
    same_error("quantile", I, 0.5)
    same_error("quantile", X, 1.5)
    same_error("quantile", X, np.array([0.5]))
    same_error("quantile", X, 0.5, interpolation="cubic")
    same_error("quantile", X[:0], 0.5)
