"""index_add and its relatives, take and put: against PyTorch."""

import numpy as np
import pytest

X = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 6.0]], np.float32)
SRC = np.array([[2.0, 3.0], [0.0, 7.0]], np.float32)
TWICE, ONCE = np.array([1, 1]), np.array([2, 0])
N, ZERO = np.array(3, np.float32), np.array(0)


@pytest.mark.filterwarnings("ignore:index_reduce\\(\\) is in beta")
@pytest.mark.parametrize("index", [TWICE, ONCE])
def test_slices_match_torch(compare, index):
    compare("index_select", X, 1, index)
    compare("index_add", X, 1, index, SRC)
    compare("index_add", X, 1, index, SRC, alpha=0.5)
    for reduce in ("prod", "mean", "amax", "amin"):
        compare("index_reduce", X, 1, index, SRC, reduce)
        compare("index_reduce", X, 1, index, SRC, reduce, include_self=False)


def test_writing_slices_matches_torch(compare):
    compare("index_add", X, 1, TWICE.astype(np.int32), SRC)
    compare("index_copy", X, 1, ONCE, SRC)
    compare("index_fill", X, 1, -ONCE, 2.5)
    compare("index_fill", X, 1, TWICE, N)
    compare("index_select", N, 0, ZERO)
    compare("index_add", N, 0, ZERO, N)
    compare("index_copy", X[0], 0, ZERO, N)


def test_flat_elements_match_torch(compare):
    compare("take", X, np.array([[0, -1], [2, 2]]))
    compare(".put", X, ONCE, SRC[0])
    compare(".put", X, TWICE, SRC[0], accumulate=True)


def test_errors_are_torchs(same_error):
    same_error("index_select", X, 1, ONCE[None])
    same_error("index_select", X, 1, ONCE.astype(np.int16))
    same_error("index_select", X, 1, ONCE + 5)
    same_error("index_select", X, 2, ONCE)
    same_error("index_add", X, 1, ONCE, X)
    same_error("index_add", X, 1, ONCE, SRC.astype(np.float64))
    same_error("index_add", X, 1, ONCE[None], SRC)
    same_error("index_add", X, 1, ONCE + 5, SRC)
    same_error("index_copy", X, 1, ONCE, X)
    same_error("index_copy", X, 1, ONCE.astype(np.int32), SRC)
    same_error("index_copy", X, 1, ONCE, SRC[0])
    same_error("index_copy", X, 1, ONCE + 5, SRC)
    same_error("index_fill", X, 1, ONCE.astype(np.int32), 1.0)
    same_error("index_fill", X, 1, ONCE, SRC[0])
    same_error("index_fill", X, 1, ONCE + 5, 1.0)
    same_error("index_reduce", X, 1, ONCE, SRC, "sum")
    same_error("index_reduce", X[0] > 1, 0, ONCE, SRC[0] > 1, "amax")
    same_error("take", X, ONCE + 9)
    same_error("take", X, ONCE.astype(np.int32))
    same_error(".put", X, ONCE, SRC)


def test_slices_of_nothing(compare, same_error):
    empty = np.zeros((2, 0), np.float32)
    compare("index_select", empty, 1, np.zeros(0, np.int64))
    compare("index_select", empty.T.copy(), 1, ZERO.reshape(1))
    same_error("index_select", empty, 1, ZERO.reshape(1))
    same_error("index_select", empty[0], 0, ZERO.reshape(1))
