"""Pooling, unpooling and folds: values, positions, gradients and texts, compared with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
SIGNAL, IMAGE, VOLUME = (
    RNG.normal(size=s).astype(np.float32) for s in ((2, 3, 7), (2, 3, 5, 6), (1, 2, 4, 5, 4))
)


def test_pools_by_hand():
    x = jtorch.tensor([[[1.0, 5.0, 2.0, 4.0]]])
    values, places = jtorch.nn.functional.max_pool1d(x, 2, return_indices=True)
    assert (values.tolist(), places.tolist()) == ([[[5, 4]]], [[[1, 3]]])
    assert jtorch.nn.functional.max_unpool1d(values, places, 2).tolist() == [[[0, 5, 0, 4]]]
    assert jtorch.nn.functional.avg_pool1d(x, 2, 2).tolist() == [[[3, 3]]]


@pytest.mark.parametrize(
    ("name", "x", "args", "options"),
    [
        ("max_pool1d", SIGNAL, (3, 2, 1), {"return_indices": True}),
        ("max_pool2d", IMAGE, ((3, 2),), {"dilation": (1, 2), "ceil_mode": True, "return_indices": True}),
        ("max_pool3d", VOLUME, (2,), {"stride": 1}),
        ("avg_pool1d", SIGNAL, (3, 2, 1), {"count_include_pad": False}),
        ("avg_pool2d", IMAGE, (3, 2, 1), {"ceil_mode": True}),
        ("avg_pool3d", VOLUME, (2,), {"divisor_override": 3}),
        ("adaptive_avg_pool2d", IMAGE, ((2, None),), {}),
        ("adaptive_max_pool2d", IMAGE, ((3, 4),), {"return_indices": True}),
        ("lp_pool2d", np.abs(IMAGE), (2.0, 2), {}),
        ("lp_pool1d", SIGNAL, (float("inf"), 2), {}),
        ("lp_pool2d", IMAGE, (float("-inf"), (2, 1)), {}),
        ("lp_pool2d", np.arange(16).reshape(1, 4, 4), (2, 2), {"grad": False}),
        ("unfold", IMAGE, ((2, 3),), {"padding": 1, "dilation": 2}),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_pools_match_torch(compare, name, x, args, options):
    compare(f"nn.functional.{name}", x, *args, **options)


def test_ways_back_match_torch(compare):
    columns = RNG.normal(size=(2, 12, 20)).astype(np.float32)
    compare("nn.functional.fold", columns, (5, 6), 2)
    values, places = IMAGE[:, :, :2, :2].copy(), np.tile([[0, 3], [9, 14]], (2, 3, 1, 1))
    compare("nn.functional.max_unpool2d", values, places, 2, output_size=(5, 5))
    samples = RNG.uniform(size=(2, 3, 2)).astype(np.float32)
    compare("nn.functional.fractional_max_pool2d", IMAGE, 2, 3, _random_samples=samples, grad=1)


@pytest.mark.parametrize(("dims", "x"), [(1, SIGNAL), (2, IMAGE), (3, VOLUME)])
def test_errors_of_pools_are_torchs(same_error, dims, x):
    for kind in ("max", "avg"):
        name = f"nn.functional.{kind}_pool{dims}d"
        for args in ((0,), (9,), (2, -1), (2, 1, 2), (2, 1, -1), ((2,) * (dims + 1),)):
            same_error(name, x, *args)
        same_error(name, x[0, 0], 2)
        same_error(name, x > 0, 2)
    for kind in ("max", "avg"):
        name = f"nn.functional.adaptive_{kind}_pool{dims}d"
        same_error(name, x, -1)
        same_error(name, x, (2,) * (dims + 1))
        same_error(name, x, None)
        same_error(name, x[:, :, :0].copy(), 2)
    places = np.zeros(x.shape, np.int64)
    same_error(f"nn.functional.max_unpool{dims}d", x, places, 1, 2, 9)
    same_error(f"nn.functional.max_unpool{dims}d", x, places, 2, output_size=(1,) * dims)


def test_errors_of_folds_are_torchs(same_error):
    columns = np.ones((2, 12, 20), np.float32)
    same_error("nn.functional.fold", columns, (5, 6), 3)
    same_error("nn.functional.fold", columns[:, :, :19].copy(), (5, 6), 2)
    same_error("nn.functional.unfold", IMAGE, 9)
    same_error("nn.functional.unfold", IMAGE, 2, stride=0)
    same_error("nn.functional.max_unpool2d", IMAGE, np.zeros((2, 3, 5, 5), np.int64), 2)
