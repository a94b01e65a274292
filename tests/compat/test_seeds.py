"""Numbers after ``manual_seed``, as the documents print them or as PyTorch 2.13 gives them (said at each)."""

import random

import jtorch as torch
from jtorch import nn


def seeded(make):
    torch.manual_seed(42)
    return make()


def test_two_by_two_and_its_maximum():
    x = seeded(lambda: torch.randn(size=(1, 1, 2, 2)))
    assert str(x) == "tensor([[[[0.3367, 0.1288],\n          [0.2345, 0.2303]]]])"
    pooled = nn.MaxPool2d(kernel_size=2)(x)
    assert f"{pooled} {pooled.shape}" == "tensor([[[[0.3367]]]]) torch.Size([1, 1, 1, 1])"


def test_one_seed_gives_one_sequence():
    assert not torch.equal(torch.rand(3, 4), torch.rand(3, 4))
    torch.manual_seed(seed=42)
    first = torch.rand(3, 4)
    torch.manual_seed(seed=42)
    assert torch.equal(first, torch.rand(3, 4))
    assert not torch.equal(first, seeded(lambda: torch.rand(12)[1:]).sum())
    # PyTorch 2.13.
    assert str(first) == (
        "tensor([[0.8823, 0.9150, 0.3829, 0.9593],\n        [0.3904, 0.6009, 0.2566, 0.7936],\n"
        "        [0.9408, 0.1332, 0.9346, 0.5936]])"
    )
    assert seeded(lambda: torch.manual_seed(42).initial_seed()) == 42
    torch.cuda.manual_seed(42)


def test_layers():
    linear = seeded(lambda: nn.Linear(in_features=2, out_features=6))
    x = torch.tensor([[1.0, 2], [3, 4], [5, 6]])
    assert str(linear(x)) == (
        "tensor([[2.2368, 1.2292, 0.4714, 0.3864, 0.1309, 0.9838],\n"
        "        [4.4919, 2.1970, 0.4469, 0.5285, 0.3401, 2.4777],\n"
        "        [6.7469, 3.1648, 0.4224, 0.6705, 0.5493, 3.9716]],\n"
        "       grad_fn=<AddmmBackward0>)"
    )
    state = seeded(lambda: nn.Linear(1, 1)).state_dict()
    assert str(state) == "OrderedDict([('weight', tensor([[0.7645]])), ('bias', tensor([0.8300]))])"
    # PyTorch 2.13.
    two = seeded(lambda: nn.Linear(2, 1)).state_dict()
    assert [str(v) for v in two.values()] == ["tensor([[0.5406, 0.5869]])", "tensor([-0.1657])"]
    dropped = seeded(lambda: (torch.randperm(10), nn.Dropout(0.5)(torch.ones(10))))
    assert dropped[0].tolist() == [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]
    assert dropped[1].tolist() == [2, 0, 0, 2, 0, 2, 0, 0, 2, 0]


def test_draws_of_other_kinds():
    # PyTorch 2.13: a picture of FashionMNIST by chance, an element of a batch, the three largest of ten.
    assert seeded(lambda: torch.randint(0, 60000, size=[1]).item()) == 37542
    assert str(seeded(lambda: torch.rand(4, 3, 28, 28))[0, 0, 2, 4]) == "tensor(0.5315)"
    values, places = seeded(lambda: torch.randn(4, 10)).topk(dim=1, k=3)
    assert str(values[0]) == "tensor([1.9269, 1.6487, 1.4873])"
    assert places.tolist() == [[0, 9, 1], [6, 5, 9], [3, 6, 8], [5, 6, 3]]


def test_pythons_own_generator_is_left_alone():
    random.seed(42)
    expected = random.sample(range(100), k=9)
    random.seed(42)
    torch.manual_seed(0)
    assert random.sample(range(100), k=9) == expected


def test_convolution_walk_through():
    # Shapes from the document; values of PyTorch 2.13.
    images = seeded(lambda: torch.randn(size=(32, 3, 64, 64)))
    image = images[0]
    assert (images.shape, image.shape) == ((32, 3, 64, 64), (3, 64, 64))
    assert str(image[0, 0, :4]) == "tensor([ 1.9269,  1.4873,  0.9007, -2.1055])"
    layer = seeded(lambda: nn.Conv2d(in_channels=3, out_channels=10, kernel_size=3, stride=1, padding=0))
    out = layer(image.unsqueeze(dim=0))
    assert (out.shape, layer(image).shape) == ((1, 10, 62, 62), (10, 62, 62))
    assert str(out[0, 0, 0, :4].detach()) == "tensor([ 1.5396,  0.0516,  0.6454, -0.1216])"
    pooled = nn.MaxPool2d(kernel_size=2)(out)
    assert pooled.shape == (1, 10, 31, 31)
    assert str(pooled[0, 0, 0, :3].detach()) == "tensor([1.5396, 0.6656, 0.9692])"
    strided = seeded(lambda: nn.Conv2d(3, 10, kernel_size=(5, 5), stride=2, padding=0))
    assert strided(image.unsqueeze(dim=0)).shape == (1, 10, 30, 30)
    assert (strided.weight.shape, strided.bias.shape) == ((10, 3, 5, 5), (10,))
    assert list(strided.state_dict()) == ["weight", "bias"]
    assert str(strided.weight[0, 0, 0, :3].detach()) == "tensor([ 0.0883,  0.0958, -0.0271])"
