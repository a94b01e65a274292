"""Sorting: order of equal values and nan, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

INF, NAN = float("inf"), float("nan")
X = np.array([[3.0, NAN, -1.0, INF, 0.5], [2.0, 7.0, -INF, 1.0, -2.0]], np.float32)
I = np.array([[5, 1, 5, 0], [2, 2, 9, -4]], np.int64)  # noqa: E741


def test_equal_values_keep_their_order_both_ways():
    x = jtorch.tensor([1, 0, 1, 0, 1])
    assert x.argsort().tolist() == [1, 3, 0, 2, 4]
    assert x.argsort(descending=True).tolist() == [0, 2, 4, 1, 3]


def test_nan_is_largest():
    x = jtorch.tensor([NAN, 1.0, INF])
    assert x.sort().indices.tolist() == [1, 2, 0]
    assert x.topk(2).indices.tolist() == [0, 2]
    assert x.topk(3, largest=False).indices.tolist() == [1, 2, 0]


@pytest.mark.parametrize("descending", [False, True])
def test_sort_matches_torch(compare, descending):
    for dim in (0, -1):
        compare("sort", X, dim, descending)
    compare("sort", I, stable=True, descending=descending, grad=False)
    compare("argsort", I, stable=True, descending=descending, grad=False)
    compare("sort", I > 1, stable=True, descending=descending, grad=False)
    compare("sort", np.array(1, np.float32), 0, descending)


@pytest.mark.parametrize("largest", [False, True])
def test_topk_matches_torch(compare, largest):
    for k in (0, 2, 5):
        compare("topk", X, k, largest=largest)
    compare("topk", X, 1, 0, largest)
    compare("topk", np.array([4, 1, 3]), 2, largest=largest, grad=False)


def test_msort_matches_torch(compare):
    compare("msort", X)


def test_errors_are_torchs(same_error):
    same_error("sort", X.astype(np.complex64))
    same_error("sort", X, 2)
    same_error("topk", X, 6)
    same_error("topk", I > 1, 1)
    same_error("topk", X.astype(np.complex64), 1)
