"""Losses of every kind: values, gradients, dtypes and texts, compared with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
X, Y = (RNG.normal(size=(4, 3)).astype(np.float32) for _ in range(2))
PROBABILITIES = RNG.uniform(0.1, 0.9, (4, 3)).astype(np.float32)
SIGNS = np.array([1, -1, 1, -1], np.float32)
CLASSES, DENSE = np.array([0, 2, 1, 2]), RNG.integers(0, 3, (2, 4))
LOGITS = RNG.normal(size=(2, 3, 4)).astype(np.float32)
WEIGHT = np.array([0.5, 2, 1], np.float32)
MANY = np.array([[0, 1, -1], [2, -1, 0], [-1, 0, 1], [0, 1, 2]])


def test_losses_by_hand():
    f = jtorch.nn.functional
    a, b = jtorch.tensor([1.0, 4.0]), jtorch.tensor([0.0, 1.0])
    assert f.l1_loss(a, b).item() == 2  # (1 + 3) / 2
    assert f.mse_loss(a, b, reduction="sum").item() == 10  # 1 + 9
    assert f.huber_loss(a, b, reduction="none").tolist() == [0.5, 2.5]  # 1 / 2; 3 - 1 / 2
    logits = jtorch.zeros(1, 4)
    # every class is as likely: log 4
    assert abs(f.cross_entropy(logits, jtorch.tensor([2])).item() - 1.3862944) < 1e-6


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mse_loss", {}),
        ("l1_loss", {"reduction": "none"}),
        ("smooth_l1_loss", {"beta": 0.5}),
        ("huber_loss", {"delta": 0.3, "reduction": "sum"}),
        ("huber_loss", {"weight": PROBABILITIES}),
        ("kl_div", {"log_target": True, "reduction": "batchmean"}),
        ("poisson_nll_loss", {"full": True}),
        ("soft_margin_loss", {}),
        ("hinge_embedding_loss", {"margin": 0.5}),
        ("multilabel_soft_margin_loss", {"weight": WEIGHT}),
        ("binary_cross_entropy_with_logits", {"pos_weight": WEIGHT, "reduction": "none"}),
        ("gaussian_nll_loss", {"var": PROBABILITIES[:, :1], "full": True}),
    ],
    ids=lambda x: x if isinstance(x, str) else ",".join(x),
)
def test_losses_of_pairs_match_torch(compare, name, options):
    # Targets and weights have no gradient, or none worth having, in most of them.
    compare(f"nn.functional.{name}", X, Y, grad=1, **options)


def test_gradients_of_targets_match_torch(compare):
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        compare(f"nn.functional.{name}", X, Y)


def test_losses_keep_dtypes_as_torch(compare):
    compare("nn.functional.huber_loss", X, Y.astype(np.float64), grad=False)
    compare("nn.functional.mse_loss", X, Y.astype(np.float64), grad=False)
    target = (Y > 0).astype(np.float32)
    compare("nn.functional.binary_cross_entropy", PROBABILITIES, target, weight=WEIGHT, grad=1)


@pytest.mark.parametrize(
    ("input", "target", "options"),
    [
        (X, CLASSES, {"weight": WEIGHT, "ignore_index": 1}),
        (X, CLASSES, {"label_smoothing": 0.2, "reduction": "sum"}),
        (LOGITS, DENSE, {"weight": WEIGHT, "label_smoothing": 0.1, "reduction": "none"}),
        (X, PROBABILITIES, {"weight": WEIGHT, "label_smoothing": 0.1}),
        (X[0], np.array(1), {}),
    ],
    ids=["weighted", "smoothed", "dense", "probabilities", "single"],
)
def test_cross_entropy_matches_torch(compare, input, target, options):
    compare("nn.functional.cross_entropy", input, target, grad=1, **options)


def test_losses_of_classes_match_torch(compare):
    compare("nn.functional.nll_loss", LOGITS, DENSE, weight=WEIGHT, grad=1)
    compare("nn.functional.multi_margin_loss", X, CLASSES, p=2, weight=WEIGHT, grad=1)
    compare("nn.functional.multilabel_margin_loss", X, MANY)


def test_losses_of_several_vectors_match_torch(compare):
    compare("nn.functional.margin_ranking_loss", X[:, 0].copy(), Y[:, 0].copy(), SIGNS, margin=0.1, grad=2)
    compare("nn.functional.cosine_embedding_loss", X, Y, SIGNS, margin=0.1, grad=2)
    compare("nn.functional.triplet_margin_loss", X, Y, PROBABILITIES, swap=True, reduction="none")


def test_linear_cross_entropy_matches_torch(compare):
    compare("nn.functional.linear_cross_entropy", X, Y, CLASSES, linear_bias=SIGNS)


def test_ctc_loss_matches_torch(compare):
    steps = np.log(RNG.dirichlet(np.ones(4), (5, 2))).astype(np.float32)
    labels = np.array([[1, 2, 2], [3, 1, 0]])
    lengths, ends = np.array([5, 4]), np.array([3, 2])
    compare("nn.functional.ctc_loss", steps, labels, lengths, ends)
    alone = steps[:, 0].copy(), labels[0], lengths[:1], ends[:1]
    compare("nn.functional.ctc_loss", *alone, grad=False)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss"])
def test_errors_of_pairs_are_torchs(same_error, name):
    name = f"nn.functional.{name}"
    same_error(name, X, Y, reduction="other")
    same_error(name, X, Y[:, :2].copy())
    if name.rpartition(".")[2] in ("huber_loss", "soft_margin_loss"):
        same_error(name, X, Y.astype(np.complex64))
        same_error(name, MANY, Y)


def test_errors_of_classes_are_torchs(same_error):
    for name in ("nn.functional.cross_entropy", "nn.functional.nll_loss"):
        same_error(name, X, CLASSES[:3])
        same_error(name, X, CLASSES + 1)
        same_error(name, X, CLASSES, weight=WEIGHT[:2])
        same_error(name, X, CLASSES, reduction="other")
        same_error(name, LOGITS, DENSE[:, :2].copy())
        same_error(name, X, CLASSES.astype(np.int32))
    same_error("nn.functional.cross_entropy", X, CLASSES, label_smoothing=1.5)
    same_error("nn.functional.multi_margin_loss", X, CLASSES, p=3)
    same_error("nn.functional.multi_margin_loss", X, CLASSES + 1)
    same_error("nn.functional.binary_cross_entropy", X, PROBABILITIES)
    same_error("nn.functional.binary_cross_entropy", PROBABILITIES, X)
    same_error("nn.functional.binary_cross_entropy", PROBABILITIES, PROBABILITIES[:2])
    same_error("nn.functional.gaussian_nll_loss", X, Y, -1.0)
    same_error("nn.functional.gaussian_nll_loss", X, Y, X)
    same_error("nn.functional.cosine_embedding_loss", X, Y, SIGNS[:3])
    same_error("nn.functional.smooth_l1_loss", X, Y, beta=-1.0)
    same_error("nn.functional.huber_loss", X, Y, delta=0.0)
