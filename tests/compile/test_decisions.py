"""Functions that decide by the truth of a tensor: chains of programs, one chain for each way through."""

import pytest

import jtorch
from jtorch import nn
from jtorch.compiler import explain

pytestmark = pytest.mark.usefixtures("lazy")


def lines(c):
    return [line.partition(": ")[2] for line in explain(c).splitlines()]


def test_each_case_is_recorded_once():
    def f(x):
        y = x * 2
        if y.sum() > 0:
            return y + 1
        return y - 1

    c = jtorch.compile(f)
    assert [c(jtorch.tensor([v])).item() for v in (1.0, -1.0, 2.0, -2.0, 3.0)] == [3.0, -3.0, 5.0, -5.0, 7.0]
    line = f"{__file__}:{f.__code__.co_firstlineno + 2}"
    assert lines(c) == ["first call", f"{line} decides False, was True"]
    jtorch.reset_metrics()
    for v in (1.0, -1.0, 1.0):
        c(jtorch.tensor([v])).item()
    metrics = jtorch.metrics()
    assert metrics["programs_compiled"] == 0
    assert metrics["flushes"] == {"decision": 3}
    assert metrics["reads"] == {line: 3}


def test_loops_run_until_a_tensor_says_so():
    def root(a):
        x, n = a, 0
        while (x * x - a).abs() > 1e-4 * a:
            x, n = 0.5 * (x + a / x), n + 1
        return x, n

    c = jtorch.compile(root)
    numbers = (2.0, 3.0, 100.0, 2.0, 1e4, 100.0)
    found = [c(jtorch.tensor(a)) for a in numbers]
    expected = [root(jtorch.tensor(a)) for a in numbers]
    assert [(x.item(), n) for x, n in found] == [(x.item(), n) for x, n in expected]
    recordings = len(lines(c))
    assert recordings == len({n for _, n in expected})
    c(jtorch.tensor(2.0))
    assert len(lines(c)) == recordings


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.extra, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        h = self.first(x).tanh()
        if h.mean() > 0:
            h = self.extra(h).relu()
        h = self.drop(h)
        if h.sum() > 1:
            h = h * 2
        return self.last(h)


def test_gradients_flow_through_decisions():
    def train(compiled):
        jtorch.manual_seed(1)
        model = Gated()
        f = jtorch.compile(model) if compiled else model
        optimizer = jtorch.optim.SGD(model.parameters(), lr=0.3)
        found = []
        for _ in range(16):
            x = jtorch.randn(3, 4, requires_grad=True)
            loss = (f(x) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found += [loss.item(), x.grad.sum().item()]
        return found + [p.sum().item() for p in model.parameters()], f

    expected, _ = train(False)
    found, f = train(True)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert all("decides" in line or line == "first call" for line in lines(f))
    assert 2 <= len(lines(f)) <= 4


def test_decisions_about_gradients_and_backwards_that_would_fail():
    class Double(jtorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2 if grad.sum() > 0 else grad

    w = jtorch.ones(3, requires_grad=True)
    f = jtorch.compile(lambda x: Double.apply(w * x))
    for sign, expected in ((1, 2.0), (-1, -1.0), (1, 2.0)):
        w.grad = None
        (f(jtorch.ones(3)).sum() * sign).backward()
        assert w.grad.tolist() == [expected] * 3
    assert "reads" in lines(f)[1]

    scale = jtorch.ones(3)

    def spoiled(x):  # as long as nobody calls backward() there is no error
        out = (w * scale).sum() + x.sum()
        scale.add_(1)
        return out

    g = jtorch.compile(spoiled)
    for _ in range(2):
        g(jtorch.zeros(3))
    assert scale.tolist() == [3.0] * 3
    assert "a backward through its results would fail" in explain(g)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        g(jtorch.zeros(3)).backward()
    assert (jtorch.ones(1) + 1).item() == 2.0


def test_a_step_that_decides_in_the_middle_undoes_what_it_began():
    """Draws, counts of steps and schedules before a decision whose other side is not known yet."""

    def train(compiled):
        jtorch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 1))
        optimizer = jtorch.optim.Adam(model.parameters(), lr=0.1)
        schedule = jtorch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        other = jtorch.Generator().manual_seed(5)

        def step(x, y):
            loss = ((model(x) - y) ** 2).mean() + jtorch.rand(1, generator=other).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if jtorch.rand(1) > 0.5:
                with jtorch.no_grad():
                    for p in model.parameters():
                        p.mul_(0.9)
            return loss.detach()

        f = jtorch.compile(step) if compiled else step
        g = jtorch.Generator().manual_seed(3)
        losses = [
            f(jtorch.randn(6, 4, generator=g), jtorch.randn(6, 1, generator=g)).item() for _ in range(12)
        ]
        state = [v.double().sum().item() for v in model.state_dict().values()]
        counts = [
            optimizer.state[model[0].weight]["step"].item(),
            schedule.get_last_lr()[0],
            schedule.last_epoch,
        ]
        return losses + state, counts, [jtorch.rand(1).item(), jtorch.rand(1, generator=other).item()], f

    expected, found = train(False), train(True)
    assert found[0] == pytest.approx(expected[0], rel=1e-4, abs=1e-6)
    assert found[1:3] == expected[1:3]
    assert [line.split()[-2:] for line in lines(found[3])[1:]] in (["was", "True"], ["was", "False"]) or len(
        lines(found[3])
    ) == 2


