"""Functions that read single numbers: a replay reads them anew, and they are operands of what follows."""

import copy
import ctypes
import json
import math
import pickle
import queue
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.compiler import _session, explain

pytestmark = pytest.mark.usefixtures("lazy")

Pair = namedtuple("Pair", "loss accuracy")


def lines(c):
    return [line.partition(": ")[2] for line in explain(c).splitlines()]


def reason(c):
    """Why calls run uncompiled; ``None`` if they do not."""
    (variant,) = c._compiled_function.variants.values()
    return variant.lazy


def plain(x):
    """A result as plain objects with their types, which must be equal."""
    if isinstance(x, jtorch.Tensor):
        return x.dtype, x.requires_grad, x.tolist()
    if isinstance(x, list | tuple):
        return type(x), [plain(y) for y in x]
    if isinstance(x, dict):
        return {k: plain(y) for k, y in x.items()}
    return type(x), x


def check(f, inputs, replayed=True):
    """The compiled function gives what the function does, for data that changes."""
    c = jtorch.compile(f)
    for x in inputs:
        args = x if isinstance(x, tuple) else (x,)
        assert plain(c(*args)) == plain(f(*args))
    assert (reason(c) is None) is replayed, explain(c)
    return c


def vectors(*firsts):
    """Vectors whose sums and maxima floats hold exactly."""
    return [jtorch.tensor([v, 0.25, -0.5]) for v in firsts]


def test_a_training_step_that_returns_its_loss_is_one_program():
    def train(compiled):
        jtorch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 1))
        optimizer = jtorch.optim.Adam(model.parameters(), lr=0.01)
        schedule = jtorch.optim.lr_scheduler.StepLR(optimizer, 3, gamma=0.5)

        def step(x, y):
            out = model(x)
            loss = nn.functional.mse_loss(out, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss.item()

        f = jtorch.compile(step) if compiled else step
        found = []
        for i in range(20):
            if i == 3:
                jtorch.reset_metrics()
            found.append(f(jtorch.randn(6, 4), jtorch.randn(6, 1)))
            assert type(found[-1]) is float
        count = optimizer.state[model[0].weight]["step"].item()
        metrics = jtorch.metrics()
        return found + [p.sum().item() for p in model.parameters()], count, metrics, f

    expected, found = train(False), train(True)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1] == expected[1] == 20
    assert found[2]["programs_compiled"] == found[2]["ops_compiled"] == 0
    assert found[2]["cache_hits"] == 17
    assert "decision" not in found[2]["flushes"]
    text = lines(found[3])
    assert text[0] == "first call"
    assert "reads the value" in text[1]
    assert text[2:] == ["with the numbers that it reads left open"]


def test_results_in_any_structure_are_plain_numbers():
    def f(x):
        s, n = x.sum().item(), (x > 0).sum().item()
        return {"a": [s, n, x.max().tolist()], "b": Pair(2 * s + 1, n / 3), "c": (x * 2, s > 1, -s, abs(s))}

    check(f, vectors(1.0, -2.0, 3.0, 0.5))


def test_arithmetic_of_numbers_is_pythons():
    def f(x):
        s, n = x.sum().item(), (x > 0).sum().item()
        return [
            s + 1, 1 - s, s * s, s / 3, 3.0 // s, s % 0.75, s**2, round(s, 1), +s, n + 1, n // 2, n % 2, n**2,
            n * 0.5, n / 2, 7 / n, s == s, s != n, s >= n, sum([s, s]), True + n, 0.1 + 0.2 * s,
        ]  # fmt: skip

    check(f, vectors(1.0, 2.0, 3.0, 1.5, 7.0))
    # What a float cannot hold is left to Python.
    c = check(lambda x: 10**20 + (x > 0).sum().item(), vectors(1.0, -1.0, 1.0, -1.0), replayed=False)
    assert reason(c).endswith("uses a number that it read from a tensor for arithmetic")


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "int8", "int64", "bool"])
def test_reads_of_every_dtype(dtype):
    kind = getattr(jtorch, dtype)

    def f(x):
        t = x.to(kind)
        s = t.max().item()
        return s, x * s, s + 1, isinstance(s, float), isinstance(s, int), isinstance(s, bool)

    check(f, [jtorch.tensor([v, 0.0, -1.0]) for v in (1.5, 3.25, 2.0, 100.0, 0.5)])


