"""How often loops compile: what varies from step to step must never be part of a program."""

import pytest

import jtorch
from jtorch import nn
from jtorch.compiler import lower
from jtorch.dispatch import clear_plans
from jtorch.ops._registry import OPS


def loop(step, rounds=6):
    """Run a step several times and return how many programs that compiled."""
    for i in range(rounds):
        step(i)
    m = jtorch.metrics()
    return m["programs_compiled"] + m["ops_compiled"]


def train_step(w, x, y, lr):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with jtorch.no_grad():
        w -= lr * w.grad
    w.grad = None
    return loss.item()


def regression():
    x = jtorch.arange(8, dtype=jtorch.float32).reshape(4, 2) / 8
    w = jtorch.zeros(2, 1, requires_grad=True)
    return w, x, jtorch.ones(4, 1)


def test_steady_training_loop_compiles_one_program():
    w, x, y = regression()
    losses = []
    assert loop(lambda i: losses.append(train_step(w, x, y, 0.1))) <= 2
    assert losses == sorted(losses, reverse=True)
    assert jtorch.metrics()["cache_hits"] >= 4


def test_preparing_data_is_no_part_of_the_first_step():
    x = (jtorch.rand(20, 4) * 3 - 1).float()
    y = x.sum(1, keepdim=True) > 0
    model = nn.Linear(4, 1)
    optimizer = jtorch.optim.Adam(model.parameters())
    before = jtorch.metrics()["programs_compiled"]
    for _ in range(3):
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert jtorch.metrics()["programs_compiled"] == before + 1


def test_schedule_of_learning_rates_never_recompiles():
    w, x, y = regression()
    assert loop(lambda i: train_step(w, x, y, 0.1 / (i + 1))) <= 2


@pytest.mark.parametrize(
    "step",
    [
        lambda x, i: (x * (0.5 + i)).sum().item(),
        lambda x, i: (x + i).sum().item(),
        lambda x, i: jtorch.add(x, x, alpha=i + 2).sum().item(),
        lambda x, i: ((x * 1)[i] * 2).sum().item(),
        lambda x, i: ((x * 1)[i : i + 2] * 2).sum().item(),
        lambda x, i: ((x * 1)[-1 - i]).sum().item(),
        lambda x, i: ((x * 1)[i, 1:] + 1).sum().item(),
        lambda x, i: ((x * 1)[jtorch.tensor([i, 0])] + 1).sum().item(),
        lambda x, i: (x * 1).narrow(0, i, 2).sum().item(),
        lambda x, i: (x * 1).select(0, i).sum().item(),
    ],
    ids=[
        "factor",
        "integer",
        "alpha",
        "index",
        "slice",
        "negative",
        "mixed",
        "index tensor",
        "narrow",
        "select",
    ],
)
def test_changing_numbers_never_recompile(step):
    x = jtorch.ones(8, 3)
    assert loop(lambda i: step(x, i)) == 1


def test_written_positions_never_recompile():
    x = jtorch.ones(8, 3)

    def step(i):
        y = x * 2
        y[i] = 0
        y[i : i + 2, 1] += 1
        return y.sum().item()

    assert loop(step) == 1


def test_views_of_data_use_no_program_at_all():
    data = jtorch.arange(12).reshape(6, 2)
    for i in range(6):
        assert data[i, 0].item() == 2 * i
        assert data[i:].tolist()[0][1] == 2 * i + 1
        assert data.t()[1][i].item() == 2 * i + 1
    assert jtorch.metrics()["flushes"] == {}


def test_running_total_does_not_grow_the_graph():
    x = jtorch.ones(3)
    total = jtorch.zeros(())
    for i in range(5):
        total += (x * i).sum()
        (x * 2).sum().item()
    assert total.item() == 30.0  # 3 * (0 + 1 + 2 + 3 + 4)
    assert jtorch.metrics()["nodes"] < 5 * 6


def test_a_second_backward_ends_the_program_of_the_first():
    w, x, y = regression()
    for _ in range(4):
        ((x @ w - y) ** 2).mean().backward()  # accumulates, nothing is read
    assert jtorch.metrics()["flushes"].get("backward") == 3
    assert jtorch.metrics()["programs_compiled"] <= 3


def test_reads_name_the_users_line():
    (jtorch.ones(3) + 1).sum().item()
    (line,) = jtorch.metrics()["reads"]
    assert "test_compilations.py:" in line


def test_metrics_start_over():
    (jtorch.ones(3) + 1).sum().item()
    jtorch.reset_metrics()
    m = jtorch.metrics()
    assert m["programs_compiled"] == m["nodes"] == 0
    assert m["reads"] == {}


@pytest.fixture
def traces(monkeypatch):
    """A list that grows whenever the Python function of ``sinh`` runs."""
    op, found = OPS["sinh"], []
    function = op.fn

    def fn(x):
        found.append(x)
        return function(x)

    monkeypatch.setattr(op, "fn", fn)
    clear_plans()
    yield found
    clear_plans()


def test_an_operation_is_traced_once_for_all_programs_that_contain_it(traces):
    x = jtorch.arange(5.0)
    x.sinh().sinh().sum().item()
    (x.sinh() + 1).sum().item()
    assert len(traces) == 1


def test_its_gradient_is_made_of_the_same_trace(traces):
    for count in (1, 2):
        x = jtorch.zeros(5, requires_grad=True)
        sum(x.sinh().sum() for _ in range(count)).backward()
        assert x.grad.tolist() == [count] * 5  # cosh(0) = 1
        assert len(traces) == 1


def test_parts_of_a_split_begin_at_fixed_places_and_those_of_many_at_numbers():
    x = jtorch.ones(2, 12)
    program = lower(lambda x: [p.exp() for p in x.split(4, 1)], x).as_text()
    assert "dynamic_slice" not in program
    assert program.count("stablehlo.slice") == 3
    assert "dynamic_slice" in lower(lambda x: [p.exp() for p in x.split(2, 1)], x).as_text()


def test_writes_reach_the_base_through_a_fixed_part():
    x = jtorch.zeros(2, 6) + 0
    first, second = x.chunk(2, 1)
    second += 1
    first[1] = 5
    assert x.tolist() == [[0, 0, 0, 1, 1, 1], [5, 5, 5, 1, 1, 1]]


def test_the_tenth_batch_of_a_cumulative_average_is_no_program_of_its_own():
    norm = jtorch.nn.BatchNorm1d(3, momentum=None)

    def step(i):
        norm(jtorch.full((4, 3), float(i)))
        norm.running_mean.tolist()

    loop(step, 8)
    before = jtorch.metrics()["programs_compiled"]
    loop(step, 4)  # 1 / 10 is the default momentum
    assert jtorch.metrics()["programs_compiled"] == before


@pytest.mark.parametrize(("momentum", "operand"), [(0.1, False), (0.2, True)])
def test_the_default_momentum_is_no_operand(momentum, operand):
    norm = jtorch.nn.BatchNorm1d(3, momentum=momentum)
    assert ("f64" in lower(norm, jtorch.randn(4, 3)).as_text()) is operand
