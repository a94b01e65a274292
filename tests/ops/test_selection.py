"""Choosing between values: bounds, ties, nan, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

INF, NAN = float("inf"), float("nan")
A = np.array([[1.5, -2.0, 0.0, 7.0], [NAN, INF, -INF, 1.0]], np.float32)
B = np.array([1.5, 0.0, NAN, -1.0], np.float32)
I = np.array([[7, -7, 2, 0]], np.int64)  # noqa: E741
PAIRS = ["maximum", "minimum", "fmax", "fmin", "clamp_min", "clamp_max"]


def gradient(function, *data):
    tensors = [jtorch.tensor(d, requires_grad=True) for d in data]
    function(*tensors).sum().backward()
    return [t.grad.tolist() for t in tensors]


def test_ties_by_pytorchs_rules():
    x, y = [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]
    assert gradient(jtorch.maximum, x, y) == [[0.5, 0.0, 1.0], [0.5, 1.0, 0.0]]  # shared
    assert gradient(jtorch.fmax, x, y) == [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]  # the first one's
    assert gradient(jtorch.clamp_min, x, y) == [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_clamp_passes_the_gradient_on_its_bounds():
    x = jtorch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0], requires_grad=True)
    y = x.clamp(0, 1)
    y.sum().backward()
    assert y.tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_clamp_of_crossed_bounds_is_the_upper_one():
    assert jtorch.tensor([1.0, 5.0]).clamp(3, 2).tolist() == [2.0, 2.0]


def test_where_cuts_off_the_other_branch():
    x = jtorch.tensor([0.0, 4.0], requires_grad=True)
    jtorch.where(x > 0, x, 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]
    assert x.where(x > 1, -1).tolist() == [-1.0, 4.0]
    assert [t.tolist() for t in jtorch.where(x > 1)] == [[1]]


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_match_torch(compare, name):
    compare(name, A, B)
    compare(name, I, np.array([3], np.int32), grad=False)


@pytest.mark.parametrize(
    ("low", "high"), [(0, None), (None, 1.0), (-1, 1), (B, None), (B, A[:1] + 1)], ids=str
)
def test_clamp_matches_torch(compare, low, high):
    compare("clamp", A, low, high)
    if not isinstance(low, np.ndarray):
        compare("clamp", I, low, high, grad=False)


def test_where_and_nan_to_num_match_torch(compare):
    compare("where", A > 0, A, B)
    compare("where", A > 0, I, 1.5, grad=False)
    compare("where", A > 0, 1, 2j, grad=False)
    compare("nan_to_num", A)
    compare("nan_to_num", A, 1.0, 2.0, -2.0)
    compare("nan_to_num", (A + 1j).astype(np.complex64), grad=False)


def test_errors_are_torchs(same_error):
    same_error("clamp", A)
    same_error("clamp", A + 1j, 0)
    same_error("maximum", A + 1j, A + 1j)
    same_error("where", A, A, A)
    same_error("maximum", A, 2)
    same_error("where", A > 0, A, np.zeros((3, 3), np.float32))