def test_elements_of_arguments_and_parameters():
    w = jtorch.tensor([2.0])

    def f(x, y):
        return y * x.item() + w.item(), x.item(), w.item()

    c = jtorch.compile(f)
    for v in (1.0, 2.0, 3.0, 4.0):
        x, y = jtorch.tensor([[v]]), jtorch.tensor([v, 1.0])
        assert plain(c(x, y)) == plain(f(x, y))
        w.add_(1)
    assert reason(c) is None

    def old(y):  # what was there before it is overwritten
        before = w.item()
        w.add_(y)
        return before, w.item()

    c, seen = jtorch.compile(old), w.item()
    for v in (1.0, 2.0, 3.0, 4.0):
        assert c(jtorch.tensor([v])) == (seen, seen + v)
        seen += v
    assert reason(c) is None
    assert w.tolist() == [seen]


OPERANDS = {
    "x * s": lambda x, s: x * s,
    "s - x": lambda x, s: s - x,
    "s / x": lambda x, s: s / x,
    "x > s": lambda x, s: x > s,
    "alpha": lambda x, s: x.clone().add_(x, alpha=s),
    "value": lambda x, s: jtorch.addcmul(x, x, x, value=s),
    "clamp": lambda x, s: x.clamp(-abs(s), max=abs(s)),
    "where": lambda x, s: jtorch.where(x > 0, s, x),
    "lerp": lambda x, s: jtorch.lerp(x, x * 2, s),
    "full": lambda x, s: jtorch.full((2,), s),
    "full_like": lambda x, s: jtorch.full_like(x, s),
    "new_full": lambda x, s: x.new_full((2,), s, requires_grad=True),
    "fill_": lambda x, s: x.clone().fill_(s),
    "x[0] = s": lambda x, s: put(x.clone(), 0, s),
    "expression": lambda x, s: x * ((2 * s + 1) / 4 - s) - (1 - s),
    "int": lambda x, s: (x > 0).sum().item() * x + (x > 0).sum().item(),
    "int / 2": lambda x, s: x * ((x > 0).sum().item() / 2),
    "integers": lambda x, s: (x > 0).int() * (x > 0).sum().item(),
    "**=": lambda x, s: x.clone().mul_(s).sub_(s).div_(0.5 + s),
}


def put(x, place, s):
    x[place] = s
    return x


@pytest.mark.parametrize("use", OPERANDS.values(), ids=OPERANDS)
def test_numbers_are_operands_and_never_burnt_in(use):
    def f(x):
        return use(x, (x * 2).sum().item())

    c = check(f, vectors(1.0, -2.0, 3.0, 0.5, 8.0))
    jtorch.reset_metrics()
    for x in vectors(*range(1, 21)):
        c(x)
    metrics = jtorch.metrics()
    assert metrics["programs_compiled"] == 0
    assert metrics["flushes"] == {}


def test_gradients_of_products_with_numbers():
    def train(compiled):
        w = jtorch.tensor([1.0, -2.0], requires_grad=True)

        def step(x):
            h = w * x
            scale = 1 / (1 + h.abs().sum().item())
            out = (h * scale).sin().sum()
            (slope,) = jtorch.autograd.grad(out, w, create_graph=True)
            (out + (slope * scale).square().sum() * scale).backward()
            return scale

        f = jtorch.compile(step) if compiled else step
        found = []
        for i in range(6):
            found.append(f(jtorch.tensor([0.5, 1.0 + i])))
            found += w.grad.tolist()  # accumulates
        return found, f

    expected, _ = train(False)
    found, f = train(True)
    assert found == pytest.approx(expected, rel=1e-5)
    assert reason(f) is None


def test_results_with_a_history_beside_numbers():
    model = nn.Linear(3, 2)

    def f(x):
        h = model(x)
        s = h.abs().max().item()
        return h / s, s

    c = jtorch.compile(f)
    for i in range(5):
        x = jtorch.tensor([[1.0, 2.0, i]])
        grads = []
        for g in (f, c):
            model.zero_grad()
            out, s = g(x)
            assert type(s) is float
            (out**2).sum().backward()
            grads.append([s, *out.flatten().tolist(), *model.weight.grad.flatten().tolist()])
        assert grads[1] == pytest.approx(grads[0], rel=1e-5)
    assert reason(c) is None


