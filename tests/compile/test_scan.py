"""An epoch as one program."""

import pytest

import jtorch
from jtorch import nn

pytestmark = pytest.mark.usefixtures("lazy")


def test_an_epoch_is_one_program_with_the_numbers_of_a_loop():
    def train(scanned):
        jtorch.manual_seed(0)
        # No bias before the normalisation: its gradient is rounding noise, which Adam makes steps of.
        hidden = nn.Linear(3, 4, bias=False)
        model = nn.Sequential(hidden, nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
        optimizer = jtorch.optim.Adam(model.parameters(), lr=0.05)
        schedule = jtorch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

        def step(x, y):
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss.detach(), y.sum()

        x, y = jtorch.randn(6, 8, 3), jtorch.randn(6, 8, 1)
        losses = []
        for _ in range(3):
            if scanned:
                losses += jtorch.scan(step, x, y)[0].tolist()
            else:
                losses += [step(a, b)[0].item() for a, b in zip(x, y, strict=True)]
        grads = [p.grad.sum().item() for p in model.parameters()]
        state = [v.double().sum().item() for v in model.state_dict().values()]
        return losses, grads, state, schedule.last_epoch, optimizer.state[model[0].weight]["step"].item()

    expected = train(False)
    jtorch.reset_metrics()
    found = train(True)
    # The first step alone, the five after it as one program, and two epochs as one program each.
    assert jtorch.metrics()["programs_compiled"] <= 2 + 3  # and three to sum up parameters and gradients
    assert jtorch.metrics()["cache_hits"] >= 2
    assert jtorch.metrics()["flushes"].get("step", 0) == 0
    for a, b in zip(found[:3], expected[:3], strict=True):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-6)
    assert found[3:] == expected[3:]


def test_steps_that_cannot_be_replayed_run_one_by_one():
    total = jtorch.zeros(1)

    def step(x):
        total.add_(x)
        return total.clone() if total.item() > 2 else total * 0

    assert jtorch.scan(step, jtorch.ones(4, 1)).tolist() == [[0.0], [0.0], [3.0], [4.0]]
    with pytest.raises(ValueError, match="equal lengths"):
        jtorch.scan(step, jtorch.ones(4, 1), jtorch.ones(3, 1))
    with pytest.raises(ValueError, match="first dimension"):
        jtorch.scan(step)


def test_gradients_accumulate_over_steps():
    w = jtorch.zeros(2, requires_grad=True)

    def step(x):
        (w * x).sum().backward()

    assert jtorch.scan(step, jtorch.arange(8.0).reshape(4, 2)) is None
    assert w.grad.tolist() == [12.0, 16.0]  # by hand: the sums of the columns
