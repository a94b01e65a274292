"""Printed forms of the documents: stacked tensors, floats of many sizes, modules, optimizers, containers."""

import numpy as np
import pytest

import jtorch as torch
from jtorch import nn
from jtorch.vision import models

STACKED = (
    "tensor([[[ 1,  2,  3],\n         [ 4,  5,  6]],\n\n        [[ 7,  8,  9],\n         [10, 11, 12]]]{0})",
    "tensor([[[ 1,  2,  3],\n         [ 7,  8,  9]],\n\n        [[ 4,  5,  6],\n         [10, 11, 12]]]{0})",
    "tensor([[[ 1,  7],\n         [ 2,  8],\n         [ 3,  9]],\n\n        [[ 4, 10],\n         [ 5, 11],\n"
    "         [ 6, 12]]]{0})",
)


def test_stacks_along_every_dimension():
    a, b = torch.IntTensor([[1, 2, 3], [4, 5, 6]]), torch.IntTensor([[7, 8, 9], [10, 11, 12]])
    for dim, text in enumerate(STACKED):
        assert str(torch.stack((a, b), dim=dim)) == text.format(", dtype=torch.int32")
        assert str(torch.stack((a.long(), b.long()), dim=dim)) == text.format("")
    assert str(torch.stack((a, b), dim=-1)) == STACKED[2].format(", dtype=torch.int32")
    c = b.long() + 6
    three = torch.stack([a.long(), b.long(), c], dim=2)
    assert str(three[0]) == "tensor([[ 1,  7, 13],\n        [ 2,  8, 14],\n        [ 3,  9, 15]])"
    assert [torch.stack([a, b, c], dim=d).shape for d in range(3)] == [(3, 2, 3), (2, 3, 3), (2, 3, 3)]


def test_numbers_from_numpy_keep_their_dtype():
    # The document ran on Windows, where NumPy's default was int32; here the dtype is given.
    text = "tensor([[ 0,  1,  2,  3,  4],\n        [ 5,  6,  7,  8,  9],\n        [10, 11, 12, 13, 14]]"
    numbers = np.arange(15).reshape(3, 5)
    assert str(torch.tensor(numbers.astype(np.int32))) == text + ", dtype=torch.int32)"
    assert str(torch.tensor(numbers)) == text + ")"


def test_toy_tensor_through_relu_and_sigmoid():
    a = torch.arange(-10, 10, 1, dtype=torch.float32)
    # The document's second line lost its indentation and column; PyTorch 2.13's lines.
    assert str(a) == (
        "tensor([-10.,  -9.,  -8.,  -7.,  -6.,  -5.,  -4.,  -3.,  -2.,  -1.,   0.,   1.,\n"
        "          2.,   3.,   4.,   5.,   6.,   7.,   8.,   9.])"
    )
    text = "tensor([" + "0., " * 10 + "0., 1., 2., 3., 4., 5., 6., 7.,\n        8., 9.])"
    assert str(torch.maximum(torch.tensor(0), a)) == str(torch.relu(a)) == text
    text = (
        "tensor([4.5398e-05, 1.2339e-04, 3.3535e-04, 9.1105e-04, 2.4726e-03, 6.6929e-03,\n"
        "        1.7986e-02, 4.7426e-02, 1.1920e-01, 2.6894e-01, 5.0000e-01, 7.3106e-01,\n"
        "        8.8080e-01, 9.5257e-01, 9.8201e-01, 9.9331e-01, 9.9753e-01, 9.9909e-01,\n"
        "        9.9966e-01, 9.9988e-01])"
    )
    assert str(1 / (1 + torch.exp(-a))) == str(torch.sigmoid(a)) == text


