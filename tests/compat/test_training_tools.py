"""Tools around training in the documents: modes, dropout, batch norm, schedules, freezing, logging."""

import types
from itertools import pairwise

import numpy as np
import pytest

import jtorch as torch
from jtorch import nn
from jtorch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from jtorch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split
from jtorch.vision import models


def test_train_and_eval_reach_every_module():
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2))
    assert next(net.modules()) is net
    assert len(list(net.modules())) == 5
    assert all(m.training for m in net.modules())
    assert not any(m.training for m in net.eval().modules())
    x = torch.ones(3, 4)
    assert torch.equal(net(x), net(x))
    net.train()
    torch.manual_seed(0)
    assert not torch.equal(net[1](torch.ones(100)), torch.ones(100))
    assert set(net[1](torch.ones(100)).tolist()) == {0.0, 2.0}
    assert len(list(net.parameters())) == 4
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "3.weight", "3.bias"]


def test_batch_norm_has_two_modes():
    norm = nn.BatchNorm2d(2)
    x = torch.arange(16.0).reshape(2, 2, 2, 2)
    y = norm(x)
    assert y.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0], abs=1e-6)
    # By hand: running values move a tenth of the way to the batch's mean and unbiased variance.
    assert norm.running_mean.tolist() == pytest.approx([0.55, 0.95])
    assert norm.running_var.tolist() == pytest.approx([0.9 + 0.1 * x[:, 0].var().item()] * 2)
    norm.eval()
    expected = (x[0, 0, 0, 1] - 0.55) / (norm.running_var[0] + 1e-5) ** 0.5
    assert norm(x)[0, 0, 0, 1].item() == pytest.approx(expected.item(), rel=1e-5)


def parameters():
    return [nn.Parameter(torch.ones(2))]


def test_schedules():
    optimizer = torch.optim.Adam(params=parameters(), lr=0.001, weight_decay=1e-4)
    scheduler = StepLR(optimizer, step_size=2, gamma=0.7)
    rates = []
    for _ in range(5):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([1e-3, 1e-3, 7e-4, 7e-4, 4.9e-4])
    args = types.SimpleNamespace(lr=0.1, momentum=0.9, weight_decay=1e-4)
    optimizer = torch.optim.SGD(
        parameters(), args.lr, momentum=args.momentum, weight_decay=args.weight_decay
    )  # fmt: skip
    scheduler = ReduceLROnPlateau(optimizer, "min")
    for _ in range(12):  # patience 10: the twelfth loss that is no better than the first lowers the rate
        scheduler.step(torch.tensor(1.0))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_momentum_and_decay():
    # By hand: z = 0.9 z + g, w = w - lr z, with g = 1 + decay w.
    p = parameters()[0]
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.01)
    w, z = 1.0, 0.0
    for _ in range(3):
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()
        z = 0.9 * z + 1 + 0.01 * w
        w -= 0.1 * z
    assert p.tolist() == pytest.approx([w, w], rel=1e-6)


def test_fine_tuning_with_frozen_layers():
    with torch.device("meta"):
        resnet = models.resnet50()
    assert resnet.fc.in_features == 2048
    # What the document does with it, on a small network with its names (ResNet-50 takes long to compile).
    model = nn.Sequential()
    model.layer3, model.layer4 = (
        nn.Conv2d(3, 4, 3),
        nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten()),
    )
    model.fc = nn.Linear(4 * 4 * 4, 1000)
    for param in model.parameters():
        param.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, 5)
    for param in model.layer4.parameters():
        param.requires_grad = True
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert {name.split(".")[0] for name in trained} == {"layer4", "fc"}
    before = {k: v.clone() for k, v in model.state_dict().items() if "running" not in k and "num" not in k}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    loss = nn.CrossEntropyLoss()(model.eval()(torch.rand(1, 3, 8, 8)), torch.tensor([3]))
    loss.backward()
    optimizer.step()
    changed = {
        k.split(".")[0] for k, v in model.state_dict().items() if k in before and (v != before[k]).any()
    }
    assert changed == {"layer4", "fc"}


