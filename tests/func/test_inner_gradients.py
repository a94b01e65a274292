"""``autograd.grad``, hooks and reads of values in functions that ``func`` transforms, against PyTorch's."""

import numpy as np
import pytest

import jtorch

# Warnings of PyTorch about itself.
pytestmark = pytest.mark.filterwarnings("ignore")

SETUP = """
import copy
F, G = t.func, t.autograd.grad
x, m = t.tensor([1.6, -0.6, -0.5], dtype=d), t.tensor([[1.6, -0.6, -0.5], [-1.0, 0.8, -2.3]], dtype=d)
one = t.ones(3, dtype=d)
leaf = t.tensor([0.5, 2.0, -1.0], dtype=d, requires_grad=True)

class Threefold(t.autograd.Function):
    forward = staticmethod(lambda x: x * x)
    setup_context = staticmethod(lambda ctx, given, made: ctx.save_for_backward(*given))
    backward = staticmethod(lambda ctx, g: 3 * ctx.saved_tensors[0] * g)

def slope(f, x):
    return G(f(x).sum(), x, create_graph=True)[0]

def cubes(x):
    return slope(lambda y: y ** 3, x)

def hooked(f, *hooks):
    def function(x):
        y = f(x)
        for hook in hooks:
            y.register_hook(hook)
        return (y ** 2).sum()
    return function

def between(x):
    y = x.sin()
    return (G((y ** 2).sum(), y, create_graph=True)[0] * x).sum()

def both(x):
    y = x.sin()
    gx, gy = G((y ** 2 * x).sum(), (x, y), create_graph=True)
    return (gx * gy).sum()

def changed(x):
    y = x * 1
    y.mul_(x)
    g, h = G((y ** 2).sum(), (x, y), create_graph=True)
    return (g * h).sum()

def made_inside(x):
    w = t.ones(3, dtype=d, requires_grad=True)
    return (G((x * w ** 3).sum(), w, create_graph=True)[0] * x).sum()

def penalty(w, x):
    x = x * 1
    g = G((x @ w).tanh().sum(), x, create_graph=True)[0]
    return ((g.norm(dim=1) - 1) ** 2).mean()

def unused(x, y):
    g, h = G((x ** 2).sum(), (x, y), materialize_grads=True, create_graph=True)
    return ((g + h) * y).sum()

def removed(x):
    y = x * 2
    y.register_hook(lambda g: g * 3).remove()
    return (y ** 2).sum()

def to_outer_leaf():
    r = F.grad(lambda y: (G((y ** 3 * leaf).sum(), y, create_graph=True)[0] * leaf).sum())(x)
    return r, G(r.sum(), leaf)

def hook_with_outer_leaf():
    r = F.grad(lambda y: hooked(lambda y: y.sin() * leaf, lambda g: g * leaf * y)(y))(x)
    return r, G(r.sum(), leaf)

def told(x):
    y = x * 2
    flags = [z.requires_grad for z in (x, y, y.detach(), y > 0)] + [x.is_leaf, y.is_leaf]
    with t.no_grad():
        flags.append((x * 2).requires_grad)
    return x * sum(2.0 ** i for i, flag in enumerate(flags) if flag)
"""

PROGRAMS = """
F.grad(lambda x: cubes(x).sum())(x)
F.grad(lambda x: G((x ** 3).sum(), x)[0].sum() + x.sum())(x)
F.grad(between)(x)
F.grad(both)(x)
F.grad(changed)(x)
F.grad(made_inside)(x)
F.grad(lambda x: (slope(cubes, x) * cubes(x)).sum())(x)
F.vjp(cubes, x)[1](one)
F.jacrev(cubes)(x)
F.vmap(F.grad(lambda x: (cubes(x) ** 2).sum()))(m)
F.hessian(lambda x: (cubes(x) ** 2).sum())(x)
F.jacrev(lambda x: F.jvp(lambda y: y * x.sum(), (cubes(x),), (x,))[1])(x)
F.grad(lambda x: (F.grad(lambda y: slope(lambda y: y ** 3 * x, y).sum())(x) * x).sum())(x)
F.grad(lambda x: (G((x.sin(), x.exp()), x, (x, one), create_graph=True)[0] ** 2).sum())(x)
F.grad(lambda x: slope(Threefold.apply, x).mul(x).sum())(x)
F.grad(penalty, argnums=(0, 1))(m.T.contiguous(), t.stack([x, -x]))
F.grad(unused, (0, 1))(x, one)
to_outer_leaf()
F.grad(lambda x: t.autograd.functional.jacobian(lambda y: y ** 3, x, create_graph=True).sum())(x)
F.grad(lambda x: t.autograd.functional.hessian(lambda y: (y ** 4).sum(), x, create_graph=True).sum())(x)
F.grad(hooked(lambda x: x * 2, lambda g: g * 3))(x)
F.grad(hooked(lambda x: x, lambda g: g * 3, lambda g: None, lambda g: g + 1))(x)
F.vjp(hooked(lambda x: x * 2, lambda g: g.clamp(-1, 1)), x)[1](one[0])
F.grad(lambda x: F.grad(hooked(lambda x: x ** 3, lambda g: g * 3))(x).sum())(x)
F.vmap(F.grad(hooked(lambda x: x * 2, lambda g: g * g)))(m)
F.hessian(hooked(lambda x: x ** 2, lambda g: g * 3))(x)
F.grad(removed)(x)
hook_with_outer_leaf()
F.grad(lambda x: told(x).sum())(x)
F.vmap(F.grad(lambda x: told(x).sum()))(m)
F.grad(lambda x: F.vmap(told)(x[None]).sum())(x)
F.jvp(told, (x,), (x,))
F.grad(lambda x: (x * sum(x.tolist())).sum())(x)
F.jvp(lambda x: x * sum(x.tolist()), (x,), (x,))
F.jacfwd(lambda x: x * sum(x.tolist()))(x)
F.hessian(lambda x: (x ** 3 * x.sum().item()).sum())(x)
F.grad(lambda x: (t.tensor([x[0], x[1]]) * x[2]).sum())(x)
F.vmap(lambda a, b: a * b.sum().item() if b.sum() > 0 else -a, in_dims=(0, None))(m, x)
F.vmap(lambda a, b: a * sum(b.tolist()), in_dims=(0, None))(m, x)
"""