def test_a_case_that_cannot_be_replayed_runs_uncompiled_alone(capsys):
    def f(x):
        y = x * 2
        if y.sum() < 0:
            print("negative")
            return y
        return y + 1

    c = jtorch.compile(f)
    assert [c(jtorch.tensor([v])).item() for v in (1.0, -1.0, -2.0, 2.0)] == [3.0, -2.0, -4.0, 5.0]
    assert capsys.readouterr().out == "negative\n" * 2
    assert lines(c)[-1].endswith("prints")
    jtorch.reset_metrics()
    c(jtorch.tensor([3.0]))
    assert jtorch.metrics()["flushes"] == {"decision": 1}


def test_state_between_decisions_may_be_overwritten():
    weight = jtorch.zeros(200, 200)

    @jtorch.compile
    def f(x):
        weight.add_(x)
        if weight.sum() > 1e5:
            weight.mul_(0)
        return weight.sum()

    x = jtorch.ones(200, 200)
    assert [f(x).item() for _ in range(6)] == [4e4, 8e4, 0.0, 4e4, 8e4, 0.0]
    assert len(lines(f)) == 2


def test_prints_and_logs_are_said_in_every_call(capsys, caplog):
    import logging

    def f(x):
        print("called")
        return x + 1

    def g(x):
        logging.getLogger("here").warning("called")
        return x + 1

    for function in (f, g):
        c = jtorch.compile(function)
        for _ in range(3):
            c(jtorch.ones(1))
        line = f"{__file__}:{function.__code__.co_firstlineno + 1}"
        assert lines(c)[1].startswith(f"not replayed: {line} ")
    assert capsys.readouterr().out == "called\n" * 3
    assert len(caplog.records) == 3
    with pytest.raises(jtorch._dynamo.exc.Unsupported, match="prints"):
        jtorch.compile(f, fullgraph=True)(jtorch.ones(1))
    assert print.__module__ == "builtins"


def test_explain_counts_programs():
    def f(x):
        y = x.sin()
        if y.sum() > 0:
            y = y * 2
        print("n", end="")
        return (y @ y).item()

    report = jtorch._dynamo.explain(jtorch.compile(f))(jtorch.ones(3))
    assert (report.graph_count, report.graph_break_count, report.op_count) == (3, 2, 5)
    assert report.ops_per_graph[1:] == [["mul"], ["matmul"]]
    start = f.__code__.co_firstlineno
    assert [r.user_stack[0].lineno - start for r in report.break_reasons] == [2, 4, 5]
    assert str(report).startswith("Graph Count: 3\nGraph Break Count: 2\nOp Count: 5\nBreak Reasons:\n")
    whole = jtorch._dynamo.explain(lambda x: x.sin().sum())(jtorch.ones(3))
    assert (whole.graph_count, whole.graph_break_count, whole.break_reasons) == (1, 0, [])
