"""Cumulative functions and the trapezoidal rule."""

import numpy as np
import pytest

import jtorch

NAN = float("nan")
X = np.array([[1.0, 3.0, 2.0, 3.0], [0.5, 0.0, -1.0, 0.0]], np.float32)
I = np.array([[1, 2, 3], [4, 0, 6]], np.int32)  # noqa: E741
C = (X + 1j * X[::-1]).astype(np.complex64)


def test_running_extrema_report_the_last_position():
    values, indices = jtorch.tensor([1.0, 3.0, 2.0, 3.0]).cummax(0)
    assert values.tolist() == [1.0, 3.0, 3.0, 3.0]
    assert indices.tolist() == [0, 1, 1, 3]
    assert jtorch.tensor([1.0, NAN, 2.0, NAN]).cummin(0).indices.tolist() == [0, 1, 1, 3]


def test_trapezoids_by_hand():
    y = jtorch.tensor([1.0, 5.0, 10.0])
    assert jtorch.trapezoid(y).item() == 10.5
    assert jtorch.trapezoid(y, dx=2).item() == 21.0
    assert jtorch.trapezoid(y, jtorch.tensor([1.0, 3.0, 6.0])).item() == 28.5
    assert jtorch.cumulative_trapezoid(y).tolist() == [3.0, 10.5]


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"])
def test_scans_match_torch(compare, name):
    for dim in (0, -1):
        compare(name, X, dim)
    if name in ("cumsum", "cumprod"):
        compare(name, I, 1, grad=False)
        compare(name, X, 1, dtype="torch.float64")
    if not name.startswith("cumm"):
        compare(name, C, 1)
    compare(name, np.zeros((2, 0), np.float32), 1)
    compare(name, np.array(2, np.float32), 0)


def test_trapezoids_match_torch(compare):
    for name in ("trapezoid", "cumulative_trapezoid"):
        compare(name, X, dim=0)
        compare(name, X, X[0] + 1)
        compare(name, I, dx=3, grad=False)
    compare("trapezoid", X, X[::-1].copy())


def test_errors_are_torchs(same_error):
    same_error("cumsum", X, 2)
    same_error("logcumsumexp", I, 0)
    same_error("cummax", C, 0)
    same_error("cummax", np.array(2, np.float32), 1)
    same_error("trapezoid", X, X[0, :2])