def network():
    return nn.Sequential(
        nn.Linear(28 * 28, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )  # fmt: skip


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = network()

    def forward(self, x):
        return self.linear_relu_stack(self.flatten(x))


def test_the_quickstart_model():
    model = NeuralNetwork()
    assert str(model) == (
        "NeuralNetwork(\n"
        "  (flatten): Flatten(start_dim=1, end_dim=-1)\n"
        "  (linear_relu_stack): Sequential(\n"
        "    (0): Linear(in_features=784, out_features=512, bias=True)\n"
        "    (1): ReLU()\n"
        "    (2): Linear(in_features=512, out_features=512, bias=True)\n"
        "    (3): ReLU()\n"
        "    (4): Linear(in_features=512, out_features=10, bias=True)\n"
        "  )\n"
        ")"
    )
    sizes = {name: tuple(p.size()) for name, p in model.named_parameters()}
    stack = "linear_relu_stack."
    assert sizes == {
        stack + "0.weight": (512, 784), stack + "0.bias": (512,), stack + "2.weight": (512, 512),
        stack + "2.bias": (512,), stack + "4.weight": (10, 512), stack + "4.bias": (10,),
    }  # fmt: skip
    weight = next(model.parameters())
    first = f"Values : {weight[:2]}"
    assert first.startswith("Values : tensor([[")
    assert first.endswith("]],\n       grad_fn=<SliceBackward0>)")
    assert ",  ..., " in first
    logits = model(torch.rand(1, 28, 28))
    probabilities = nn.Softmax(dim=1)(logits)
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-6)
    assert probabilities.argmax(1).shape == (1,)


def test_layers_one_by_one():
    image = torch.rand(3, 28, 28)
    flat = nn.Flatten()(image)
    layer = nn.Linear(in_features=28 * 28, out_features=20)
    hidden = layer(flat)
    assert (image.size(), flat.size(), hidden.size()) == ((3, 28, 28), (3, 784), (3, 20))
    assert str(hidden).endswith("grad_fn=<AddmmBackward0>)")
    after = nn.ReLU()(hidden)
    assert str(after).endswith("grad_fn=<ReluBackward0>)")
    assert (after >= 0).all()
    x = torch.randn(1, 28, 28)
    assert (nn.Flatten()(x).shape, torch.flatten(torch.ones(2, 3, 4), 1).shape) == ((1, 784), (2, 12))


def test_small_models_as_printed():
    assert str(nn.Sequential(nn.Linear(2, 5), nn.Linear(5, 1))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=5, bias=True)\n"
        "  (1): Linear(in_features=5, out_features=1, bias=True)\n"
        ")"
    )
    # A pool prints all its arguments in PyTorch 2.13; the document left some out in two of its three prints.
    layers = [nn.Conv2d(1, 10, 3, padding=1), nn.MaxPool2d(2), nn.Dropout(0.5)]
    layers += [nn.ReLU(inplace=True), nn.Softmax(dim=1)]
    assert [str(layer) for layer in layers] == [
        "Conv2d(1, 10, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        "Dropout(p=0.5, inplace=False)",
        "ReLU(inplace=True)",
        "Softmax(dim=1)",
    ]


def test_vgg16_prints_as_in_the_document():
    with torch.device("meta"):
        lines = str(models.vgg16()).split("\n")
    assert len(lines) == 45
    assert lines[2] == "    (0): Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    assert lines[30:35] == [
        "    (28): Conv2d(512, 512, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "    (29): ReLU(inplace=True)",
        "    (30): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        "  )",
        "  (avgpool): AdaptiveAvgPool2d(output_size=(7, 7))",
    ]
    assert lines[36] == "    (0): Linear(in_features=25088, out_features=4096, bias=True)"
    assert lines[38] == "    (2): Dropout(p=0.5, inplace=False)"


def test_optimizer_prints_its_group():
    x = torch.tensor(0.0, requires_grad=True)
    assert str(torch.optim.SGD(params=[x], lr=0.01)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n"
        "    fused: None\n    lr: 0.01\n    maximize: False\n    momentum: 0\n    nesterov: False\n"
        "    weight_decay: 0\n)"
    )