def test_decisions_about_numbers_of_results_with_a_history():
    model = nn.Linear(3, 2)

    def f(x):
        h = model(x)
        s = h.abs().max().item()
        if s > 1:
            h = h / s
        k = h.mean().item()
        while k > 0.2:
            h = h * 0.5
            k = h.mean().item()
        return h * (1 + k), k

    c = jtorch.compile(f)
    for i in range(14):
        x = jtorch.randn(2, 3) * (1 + i % 4)
        found = []
        for g in (f, c):
            model.zero_grad()
            out, k = g(x)
            out.square().sum().backward()
            found.append([k, *out.flatten().tolist(), *model.weight.grad.flatten().tolist()])
        assert found[1] == pytest.approx(found[0], rel=1e-4, abs=1e-6)
    assert reason(c) is None


def test_reads_of_gradients_and_of_shared_memory():
    model = nn.Linear(3, 2)
    optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        loss = model(x).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return sum(p.grad.norm().item() for p in model.parameters()), loss.item()

    c = jtorch.compile(step)
    for _ in range(5):
        x = jtorch.randn(2, 3)
        before = copy.deepcopy(model.state_dict())
        found = c(x)
        after = copy.deepcopy(model.state_dict())
        model.load_state_dict(before)
        assert found == pytest.approx(step(x), rel=1e-5)
        for name, value in model.state_dict().items():
            jtorch.testing.assert_close(after[name], value)
    assert reason(c) is None

    array = np.array([2.0], np.float32)
    w = jtorch.from_numpy(array)

    def old(y):
        before = w.item()
        w.add_(y)
        return before, w.item(), y * before

    c, seen = jtorch.compile(old), 2.0
    for v in (1.0, 2.0, 3.0, 4.0):
        assert plain(c(jtorch.tensor([v]))) == plain((seen, seen + v, jtorch.tensor([v * seen])))
        seen += v
        assert array[0] == seen
        array[0] = seen = seen + 0.5
    assert reason(c) is None


def test_numbers_in_transforms():
    def f(x):
        s = x.sum().item()
        return jtorch.vmap(lambda a: a * s)(x)

    check(f, vectors(1.0, 2.0, 3.0, 4.0))


def test_decisions_about_numbers():
    def f(x):
        s, n = x.sum().item(), (x > 0).sum().item()
        if s > 10:
            return x * s
        if n / 3 < 0.5 and s != -1.0:
            return x - n
        return max(s, 0.5) * x

    inputs = vectors(1.0, 20.0, -2.0, 3.0, -0.75, 40.0, 0.1, -3.0, 1.0, 50.0, -4.0)
    c = check(f, inputs * 3)
    recordings = len(lines(c))
    jtorch.reset_metrics()
    check_again = [plain(c(x)) == plain(f(x)) for x in inputs]
    assert all(check_again)
    assert len(lines(c)) == recordings


def test_loops_until_a_number_is_small():
    def f(x, tol):
        n = 0
        error = x.abs().max().item()
        while error > tol:
            x = x / 2
            error = x.abs().max().item()
            n += 1
        return x, n, error

    inputs = [(x, 0.25) for x in vectors(1.0, 4.0, 2.0, 1.0, 4.0, 2.0, 4.0, 1.0)]
    c = check(f, inputs)
    assert sum("decides" in line for line in lines(c)) == 2  # each length is recorded once


def test_what_a_replay_began_is_undone_before_a_new_case():
    def train(compiled):
        jtorch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 1))
        optimizer = jtorch.optim.Adam(model.parameters(), lr=0.1)

        def step(x, y):
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if jtorch.rand(1).item() > 0.6:
                with jtorch.no_grad():
                    for p in model.parameters():
                        p.mul_(1 / (1 + loss.item()))
            return loss.item()

        f = jtorch.compile(step) if compiled else step
        g = jtorch.Generator().manual_seed(3)
        losses = [f(jtorch.randn(6, 4, generator=g), jtorch.randn(6, 1, generator=g)) for _ in range(14)]
        state = [v.double().sum().item() for v in model.state_dict().values()]
        count = optimizer.state[model[0].weight]["step"].item()
        return losses + state, [count, jtorch.rand(1).item()], f

    expected, found = train(False), train(True)
    assert found[0] == pytest.approx(expected[0], rel=1e-4, abs=1e-6)
    assert found[1] == expected[1]
    assert reason(found[2]) is None


