"""Compiled steps: the same numbers as uncompiled ones, and one program."""

import gc
import weakref

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.compiler import explain
from jtorch.tensor._core import value_of
from jtorch.trace import counters
from jtorch.trace._deferred import Deferred

pytestmark = pytest.mark.usefixtures("lazy")


def run(make, batches, compiled):
    """Losses and final state of a training loop whose step ``make()`` returns."""
    jtorch.manual_seed(0)
    model, step = make()
    if compiled:
        step = jtorch.compile(step)
    losses = []
    for batch in batches:
        loss = step(*batch)
        losses.append(loss.item() if loss is not None else 0.0)
    return losses, {k: v.tolist() for k, v in model.state_dict().items()}, step


def check(make, batches, recordings=1, programs=1):
    """Compiled and uncompiled loops agree; the compiled one is recorded and compiled so often."""
    expected, state, _ = run(make, batches, False)
    numbers = jtorch.get_rng_state()
    jtorch.reset_metrics()
    got, mine, step = run(make, batches, True)
    count = jtorch.metrics()["programs_compiled"]
    assert jtorch.equal(numbers, jtorch.get_rng_state())  # the stream of random numbers went as far
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert mine.keys() == state.keys()
    for name, value in state.items():
        assert jtorch.allclose(jtorch.tensor(mine[name]), jtorch.tensor(value), rtol=1e-4, atol=1e-6), name
    text = explain(step)
    assert "not replayed" not in text, text
    assert len(text.splitlines()) == recordings, text
    assert count <= programs
    return step


def data(n, *shape):
    g = jtorch.Generator().manual_seed(1)
    return [(jtorch.randn(6, *shape, generator=g), jtorch.randn(6, 3, generator=g)) for _ in range(n)]


def test_adam_with_clipping_and_schedule_around_the_step():
    def make():
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        optimizer = jtorch.optim.Adam(model.parameters(), lr=0.1)
        schedule = jtorch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

        def step(x, y):
            optimizer.zero_grad()
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            schedule.step()
            return loss

        return model, step

    check(make, data(4, 4))


def test_learning_rate_changed_outside_is_an_operand():
    def make():
        model = nn.Linear(4, 3)
        optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def inner(x, y):
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss.detach()

        return model, optimizer, inner

    losses = {}
    for compiled in (False, True):
        jtorch.manual_seed(0)
        model, optimizer, step = make()
        fast = jtorch.compile(step) if compiled else step
        jtorch.reset_metrics()
        found = []
        for i, (x, y) in enumerate(data(4, 4)):
            optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
            found.append(fast(x, y).item())
        assert model.weight.grad is None
        losses[compiled] = found
    assert losses[True] == pytest.approx(losses[False], rel=1e-5)
    assert jtorch.metrics()["programs_compiled"] <= 1  # none, if the loop before made it
    assert explain(fast).count("\n") == 0


def test_batch_norm_dropout_and_mode():
    def make():
        model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3))
        optimizer = jtorch.optim.AdamW(model.parameters(), lr=0.1)

        def step(x, y):
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    check(make, data(4, 4))


def test_gradient_accumulation_keeps_gradients_between_calls():
    def make():
        model = nn.Linear(4, 3)
        optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)
        micro = iter(range(100))

        def step(x, y, last):
            loss = nn.functional.mse_loss(model(x), y) / 2
            loss.backward()
            if last:
                optimizer.step()
                optimizer.zero_grad()
            return loss

        assert next(micro) == 0
        return model, step

    batches = [(*b, i % 2 == 1) for i, b in enumerate(data(6, 4))]
    check(make, batches, recordings=2, programs=2)


def test_accumulated_gradients_are_seen_outside():
    weight = jtorch.ones(3, requires_grad=True)
    step = jtorch.compile(lambda x: (weight * x).sum().backward())
    step(jtorch.ones(3))
    first = weight.grad
    assert first.tolist() == [1.0] * 3
    step(jtorch.ones(3))
    step(jtorch.full((3,), 2.0))
    assert weight.grad.tolist() == [4.0] * 3
    assert weight.grad is first  # added in place
    weight.grad = None
    step(jtorch.ones(3))
    assert weight.grad.tolist() == [1.0] * 3
    assert explain(step).count("recorded") == 0
    assert len(explain(step).splitlines()) == 2  # without a gradient, and with one


