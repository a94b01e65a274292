"""Losses, activations and pools of the documents; values by hand or, where said, of PyTorch 2.13."""

import math

import pytest

import jtorch as torch
from jtorch import nn
from jtorch.nn import functional as F


def near(values):
    return pytest.approx(values, rel=1e-5, abs=1e-6)


def test_activations():
    a = torch.linspace(-100, 100, 10)
    # PyTorch 2.13's print: the extremes vanish or saturate.
    assert str(torch.sigmoid(a)[[0, 4, 5, 9]]) == "tensor([0.0000e+00, 1.4945e-05, 9.9999e-01, 1.0000e+00])"
    assert torch.equal(F.sigmoid(a), torch.sigmoid(a))
    a = torch.linspace(-1, 1, 10)
    assert torch.equal(torch.relu(a), F.relu(a))
    assert torch.equal(nn.ReLU()(a), a.clamp(0))
    assert torch.tanh(a).tolist() == near((2 * torch.sigmoid(2 * a) - 1).tolist())
    assert torch.tanh(a).tolist() == near([math.tanh(v) for v in a.tolist()])
    out = nn.Softmax(dim=1)(torch.tensor([[0.1172, 0.0160, -0.1425]]))
    assert str(out) == "tensor([[0.3738, 0.3378, 0.2883]])"
    inplace = torch.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(inplace) is inplace
    assert inplace.tolist() == [0, 2]
    assert nn.Sigmoid()(torch.zeros(2)).tolist() == [0.5, 0.5]


def test_losses():
    prediction, target = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1.0, 3.0, 3.0])
    assert nn.MSELoss()(prediction, target).item() == near(5 / 3)
    assert F.mse_loss(prediction, target, reduction="sum") == 5
    assert nn.L1Loss()(prediction, target) == 1
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    label = torch.tensor([0, 2])
    by_hand = (math.log(1 + math.exp(-1) + math.exp(-2)) + math.log(3)) / 2
    assert nn.CrossEntropyLoss()(logits, label).item() == near(by_hand)
    assert nn.NLLLoss()(nn.LogSoftmax(dim=1)(logits), label).item() == near(by_hand)
    one_hot = torch.zeros(2, 3).scatter_(1, label.view(-1, 1), value=1)
    assert nn.CrossEntropyLoss()(logits, one_hot).item() == near(by_hand)
    loss = nn.CrossEntropyLoss()
    assert loss.__call__(logits, label) == loss(logits, label)


def test_binary_losses():
    # The document writes sigmoid(0.45) = 0.61, (0.32) = 0.58, (0.67) = 0.66, with 0.4947, 0.5440 and 0.4060
    # for the losses of label 1, mean 0.4815; PyTorch 2.13 gives these.
    z, y = torch.tensor([0.45, 0.32, 0.67]), torch.ones(3)
    assert [f"{p:.2f}" for p in torch.sigmoid(z).tolist()] == ["0.61", "0.58", "0.66"]
    each = nn.BCEWithLogitsLoss(reduction="none")(z, y)
    assert each.tolist() == near([0.493249, 0.545893, 0.413240])
    mean = nn.BCEWithLogitsLoss()(z, y)
    assert mean.item() == near(0.484127)
    assert nn.BCELoss(reduction="mean")(torch.sigmoid(z), y).item() == near(mean.item())
    assert F.binary_cross_entropy_with_logits(z, y).item() == near(mean.item())


def test_pools_and_shapes():
    x = torch.rand(1, 1, 28, 28)
    for stride, padding, size in ((1, 0, 26), (1, 1, 28), (2, 1, 14)):
        layer = nn.Conv2d(1, 3, kernel_size=3, stride=stride, padding=padding)
        assert layer.forward(x).shape == layer(x).shape == (1, 3, size, size)
    assert (layer.weight.shape, layer.bias.shape) == ((3, 1, 3, 3), (3,))
    x = torch.rand(1, 16, 14, 14)
    pooled = nn.MaxPool2d(2, stride=2)(x)
    assert pooled.shape == F.avg_pool2d(x, 2, stride=2).shape == F.relu(pooled).shape == (1, 16, 7, 7)
    square = torch.arange(4.0).reshape(1, 1, 2, 2)
    assert (nn.MaxPool2d(2)(square).item(), F.avg_pool2d(square, 2).item()) == (3, 1.5)
