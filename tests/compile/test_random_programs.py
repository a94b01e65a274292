"""Programs put together at random do compiled what they do uncompiled, call by call."""

import random

import pytest

import jtorch
from jtorch import nn
from jtorch.utils.checkpoint import checkpoint

pytestmark = pytest.mark.usefixtures("lazy")

CALLS = 6


class Doubled(jtorch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class World:
    """What a program finds beside its arguments; in float64, so that rounding decides nothing."""

    def __init__(self):
        jtorch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).double()
        self.weight = nn.Parameter(jtorch.eye(3, dtype=jtorch.float64))
        self.total = jtorch.zeros(3, dtype=jtorch.float64)
        self.optimizer = jtorch.optim.SGD([self.weight, *self.net.parameters()], lr=0.1, momentum=0.9)
        self.scale, self.deep, self.log = 0.5, True, []

    def inner(self, x):
        return x * self.scale + self.total

    def again(self, x):
        return checkpoint(lambda y: nn.functional.dropout(y @ self.weight), x, use_reentrant=False)

    def backward(self, x):
        if x.requires_grad:
            (x**2).mean().backward()

    def update(self):
        with jtorch.no_grad():
            self.weight.mul_(0.9)

    def tensors(self):
        gradients = (p.grad for p in (self.weight, *self.net.parameters()))
        state = (t for s in self.optimizer.state.values() for t in s.values())
        return [self.weight, self.total, *self.net.parameters(), *self.net.buffers(), *gradients, *state]


#: Statements of a program: its world ``w`` and its tensors ``t`` so far, the first of which is an argument.
STATEMENTS = [
    lambda w, t: t.append(w.net(t[-1])),
    lambda w, t: t.append(w.net(t[-1]).tanh()),
    lambda w, t: t.append(t[-1] * w.scale),
    lambda w, t: t.append(t[0] @ w.weight),
    lambda w, t: t.append(w.inner(t[-1])),
    lambda w, t: t.append(Doubled.apply(t[-1])),
    lambda w, t: t.append(t[-1] + jtorch.rand(4, 3, dtype=jtorch.float64)),
    lambda w, t: t.append(w.again(t[-1])),
    lambda w, t: t.append(jtorch.where(t[-1] > 0, t[-1], t[0])),
    lambda w, t: t.append(t[-1].view(3, 4).view(4, 3)),
    lambda w, t: t.append(t[-1].detach()),
    lambda w, t: t.append(t[-1].tanh()) if w.deep else None,
    lambda w, t: t.append(t[-1] / 2) if t[-1].sum() > 0 else None,
    lambda w, t: t.append(t[-1] * t[0].max().item()),
    lambda w, t: t[0].mul_(0.5),
    lambda w, t: t[-1][1].add_(1),
    lambda w, t: t[-1].t_().t_(),
    lambda w, t: w.total.add_(t[-1].detach().mean(0)),
    lambda w, t: w.update(),
    lambda w, t: w.backward(t[-1]),
    lambda w, t: w.backward(w.net(t[-1])),
    lambda w, t: w.optimizer.step(),
    lambda w, t: w.optimizer.zero_grad(),
    lambda w, t: w.log.append(len(t)),
]
RESULTS = [
    lambda w, t: t[-1],
    lambda w, t: (t[-1], t[-1][0], t[-1].detach()),
    lambda w, t: {"all": t[1:], "given": t[0], "deep": w.deep},
    lambda w, t: [t[-1].sum(), t[-1].sum().item()],
]
#: What happens between calls, ``x`` being the argument.
CHANGES = [
    lambda w, x: w.net.train(not w.net.training),
    lambda w, x: w.net.load_state_dict({k: v / 2 for k, v in w.net.state_dict().items()}),
    lambda w, x: setattr(w, "scale", w.scale / 2),
    lambda w, x: setattr(w, "deep", not w.deep),
    lambda w, x: setattr(w, "weight", nn.Parameter(w.weight.detach() * 2)),
    lambda w, x: setattr(w, "total", w.total + 1),
    lambda w, x: setattr(w.weight, "grad", None),
    lambda w, x: setattr(w.weight, "data", w.weight.data * 0.5),
    lambda w, x: w.weight.requires_grad_(not w.weight.requires_grad),
    lambda w, x: w.optimizer.step(),
    lambda w, x: w.optimizer.param_groups[0].update(lr=0.05),
    lambda w, x: w.total.zero_(),
    lambda w, x: jtorch.manual_seed(1),
    lambda w, x: x.add_(1),
]


def leaves(x):
    if isinstance(x, dict):
        x = list(x.values())
    return [y for part in x for y in leaves(part)] if isinstance(x, list | tuple) else [x]


def shown(x):
    """A tensor or number, to be compared."""
    if not isinstance(x, jtorch.Tensor):
        return x
    return x.detach().clone(), x.shape, x.stride(), x.requires_grad, x.is_leaf


def run(seed, wrap):
    """What is seen after each call of a program."""
    choose = random.Random(seed)
    body, result = choose.choices(STATEMENTS, k=choose.randint(2, 6)), choose.choice(RESULTS)
    w, seen = World(), []

    def program(x):
        t = [x]
        for statement in body:
            statement(w, t)
        return result(w, t)

    called = wrap(program)
    x = jtorch.randn(4, 3, dtype=jtorch.float64)
    for _ in range(CALLS):
        given = choose.choice([x, x, x, x[:], x.t().contiguous().t(), x.clone().requires_grad_()])
        try:
            found = leaves(called(given))
            tensors = [r for r in found if isinstance(r, jtorch.Tensor)]
            if any(r.requires_grad for r in tensors) and choose.random() < 0.3:
                sum(r.sum() for r in tensors if r.requires_grad).backward()
            if choose.random() < 0.3:
                tensors[0].mul_(2)  # shows in those that share its memory
        except RuntimeError as error:  # names of nodes in its text differ
            found = [type(error)]
        seen.append([shown(y) for y in (*found, given, x, *w.tensors(), *w.log)])
        if choose.random() < 0.5:
            choose.choice(CHANGES)(w, x)
    return [*seen, jtorch.get_rng_state()]


def compare(found, expected):
    if isinstance(expected, jtorch.Tensor):
        jtorch.testing.assert_close(found, expected, equal_nan=True)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            compare(a, b)
    else:
        assert found == (pytest.approx(expected, nan_ok=True) if isinstance(expected, float) else expected)


def check(seed):
    compare(run(seed, jtorch.compile), run(seed, lambda f: f))


@pytest.mark.parametrize("seed", range(2))
def test_a_program(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 24))
def test_more_programs(seed):
    check(seed)
