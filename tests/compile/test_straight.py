"""Replays that are written out do what the general replay does, and give way to it when something differs."""

import collections
import threading

import pytest

import jtorch
from jtorch import nn
from jtorch.compiler import _straight
from jtorch.trace import counters

pytestmark = pytest.mark.usefixtures("lazy")

CALLS = 6


def made_of(function):
    return function._compiled_function


def network():
    jtorch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))


def training(optimizer_of, results):
    """Steps of a small network that return ``results(loss, output, x)``; what they leave behind."""

    def program():
        model = network()
        optimizer = optimizer_of(model.parameters())

        @jtorch.compile
        def step(x, y):
            optimizer.zero_grad()
            output = model(x)
            loss = nn.functional.mse_loss(output, y)
            loss.backward()
            optimizer.step()
            return results(loss, output, x)

        x = jtorch.rand(8, 2)
        y = x.sum(1, keepdim=True)
        seen = []
        for _ in range(CALLS):
            seen.append(step(x, y))
        params = [*model.parameters()]
        return step, seen, [(p, p._version, p.grad) for p in params]

    return program


def sgd(params):
    return jtorch.optim.SGD(params, lr=0.1)


def momentum(params):
    return jtorch.optim.SGD(params, lr=0.1, momentum=0.9)


def adam(params):
    return jtorch.optim.Adam(params, lr=0.01)


def inference():
    model = network().eval()
    compiled = jtorch.compile(model)
    x = jtorch.rand(4, 2)
    with jtorch.inference_mode():
        seen = [compiled(x) for _ in range(CALLS)]
    assert all(y.is_inference() for y in seen)
    return compiled, seen, []


def arguments():
    """Lists, numbers, names and objects among the arguments."""
    scale = nn.Parameter(jtorch.ones(()))

    @jtorch.compile
    def f(pair, n, *, how, module):
        with jtorch.no_grad():
            scale.add_(1.0)
        return [module(pair[0]) * n, pair[1], {how: pair[1] + scale}]

    a, b, module = jtorch.rand(3), jtorch.rand(3), nn.Tanh()
    with jtorch.no_grad():
        seen = [f([a, b], 2, how="sum", module=module) for _ in range(CALLS)]
    assert all(r[1] is b for r in seen)
    return f, seen, [(scale, scale._version, scale.grad)]


def buffers():
    """A storage that is written through an argument, and one whose memory NumPy shares."""
    import numpy as np

    memory = np.zeros(3, np.float32)
    count = jtorch.from_numpy(memory)

    @jtorch.compile
    def f(x, out):
        count.add_(x)
        out.mul_(2.0).add_(count)

    x, out = jtorch.rand(3), jtorch.ones(3)
    for _ in range(CALLS):
        f(x, out)
    return f, [jtorch.tensor(memory)], [(out, out._version, None), (count, count._version, None)]


PROGRAMS = {
    "sgd": training(sgd, lambda loss, output, x: loss),
    "momentum": training(momentum, lambda loss, output, x: (loss, output.detach())),
    "adam": training(adam, lambda loss, output, x: {"loss": loss, "turned": output.detach().t(), "x": x}),
    "number": training(sgd, lambda loss, output, x: [loss.item() * 2, output.detach()]),
    "inference": inference,
    "arguments": arguments,
    "buffers": buffers,
}


def plain(x):
    """A result in numbers, with all that can be told of its tensors."""
    if isinstance(x, jtorch.Tensor):
        return type(x), x.tolist(), x.dtype, x.stride(), x.requires_grad, x.is_inference() or x._version
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    return x


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_it_does_is_what_the_general_replay_does(name, monkeypatch):
    noted, counted = [], []
    for replays in (CALLS + 1, 1):
        monkeypatch.setattr(_straight, "REPLAYS", replays)
        jtorch.manual_seed(0)
        before = counters.nodes, counters.deferred
        step, seen, left = PROGRAMS[name]()
        counted.append((counters.nodes - before[0], counters.deferred - before[1]))
        written = made_of(step).straight
        assert (written is not None) is (replays == 1), "it is not replayed in the way that is to be tested"
        noted.append((plain(seen), plain(left)))
    assert noted[0] == noted[1]
    assert counted[0] == counted[1]


def shared(step, model, optimizer, x, y):
    return step(x, x[:, :1])


def other_dtype(step, model, optimizer, x, y):
    return step(x, y.bool().float())


def learning_rate(step, model, optimizer, x, y):
    optimizer.param_groups[0]["lr"] = 0.5
    return step(x, y)


def frozen(step, model, optimizer, x, y):
    model[0].weight.requires_grad_(False)
    return step(x, y)


