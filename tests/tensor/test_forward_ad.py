"""Dual tensors (``torch.autograd.forward_ad``): programs have the same results here and in PyTorch."""

import pytest

import jtorch


@pytest.fixture(autouse=True)
def quick_import(monkeypatch):
    """PyTorch compiles derivatives that it lacks in C++ otherwise, for up to a minute."""
    monkeypatch.setenv("PYTORCH_JIT", "0")


SETUP = """
from torch.autograd import Function, forward_ad as fw
from torch.nn import functional as F

def numbers(*shape):
    count = 1
    for n in shape:
        count *= n
    return (torch.arange(count, dtype=torch.float64).reshape(shape) + 1) / count

x, t = numbers(2, 3), numbers(2, 3) ** 2 - 0.3
w, wt = numbers(4, 3) - 0.5, numbers(4, 3) * 2
tangent = lambda a: fw.unpack_dual(a).tangent

class Twice(Function):
    result = staticmethod(lambda x: x * 2)
    move = staticmethod(lambda ctx, *given: given[0] * 7)

    @classmethod
    def of(cls, x, *more, result=None, move=None, grad=False):
        names = {"result": staticmethod(result or cls.result), "move": staticmethod(move or cls.move)}
        made = type("Made", (cls,), names)
        return made.apply(fw.make_dual(x.clone().requires_grad_(grad), t.clone()), made, *more)

    @staticmethod
    def forward(ctx, x, made, *more):
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        ctx.kept = made
        return made.result(ctx, x) if made.result.__code__.co_argcount == 2 else made.result(x)

    @staticmethod
    def backward(ctx, g):
        return g * 2, None, None

    @staticmethod
    def jvp(ctx, x, made, *more):
        return ctx.kept.move(ctx, x, *more)

class Silent(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

def dirty(ctx, x):
    ctx.mark_dirty(x)
    return x.mul_(2)

def fixed(ctx, x):
    second = x * 3
    ctx.mark_non_differentiable(second)
    return x * 2, second
"""

# Expressions of d, the dual tensor of x and t; v, that of w and wt.
VALUES = [
    "d * d + d.exp() / 3",
    "d @ v.T",
    "F.linear(d, v).relu().sum()",
    "F.conv1d(d[None], v[:, None, :2].expand(4, 2, 2))",
    "F.softmax(d, 1).log()",
    "F.cross_entropy(d, torch.tensor([0, 2]))",
    "F.layer_norm(d, (3,), weight=v[0])",
    "F.scaled_dot_product_attention(d[None], v[None], v[None])",
    "torch.cat([d, x, v])",
    "torch.where(d > 0.5, d, v[:2])",
    "torch.linalg.solve(d[:, :2] @ d[:, :2].T, v[:2])",
    "d.sort(1, descending=True)[0]",
    "d.max(1).values",
    "d.floor()",
    "d > 0.5",
    "d.argmax()",
    "d.long()",
    "d.detach()",
    "d.data",
    "torch.zeros_like(d)",
    "d.to(torch.float32) * 2",
    "torch.complex(d, d * 2).abs()",
    "d.T[1:]",
    "d.t().as_strided((2,), (2,), 1)",
    "d[:, torch.tensor([0, 2])]",
    "d[d > 0.5]",
    "x * 2",
    "torch.func.grad(lambda a: (a * d).sin().sum())(x)",
    "torch.func.vmap(torch.sin)(d)",
    "F.dropout(d, 0.0)",
    "torch.nn.Linear(3, 2, dtype=torch.float64).requires_grad_(False)(d) * 0",
    # in place
    "d.clone().mul_(d)",
    "d.mul_(2)",
    "d.copy_(x)",
    "d.zero_()",
    "x.clone().copy_(d)",
    "x.clone().add_(d)",
]

