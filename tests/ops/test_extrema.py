"""Largest and smallest values and where they are: ties, nan, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

NAN = float("nan")
X = np.array([[2.0, 1.0, 2.0], [0.0, -3.0, -3.0]], np.float32)
N = np.array([[2.0, NAN, 3.0], [NAN, NAN, 1.0]], np.float32)
I = np.array([[1, 7, 7], [-2, -2, 0]], np.int64)  # noqa: E741


def gradient(function):
    x = jtorch.tensor(X, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


def test_ties_share_or_not():
    assert gradient(lambda x: x.amax(1)) == [[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]
    assert gradient(lambda x: x.max()) == [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]
    assert gradient(lambda x: x.max(1).values) == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def test_named_result():
    values, indices = found = jtorch.tensor(X).max(dim=1)
    assert found.values is values
    assert indices.tolist() == [0, 0]
    assert indices.dtype == jtorch.int64


@pytest.mark.parametrize("name", ["amax", "amin"])
def test_amax_matches_torch(compare, name):
    for dim in ((), 0, (0, 1), -1):
        compare(name, X, dim)
    compare(name, X, 1, True)
    compare(name, N, 1, grad=False)
    compare(name, I, 0, grad=False)
    compare(name, I > 0, 1, grad=False)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_positions_match_torch(compare, name):
    grad = not name.startswith("arg")
    compare(name, X, grad=grad)
    for dim in (0, -1):
        compare(name, X, dim, grad=grad)
    compare(name, X, 1, True, grad=grad)
    compare(name, N, 1, grad=grad)
    compare(name, I, 1, grad=False)
    compare(name, np.array(3, np.float32), 0, grad=grad)


def test_others_match_torch(compare):
    compare("max", X, X[::-1].copy())
    compare("argmax", X, keepdim=True, grad=False)
    compare("aminmax", X)
    compare("aminmax", X, dim=1, keepdim=True)


def test_errors_are_torchs(same_error):
    empty = np.zeros((2, 0), np.float32)
    for name in ("max", "amax", "argmax", "aminmax"):
        same_error(name, empty)
        same_error(name, empty, dim=1)
        same_error(name, X, dim=2)
        same_error(name, X.astype(np.complex64))
    same_error("max", X.astype(np.complex64), 1)
    same_error("argmin", I > 0)


def test_nan_survives_in_large_arrays():
    # XLA's fused reductions on CPUs would drop it.
    x = np.linspace(0, 1, 40_000, dtype=np.float32).reshape(200, 200)
    x[5, 7] = NAN
    t = jtorch.from_numpy(x)
    for value in (t.max(), t.min(), t.amax(1)[5], t.amin(0)[7], t.max(1).values[5], t.aminmax().max):
        assert value.isnan().item()
    assert t.argmax().item() == 5 * 200 + 7