def test_zero_divisors_raise_pythons_error():
    def f(x):
        try:
            mean = x.sum().item() / (x > 0).sum().item()
        except ZeroDivisionError:
            mean = None
        return x + 1, mean

    check(f, vectors(1.0, -1.0, 2.0, 3.0, 4.0) + [-jtorch.ones(3)] * 3 + vectors(1.0))

    def g(x):
        w.add_(1)
        return x.sum().item() / (x > 9).sum().item()

    w = jtorch.zeros(1)
    c = jtorch.compile(g)
    assert [c(jtorch.tensor([10.0, v])) for v in (0.0, 2.0, 4.0, 20.0)] == [10.0, 12.0, 14.0, 15.0]
    with pytest.raises(ZeroDivisionError):
        c(jtorch.tensor([1.0, 2.0]))
    assert c(jtorch.tensor([10.0, 1.0])) == 11.0
    assert w.item() == 6
    assert reason(c) is None


NOT_FOLLOWED = {
    "float()": lambda x, s: float(s) * x,
    "int()": lambda x, s: int(s),
    "a key": lambda x, s: {s: 1}[s],
    "text": lambda x, s: f"{s:.2f}",
    "an index or a size": lambda x, s: x[: (x > 0).sum().item()],
    "NumPy": lambda x, s: jtorch.tensor([s, 1.0]),
    ".is_integer": lambda x, s: s.is_integer(),
    "round()": lambda x, s: round(s),
    "pow()": lambda x, s: x.abs() ** s,
    "a copy or a pickle": lambda x, s: pickle.loads(pickle.dumps(copy.deepcopy(s))),
    "a number that shapes the program, or is on another device": lambda x, s: x * round(s, 1),
}


@pytest.mark.parametrize("what", NOT_FOLLOWED)
def test_other_uses_end_the_recording_and_name_the_line(what):
    use = NOT_FOLLOWED[what]

    def f(x):
        y = x * 2
        s = y.sum().item()
        return use(x, s), s

    c = check(f, vectors(1.0, 2.0, 3.0, 5.0), replayed=False)
    line, _, why = reason(c).partition(" ")
    assert why == f"uses a number that it read from a tensor for {what}"
    assert line == f"{__file__}:{use.__code__.co_firstlineno}" or "copy" in what


def test_float_and_int_of_a_tensor_run_uncompiled():
    for read in (float, int, lambda t: [10, 20, 30, 40][t.long()]):
        c = check(lambda x, read=read: read((x * 2).max()), vectors(1.0, 1.5, 0.5), replayed=False)
        assert "reads the value of a tensor" in reason(c)


def test_fullgraph_keeps_the_error():
    def f(x):
        return (x * 2).sum().item()

    c = jtorch.compile(f, fullgraph=True)
    for _ in range(2):
        with pytest.raises(
            jtorch._dynamo.exc.Unsupported, match=f"{__file__}:{f.__code__.co_firstlineno + 1}"
        ):
            c(jtorch.ones(3))


# ---- numbers that are kept


last = None


def test_numbers_that_are_kept_elsewhere_are_plain_in_every_call():
    losses, cell, notes = [], [0.0], {}
    best = math.inf

    class Box:
        value = 0.0

    class Model(nn.Module):
        def forward(self, x):
            self.last = x.sum().item()
            return x + 1

    box, model = Box(), Model()

    def to_list(x):
        losses.append(x.sum().item())
        return x + 1

    def to_item(x):
        cell[0] = x.sum().item()
        return x + 1

    def to_dict(x):
        notes["loss"] = x.sum().item()
        return x + 1

    def to_global(x):
        global last
        last = x.sum().item()
        return x + 1

    def to_closure(x):
        nonlocal best
        best = min(best, x.sum().item())
        return x + 1

    def to_attribute(x):
        box.value = x.sum().item()
        return x + 1

    where = {
        to_list: lambda: losses[-1], to_item: lambda: cell[0], to_dict: lambda: notes["loss"],
        to_global: lambda: last, to_closure: lambda: best, to_attribute: lambda: box.value,
        model.forward: lambda: model.last,
    }  # fmt: skip
    for f, kept in where.items():
        c = jtorch.compile(f)
        for v in (5.0, 4.0, 3.0, 2.0):
            c(jtorch.tensor([v, 0.5]))
            assert type(kept()) is float
            assert kept() == v + 0.5
        assert "reads the value of a tensor" in reason(c)
    assert losses == [5.5, 4.5, 3.5, 2.5]


