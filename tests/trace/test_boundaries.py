"""Where graphs end without the user marking it: steps, batches, reads; and what loops of them compile."""

import pytest

import jtorch
from jtorch import nn


def compiled():
    m = jtorch.metrics()
    return m["programs_compiled"] + m["ops_compiled"]


@pytest.fixture
def task():
    """A small network, its data and its loss; nothing of it counts."""
    jtorch.manual_seed(0)
    x, y = jtorch.rand(24, 4), jtorch.rand(24, 1)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    jtorch.synchronize()
    jtorch.reset_metrics()
    return x, y, model, nn.MSELoss()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: jtorch.optim.SGD(p, lr=0.1),
        lambda p: jtorch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4),
        lambda p: jtorch.optim.Adam(p, lr=0.01),
        lambda p: jtorch.optim.AdamW(p, lr=0.01, amsgrad=True),
    ],
    ids=["SGD", "momentum", "Adam", "AdamW"],
)
def test_a_step_is_one_program_whatever_its_rate(task, make):
    x, y, model, criterion = task
    optimizer = make(model.parameters())
    scheduler = jtorch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for _ in range(6):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    m = jtorch.metrics()
    assert m["flushes"] == {"step": 6}
    assert compiled() <= 2


def test_a_read_in_each_step_adds_no_flush(task):
    x, y, model, criterion = task
    optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())  # computed along with the step
    assert jtorch.metrics()["flushes"] == {"step": 5}
    assert losses == sorted(losses, reverse=True)


def test_the_next_batch_ends_a_graph(task):
    x, y, model, criterion = task
    loader = jtorch.utils.data.DataLoader(jtorch.utils.data.TensorDataset(x, y), batch_size=4)
    total = 0.0
    with jtorch.no_grad():
        for inputs, targets in loader:
            total = total + criterion(model(inputs), targets)
    assert jtorch.metrics()["flushes"].get("next batch", 0) >= 5
    assert compiled() <= 3
    expected = criterion(model(x), y).item()
    assert total.item() / 6 == pytest.approx(expected, rel=1e-5)


def test_an_evaluation_by_slices_stays_bounded(task):
    x, y, model, criterion = task
    for _ in range(2):
        total = 0.0
        with jtorch.inference_mode():
            for start in range(0, 24, 4):
                total = total + criterion(model(x[start : start + 4]), y[start : start + 4])
        total.item()
    assert compiled() <= 4


def test_gradient_accumulation_ends_a_graph_per_backward(task):
    x, y, model, criterion = task
    optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        for start in (0, 8, 16):
            (criterion(model(x[start : start + 8]), y[start : start + 8]) / 3).backward()
        optimizer.step()
    flushes = jtorch.metrics()["flushes"]
    assert flushes["step"] == 3
    assert flushes["backward"] == 6
    assert compiled() <= 4


def test_printing_and_conversions_read_once():
    x = jtorch.ones(3) * 2
    repr(x)
    x.tolist()
    assert x[1].item() == 2.0
    assert jtorch.metrics()["flushes"]["read"] <= 2