def test_autocast_and_set_to_zero():
    def make():
        model = nn.Linear(4, 3)
        optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            optimizer.zero_grad(set_to_none=False)
            with jtorch.autocast("cpu", jtorch.bfloat16):
                out = model(x)
            loss = ((out - y) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    check(make, data(4, 4), recordings=2, programs=2)


def test_hand_written_update_and_captured_tensors():
    def make():
        model = nn.Linear(4, 3)
        offset = jtorch.zeros(3)

        def step(x, y):
            loss = ((model(x) + offset - y) ** 2).mean()
            loss.backward()
            with jtorch.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
                    p.grad.zero_()
                offset.add_(1e-3)
            return loss

        return model, step

    check(make, data(4, 4), recordings=2, programs=2)


def test_large_state_is_overwritten_in_its_memory():
    model = nn.Linear(200, 200)
    optimizer = jtorch.optim.Adam(model.parameters(), lr=0.1)

    @jtorch.compile
    def step(x):
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    x = jtorch.ones(2, 200)
    before = model.weight.detach().clone()
    for _ in range(3):
        step(x)
    jtorch.reset_metrics()
    kept = model.weight.jax()
    contents = kept.copy()
    step(x)
    assert (kept == contents).all()  # handed out, so not overwritten
    step(x)
    assert jtorch.metrics()["donated_buffers"] == 4  # two moments each time
    assert not jtorch.equal(before, model.weight)


def schedules(name, optimizer):
    s = jtorch.optim.lr_scheduler
    make = {
        "OneCycleLR": lambda: s.OneCycleLR(optimizer, 0.1, total_steps=50),
        "LambdaLR": lambda: s.LambdaLR(optimizer, lambda e: 0.9**e),
        "SequentialLR": lambda: s.SequentialLR(
            optimizer, [s.ConstantLR(optimizer, 0.1, 2), s.ExponentialLR(optimizer, 0.9)], [2]
        ),
        "CyclicLR": lambda: s.CyclicLR(optimizer, 0.01, 0.1, 2),
        "CosineAnnealingWarmRestarts": lambda: s.CosineAnnealingWarmRestarts(optimizer, 3),
    }
    return make[name]()


@pytest.mark.parametrize(
    "name", ["OneCycleLR", "LambdaLR", "SequentialLR", "CyclicLR", "CosineAnnealingWarmRestarts"]
)
def test_schedules_of_rate_and_momentum_are_operands(name):
    rates = []

    def make():
        model = nn.Linear(4, 3)
        optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        schedule = schedules(name, optimizer)
        rates.append(schedule)

        def step(x, y):
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss

        return model, step

    check(make, data(6, 4))
    assert rates[0].get_last_lr() == rates[1].get_last_lr()
    assert rates[0].last_epoch == rates[1].last_epoch == 6


def test_what_reads_or_sets_a_rate_is_not_burnt_in():
    """Results and writes that depend on a setting that changes in the call itself."""

    def loop(kind, compiled):
        jtorch.manual_seed(0)
        model = nn.Linear(4, 3)
        optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)
        schedule = jtorch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

        def report(x, y):
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss, schedule.get_last_lr()[0]

        def write(x, y):
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss, optimizer.param_groups[0]["lr"]

        step = {"report": report, "write": write}[kind]
        step = jtorch.compile(step) if compiled else step
        return [(loss.item(), rate) for loss, rate in (step(*b) for b in data(4, 4))], step

    for kind in ("report", "write"):
        expected, _ = loop(kind, False)
        found, step = loop(kind, True)
        assert [rate for _, rate in found] == [rate for _, rate in expected]
        assert [loss for loss, _ in found] == pytest.approx([loss for loss, _ in expected], rel=1e-5)
        assert "param_groups[0]['lr'] is 0." in explain(step)


def averaged(**settings):
    def make():
        model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
        optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        schedule = jtorch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
        average = jtorch.optim.swa_utils.AveragedModel(model, **settings)

        def step(x, y):
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            return loss

        return average, step

    return make


