"""The adaptive softmax, Gumbel samples and losses that compose others."""

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.nn import functional as F


def test_adaptive_log_softmax_matches_torch(torch):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 8)).astype("float32"), np.array([0, 4, 9, 2, 7])
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        m = t.nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], div_value=2.0)
        inputs = t.tensor(x, requires_grad=True)
        out, loss = m(inputs, t.tensor(y))
        loss.backward()
        full, best = m.log_prob(inputs), m.predict(inputs)
        found.append([z.detach().numpy() for z in (out, loss, inputs.grad, m.head.weight.grad, full, best)])
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_adaptive_log_softmax_refuses_targets():
    m = nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], div_value=2.0)
    with pytest.raises(
        RuntimeError, match=r"Target values should be in \[0, 9\], but values in range \[1, 10\]"
    ):
        m(jtorch.ones(2, 8), jtorch.tensor([1, 10]))


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_matches_torch(torch, hard):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        x = t.linspace(-1, 1, 12).reshape(3, 4).requires_grad_()
        out = t.nn.functional.gumbel_softmax(x, 0.5, hard)
        (out * t.arange(4.0)).sum().backward()
        found.append((out.detach().numpy(), x.grad.numpy()))
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_triplet_loss_with_a_distance_of_the_users(torch):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((4, 3)).astype("float32") for _ in range(3)]
    found = []
    for t in (jtorch, torch):
        loss = t.nn.TripletMarginWithDistanceLoss(
            distance_function=lambda a, b: (a - b).abs().sum(-1), margin=0.5, swap=True
        )
        found.append(loss(*(t.tensor(a) for a in arrays)).item())
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_linear_cross_entropy_matches_torch(torch):
    x, y = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3), np.array([0, 3])
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        m = t.nn.LinearCrossEntropyLoss(3, 4, bias=True)
        loss = m(t.tensor(x), t.tensor(y))
        loss.backward()
        found.append((loss.item(), m.linear.weight.grad.numpy()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert np.allclose(found[0][1], found[1][1], atol=1e-6)


def test_pools_with_indices():
    x = jtorch.tensor([[[1.0, 3.0, 2.0, 0.0]]])
    values, places = F.max_pool1d_with_indices(x, 2)
    assert values.tolist() == [[[3.0, 2.0]]]
    assert places.tolist() == [[[1, 2]]]
