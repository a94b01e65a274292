"""Places in sorted sequences, in sets, and of values that are not 0."""

import numpy as np
import pytest

import jtorch

X = np.array([[3.0, 0.0, -1.0], [0.0, 5.0, 2.0]], np.float32)
EDGES = np.array([0.0, 2.0, 4.0], np.float32)


def test_sides_of_equal_values():
    edges = jtorch.tensor([1, 3, 5, 7, 9])
    x = jtorch.tensor([3, 6, 9])
    assert jtorch.searchsorted(edges, x).tolist() == [1, 3, 4]
    assert jtorch.searchsorted(edges, x, right=True).tolist() == [2, 3, 5]
    assert jtorch.bucketize(x, edges).tolist() == [1, 3, 4]


def test_nonzero_in_both_forms():
    x = jtorch.tensor([[0, 1], [2, 0]])
    assert x.nonzero().tolist() == [[0, 1], [1, 0]]
    assert [t.tolist() for t in jtorch.nonzero(x, as_tuple=True)] == [[0, 1], [1, 0]]
    assert jtorch.nonzero_static(x, size=3).tolist() == [[0, 1], [1, 0], [-1, -1]]


@pytest.mark.parametrize("right", [False, True])
def test_places_match_torch(compare, right):
    compare("searchsorted", EDGES, X, right=right, grad=False)
    compare("searchsorted", np.sort(X, 1), X, right=right, out_int32=True, grad=False)
    compare("searchsorted", EDGES, 2.0, right=right, grad=False)
    compare("searchsorted", EDGES[::-1].copy(), X, sorter=np.array([2, 1, 0]), right=right, grad=False)
    compare("bucketize", X, EDGES, right=right, grad=False)
    compare("bucketize", 3, EDGES, right=right, grad=False)


def test_sets_match_torch(compare):
    compare("isin", X, EDGES, grad=False)
    compare("isin", X, 5.0, invert=True, grad=False)
    compare("isin", 2, np.array([1, 2]), grad=False)


def test_nonzero_matches_torch(compare):
    for x in (X, X[0], np.array(2, np.float32), np.zeros((0, 3), np.float32)):
        compare("nonzero", x, grad=False)
        compare("argwhere", x, grad=False)
        compare("nonzero", x, as_tuple=True, grad=False)
        compare("nonzero_static", x, size=3, grad=False)


def test_errors_are_torchs(same_error):
    same_error("searchsorted", X, X[:1])
    same_error("searchsorted", X, 1.0)
    same_error("searchsorted", EDGES, X, side="middle")
    same_error("searchsorted", EDGES, X, side="left", right=True)
    same_error("bucketize", X, X)
    same_error("isin", X > 0, X > 0)
