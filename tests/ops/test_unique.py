"""Distinct values and runs."""

import numpy as np
import pytest

import jtorch

I = np.array([[3, 1, 1], [3, 1, 1], [0, 2, 2]], np.int64)  # noqa: E741
X = np.array([2.0, float("nan"), 2.0, float("nan"), -1.0], np.float32)


def test_inverse_rebuilds_the_input():
    x = jtorch.tensor(I)
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values[inverse].tolist() == x.tolist()
    assert counts.tolist() == [1, 4, 2, 2]
    assert jtorch.tensor([1, 1, 2, 1]).unique_consecutive().tolist() == [1, 2, 1]


@pytest.mark.parametrize("name", ["unique", "unique_consecutive"])
def test_unique_matches_torch(compare, name):
    for dim in (None, 0, 1):
        compare(name, I, return_inverse=True, return_counts=True, dim=dim, grad=False)
    compare(name, X, return_inverse=True, return_counts=True, grad=False)
    compare(name, I[:0], grad=False)
    compare(name, np.array(2, np.float32), return_counts=True, grad=False)


def test_errors_are_torchs(same_error):
    same_error("unique", X.astype(np.complex64))
    same_error("unique", I[:0], dim=1)