def other_memory(step, model, optimizer, x, y):
    model[0].weight.data = jtorch.ones(4, 2)
    return step(x, y)


def hooked(step, model, optimizer, x, y):
    model[2].register_forward_hook(lambda module, args, output: output * 2)
    return step(x, y)


def replaced(step, model, optimizer, x, y):
    model[1] = nn.Tanh()
    return step(x, y)


def zeroed_gradient(step, model, optimizer, x, y):
    model[0].weight.grad.zero_()
    return step(x, y)


def in_autocast(step, model, optimizer, x, y):
    with jtorch.autocast("cpu"):
        return step(x, y)


def from_a_view(step, model, optimizer, x, y):
    return step(jtorch.cat([x, x])[::2], y)


def wants_gradient(step, model, optimizer, x, y):
    result = step(x.clone().requires_grad_(), y)
    return result.detach()


def another_size(step, model, optimizer, x, y):
    return step(x[:4], y[:4])


def in_another_thread(step, model, optimizer, x, y):
    found = []
    thread = threading.Thread(target=lambda: found.append(step(x, y)))
    thread.start()
    thread.join()
    return found[0]


def by_name(step, model, optimizer, x, y):
    return step(x=x, y=y)


def with_momentum(step, model, optimizer, x, y):
    optimizer.param_groups[0]["momentum"] = 0.9
    return step(x, y)


def after_reset(step, model, optimizer, x, y):
    jtorch.compiler.reset()
    return step(x, y)


CHANGES = [
    shared, other_dtype, learning_rate, frozen, other_memory, hooked, replaced, zeroed_gradient, in_autocast,
    from_a_view, wants_gradient, another_size, in_another_thread, by_name, with_momentum, after_reset,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_a_call_that_differs_is_as_uncompiled(change):
    results = []
    for compile in (lambda f: f, jtorch.compile):
        model = network()
        optimizer = sgd(model.parameters())

        @compile
        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        x = jtorch.linspace(0.0, 1.0, 16).reshape(8, 2)
        y = x.sum(1, keepdim=True)
        seen = [step(x, y) for _ in range(4)]
        if compile is jtorch.compile:
            assert made_of(step).straight is not None
        seen += [change(step, model, optimizer, x, y), *[step(x, y) for _ in range(4)]]
        seen += [model[0].weight, model[0].weight.grad, model[2].bias.grad]
        results.append(seen)
    for expected, found in zip(*results, strict=True):
        jtorch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_a_call_can_be_read_after_the_next(monkeypatch):
    _, _, left = PROGRAMS["sgd"]()
    monkeypatch.setattr(_straight, "REPLAYS", CALLS + 1)
    _, _, expected = PROGRAMS["sgd"]()
    for (_, _, grad), (_, _, right) in zip(left, expected, strict=True):
        assert grad.tolist() == right.tolist()
    kept = []
    model = network()
    optimizer = sgd(model.parameters())
    monkeypatch.setattr(_straight, "REPLAYS", 1)

    @jtorch.compile
    def step(x):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    x = jtorch.rand(8, 2)
    for _ in range(CALLS):
        step(x)
        kept.append(model[0].weight.grad)
    assert made_of(step).straight is not None
    assert len({str(g.tolist()) for g in kept}) == CALLS


def test_conditions_are_those_of_the_guards():
    """Every kind of guard, broken one after the other: the written conditions see what ``broken`` sees."""
    from jtorch.compiler._guards import Guards

    class Settings:
        pass

    settings, numbers, words = Settings(), [1, 2], collections.deque([3])
    settings.rate = 0.5
    factor = 2.0
    model = network()

    def f(x):
        return model(x) * factor * settings.rate + numbers[0] + words[0]

    guards = Guards(f, (), {})
    names = {}
    objects = {}

    def name(x):
        found = objects.setdefault(id(x), f"o{len(objects)}")
        names[found] = x
        return found

    conditions = list(guards.conditions(name, names))

    def seen():
        return any(eval(c, names) for c in conditions)

    def agree(changed):
        assert (guards.broken() is not None) is seen() is changed

    agree(False)
    settings.rate = 0.25
    agree(True)
    settings.rate = 0.5
    agree(False)
    settings.more = 1
    agree(True)
    del settings.more
    numbers[0] = 5
    agree(True)
    numbers[0] = 1
    numbers.append(3)
    agree(True)
    numbers.pop()
    words.append(4)
    agree(True)
    words.pop()
    agree(False)
    factor = 3.0
    agree(True)
    factor = 2.0
    agree(False)
    model[1] = nn.Tanh()
    agree(True)
