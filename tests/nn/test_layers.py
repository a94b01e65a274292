"""Dropout draws, lazy sizes and running statistics; test_modules.py compares every module with PyTorch."""

import numpy as np
import pytest

import jtorch
from jtorch import nn


@pytest.mark.parametrize(
    "name", ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]
)
def test_dropout_draws_as_torch(torch, name):
    shape = {"Dropout1d": (2, 3, 4), "Dropout3d": (2, 3, 2, 2, 2)}.get(name, (2, 3, 2, 4))
    found = []
    for t in (jtorch, torch):
        t.manual_seed(2)
        module = getattr(t.nn, name)(0.4)
        x = t.ones(shape, requires_grad=True)
        out = module(x)
        out.sum().backward()
        found.append([out.detach().numpy(), x.grad.numpy(), t.rand(1).numpy()])
        assert module.eval()(x) is x
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_lazy_layers_take_sizes_from_the_first_input(torch):
    shapes = []
    for t in (jtorch, torch):
        lazy = (t.nn.LazyConv2d(4, 3), t.nn.LazyBatchNorm2d(), t.nn.Flatten(), t.nn.LazyLinear(2))
        m = t.nn.Sequential(*lazy)
        m(t.ones(2, 3, 5, 5))
        shapes.append([(type(x).__name__, *map(tuple, (p.shape for p in x.parameters()))) for x in m])
    assert shapes[0] == shapes[1]


def test_batch_norm_counts_without_recompiling(lazy):
    m = nn.BatchNorm1d(2, momentum=None)
    x = jtorch.arange(8.0).reshape(4, 2)
    for _ in range(3):
        m(x).sum().item()
    before = jtorch.metrics()["programs_compiled"]
    for _ in range(4):
        m(x).sum().item()
    assert m.num_batches_tracked.item() == 7
    assert jtorch.metrics()["programs_compiled"] == before
    assert np.allclose(m.running_mean.tolist(), [3.0, 4.0])


def test_batch_norm_in_a_training_loop_keeps_its_history_valid():
    m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    x = jtorch.arange(8.0).reshape(4, 2)
    out = m(x) + m(x)
    out.sum().backward()
    assert m[0].weight.grad is not None
