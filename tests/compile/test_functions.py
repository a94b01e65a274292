"""Compiled functions: what is recorded, what is recorded anew, and what is not replayed."""

import random
import warnings

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch._dynamo.exc import FailOnRecompileLimitHit, InvalidBackend, Unsupported
from jtorch.compiler import explain

pytestmark = pytest.mark.usefixtures("lazy")
SCALE = 2.0


def lines(f):
    return explain(f).splitlines()


def test_gradients_flow_through_a_compiled_forward():
    def train(compiled):
        jtorch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
        first = nn.Linear(2, 4)
        f = jtorch.compile(model) if compiled else model
        optimizer = jtorch.optim.SGD([*model.parameters(), *first.parameters()], lr=0.1)
        found = []
        for _ in range(3):
            out = f(first(jtorch.randn(6, 2)))
            loss = (out**2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found += [loss.item(), first.weight.grad.sum().item(), model[1].running_mean.sum().item()]
        return found, f, out

    expected, _, _ = train(False)
    jtorch.reset_metrics()
    found, f, out = train(True)
    assert found == pytest.approx(expected, rel=1e-5)
    assert lines(f) == ["Sequential: first call"]
    # Forward, loss, backward and step are one program, and sums to look at another.
    assert type(out.grad_fn).__name__ == "CompiledFunctionBackward"
    assert out.requires_grad
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        out.sum().backward()


def test_several_results_with_history_detached_parts_and_hooks():
    w = jtorch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    w.register_hook(lambda g: seen.append(g.tolist()))

    def f(x):
        y = w * x
        return {"a": y, "b": (y.detach() * w, y.sum()), "n": 3}

    c = jtorch.compile(f)
    for _ in range(2):
        w.grad = None
        x = jtorch.tensor([3.0, 4.0], requires_grad=True)
        r = c(x)
        assert r["n"] == 3
        (r["b"][0].sum() + r["b"][1]).backward()
        # By hand: y = w x; d(sum(stop(y) w) + sum(y)) / dw = w x + x, / dx = w.
        assert w.grad.tolist() == [3.0 + 3.0, 8.0 + 4.0]
        assert x.grad.tolist() == [1.0, 2.0]
    assert len(seen) == 2
    assert len(lines(c)) == 1
    r = c(jtorch.tensor([3.0, 4.0], requires_grad=True))
    (gradient,) = jtorch.autograd.grad(r["a"].sum(), w, create_graph=True)
    with pytest.raises(RuntimeError, match="does not currently support double backward"):
        gradient.sum().backward()
    with jtorch.no_grad():
        assert not c(jtorch.ones(2))["a"].requires_grad
    # Another kind of argument, and another grad mode.
    assert [x.partition(": ")[2] for x in lines(c)[1:]] == [
        "argument 0 is float32[2], was float32[2] requiring grad"
    ]


def test_a_read_falls_back_or_names_the_line():
    def f(x):
        y = x * 2
        if y.sum().item() > 0:  # the line
            return y + 1
        return y - 1

    def g(x):
        y = x * 2
        if y.sum() > 0:
            return y + 1
        return y - 1

    c = jtorch.compile(f)
    for v in (1.0, -1.0, 1.0):
        assert c(jtorch.tensor([v])).item() == f(jtorch.tensor([v])).item()
    line = f.__code__.co_firstlineno + 2
    assert f"{__file__}:{line} reads the value of a tensor" in lines(c)[1]
    strict = jtorch.compile(f, fullgraph=True)
    with pytest.raises(Unsupported, match=rf"test_functions.py:{line} reads the value"):
        strict(jtorch.tensor([1.0]))
    line, strict = g.__code__.co_firstlineno + 2, jtorch.compile(g, fullgraph=True)
    with pytest.raises(Unsupported, match=rf"test_functions.py:{line} reads the value"):
        strict(jtorch.tensor([1.0]))
    # The engine is as before, also after the error.
    assert (jtorch.tensor([1.0]) + 1).item() == 2.0
    kept = jtorch.compile(lambda x: jtorch.where(x.sum() > 0, x + 1, x - 1), fullgraph=True)
    assert kept(jtorch.tensor([1.0])).item() == 2.0
    assert kept(jtorch.tensor([-1.0])).item() == -2.0


def test_effects_before_a_read_happen_once():
    w = jtorch.zeros(2)
    log = []

    @jtorch.compile
    def f(x):
        w.add_(x)
        log.append(1)
        return float(w.sum())

    shared = np.ones(2, np.float32)
    x = jtorch.from_numpy(shared)
    assert f(x) == 2.0
    shared[:] = 2
    assert f(x) == 6.0
    assert w.tolist() == [3.0, 3.0]
    assert len(log) == 2


def test_arguments_are_written_in_place():
    @jtorch.compile
    def f(x, y):
        x.mul_(2)
        y[0] = 7
        return x

    for _ in range(2):
        base = jtorch.arange(6.0)
        x, y = base[2:4], jtorch.from_numpy(array := np.zeros(2, np.float32))
        result = f(x.clone().view(2), y)
        assert array.tolist() == [7.0, 0.0]
        assert result.tolist() == [4.0, 6.0]
        z = jtorch.ones(2)
        assert f(z, y) is z
        assert z.tolist() == [2.0, 2.0]
    version = z._version
    f(z, y)
    assert z._version == version + 1


def test_views_as_arguments():
    data = jtorch.arange(12.0).reshape(6, 2)
    read = jtorch.compile(lambda x: x.sum() * 2)
    assert [read(data[i : i + 2]).item() for i in (0, 2, 4)] == [12.0, 44.0, 76.0]
    assert len(lines(read)) == 1
    assert read(data.t()[:, 0:2]).item() == 12.0  # another memory order: recorded for itself


def double(x):
    return x * SCALE


class Noted(nn.Module):
    """Reads some of its attributes, in several ways."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.factor, self.shift, self.power, self.best, self.history = 1.0, 1.0, 1.0, 0.0, []

    @property
    def shifted(self):
        return self.shift

    def forward(self, x):
        y = self.linear(x) * self.factor + self.shifted
        match self:
            case Noted(power=2.0):
                y = y**2
        return y


def test_attributes_that_no_code_reads_may_change():
    model, x = Noted(), jtorch.ones(3, 2)
    f = jtorch.compile(model)
    for i in range(4):
        expected = model(x)
        assert jtorch.equal(f(x), expected)
        model.best = float(i)
        model.history.append(i)
        model.linear.note = i  # on a module of the library everything counts
        del model.linear.note
        model.__dict__.setdefault("new", i)
    assert lines(f) == ["Noted: first call"]
    for name in ("factor", "shift", "power"):
        setattr(model, name, 2.0)
        assert jtorch.equal(f(x), model(x))
        assert lines(f)[-1].endswith(f"{name} is 2.0, was 1.0")


def test_attributes_read_by_name_are_guarded():
    class Looked(Noted):
        def forward(self, x):
            return x * getattr(self, "be" + "st")

    model, x = Looked(), jtorch.ones(2)
    f = jtorch.compile(model)
    for value in (1.0, 3.0):
        model.best = value
        assert f(x).tolist() == [value, value]


def test_globals_closures_and_attributes_are_guarded(monkeypatch):
    factor = 3.0
    module = nn.Linear(2, 2)
    module.gain = 1.0

    def f(x):
        return double(x) * factor + (module(x) * 0).sum() * module.gain

    c = jtorch.compile(f)
    x = jtorch.ones(2)
    assert c(x).tolist() == [6.0, 6.0]
    factor = 4.0
    assert c(x).tolist() == [8.0, 8.0]
    monkeypatch.setitem(double.__globals__, "SCALE", 1.0)
    assert c(x).tolist() == [4.0, 4.0]
    module.gain = 2.0
    c(x)
    module.eval()
    c(x)
    module.weight.requires_grad_(False)
    c(x)
    jtorch.reset_metrics()
    c(x)
    assert jtorch.metrics()["programs_compiled"] == 0
    reasons = [line.partition(": ")[2] for line in lines(c)]
    assert reasons == [
        "first call",
        "factor is 4.0, was 3.0",
        "SCALE is 1.0, was 2.0",
        "module.gain is 2.0, was 1.0",
        "module.training is False, was True",
        "requires_grad of a tensor of shape (2, 2) is False now",
    ]


def test_numbers_shapes_and_modes_are_part_of_the_key():
    c = jtorch.compile(lambda x, n: x * n)
    assert c(jtorch.ones(2), 2.0).tolist() == [2.0, 2.0]
    assert c(jtorch.ones(2), 3.0).tolist() == [3.0, 3.0]
    assert c(jtorch.ones(2), 3).dtype is jtorch.float32
    assert c(jtorch.ones(3), 2.0).tolist() == [2.0] * 3
    assert c(jtorch.ones(2, dtype=jtorch.int64), 2).dtype is jtorch.int64
    assert [line.partition(": ")[2] for line in lines(c)] == [
        "first call",
        "argument 1 is 3.0, was 2.0",
        "argument 1 is 3, was 3.0",
        "argument 0 is float32[3], was float32[2]",
        "argument 0 is int64[2], was float32[3]",
    ]
    # The numbers are operands: three kinds of calls, three programs besides that of integers.
    assert jtorch.metrics()["programs_compiled"] <= 4


def test_the_limit_of_recordings(recwarn):
    c = jtorch.compile(lambda x, n: x + n, dynamic=False)
    with pytest.warns(UserWarning, match=r"torch._dynamo hit config.recompile_limit \(8\)"):
        found = [c(jtorch.zeros(1), n).item() for n in range(12)]
    assert found == list(range(12))
    strict = jtorch.compile(lambda x, n: x + n, fullgraph=True, dynamic=False)
    for n in range(8):
        strict(jtorch.zeros(1), n)
    with pytest.raises(FailOnRecompileLimitHit):
        strict(jtorch.zeros(1), 8)


def test_sizes_and_numbers_do_not_count_for_the_limit(monkeypatch):
    c = jtorch.compile(lambda x, n: (x * n).sum(), dynamic=True)
    t = jtorch.ones(2)
    jtorch._dynamo.mark_dynamic(t, 0)
    assert c(t, 2.0).item() == 4.0
    for n in range(1, 13):  # a warning would be an error
        assert c(jtorch.ones(n), 2.0).item() == 2.0 * n
    assert len(lines(c)) == 9  # 8 recordings, and a line that says so
    assert "more than 8 sizes or numbers, and XLA compiles a program for each" in lines(c)[-1]
    jtorch.reset_metrics()
    assert [c(jtorch.ones(12), 2.0).item() for _ in range(3)] == [24.0] * 3
    assert lines(c)[-1].endswith("argument 0 is float32[12], was float32[8]")  # recorded the second time
    assert jtorch.metrics()["flushes"] == {}
    monkeypatch.setattr(jtorch._dynamo.config, "cache_size_limit", 2)
    monkeypatch.setattr(jtorch._dynamo.config, "accumulated_cache_size_limit", 3)
    strict = jtorch.compile(lambda x: x + 1, fullgraph=True)
    for n in (1, 2, 3):
        strict(jtorch.ones(n))
    with pytest.raises(FailOnRecompileLimitHit, match="accumulated_recompile_limit"):
        strict(jtorch.ones(4))
    modes = jtorch.compile(lambda x, flag: x + 1 if flag else x)
    assert [modes(jtorch.ones(1), flag).item() for flag in (True, "a")] == [2.0, 2.0]
    with pytest.warns(UserWarning, match=r"hit config.recompile_limit \(2\)"):
        modes(jtorch.ones(1), None)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.kept = None
        self.weight = nn.Parameter(jtorch.ones(2))

    def forward(self, x):
        self.calls += 1
        return x * self.weight


def test_side_effects_on_python_objects_are_not_lost():
    m = Counter()
    c = jtorch.compile(m)
    for _ in range(3):
        c(jtorch.ones(2))
    assert m.calls == 3
    assert "changes what it depends on" in explain(c)
    kept = []
    w = jtorch.ones(1, requires_grad=True)
    f = jtorch.compile(lambda x: kept.append(x * w) or x * w + 1)
    for _ in range(3):
        f(jtorch.ones(1)).backward()
    assert [k.item() for k in kept] == [1.0] * 3
    assert w.grad.item() == 3.0
    kept[0].backward()
    assert w.grad.item() == 4.0
    g = jtorch.compile(lambda x: x * random.random() + np.random.rand())
    assert len({g(jtorch.ones(1)).item() for _ in range(4)}) == 4
    hidden = iter([jtorch.ones(1), jtorch.zeros(1), jtorch.ones(1) * 5])
    h = jtorch.compile(lambda x: x + next(hidden))
    assert [h(jtorch.ones(1)).item() for _ in range(3)] == [2.0, 1.0, 6.0]


def test_random_numbers_advance_and_may_not_decide():
    c = jtorch.compile(
        lambda x: (x + jtorch.rand(2), jtorch.randperm(5), jtorch.randint(10, (3,)) + jtorch.zeros(3))
    )
    jtorch.manual_seed(5)
    found = [[t.tolist() for t in c(jtorch.zeros(2))] for _ in range(3)]
    jtorch.manual_seed(5)
    expected = [[t.tolist() for t in c._compiled_function.function(jtorch.zeros(2))] for _ in range(3)]
    assert found == expected
    assert len(lines(c)) == 1
    d = jtorch.compile(lambda x: x + 1 if jtorch.rand(1) < 0.5 else x - 1)
    jtorch.manual_seed(1)
    assert {d(jtorch.zeros(1)).item() for _ in range(12)} == {1.0, -1.0}


def test_parameters_given_new_memory_are_followed():
    m = nn.Linear(2, 2)
    c = jtorch.compile(m)
    with jtorch.no_grad():
        c(jtorch.ones(1, 2))
        m.weight.data = jtorch.zeros(2, 2)
        m.load_state_dict({"weight": jtorch.ones(2, 2), "bias": jtorch.zeros(2)})
        assert c(jtorch.ones(1, 2)).tolist() == [[2.0, 2.0]]
        m.weight = nn.Parameter(jtorch.zeros(2, 2))
        assert c(jtorch.ones(1, 2)).tolist() == [[0.0, 0.0]]
        m.double()
        assert c(jtorch.ones(1, 2, dtype=jtorch.float64)).dtype is jtorch.float64
    hook = m.register_forward_hook(lambda m, a, r: r + 1)
    with jtorch.no_grad():
        assert c(jtorch.zeros(1, 2, dtype=jtorch.float64)).tolist() == [[1.0, 1.0]]
        hook.remove()
        assert c(jtorch.zeros(1, 2, dtype=jtorch.float64)).tolist() == [[0.0, 0.0]]


def test_modules():
    m = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5))
    c = jtorch.compile(m)
    assert isinstance(c, nn.Module)
    assert c._orig_mod is m
    assert list(c.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]  # as PyTorch's OptimizedModule
    assert c[0] is m[0] if hasattr(type(c), "__getitem__") else c._orig_mod[0] is m[0]
    c.eval()
    assert not m.training
    assert not c.training
    assert len(list(c.parameters())) == 2
    x = jtorch.ones(1, 2)
    assert jtorch.allclose(c(x), m(x))
    m.compile()
    assert jtorch.allclose(m(x), nn.functional.linear(x, m[0].weight, m[0].bias))
    jtorch.reset_metrics()
    assert m(x).requires_grad


def test_disable_stance_decorator_and_nesting():
    @jtorch.compiler.disable
    def outside(x):
        return x.item()

    @jtorch.compile(dynamic=True, mode="max-autotune")
    def f(x):
        return x * outside(x)

    assert f(jtorch.tensor(3.0)).item() == 9.0
    assert "kept out of programs" in explain(f)
    states = []

    def g(x):
        states.append(jtorch.compiler.is_compiling())
        return x + 1

    c = jtorch.compile(g)
    outer = jtorch.compile(lambda x: c(x) * 2)
    assert outer(jtorch.ones(1)).item() == 4.0
    assert states == [True]
    assert not jtorch.compiler.is_compiling()
    with jtorch.compiler.set_stance("force_eager"):
        c(jtorch.ones(1))
    assert states == [True, False]
    with (
        jtorch.compiler.set_stance("fail_on_recompile"),
        pytest.raises(
            RuntimeError, match=r"Detected recompile when torch\.compile stance is 'fail_on_recompile'"
        ),
    ):
        c(jtorch.ones(7))
    assert jtorch.compile(g, disable=True) is g
    jtorch._dynamo.reset()
    c(jtorch.ones(1))
    assert len(states) == 3  # recorded anew


def test_errors_of_the_function_are_raised_as_ever():
    w = jtorch.zeros(2)

    @jtorch.compile
    def f(x):
        w.add_(1)
        return x @ jtorch.ones(3)

    for n in (1, 2):
        with pytest.raises(RuntimeError, match="inconsistent tensor size"):
            f(jtorch.ones(2))
        assert w.tolist() == [float(n)] * 2


def test_inside_jax_transforms_and_with_numpy_arguments():
    import jax

    c = jtorch.compile(lambda x: x * 2)
    assert jax.jit(c)(jtorch.ones(2)).tolist() == [2.0, 2.0]
    assert jax.grad(lambda a: c(jtorch.from_jax(a)).sum().jax())(jax.numpy.ones(2)).tolist() == [2.0, 2.0]
    f = jtorch.compile(lambda a: jtorch.tensor(a) + 1)
    assert [f(np.full(1, v)).item() for v in (1.0, 2.0)] == [2.0, 3.0]


def test_eager_mode_compiles_too():
    from jtorch.trace import settings

    settings.eager = True
    c = jtorch.compile(lambda x: (x * 2 + 1).sum())
    assert c(jtorch.ones(3)).item() == 9.0
    jtorch.reset_metrics()
    assert c(jtorch.ones(3)).item() == 9.0
    assert jtorch.metrics()["cache_hits"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        c(jtorch.ones(3))


def test_what_cannot_be_called_is_refused():
    with pytest.raises(AssertionError) as caught:
        jtorch.compile(3)
    # The texts of PyTorch 2.13.
    assert str(caught.value) == "A callable function is expected, but <class 'int'> is provided."
    with pytest.raises(AssertionError, match="fn must be callable"):
        jtorch.compiler.disable(3)
    with pytest.raises(RuntimeError, match="default, lite, reduce-overhead, max-autotune-no-cudagraphs"):
        jtorch.compile(lambda x: x, mode="none")


def test_a_backward_of_a_compiled_function_is_not_differentiated_again():
    w = jtorch.ones(3, requires_grad=True)
    x = jtorch.tensor([1.0, 0.5, 2.0])
    c = jtorch.compile(lambda x: (x * w**3).exp().sum())
    for _ in range(2):
        (gradient,) = jtorch.autograd.grad(c(x), w, create_graph=True)
        # By hand: d exp(x w**3) / dw = 3 x w**2 exp(x w**3).
        jtorch.testing.assert_close(gradient.detach(), 3 * x * x.exp())
        assert gradient.requires_grad
        with pytest.raises(RuntimeError, match="aot_autograd does not currently support double backward"):
            (gradient**2).sum().backward()
        # For several cotangents at once, too.
        with pytest.raises(RuntimeError, match="aot_autograd does not currently support double backward"):
            jtorch.autograd.functional.hessian(c, x)
    assert len(lines(c)) == 2


def test_wrong_settings_are_refused():
    def refused(error, text, **settings):
        with pytest.raises(error, match=text):
            jtorch.compile(jtorch.sin, **settings)

    # PyTorch 2.13's types and texts; settings of Inductor are looked at for Inductor alone.
    refused(InvalidBackend, r"Invalid backend: 'nope', see `torch._dynamo.list_backends\(\)`", backend="nope")
    refused(RuntimeError, "Unrecognized mode=fast, should be one of: default, lite", mode="fast")
    refused(RuntimeError, "Either mode or options can be specified, but", mode="default", options={})
    refused(AttributeError, "'str' object has no attribute 'items'", options="max_autotune")
    refused(AssertionError, "Expected enable to be a bool, got <class 'int'>", dynamic=1)
    refused(NotImplementedError, "no FX graph to hand to a custom backend", backend=jtorch.cos)
    refused(NotImplementedError, "every combination of sizes has its own program", shapes_spec=object())
    with pytest.raises(RuntimeError, match="Model can't be None"):
        jtorch.compile()(None)
    assert jtorch.compile(jtorch.sin, backend="eager", mode="fast") is jtorch.sin


def test_the_limit_of_one_function():
    c = jtorch.compile(lambda x, name: x + 1, recompile_limit=2)
    x = jtorch.ones(2)
    for name in "ab":
        assert c(x, name).tolist() == [2.0, 2.0]
    with pytest.warns(UserWarning, match=r"torch._dynamo hit config.recompile_limit \(2\)"):
        assert c(x, "c").tolist() == [2.0, 2.0]
    assert len(lines(c)) == 2