class Rows(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        x = torch.tensor(self.x[index], dtype=torch.float32)
        return x, torch.tensor(self.y[index], dtype=torch.float32)


def test_data_sets_and_loaders():
    dataset = Rows([[1, 2], [3, 4], [5, 6], [7, 8]], [1, 0, 1, 0])
    batches = list(DataLoader(dataset, batch_size=2))
    assert str(batches[0][0]) == "tensor([[1., 2.],\n        [3., 4.]])"
    assert str(batches[1][1]) == "tensor([1., 0.])"
    both = ConcatDataset([dataset, dataset])
    assert (len(both), both[5][0].tolist()) == (8, [3, 4])
    numbers = TensorDataset(torch.arange(1, 40))
    loader = DataLoader(numbers, batch_size=10, shuffle=True, num_workers=1, drop_last=True)
    seen = [batch[0] for batch in loader]
    assert [b.shape for b in seen] == [(10,)] * 3
    assert len(set(torch.cat(seen).tolist())) == 30
    # The lengths that the document prints for 60000 and 10000 pictures in batches of 32.
    assert [len(DataLoader(range(n), batch_size=32)) for n in (60000, 10000)] == [1875, 313]
    train, validation = random_split(range(60), [50, 10])
    assert (len(train), len(validation), type(train)) == (50, 10, Subset)
    assert sorted([*train, *validation]) == list(range(60))
    folds = np.array_split(np.arange(12), 4)
    assert all(len(DataLoader(Subset(numbers, fold.tolist()), batch_size=3)) == 1 for fold in folds)


def test_a_table_of_features_and_a_deep_sigmoid_network(tmp_path):
    """The diabetes program on 768 made-up rows of 8 features."""
    generator = np.random.default_rng(0)
    features = generator.random((768, 8))
    np.savetxt(
        tmp_path / "d.csv", np.c_[features, features.sum(1) > 4], delimiter=",", header="names", comments=""
    )
    xy = np.loadtxt(tmp_path / "d.csv", delimiter=",", dtype=np.float32, encoding="utf-8", skiprows=1)
    x, y = torch.from_numpy(xy[:, :-1]), torch.from_numpy(xy[:, [-1]])
    assert (x.shape, y.shape, x.dtype) == ((768, 8), (768, 1), torch.float32)
    torch.manual_seed(42)
    sizes = [8, 6, 4, 2, 1]
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.Sigmoid())]
    model = nn.Sequential(*layers)
    criterion = nn.BCELoss(reduction="mean")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True, drop_last=True)
    means = []
    for _ in range(2):
        total = 0
        for inputs, labels in loader:
            loss = criterion(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        means.append(total / len(loader))
    assert len(loader) == 24
    assert means[1] < means[0]
    assert f"loss:{means[0]:.6f}" == f"loss:{means[0].item():.6f}"


def test_small_networks_of_the_notes():
    class SimpleNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(2, 2)
            self.fc2 = nn.Linear(2, 1)

        def forward(self, x):
            return self.fc2(torch.relu(self.fc1(x)))

    torch.manual_seed(42)
    model = SimpleNN()
    assert str(model) == (
        "SimpleNN(\n  (fc1): Linear(in_features=2, out_features=2, bias=True)\n"
        "  (fc2): Linear(in_features=2, out_features=1, bias=True)\n)"
    )
    x, y = torch.randn(10, 2), torch.randn(10, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def epoch(_):
        loss = nn.MSELoss()(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = torch.scan(epoch, torch.arange(100))
    assert losses[-1] < losses[0]
    model.eval()
    with torch.no_grad():
        assert nn.MSELoss()(model(x), y).item() == pytest.approx(losses[-1].item(), rel=0.05)
    points = torch.randn(100, 2)
    inside = (points[:, 0] ** 2 + points[:, 1] ** 2 < 1).float().unsqueeze(1)
    low = points.min(dim=0).values - 1
    xx, yy = torch.meshgrid(torch.arange(low[0], 3, 0.5), torch.arange(low[1], 3, 0.5), indexing="ij")
    grid = torch.cat([xx.reshape(-1, 1), yy.reshape(-1, 1)], dim=1)
    assert model(grid).detach().numpy().reshape(xx.shape).shape == xx.shape
    assert inside.mean() == inside.sum() / 100


def test_losses_go_to_visdom_as_numbers():
    """``viz.line([loss.item()], [step], ...)``: a stand-in for the server records what it would draw."""
    drawn = []
    viz = types.SimpleNamespace(line=lambda y, x, **options: drawn.append((y, x, options)))
    viz.line([0.0], [0.0], win="train_loss", opts={"title": "train loss"})
    for step in range(3):
        loss = (torch.ones(2) * step).sum()
        viz.line([loss.item()], [step], win="train_loss", update="append")
    assert [y for y, _, _ in drawn] == [[0.0], [0.0], [2.0], [4.0]]
    assert all(type(y[0]) is float for y, _, _ in drawn)


def test_own_layers():
    class Flat(nn.Module):
        def forward(self, x):
            return x.view(x.size(0), -1)

    class MyLinear(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.w = nn.Parameter(torch.randn(outputs, inputs))
            self.b = nn.Parameter(torch.randn(outputs))

        def forward(self, x):
            return x @ self.w.t() + self.b

    net = nn.Sequential(Flat(), MyLinear(8, 3)).to("cpu")
    assert net(torch.rand(5, 2, 4)).shape == (5, 3)
    assert [tuple(p.shape) for p in net.parameters()] == [(3, 8), (3,)]