def test_averages_of_weights_are_followed():
    """The first call copies, and decides so by the count: two recordings of three programs."""
    swa = jtorch.optim.swa_utils
    check(averaged(multi_avg_fn=swa.get_ema_multi_avg_fn(0.9)), data(5, 4), recordings=2, programs=4)
    check(averaged(), data(5, 4), recordings=2, programs=4)
    check(averaged(avg_fn=swa.get_swa_avg_fn(), use_buffers=True), data(5, 4), recordings=2, programs=4)


def test_scaled_steps_are_replayed_on_both_sides():
    """Steps whose gradients overflow are skipped: another way through the same recorded step."""
    scalers = []

    def make():
        model = nn.Linear(4, 3)
        optimizer = jtorch.optim.Adam(model.parameters(), lr=0.1)
        scaler = jtorch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=3)
        scaler.scale(jtorch.ones(()))  # makes the scale
        scalers.append((scaler, optimizer, model))

        def step(x, y):
            optimizer.zero_grad()
            with jtorch.autocast("cpu", jtorch.bfloat16):
                loss = ((model(x).float() - y) ** 2).sum() * 8
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()
            return loss

        return model, step

    check(make, data(9, 4), recordings=2, programs=5)
    (a, first, model), (b, second, other) = scalers
    assert a.get_scale() == b.get_scale() < 2.0**127
    steps = first.state[model.weight]["step"].item()
    assert 0 < steps == second.state[other.weight]["step"].item() < 9


def test_what_a_first_call_makes_is_read_by_later_ones():
    class Lazy:
        kept = None

        def __call__(self, x):
            if self.kept is None:
                self.kept = jtorch.full((2,), 3.0)
            return x * self.kept

    scale = Lazy()
    f = jtorch.compile(lambda x: scale(x) + 1)
    assert [f(jtorch.full((2,), v)).tolist() for v in (1.0, 2.0, 3.0)] == [[4.0] * 2, [7.0] * 2, [10.0] * 2]
    reasons = explain(f).splitlines()
    assert len(reasons) == 3
    assert "the next call is recorded again" in reasons[1]


def test_lbfgs_runs_uncompiled_and_says_why():
    def make():
        model = nn.Linear(4, 3)
        optimizer = jtorch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
        schedule = jtorch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

        def step(x, y):
            def closure():
                optimizer.zero_grad()
                loss = ((model(x) - y) ** 2).mean()
                loss.backward()
                return loss

            loss = optimizer.step(closure)
            schedule.step()
            return loss

        return model, step

    expected, state, _ = run(make, data(3, 4), False)
    found, mine, step = run(make, data(3, 4), True)
    assert (found, mine) == (expected, state)
    assert "reads the value of a tensor" in explain(step)
    assert len(explain(step).splitlines()) == 2


def test_counts_as_pytorch(torch):
    """The same loop in PyTorch, uncompiled."""

    def loop(t, compiled):
        model = t.nn.Sequential(t.nn.Linear(4, 8), t.nn.ReLU(), t.nn.Dropout(0.25), t.nn.Linear(8, 3))
        optimizer = t.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)

        def step(x, y):
            optimizer.zero_grad()
            loss = t.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            total = t.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss.detach(), total

        step = t.compile(step) if compiled else step
        found = []
        for _ in range(4):
            x = t.randn(6, 4)
            loss, total = step(x, t.arange(6) % 3)
            found += [loss.item(), total.item()]
        return found

    torch.manual_seed(3)
    expected = loop(torch, False)
    jtorch.manual_seed(3)
    assert loop(jtorch, True) == pytest.approx(expected, rel=1e-5)
    assert counters.programs_compiled


def _trained(compiled, model, **settings):
    """A step of mean squared errors and SGD, compiled or not."""
    optimizer = jtorch.optim.SGD(model.parameters(), **settings)

    def step(x, y):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return (jtorch.compile(step) if compiled else step), optimizer