PROGRAMS = [
    # writes through views
    "d = dual(); d[0] = 5.0; result = d, d[0]",
    "d = dual(); d[:, 1].mul_(3); result = d, d.T",
    "p = torch.zeros(2, 3, dtype=x.dtype); p[1] = dual()[0]; result = p, p[1], p[0]",
    "p = torch.zeros(2, 3, dtype=x.dtype); v = p[1]; v.add_(dual()[0]); result = p, v",
    "p = torch.zeros(2, 3, dtype=x.dtype); p[torch.tensor([1])] = dual()[:1]; result = p",
    "d = dual(); d.requires_grad_(False); e = d.view(6); e[2:4] = 0.0; result = d, e",
    # what is and what is not dual
    "d = dual(); p = fw.unpack_dual(d).primal; result = p, p[0], p * 2, fw.unpack_dual(p * d)",
    "d = dual(); result = fw.unpack_dual(d), fw.unpack_dual(x), d is x, fw.unpack_dual(d, level=0)",
    "with torch.no_grad(): result = dual() * 2",
    "with torch.inference_mode(): result = dual() * 2",
    "result = fw.make_dual(x, t.float()), fw.make_dual(x, t.float()) * 2",
    # reverse over forward and forward over reverse
    "a = x.clone().requires_grad_(); y = (fw.make_dual(a, t) ** 3).sum(); "
    "result = torch.autograd.grad(tangent(y), a)",
    "a = x.clone().requires_grad_(); d = fw.make_dual(a, t); y = (d ** 3).sum(); "
    "result = torch.autograd.grad(y, d)",
    "a = x.clone().requires_grad_(); y = (fw.make_dual(a, t) ** 3).sin().sum(); "
    "result = torch.autograd.grad(y, a, retain_graph=True), torch.autograd.grad(y, a, create_graph=True)",
    "a = x.clone().requires_grad_(); d = fw.make_dual(a, t); y = (d @ w.T).tanh().sum(); "
    "g, = torch.autograd.grad(y, a, create_graph=True); "
    "result = torch.autograd.grad(tangent(g).sum(), a)[0].tolist()",
    "a = x.clone().requires_grad_(); y = (a * dual()).sum(); y.backward(); result = a.grad",
    "a = x.clone().requires_grad_(); y = (a * dual()).mul(2).t(); result = torch.autograd.grad(y.sum(), a)",
    # functions with a derivative of their own
    "result = Twice.of(x)",
    "result = Twice.of(x, move=lambda ctx, g: g * ctx.saved_tensors[0])",
    "result = tangent(Twice.of(x, grad=True, move=lambda ctx, g: g * ctx.saved_tensors[0])).requires_grad",
    "o = Twice.of(x, grad=True); result = o.requires_grad, o",
    "result = Twice.of(x, w, move=lambda ctx, g, o: g + o[:2])",
    "result = Twice.of(x, result=dirty, move=lambda ctx, g: g.mul_(2))",
    "result = Twice.of(x, result=lambda x: x.view(3, 2), move=lambda ctx, g: g.view(3, 2))",
    "result = Twice.of(x, result=lambda x: (x * 2, 'text'), move=lambda ctx, g: (g, None))",
    "result = Twice.of(x, result=fixed, move=lambda ctx, g: (g, None))",
]

ERRORS = [
    "fw.exit_dual_level(level=3)",
    "fw.enter_dual_level()",
    "fw.make_dual(torch.arange(3), t)",
    "fw.make_dual(x, torch.arange(3))",
    "fw.make_dual(x, t[0])",
    "fw.make_dual(dual(), t)",
    "fw.make_dual(x, dual())",
    "fw.make_dual(x, t, level=-1)",
    "torch.mul(dual(), 2, out=torch.zeros(2, 3, dtype=x.dtype))",
    "Silent.apply(dual())",
    "Twice.of(x, move=lambda ctx, g: (g, g))",
    "Twice.of(x, result=lambda x: (x * 2, x), move=lambda ctx, g: g)",
    "Twice.of(x, move=lambda ctx, g: 3.0)",
    "Twice.of(x, move=lambda ctx, g: g[0])",
    "Twice.of(x, result=dirty, move=lambda ctx, g: g * 2)",
    "Twice.of(x, result=lambda x: x.view(3, 2), move=lambda ctx, g: g.view(3, 2).clone())",
    "Twice.of(x, result=lambda x: x, move=lambda ctx, g: g.clone())",
    "Twice.of(x, result=fixed, move=lambda ctx, g: (g, g))",
]


