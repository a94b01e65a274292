"""Where programs take ``relu`` for a maximum: nan passes as in PyTorch, whatever follows."""

import numpy as np
import pytest

import jtorch
from jtorch.trace import _executor, _maxima, _program

WEIGHT = np.random.default_rng(5).standard_normal((4, 3, 3, 3)).astype(np.float32) / 3

#: What follows a relu of an image, and whether that may be a maximum there: applied only, and in a training.
AFTER_RELU = {
    "conv": (lambda t, h: t.nn.functional.conv2d(h, t.ones(2, 4, 3, 3)), True, True),
    "conv 1x1": (lambda t, h: t.nn.functional.conv2d(h, t.ones(1, 4, 1, 1)), True, True),
    "depthwise": (lambda t, h: t.nn.functional.conv2d(h, t.ones(4, 1, 3, 3), groups=4), True, True),
    "pool": (lambda t, h: t.nn.functional.max_pool2d(h, 2), True, False),
    "block": (
        lambda t, h: t.conv2d(h + t.conv2d(h, t.ones(4, 4, 1, 1)), t.ones(2, 4, 3, 3)), True, True,
    ),
    "sum": (lambda t, h: h.sum(), False, False),
    "means": (lambda t, h: t.nn.functional.adaptive_avg_pool2d(h, 1), False, False),
    "sum of a residual": (lambda t, h: (h + 1).sum((2, 3)), False, False),
    "places of an average": (lambda t, h: t.nn.functional.avg_pool2d(h, 2), False, False),
    "conv and sum": (
        lambda t, h: t.nn.functional.conv2d(h, t.ones(2, 4, 3, 3)).sum() + h.sum(), False, False,
    ),
    "bias": (
        lambda t, h: t.nn.functional.conv2d(h.detach() * 0 + 1, t.ones(4, 4, 1, 1), h[0, :, 0, 0]).sum(),
        False,
        False,
    ),
}  # fmt: skip


#: The same after a linear layer.
AFTER_FEATURES = {
    "linear": (lambda t, h: t.nn.functional.linear(h, t.ones(3, 4)), True, True),
    "linear with bias": (lambda t, h: t.nn.functional.linear(h, t.ones(3, 4), t.ones(3)), True, True),
    "one output": (lambda t, h: t.nn.functional.linear(h, t.ones(1, 4)), True, True),
    "residual": (lambda t, h: t.nn.functional.linear(h + 1, t.ones(4, 4)), True, True),
    "sum": (lambda t, h: h.sum(0), False, False),
    "square": (lambda t, h: (h * h).sum(), False, False),
    "loss": (lambda t, h: t.nn.functional.mse_loss(h, t.ones(64, 4)), False, False),
    "weight": (lambda t, h: t.nn.functional.linear(t.ones(5, 4), h), False, False),
}


def run(t, layer, after, training):
    layer, weight, numbers = layer
    x, w = t.tensor(numbers), t.tensor(weight, requires_grad=training)
    out = after(t, t.relu(getattr(t.nn.functional, layer)(x, w)))
    if not training:
        return [out.numpy()]
    loss = out.sum()
    loss.backward()
    return [loss.detach().numpy(), w.grad.numpy()]


def check(t, layer, after, expected, training, monkeypatch):
    found = []

    def noted(body, quick):
        found.append(unreduced(body, quick))
        return found[-1]

    unreduced = _maxima.unreduced
    monkeypatch.setattr(_program, "unreduced", noted)
    _executor.clear_programs()
    for mine, theirs in zip(run(jtorch, layer, after, training), run(t, layer, after, training), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
    assert any(found) is expected


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", AFTER_RELU)
def test_images(torch, name, training, monkeypatch, lazy):
    after, *expected = AFTER_RELU[name]
    numbers = np.random.default_rng(3).standard_normal((2, 3, 8, 8)).astype(np.float32)
    numbers[0, 1, 2, 3], numbers[1, 2, 7, 7] = np.nan, -np.nan
    layer = "conv2d", WEIGHT, numbers
    check(torch, layer, after, expected[training], training, monkeypatch)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", AFTER_FEATURES)
def test_features(torch, name, training, monkeypatch, lazy):
    after, *expected = AFTER_FEATURES[name]
    numbers = np.random.default_rng(3).standard_normal((64, 3)).astype(np.float32)
    numbers[2, 1], numbers[40, 2] = np.nan, -np.nan
    layer = "linear", WEIGHT[:, :, 0, 0], numbers
    check(torch, layer, after, expected[training], training, monkeypatch)
