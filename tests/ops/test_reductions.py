"""Sums, means, products, truth and counts over dimensions."""

import numpy as np
import pytest

import jtorch

NAN = float("nan")
X = np.array([[1.5, -2.0, 0.0], [NAN, 4.0, 0.5]], np.float32)
Y = np.array([[[1.0, 2.0], [0.0, 3.0]], [[0.0, 0.0], [-1.0, 2.0]]], np.float32)
I = np.array([[1, 0, 3], [4, 5, -6]], np.int32)  # noqa: E741
EMPTY = np.zeros((2, 0), np.float32)


def test_integers_sum_in_int64():
    x = jtorch.tensor([100, 100], dtype=jtorch.uint8)
    assert x.sum().item() == 200
    assert (x + x + x).sum().item() == 88  # 300 modulo 256, twice
    assert x.sum().dtype == x.cumsum(0).dtype == x.prod().dtype == jtorch.int64
    assert jtorch.tensor([True, True]).sum().item() == 2


def test_sums_of_nothing():
    x = jtorch.zeros(2, 0)
    assert x.sum(1).tolist() == [0.0, 0.0]
    assert x.prod().item() == 1.0
    assert x.mean().isnan().item()
    assert x.all().item()
    assert not x.any().item()


def test_products_with_zeros_have_their_gradient():
    x = jtorch.tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0]], requires_grad=True)
    x.prod(1).sum().backward()
    assert x.grad.tolist() == [[0.0, 6.0, 0.0], [0.0, 0.0, 0.0]]  # by hand: the product of the others


@pytest.mark.parametrize("name", ["sum", "mean", "nansum", "nanmean"])
def test_reductions_match_torch(compare, name):
    for dim, keepdim in ((None, False), (0, False), (-1, True), ((0, 1), True), ([], False)):
        compare(name, X, dim, keepdim) if dim is not None else compare(name, X)
    compare(name, X, dtype="torch.float64")
    compare(name, EMPTY, 1)
    if name in ("sum", "nansum"):
        compare(name, I, 0, grad=False)
        compare(name, I, dtype="torch.float32", grad=False)


def test_products_match_torch(compare):
    compare("prod", Y)
    compare("prod", Y, 1)
    compare("prod", Y, -1, True, dtype="torch.float64")
    compare("prod", I, grad=False)
    compare("prod", (Y + 1j).astype(np.complex64), 2)


@pytest.mark.parametrize("name", ["all", "any", "count_nonzero"])
def test_truth_matches_torch(compare, name):
    for dim in (0, (0, 1), -1):
        compare(name, I, dim, grad=False)
    compare(name, X, grad=False)
    compare(name, I.astype(np.uint8), grad=False)
    if name != "count_nonzero":
        compare(name, I, 1, True, grad=False)
        compare(name, Y, dim=[], grad=False)


def test_half_precision_accumulates_in_float32(compare):
    x = np.full(4097, 0.1, np.float16)
    compare("sum", x, grad=False)
    compare("mean", x, grad=False)
    compare("cumsum", x[:64], 0, grad=False)


def test_zero_dimensions(compare):
    for dim in (None, 0, -1):
        compare("sum", np.array(3, np.float32), dim)


def test_errors_are_torchs(same_error):
    same_error("sum", X, 2)
    same_error("sum", X, (0, 0))
    same_error("mean", I)
    same_error("mean", X, dtype="torch.int64")
    same_error("nansum", X.astype(np.complex64))
    same_error("nanmean", I)