REFUSED = """
F.grad(lambda x: G((x.detach() ** 2).sum(), x)[0].sum())(x)
F.grad(lambda x: G((x ** 2).sum(), x.detach())[0].sum())(x)
F.grad(lambda x: G(x ** 2, x)[0].sum())(x)
F.grad(lambda x: G((x * leaf).sum(), leaf)[0].sum())(x)
F.grad(lambda x: G((x * 2).sum(), t.ones(3, requires_grad=True))[0].sum())(x)
F.grad(lambda x: F.grad(lambda y: G((y * x).sum(), x)[0].sum())(x).sum())(x)
F.grad(lambda x: (x ** 2).sum().backward())(x)
F.grad(lambda x: (x * 2).retain_grad())(x)
F.vmap(hooked(lambda x: x * 2, lambda g: g * 3))(m)
F.jvp(hooked(lambda x: x * 2, lambda g: g * 3), (x,), (x,))
F.vmap(lambda x: x * sum(x.tolist()))(m)
F.vmap(lambda x: x * x.sum().item())(m)
F.vmap(lambda x: x if x.sum() > 0 else -x)(m)
F.vmap(lambda x: t.tensor([x[0], x[1]]) * x[2])(m)
F.grad(lambda x: (x * float(x.numpy().sum())).sum())(x)
"""


def lines(text):
    return text.strip().splitlines()


def run(t, program):
    names = {"t": t, "d": t.float64}
    exec(SETUP, names)
    return [x.detach().numpy() for x in t.utils._pytree.tree_leaves(eval(program, names))]


@pytest.mark.parametrize("program", lines(PROGRAMS))
def test_values_match_torch(torch, program):
    for mine, theirs in zip(run(jtorch, program), run(torch, program), strict=True):
        np.testing.assert_allclose(mine, theirs, 1e-10, 1e-12)


@pytest.mark.parametrize("program", lines(REFUSED))
def test_refusals_match_torch(torch, program):
    with pytest.raises(RuntimeError) as theirs:
        run(torch, program)
    with pytest.raises(type(theirs.value)) as mine:
        run(jtorch, program)
    assert str(mine.value) == str(theirs.value)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("F.grad(lambda x: G((x[:2] ** 2).sum(), x[:2])[0].sum())(x)", "by a view"),
        ("F.grad(lambda x: (x[:2].register_hook(abs), x.sum())[1])(x)", "on a view"),
        ("F.grad(lambda x: ((x * 2).sum(), x.register_hook(abs), x.sum())[2])(x)", "has been used"),
        ("F.grad(lambda x: slope(hooked(lambda x: x * 2, abs), x).sum())(x)", "with hooks"),
        (
            "F.grad(lambda x: t.autograd.functional.hvp(lambda y: (y ** 4).sum(), x, one, True)[1].sum())(x)",
            "leaves",
        ),
    ],
)
def test_what_is_missing_is_refused(program, text):
    with pytest.raises(NotImplementedError, match=text):
        run(jtorch, program)


def test_hooks_of_modules_are_refused(torch):
    for t in (torch, jtorch):
        net = t.nn.Linear(3, 2)
        net.register_full_backward_hook(lambda module, given, made: None)
        with pytest.raises(RuntimeError, match="must override the setup_context staticmethod"):
            t.func.grad(lambda x, net=net: net(x).sum())(t.ones(3))
