"""Normalizations of batches, layers, groups and instances, compared with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
MEAN, WEIGHT, BIAS = (RNG.normal(size=4).astype(np.float32) for _ in range(3))
VARIANCE = RNG.uniform(0.5, 2, 4).astype(np.float32)
SCALE = RNG.normal(size=(4, 5)).astype(np.float32)


def test_layer_norm_by_hand():
    # mean 2, variance 1
    out = jtorch.nn.functional.layer_norm(jtorch.tensor([1.0, 3.0]), (2,), eps=0.0)
    assert out.tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("name", "args", "options"),
    [
        ("batch_norm", (None, None), {"training": True, "weight": WEIGHT, "bias": BIAS}),
        ("instance_norm", (), {"weight": WEIGHT, "eps": 0.1}),
        ("layer_norm", ((4, 5), SCALE, SCALE[::-1].copy()), {}),
        ("group_norm", (2, WEIGHT, BIAS), {}),
        ("rms_norm", ((4, 5), SCALE), {}),
        ("local_response_norm", (3,), {"alpha": 0.5, "k": 2.0}),
        ("normalize", (), {"p": 3.0, "dim": -1}),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_normalizations_match_torch(compare, name, args, options):
    def wide(x):
        return x.astype(np.float64) if isinstance(x, np.ndarray) else x

    # Their gradients are small differences of large sums.
    options = {k: wide(x) for k, x in options.items()}
    compare(f"nn.functional.{name}", wide(X), *map(wide, args), **options)


def test_statistics_are_used_and_kept_as_torch(compare, torch):
    compare("nn.functional.batch_norm", X, MEAN, VARIANCE, WEIGHT, BIAS, grad=1)
    kept = []
    for library in (jtorch, torch):
        mean, variance = (library.from_numpy(x.copy()) for x in (MEAN, VARIANCE))
        library.nn.functional.batch_norm(library.from_numpy(X), mean, variance, training=True, momentum=0.3)
        kept += [mean.numpy(), variance.numpy()]
    np.testing.assert_allclose(kept[0], kept[2], rtol=1e-5)
    np.testing.assert_allclose(kept[1], kept[3], rtol=1e-5)


def test_native_forms_match_torch(compare):
    compare("native_batch_norm", X, WEIGHT, BIAS, None, None, True, 0.1, 1e-5, grad=False)
    compare("native_layer_norm", X, (5,), None, None, 1e-5, grad=False)
    compare("native_group_norm", X, WEIGHT, BIAS, 3, 4, 5, 2, 1e-5, grad=False)


def test_native_batch_norm_writes_out():
    out = tuple(jtorch.empty(0) for _ in range(3))
    x = jtorch.from_numpy(X)
    given = jtorch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5, out=out)
    assert all(g is o for g, o in zip(given, out, strict=True))
    np.testing.assert_allclose(out[1].numpy(), X.mean((0, 2)), rtol=1e-5, atol=1e-6)


def test_dtypes_of_parameters_are_checked_as_torch(same_error):
    wide, five = np.float64, np.ones(5, np.float32)
    functional = "nn.functional."
    same_error(functional + "batch_norm", X, MEAN.astype(wide), VARIANCE.astype(wide))
    same_error(functional + "batch_norm", X, MEAN, VARIANCE, WEIGHT, BIAS.astype(wide))
    same_error(functional + "layer_norm", X, (5,), five.astype(wide))
    same_error(functional + "layer_norm", X.astype(wide), (5,), five, five)
    same_error(functional + "group_norm", X.astype(wide), 2, WEIGHT)
    same_error(functional + "instance_norm", X, weight=WEIGHT.astype(wide))


def test_errors_are_torchs(same_error):
    functional = "nn.functional."
    same_error(functional + "batch_norm", X, MEAN[:3], VARIANCE)
    same_error(functional + "batch_norm", X, None, None)
    same_error(functional + "batch_norm", X[:1, :, :1].copy(), None, None, training=True)
    same_error(functional + "instance_norm", X[:, :, :1].copy())
    same_error(functional + "layer_norm", X, (4,))
    same_error(functional + "layer_norm", X, ())
    same_error(functional + "rms_norm", X, (3, 5))
    same_error(functional + "group_norm", X, 3)
    same_error(functional + "group_norm", X, 2, WEIGHT[:3])
    same_error(functional + "local_response_norm", X[0], 2)
    same_error(functional + "local_response_norm", X, 0)
