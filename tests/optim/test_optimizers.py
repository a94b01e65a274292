"""Every optimizer takes the steps that PyTorch takes, and its state continues there."""

import numpy as np
import pytest

import jtorch
from jtorch import nn, optim

SHAPES = [(4, 3), (4,)]
CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "maximize": True}),
    ("RMSprop", {"momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {"weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"weight_decay": 0.1}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("ASGD", {"t0": 3, "lambd": 0.1, "weight_decay": 0.1}),
    ("Rprop", {"lr": 0.1}),
]


def start(dtype):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(dtype) for s in SHAPES]


def gradients(step, dtype):
    rng = np.random.default_rng(100 + step)
    return [rng.standard_normal(s).astype(dtype) for s in SHAPES]


def take_steps(tensor, params, optimizer, steps, dtype):
    for step in steps:
        for p, g in zip(params, gradients(step, dtype), strict=True):
            p.grad = tensor(g)
        optimizer.step()


def largest_difference(mine, theirs):
    return max(
        np.abs(a.detach().numpy() - b.detach().numpy()).max() for a, b in zip(mine, theirs, strict=True)
    )


def to_torch(torch, x):
    if isinstance(x, jtorch.Tensor):
        return torch.tensor(np.array(x.detach().numpy()))
    if isinstance(x, dict):
        return {k: to_torch(torch, v) for k, v in x.items()}
    return x


def from_torch(torch, x):
    if isinstance(x, torch.Tensor):
        return jtorch.tensor(x.detach().numpy())
    if isinstance(x, dict):
        return {k: from_torch(torch, v) for k, v in x.items()}
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
def test_steps_and_state_match_torch(torch, name, settings, dtype):
    mine = [nn.Parameter(jtorch.tensor(a)) for a in start(dtype)]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start(dtype)]
    a, b = getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(theirs, **settings)
    take_steps(jtorch.tensor, mine, a, range(20), dtype)
    take_steps(torch.tensor, theirs, b, range(20), dtype)
    tolerance = {"float32": 4e-6, "float64": 1e-13}[dtype]
    assert largest_difference(mine, theirs) < tolerance
    assert repr(a) == repr(b)
    saved, expected = a.state_dict(), b.state_dict()
    assert saved["param_groups"] == expected["param_groups"]
    assert list(saved["state"]) == list(expected["state"])
    for number, state in expected["state"].items():
        assert list(saved["state"][number]) == list(state)
        for key, value in state.items():
            found = saved["state"][number][key]
            assert str(found.dtype) == str(value.dtype)
            assert found.shape == value.shape
            assert np.abs(found.numpy() - value.numpy()).max() < tolerance, key


@pytest.mark.parametrize(("name", "settings"), CASES[1:2] + CASES[3:5] + CASES[11:12], ids=str)
def test_a_run_continues_in_the_other_framework(torch, name, settings):
    mine = [nn.Parameter(jtorch.tensor(a)) for a in start("float32")]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start("float32")]
    a, b = getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(theirs, **settings)
    take_steps(jtorch.tensor, mine, a, range(5), "float32")
    take_steps(torch.tensor, theirs, b, range(5), "float32")
    # Swap the states half-way.
    from_b = from_torch(torch, b.state_dict())
    b.load_state_dict(to_torch(torch, a.state_dict()))
    a.load_state_dict(from_b)
    take_steps(jtorch.tensor, mine, a, range(5, 10), "float32")
    take_steps(torch.tensor, theirs, b, range(5, 10), "float32")
    assert largest_difference(mine, theirs) < 4e-6


def test_changing_settings_and_counts_compile_nothing(lazy):
    params = [nn.Parameter(jtorch.ones(3, 2)), nn.Parameter(jtorch.ones(2))]
    optimizer = optim.Adam(params, lr=0.1)
    for p in params:
        p.grad = jtorch.ones_like(p)
    optimizer.step()
    optimizer.step()
    before = jtorch.metrics()["programs_compiled"]
    for step in range(10):
        group = optimizer.param_groups[0]
        group["lr"], group["eps"], group["betas"] = (
            0.1 / (step + 1),
            1e-8 * (step + 1),
            (0.9 - step / 100, 0.99),
        )
        optimizer.step()
    assert jtorch.metrics()["programs_compiled"] == before


def test_a_first_step_by_hand():
    p = nn.Parameter(jtorch.tensor([1.0, 2.0]))
    optimizer = optim.SGD([p], lr=0.5, momentum=0.9)
    p.grad = jtorch.tensor([1.0, -1.0])
    assert optimizer.step() is None
    assert p.tolist() == [0.5, 2.5]
    optimizer.step()  # the buffer is 0.9 + 1
    assert np.allclose(p.tolist(), [-0.45, 3.45])
    assert optimizer.state[p]["momentum_buffer"].tolist() == pytest.approx([1.9, -1.9])


