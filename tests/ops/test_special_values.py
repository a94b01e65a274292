"""Nan and infinities survive whatever XLA fuses an operation with.

XLA hands reductions on CPUs, with what is fused with them, to a library whose maximum and minimum lose nan,
and makes a choice of a product with a converted boolean, which turns nan times 0 into 0. The arrays here are
large enough for both. References are NumPy's.
"""

import numpy as np
import pytest

import jtorch

NUMBERS = np.random.default_rng(0).standard_normal((256, 512)).astype(np.float32)
NUMBERS[np.random.default_rng(1).random(NUMBERS.shape) < 0.001] = np.nan
NUMBERS[3, 5], NUMBERS[9, 100] = np.inf, -np.inf

BOUNDED = {
    "clamp": (lambda x: x.clamp(-1, 1), lambda x: np.clip(x, -1, 1)),
    "clamp_min": (lambda x: x.clamp(min=0), lambda x: np.maximum(x, 0)),
    "clamp_max": (lambda x: x.clamp_max(1), lambda x: np.minimum(x, 1)),
    "clamp with a tensor": (lambda x: x.clamp(x * 0.5), lambda x: np.maximum(x, x * np.float32(0.5))),
    "maximum": (lambda x: jtorch.maximum(jtorch.zeros(()), x), lambda x: np.maximum(0, x)),
    "minimum": (lambda x: jtorch.minimum(x, x.flip(1)), lambda x: np.minimum(x, x[:, ::-1])),
    "relu": (jtorch.relu, lambda x: np.maximum(x, 0)),
    "relu6": (jtorch.nn.functional.relu6, lambda x: np.clip(x, 0, 6)),
}
REDUCED = {
    "sum": (lambda x: x.sum(1), lambda x: x.sum(1)),
    "sum of columns": (lambda x: x.sum(0), lambda x: x.sum(0)),
    "mean": (jtorch.Tensor.mean, lambda x: x.mean()),
    "amax": (lambda x: x.amax(1), lambda x: x.max(1)),
    "largest norm": (
        lambda x: jtorch.linalg.vector_norm(x, float("inf"), 0),
        lambda x: np.abs(x).max(0),
    ),
}


@pytest.mark.parametrize("reduce", REDUCED)
@pytest.mark.parametrize("bound", BOUNDED)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_bounds_before_a_reduction_keep_nan(bound, reduce):
    (mine, theirs), (total, plain) = BOUNDED[bound], REDUCED[reduce]
    found = total(mine(jtorch.from_numpy(NUMBERS))).numpy()
    expected = plain(theirs(NUMBERS))
    assert np.isnan(expected).any()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bound", BOUNDED)
def test_bounds_after_a_reduction_keep_nan(bound):
    mine, theirs = BOUNDED[bound]
    x = jtorch.from_numpy(NUMBERS)
    found = mine((x * x).sum(1)[:, None] + (x * x).sum(1)[None, :64] - 2 * (x @ x[:64].T)).isnan()
    with np.errstate(invalid="ignore"):
        squares = (NUMBERS * NUMBERS).sum(1)
        distances = squares[:, None] + squares[None, :64] - 2 * (NUMBERS @ NUMBERS[:64].T)
    expected = np.isnan(theirs(distances))
    assert expected.any()
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("order", [1, -1, float("inf"), -float("inf")])
def test_matrix_norms_keep_nan(order):
    x = NUMBERS.reshape(8, 32, 512)
    found = jtorch.linalg.matrix_norm(jtorch.from_numpy(x), order).numpy()
    sums = np.abs(x).sum(1 if abs(order) == 1 else 2)
    np.testing.assert_allclose(found, sums.max(1) if order > 0 else sums.min(1), rtol=1e-5)


def test_distances_keep_nan():
    x = jtorch.from_numpy(NUMBERS[:64])
    missing = np.isnan(NUMBERS[:64]).any(1)
    pairs = missing[:, None] | missing[None]
    for p in (1.0, 2.0, float("inf")):
        found = jtorch.pdist(x, p).isnan().numpy()
        assert (found >= pairs[np.triu_indices(64, 1)]).all()
    assert (jtorch.cdist(x, x).isnan().numpy() >= pairs).all()
    normal = jtorch.nn.functional.normalize(x, p=float("inf")).isnan().numpy()
    assert (normal >= missing[:, None]).all()


def test_clipped_gradients_are_nan_where_their_norm_is():
    for p in (2.0, float("inf")):
        weights = [jtorch.nn.Parameter(jtorch.zeros(256, 512)), jtorch.nn.Parameter(jtorch.zeros(3))]
        weights[0].grad, weights[1].grad = jtorch.from_numpy(NUMBERS), jtorch.ones(3)
        norm = jtorch.nn.utils.clip_grad_norm_(weights, 1.0, p)
        assert norm.isnan()
        assert weights[1].grad.isnan().all()
        with pytest.raises(RuntimeError, match="is non-finite, so it cannot be clipped"):
            jtorch.nn.utils.clip_grad_norm_(weights, 1.0, p, error_if_nonfinite=True)


@pytest.mark.parametrize(
    "masked",
    [
        lambda x, mask: mask * x,
        lambda x, mask: x * mask.float(),
        lambda x, mask: mask.to(x) * x,
        lambda x, mask: x * jtorch.zeros_like(x).copy_(mask),
        lambda x, mask: x.mul_(mask),
    ],
)
def test_a_mask_does_not_hide_nan_and_infinities_of_what_it_multiplies(masked):
    mask = NUMBERS > 0
    found = masked(jtorch.from_numpy(NUMBERS.copy()), jtorch.from_numpy(mask)).numpy()
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found, NUMBERS * mask)


def test_pooled_rectified_images_keep_nan():
    image = NUMBERS.reshape(8, 16, 32, 32)
    conv = jtorch.nn.Conv2d(16, 4, 3)
    network = jtorch.nn.Sequential(conv, jtorch.nn.ReLU(), jtorch.nn.AdaptiveAvgPool2d(1))
    with jtorch.no_grad():
        assert network(jtorch.from_numpy(image)).isnan().flatten(1).all(1).tolist() == [
            bool(x) for x in np.isnan(image).any((1, 2, 3))
        ]


@pytest.mark.parametrize(
    ("function", "value", "slope"),
    [
        ("hardswish", [np.inf, np.nan, -0.0, 3, np.nan], [1, 0, 0, 1, 1]),
        ("smooth_l1_loss", [np.inf, np.inf, 2.5, 2.5, np.nan], [1, -1, -1, 1, np.nan]),
        ("huber_loss", [np.inf, np.inf, 2.5, 2.5, np.nan], [1, -1, -1, 1, np.nan]),
    ],
)
def test_infinities_have_the_slopes_that_pytorch_gives_them(function, value, slope):
    call = getattr(jtorch.nn.functional, function)
    points = [np.inf, -np.inf, -3, 3, np.nan]
    x = jtorch.tensor(points, requires_grad=True)
    y = call(x) if function == "hardswish" else call(x, jtorch.zeros(5), reduction="none")
    y.sum().backward()
    np.testing.assert_array_equal(y.detach().numpy(), np.array(value, np.float32))
    np.testing.assert_array_equal(x.grad.numpy(), np.array(slope, np.float32))
