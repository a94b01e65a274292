"""What optimizers do beside their arithmetic: groups, counts, closures, hooks."""

import numpy as np
import pytest

import jtorch
from jtorch import nn, optim
from jtorch.compiler import lower

SHAPES = [(4, 3), (4,)]


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


def test_what_depends_on_equal_counts_is_computed_once():
    params = [nn.Parameter(jtorch.ones(n)) for n in (2, 3, 4)]
    optimizer = optim.Adam(params)

    def step():
        optimizer.zero_grad()
        sum((p * p).sum() for p in params).backward()
        optimizer.step()

    text = lower(step).compile().as_text()
    assert text.count(" power(") == 2  # a correction of either moment
    optimizer.state[params[1]]["step"].fill_(5)
    step()
    text = lower(step).compile().as_text()
    assert text.count(" power(") == 6


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


def after_backward(optimizer, p):
    p.sum().backward()
    optimizer.step()


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
        (lambda o, p: o.Adam([p], lr=None), TypeError),
        (lambda o, p: o.SGD([p], lr="a"), TypeError),
        (lambda o, p: o.SparseAdam([p], lr=()), TypeError),
        (lambda o, p: o.Adafactor([p], beta2_decay="a"), TypeError),
        (lambda o, p: o.Adam([p]).step(bad=1), TypeError),
        (lambda o, p: o.AdamW([p]).step(bad=1), TypeError),
        (lambda o, p: o.SGD([p], differentiable=0).step(), TypeError),
        (lambda o, p: after_backward(o.Rprop([p], step_sizes=1), p), TypeError),
        (lambda o, p: after_backward(o.RAdam([p], betas=(0.5, 0.5, 0.5)), p), ValueError),
    ],
    ids=range(22),
)
def test_errors_match_torch(torch, make, error):
    with pytest.raises(error) as mine:
        make(optim, nn.Parameter(jtorch.ones(2)))
    with pytest.raises(error) as theirs:
        make(torch.optim, torch.nn.Parameter(torch.ones(2)))
    assert str(mine.value) == str(theirs.value)


def test_wrappers_that_leave_out_the_base_class_can_step():
    class Wrapper(optim.Optimizer):
        def __init__(self, inner):
            self.inner, self.param_groups, self.state = inner, inner.param_groups, {}

        def step(self):
            self.inner.step()

    p = jtorch.nn.Parameter(jtorch.ones(1))
    p.sum().backward()
    Wrapper(optim.SGD([p], lr=0.5)).step()
    assert p.tolist() == [0.5]


def test_learning_rates_that_are_nothing_are_no_zeros():
    p = nn.Parameter(jtorch.ones(2))
    optimizer = optim.Adam([p])
    p.grad = jtorch.ones(2)
    optimizer.param_groups[0]["lr"] = None
    with pytest.raises(TypeError):
        optimizer.step()


def test_settings_and_numbers_as_in_torch(torch):
    for package in (jtorch, torch):
        p = package.nn.Parameter(package.ones(2))
        assert package.optim.SGD([p], lr=float("nan")).defaults["momentum"] == 0  # not refused
        with pytest.warns(UserWarning, match="duplicate parameters"):
            twice = package.optim.SGD([p, p], 0.1)
        assert twice.state_dict()["param_groups"][0]["params"] == [1, 1]
        old = package.optim.SGD([p], 0.1)
        old.load_state_dict({"state": {}, "param_groups": [{"params": [0]}]})
        assert list(old.param_groups[0]) == [
            "params",
            "nesterov",
            "maximize",
            "foreach",
            "differentiable",
            "fused",
        ]
        assert old.param_groups[0]["fused"] is False
        assert package.optim.AdamW.step.__qualname__ == "Adam.step"