def test_parameters_without_gradient_stay_and_keep_no_state():
    a, b = nn.Parameter(jtorch.ones(2)), nn.Parameter(jtorch.ones(2))
    optimizer = optim.Adam([a, b])
    a.grad = jtorch.ones(2)
    optimizer.step()
    assert b.tolist() == [1.0, 1.0]
    assert list(optimizer.state_dict()["state"]) == [0]
    optimizer.zero_grad()
    assert a.grad is None
    optimizer.step()
    assert optimizer.state[a]["step"].item() == 1


def test_counts_of_parameters_differ_where_a_gradient_came_late(torch):
    mine = [nn.Parameter(jtorch.tensor(a)) for a in start("float32")]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start("float32")]
    a, b = optim.Adam(mine, lr=0.01), torch.optim.Adam(theirs, lr=0.01)
    for step in range(4):
        for p, q, g in zip(mine, theirs, gradients(step, "float32"), strict=True):
            late = step < 2 and p is mine[1]
            p.grad, q.grad = (None, None) if late else (jtorch.tensor(g), torch.tensor(g))
        a.step()
        b.step()
    assert [a.state[p]["step"].item() for p in mine] == [4, 2]
    assert largest_difference(mine, theirs) < 4e-6


def test_the_step_count_reads_and_writes_as_a_tensor():
    p = nn.Parameter(jtorch.ones(2))
    optimizer = optim.Adam([p])
    p.grad = jtorch.ones(2)
    optimizer.step()
    step = optimizer.state[p]["step"]
    assert repr(step) == "tensor(1.)"
    copy = step.clone()
    optimizer.step()
    assert (step.item(), copy.item()) == (2.0, 1.0)
    step.fill_(7)
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 8.0


def test_closure_computes_the_loss():
    p = nn.Parameter(jtorch.tensor([3.0]))
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 9.0
    assert p.item() == pytest.approx(2.4)


def test_groups_have_settings_of_their_own():
    a, b = nn.Parameter(jtorch.ones(1)), nn.Parameter(jtorch.ones(1))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.25}], lr=0.5)
    a.grad = b.grad = jtorch.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == (0.5, 0.75)
    optimizer.add_param_group({"params": nn.Parameter(jtorch.ones(1)), "lr": 1})
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.25, 1]


def test_a_view_as_parameter_writes_through():
    base = jtorch.zeros(4)
    p = nn.Parameter(base[1:3])
    p.grad = jtorch.ones(2)
    optim.SGD([p], lr=1.0).step()
    assert base.tolist() == [0.0, -1.0, -1.0, 0.0]


def test_hooks_run_around_a_step():
    p = nn.Parameter(jtorch.ones(1))
    p.grad = jtorch.ones(1)
    optimizer = optim.SGD([p], lr=1.0)
    seen = []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", p.item())))
    handle = optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", p.item())))
    optimizer.step()
    handle.remove()
    optimizer.step()
    assert seen == [("pre", 1.0), ("post", 0.0), ("pre", 0.0)]


def test_an_optimizer_of_the_users(lazy):
    class Plain(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @jtorch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad, alpha=-group["lr"])

    p = nn.Parameter(jtorch.ones(2))
    p.grad = jtorch.ones(2)
    optimizer = Plain([p], 0.5)
    flushes = jtorch.metrics()["flushes"].get("step", 0)
    optimizer.step()
    assert jtorch.metrics()["flushes"]["step"] == flushes + 1
    assert p.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda o, p: o.SGD([p], lr=-1), ValueError),
        (lambda o, p: o.SGD([p], lr=0.1, momentum=-1), ValueError),
        (lambda o, p: o.SGD([p], lr=0.1, nesterov=True), ValueError),
        (lambda o, p: o.Adam([p], betas=(1.0, 0.9)), ValueError),
        (lambda o, p: o.Adam([p], eps=-1), ValueError),
        (lambda o, p: o.Adam([]), ValueError),
        (lambda o, p: o.Adam(p), TypeError),
        (lambda o, p: o.Adam([1]), TypeError),
        (lambda o, p: o.Adam([p * 2]), ValueError),
        (lambda o, p: o.Adam([{"params": {p}}]), TypeError),
        (lambda o, p: o.Adam([{"params": [p]}, {"params": [p]}]), ValueError),
        (lambda o, p: o.Adam([p]).load_state_dict({"state": {}, "param_groups": []}), ValueError),
        (
            lambda o, p: o.Adam([p]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}),
            ValueError,
        ),
    ],
    ids=range(13),
)
def test_errors_match_torch(torch, make, error):
    with pytest.raises(error) as mine:
        make(optim, nn.Parameter(jtorch.ones(2)))
    with pytest.raises(error) as theirs:
        make(torch.optim, torch.nn.Parameter(torch.ones(2)))
    assert str(mine.value) == str(theirs.value)
