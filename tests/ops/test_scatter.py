"""gather and scatter: values that meet, gradients of ties and zeros, texts, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

X = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 6.0]], np.float32)
SRC = np.array([[2.0, 2.0, 0.0], [5.0, 7.0, -1.0]], np.float32)
INDEX = np.array([[0, 0, 2], [1, 2, 1]])
N, ZERO = np.array(3, np.float32), np.array(0)


def test_scatter_by_hand():
    x = jtorch.zeros(3).scatter(0, jtorch.tensor([2, 0]), jtorch.tensor([1.0, 2.0]))
    assert x.tolist() == [2, 0, 1]
    assert jtorch.ones(2).scatter_add(0, jtorch.tensor([0, 0]), jtorch.ones(2)).tolist() == [3, 1]


def test_gather_matches_torch(compare):
    compare("gather", X, 1, INDEX)
    compare("gather", X, 0, INDEX[:1, :2] % 2)
    compare("gather", X, 1, INDEX.astype(np.int32))
    compare("gather", N, 0, ZERO)
    compare("gather", X, 0, np.zeros((0,), np.int64))
    compare("take_along_dim", X, INDEX, 1)
    compare("take_along_dim", X, INDEX[:, :1] - 1, 1)
    compare("take_along_dim", X, np.array([5, 4]))


@pytest.mark.filterwarnings("ignore:The reduce argument")
def test_scatter_matches_torch(compare):
    unique = np.array([[1, 0], [2, 1]])
    compare("scatter", X, 1, unique, SRC[:, :2].copy())
    compare("scatter", X, 1, unique, 2.5)
    compare("scatter", X, 1, INDEX, value=1.0)
    compare("scatter", X, 1, INDEX, SRC, reduce="add", grad=False)
    compare("scatter", X, 1, INDEX, 2.0, reduce="multiply", grad=False)
    compare("scatter", N, 0, ZERO, N)
    compare("scatter_add", X, 1, INDEX, SRC)
    compare("scatter_add", X > 1, 1, INDEX, SRC > 1, grad=False)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_scatter_reduce_matches_torch(compare, reduce, include_self):
    compare("scatter_reduce", X, 1, INDEX, SRC, reduce, include_self=include_self)
    integers = X.astype(np.int64), 1, INDEX, SRC.astype(np.int64)
    compare("scatter_reduce", *integers, reduce, include_self=include_self, grad=False)


@pytest.mark.filterwarnings("ignore:Using backward")
def test_second_derivatives():
    x = jtorch.tensor([2.0, 3.0], dtype=jtorch.float64, requires_grad=True)
    y = jtorch.tensor([4.0, 5.0], dtype=jtorch.float64, requires_grad=True)
    out = x.scatter_reduce(0, jtorch.tensor([0, 0]), y, "prod")
    out[0].backward(create_graph=True)
    g, x.grad = y.grad, None
    assert g.tolist() == [10, 8]  # the products of the others
    g[0].backward()
    assert x.grad.tolist() == [5, 0]


def test_errors_are_torchs(same_error):
    same_error("gather", X, 2, INDEX)
    same_error("gather", X, 1, INDEX[0])
    same_error("gather", X, 0, np.zeros((2, 4), np.int64))
    same_error("gather", X, 1, INDEX.astype(np.int16))
    same_error("gather", X, 1, INDEX + 5)
    same_error("scatter", X, 1, INDEX, SRC[:, :2])
    same_error("scatter", X, 1, INDEX, SRC.astype(np.float64))
    same_error("scatter", X, 1, INDEX, 2j)
    same_error("scatter", X, 1, INDEX, SRC, reduce="mean")
    same_error("scatter", X, 1, INDEX + 9, 1.0)
    same_error("scatter_add", X, 1, INDEX[0], SRC)
    same_error("scatter_reduce", X, 1, INDEX, SRC, "bad")
    same_error("scatter_reduce", X > 1, 1, INDEX, SRC > 1, "mean")
    same_error("take_along_dim", X, INDEX[0], 1)


def test_errors_of_take_along_dim(same_error):
    same_error("take_along_dim", N, ZERO, 0)
    same_error("take_along_dim", X, INDEX.astype(np.int32), 1)
    same_error("take_along_dim", X, INDEX.astype(np.float32), 4)