def _keeps_large():
    """A function that keeps the numbers above 10 that it reads, and the list of them."""
    seen = []

    def f(x):
        s = x.sum().item()
        if s > 10:
            seen.append(s)
        return x * s

    return jtorch.compile(f), seen


def test_numbers_that_are_kept_in_one_case_alone():
    c, seen = _keeps_large()
    for v in (1.0, 2.0, 20.0, 3.0, 30.0, 40.0, 4.0):
        assert c(jtorch.tensor([v])).item() == v * v
    assert seen == [20.0, 30.0, 40.0]
    assert all(type(s) is float for s in seen)
    assert reason(c).endswith("it changes what it depends on: the contents of seen changed")


def test_a_case_that_comes_first_when_recorded_and_keeps_its_number():
    """Nothing was known of this case, so the list gets what stands for the number, in this one call."""
    c, seen = _keeps_large()
    for v in (1.0, 20.0, 30.0, 2.0):
        assert c(jtorch.tensor([v])).item() == v * v
    assert seen == [20.0, 30.0]
    assert [type(s + 0) for s in seen] == [float, float]
    assert type(seen[1]) is float
    assert reason(c).endswith("the contents of seen changed")


def test_a_number_that_got_away_behaves_as_one():
    hidden = ctypes.py_object()  # no check sees into it

    def f(x):
        s = x.sum().item()
        hidden.value = s
        return x * s, s

    c = jtorch.compile(f)
    kept = []
    for v in (1.0, 2.0, 3.0):
        out, s = c(jtorch.tensor([v, 0.5]))
        assert out.tolist() == [v * (v + 0.5), 0.5 * (v + 0.5)]
        assert type(s) is float
        kept.append(hidden.value)
    assert "is kept elsewhere" in reason(c)
    number = kept[1]
    assert type(number) is not float
    assert isinstance(number, float)
    assert [type(kept[0]), type(kept[2])] == [float, float]
    assert [type(x) for x in (number + 1, 2 * number, -number, abs(number), round(number, 1))] == [float] * 5
    assert (number, str(number), repr(number), f"{number:.2f}", hash(number)) == (
        2.5, "2.5", "2.5", "2.50", hash(2.5),
    )  # fmt: skip
    assert [number > 2, number < 3, number == 2.5, bool(number), number in {2.5}] == [True] * 5
    for made in (copy.copy(number), copy.deepcopy(number), pickle.loads(pickle.dumps(number)), float(number)):
        assert type(made) is float
        assert made == 2.5
    assert (jtorch.ones(1) * number).tolist() == jtorch.tensor([number]).tolist() == [2.5]
    assert jtorch.full((1,), number).tolist() == [2.5]
    double = jtorch.compile(lambda x, n: x * n)
    assert [double(jtorch.ones(1), n).item() for n in (number, 2.5, 3.0, number)] == [2.5, 2.5, 3.0, 2.5]
    with pytest.raises(AttributeError):
        number.unknown  # noqa: B018
    with pytest.raises(TypeError):
        number + "a"


def test_code_that_refuses_what_is_no_float_gets_floats():
    """The C encoder of ``json`` takes exact floats alone: the call is taken back and made again."""
    jtorch.manual_seed(0)
    w = jtorch.zeros(3)

    def f(x):
        w.add_(x)
        noise = jtorch.rand(1)
        return json.dumps([w.sum().item()]), noise

    expected = [0.0]
    c = jtorch.compile(f)
    noises = []
    for v in (1.0, 2.0, 3.0, 4.0):
        text, noise = c(jtorch.full((3,), v))
        expected.append(expected[-1] + 3 * v)
        assert text == f"[{expected[-1]}]"
        noises.append(noise.item())
    assert reason(c).startswith("raises TypeError")
    jtorch.manual_seed(0)
    assert noises == jtorch.cat([jtorch.rand(1) for _ in range(4)]).tolist()