def _names(package):
    names = {"torch": package}
    exec(SETUP.replace("from torch.", f"from {package.__name__}."), names)
    names["dual"] = lambda: names["fw"].make_dual(names["x"].clone(), names["t"].clone())
    return names


def _plain(result, names):
    """Values and tangents of a result, as lists and numbers."""
    if isinstance(result, tuple | list):
        return [_plain(r, names) for r in result]
    if not isinstance(result, names["torch"].Tensor):
        return result
    primal, tangent = names["fw"].unpack_dual(result)
    shown = [None if x is None else (str(x.dtype), x.tolist()) for x in (primal, tangent)]
    return [tuple(result.shape), *shown]


def _close(found, expected):
    if isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for f, e in zip(found, expected, strict=True):
            _close(f, e)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    else:
        assert found == expected


def _both(torch, run):
    found = []
    for package in (jtorch, torch):
        names = _names(package)
        with names["fw"].dual_level():
            run(names)
            found.append(_plain(names["result"], names))
    _close(*found)


@pytest.mark.parametrize("value", VALUES)
def test_values(torch, value):
    def run(names):
        make = names["fw"].make_dual
        names["d"], names["v"] = make(names["x"], names["t"]), make(names["w"], names["wt"])
        names["result"] = eval(value, names)

    _both(torch, run)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(torch, program):
    _both(torch, lambda names: exec(program, names))


@pytest.mark.parametrize("call", ERRORS)
def test_errors(torch, call):
    texts = []
    for package in (jtorch, torch):
        names = _names(package)
        with names["fw"].dual_level(), pytest.raises((RuntimeError, ValueError)) as error:
            eval(call, names)
        texts.append((error.type, str(error.value)))
    assert texts[0] == texts[1]


def test_levels(torch):
    for package in (jtorch, torch):
        names = _names(package)
        fw, x, t = (names[n] for n in ("fw", "x", "t"))
        with pytest.raises(RuntimeError, match="no level exists"):
            fw.make_dual(x, t)
        with pytest.raises(RuntimeError, match="must be a positive number"):
            fw.exit_dual_level()
        assert fw.unpack_dual(x) == (x, None)
        assert fw.enter_dual_level() == 0
        d = fw.make_dual(x, t) * 2
        assert "tangent=tensor(" in str(d)
        assert type(fw.unpack_dual(d)).__name__ == "UnpackedDualTensor"
        fw.exit_dual_level()
        assert fw.unpack_dual(d).tangent is None
        with fw.dual_level():
            assert fw.unpack_dual(d).tangent is None
            assert fw.unpack_dual(fw.make_dual(x, t)).tangent is t

        @fw.dual_level()
        def tangent(x, t, fw):
            return fw.unpack_dual(fw.make_dual(x, t) * 2).tangent

        assert tangent(x, t, fw).tolist() == (t * 2).tolist()


def test_tangents_are_freed_with_the_level():
    from weakref import ref

    fw = jtorch.autograd.forward_ad
    with fw.dual_level():
        d = fw.make_dual(jtorch.ones(3), jtorch.ones(3)) * 2
        tangent = ref(fw.unpack_dual(d).tangent)
        assert tangent() is not None
    assert tangent() is None
    assert d.tolist() == [2, 2, 2]


def test_no_level_no_work():
    """Recording is as it was: after the level, ops take their short way again."""
    from jtorch.dispatch import autocast_state, modes

    with jtorch.autograd.forward_ad.dual_level():
        with jtorch.autocast("cpu"):
            assert autocast_state.hook is type(autocast_state).installed
        assert autocast_state.hook is autocast_state.idle is not None
    assert autocast_state.hook is None
    assert not modes.watch
