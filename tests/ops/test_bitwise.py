"""Logic, bits, and the functions that only integers have."""

import numpy as np
import pytest

import jtorch

I = np.array([12, -7, 0, 5], np.int64)  # noqa: E741
J = np.array([[10], [3], [-4]], np.int64)
M = np.array([True, False, True, False])


def test_operators_by_hand():
    x = jtorch.tensor([12, -7])
    assert (x & 10).tolist() == [8, 8]
    assert (x | 1).tolist() == [13, -7]
    assert (x ^ x).tolist() == [0, 0]
    assert (~x).tolist() == [-13, 6]
    assert (x << 2).tolist() == [48, -28]
    assert (x >> 1).tolist() == [6, -4]


def test_divisors_by_hand():
    assert jtorch.gcd(jtorch.tensor([12, -8, 0]), jtorch.tensor([18, 12, 5])).tolist() == [6, 4, 5]
    assert jtorch.lcm(jtorch.tensor([4, -6, 0]), jtorch.tensor([6, 4, 5])).tolist() == [12, 12, 0]


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"])
def test_integers_match_torch(compare, name):
    compare(name, I, J, grad=False)
    compare(name, I.astype(np.uint8), np.array([3, 200, 7, 1], np.uint8), grad=False)


@pytest.mark.parametrize("name", ["bitwise_left_shift", "bitwise_right_shift"])
def test_shifts_match_torch(compare, name):
    compare(name, I, np.array([[1], [3], [64], [-1]], np.int64), grad=False)
    compare(name, I.astype(np.int8), np.array([[1], [7], [8]], np.int8), grad=False)


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor", "bitwise_and"])
def test_truth_matches_torch(compare, name):
    compare(name, M, M[::-1].copy(), grad=False)
    if name.startswith("logical"):
        compare(name, I, np.array([0.5], np.float32), grad=False)


def test_errors_are_torchs(same_error):
    same_error("bitwise_and", np.ones(2, np.float32), I[:2])
    same_error("bitwise_left_shift", M, M)
    same_error("gcd", M, M)
    same_error("logical_and", M, 2)
