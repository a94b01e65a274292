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


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int64", "uint64", "float16", "float32", "float64"]
)
def test_order_of_every_width(dtype):
    # Ranks are found on the bits of the values; NumPy's stable sort is the judge.
    limits = np.iinfo(dtype) if "int" in dtype else np.finfo("float16")
    x = np.array([[3, 0, 1, 3, 1, 0]]).astype(dtype)
    if dtype != "bool":
        x = np.concatenate([x, np.array([[limits.max, 0, limits.min, 1, 2, 2]], dtype)])
    if "float" in dtype:
        x = np.concatenate([x, np.array([[NAN, -0.0, 0.0, -INF, 6e-8, NAN]], dtype)])
    values, indices = jtorch.from_numpy(x).sort(1, stable=True)
    expected = np.argsort(x, 1, stable=True)
    np.testing.assert_array_equal(indices.numpy(), expected)
    np.testing.assert_array_equal(values.double().numpy(), np.take_along_axis(x, expected, 1).astype(float))


def test_large_rows_take_the_fast_paths(compare):
    x = np.linspace(-1, 1, 40_000, dtype=np.float32)[np.arange(40_000) * 7919 % 40_000].reshape(200, 200)
    x[5, 7] = NAN
    for name, *args in (
        ("max", 1),
        ("argmin", 0),
        ("argmax",),
        ("median", 1),
        ("kthvalue", 77),
        ("topk", 170),
    ):
        compare(name, x, *args, grad=False)