def test_errors_of_the_function_are_its_own():
    w = jtorch.zeros(1)

    def f(x):
        w.add_(1)
        s = x.sum().item()
        if s > 10:
            raise ValueError(f"too large: {s}")
        return s

    c = jtorch.compile(f)
    for v in (1.0, 2.0, 30.0, 3.0, 40.0):
        if v > 10:
            with pytest.raises(ValueError, match=f"too large: {v}"):
                c(jtorch.tensor([v]))
        else:
            assert c(jtorch.tensor([v])) == v
    assert w.item() == 5
    assert reason(c) is None


def test_a_first_call_may_set_up_what_later_ones_find():
    class Model(nn.Module):
        table = None

        def forward(self, x):
            if self.table is None:
                self.table = jtorch.tensor([2.0])
            return x * self.table, (x * self.table).sum().item()

    model, same = Model(), Model()
    c = jtorch.compile(model)
    for x in vectors(1.0, 2.0, 3.0, 4.0, 5.0):
        assert plain(c(x)) == plain(same(x))
    assert reason(c) is None
    assert len(c._compiled_function.variants) == 1
    (variant,) = c._compiled_function.variants.values()
    assert len(variant.recorded) == 1


def test_what_it_depends_on_changes():
    class Model(nn.Module):
        def forward(self, x):
            s = x.sum().item()
            return (x * s, s) if self.training else (x + s, s)

    model = Model()
    c = jtorch.compile(model)
    for training in (True, False, True):
        model.train(training)
        for x in vectors(1.0, 2.0, 3.0):
            assert plain(c(x)) == plain(model(x))
    assert reason(c) is None
    assert [line for line in lines(c) if "training" in line] == ["Model.training is False, was True"]


def test_other_threads_get_the_number():
    found = []

    def f(x):
        s = x.sum().item()
        thread = threading.Thread(target=lambda: found.append(s + 1))
        thread.start()
        thread.join()
        return x * s

    c = jtorch.compile(f)
    for v in (1.0, 2.0, 3.0, 4.0):
        assert c(jtorch.tensor([v])).tolist() == [v * v]
    assert found == [2.0, 3.0, 4.0, 5.0]
    assert all(type(x) is float for x in found)
    assert reason(c).endswith("the contents of found changed")


def test_threads_of_a_function_get_the_number():
    asked, answers = queue.SimpleQueue(), queue.SimpleQueue()
    thread = threading.Thread(target=lambda: [answers.put(s + 1) for s in iter(asked.get, None)])
    thread.start()

    def f(x):
        s = x.sum().item()
        asked.put(s)  # answered once the recording is over
        return x * s

    def g(x):
        s = x.sum().item()
        started = threading.Thread(target=lambda: answers.put(s + 1))
        started.start()
        started.join()
        return x * s

    for function, why in ((f, "is kept elsewhere"), (g, "starts a thread")):
        c = jtorch.compile(function)
        for v in (1.0, 2.0, 3.0, 4.0):
            assert c(jtorch.tensor([v])).tolist() == [v * v]
            answer = answers.get(timeout=60)
            assert type(answer) is float
            assert answer == v + 1
        assert why in reason(c)
    asked.put(None)
    thread.join()


def test_scan_of_steps_that_return_numbers():
    x = jtorch.arange(12.0).reshape(6, 2)
    total = jtorch.zeros(2)

    def step(row):
        total.add_(row)
        return total * 1, total.sum().item()

    for _ in range(2):
        rows, _ = jtorch.scan(step, x)
    assert total.tolist() == [60.0, 72.0]
    assert rows[-1].tolist() == total.tolist()


def test_a_call_that_waits_for_another_threads_use_of_a_number_goes_on(monkeypatch):
    monkeypatch.setattr(_session, "WAIT", 0.05)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # the thread is there before the recording

        @jtorch.compile
        def f(x):
            s = x.sum().item()
            return pool.submit(lambda: math.sqrt(s)).result()

        for i in range(4):
            assert f(jtorch.full((4,), float(i))) == math.sqrt(4 * i)