def _perceptron():
    jtorch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def test_gradients_are_left_out_until_somebody_looks():
    def train(compiled):
        model = _perceptron()
        run, _ = _trained(compiled, model, lr=0.1, momentum=0.9)
        looks = []
        for i, (x, y) in enumerate(data(6, 4)):
            run(x, y)
            if i in (2, 5):
                looks.append([p.grad.tolist() for p in model.parameters()])
        return looks, run

    expected, _ = train(False)
    jtorch.reset_metrics()
    found, run = train(True)
    counted = jtorch.metrics()
    assert counted["deferred"] == 6 * 4
    assert counted["revealed"] == 2
    assert len(explain(run).splitlines()) == 1
    for mine, theirs in zip(found, expected, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert jtorch.allclose(jtorch.tensor(a), jtorch.tensor(b), rtol=1e-5, atol=1e-7)


def test_counts_that_part_between_calls():
    model = nn.Linear(3, 3)
    twin = nn.Linear(3, 3)
    twin.load_state_dict(model.state_dict())
    results = []
    for net, compiled in ((model, True), (twin, False)):
        optimizer = jtorch.optim.Adam(net.parameters(), lr=0.1)

        def step(x, y, net=net, optimizer=optimizer):
            optimizer.zero_grad()
            ((net(x) - y) ** 2).mean().backward()
            optimizer.step()

        run = jtorch.compile(step) if compiled else step
        for i, batch in enumerate(data(4, 3)):
            if i == 2:
                optimizer.state[net.bias]["step"].fill_(40)
            run(*batch)
        results.append([p.tolist() for p in (*net.parameters(), optimizer.state[net.bias]["step"])])
    assert results[0][-1] == 42.0
    for mine, other in zip(*results, strict=True):
        assert np.allclose(mine, other, rtol=1e-5)


def _unread_steps(compiled, meddle):
    """Losses and gradients of steps between which ``meddle(model, i)`` does something to gradients."""
    model = _perceptron()
    run, _ = _trained(compiled, model, lr=0.1)
    kept, losses = [], []
    for i, (x, y) in enumerate(data(14, 4)):
        losses.append(run(x, y).item())
        if i % 4 == 3:
            kept.append(meddle(model, i))
    grads = [p.grad.tolist() for p in model.parameters()]
    return losses, grads, [None if k is None else k() for k in kept]


def _alias(model, i):
    held = model[0].weight.grad
    return held.tolist


def _storage(model, i):
    held = model[2].bias.grad.detach()
    return held.tolist


def _pending(model, i):
    held = model[0].bias.grad * 2
    return held.tolist


def _write(model, i):
    model[0].weight.grad.add_(1)


def _drop(model, i):
    model.zero_grad()


def _flag(model, i):
    model[0].weight.grad.requires_grad_()


def _reference(model, i):
    held = weakref.ref(model[0].weight.grad)
    return lambda: held() is None


def _own(model, i):
    model[0].weight.grad = jtorch.ones(5, 4)


@pytest.mark.parametrize("meddle", [_alias, _storage, _pending, _write, _drop, _flag, _reference, _own])
def test_gradients_that_nobody_saw_stay_and_others_do_not(meddle):
    found, expected = (_unread_steps(compiled, meddle) for compiled in (True, False))
    for mine, theirs in zip(found, expected, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-5, atol=1e-6)


def _outputs(deferred):
    return [r() for r in deferred.outputs]


def test_gradients_that_stay_are_no_new_tensors_and_free_their_operands():
    model = nn.Linear(4, 3)
    step, _ = _trained(True, model, lr=0.1)
    seen = []
    for x, y in data(6, 4):
        step(x, y)
        seen.append(id(model.weight.grad))
        assert not model.weight.grad.requires_grad
    assert len(set(seen[1:])) == 1
    mine = value_of(model.weight.grad)
    (deferred,) = [weakref.ref(o) for o in gc.get_objects() if type(o) is Deferred and mine in _outputs(o)]
    del mine
    model.zero_grad()
    assert deferred() is None
    assert model.weight.grad is None
    step(x, y)
    assert model.weight.grad.shape == (3, 4)


def test_a_rate_in_a_tensor_and_one_of_zero_are_read_anew():
    def train(compiled):
        jtorch.manual_seed(0)
        rate = jtorch.tensor(0.1)
        run, optimizer = _trained(compiled, nn.Linear(4, 3), lr=rate, momentum=0, weight_decay=0.0)
        losses = []
        for i, (x, y) in enumerate(data(8, 4)):
            losses.append(run(x, y).item())
            if i % 2:
                rate.mul_(0.5)
            optimizer.param_groups[0]["weight_decay"] = 0.1 * (i // 4)
        return losses

    np.testing.assert_allclose(train(True), train(False), rtol=1e-5)
