"""Writes inside of transforms to tensors from outside: PyTorch's errors in place of lost values; no_grad."""

import copy

import numpy as np
import pytest

import jtorch
from jtorch import func

# Warnings of PyTorch about itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr:UserWarning"),
]


def writes(t):
    """``name: (transform, function of (captured tensor, argument))``."""
    f = t.func

    def over(api):
        return lambda inner, v: getattr(f, api)(inner)(v)

    return {
        "grad": (over("grad"), lambda w, a: w.add_(a)),
        "setitem": (over("grad"), lambda w, a: w.__setitem__(0, a[0])),
        "view": (over("jacrev"), lambda w, a: w[1:].mul_(a[0])),
        "alias": (over("jacfwd"), lambda w, a: w.detach().copy_(a)),
        "number": (over("hessian"), lambda w, a: w.fill_(a[0])),
        "jvp": (lambda inner, v: f.jvp(inner, (v,), (v,)), lambda w, a: w.sub_(a)),
        "vjp": (lambda inner, v: f.vjp(inner, v), lambda w, a: w.copy_(a)),
        "vmap": (over("vmap"), lambda w, a: w.__setitem__(0, a)),
        "vmap copy": (over("vmap"), lambda w, a: w.copy_(a.expand(2))),
        "vmap fill": (over("vmap"), lambda w, a: w.fill_(a)),
    }


@pytest.mark.parametrize("name", list(writes(jtorch)))
def test_writes_to_captured_tensors_are_refused(torch, lazy, name):
    def run(t):
        transform, write = writes(t)[name]
        w, v = t.zeros(2), t.tensor([1.0, 2.0])

        def inner(a):
            write(w, a)
            return (w * a).sum()

        with pytest.raises(RuntimeError) as found:
            transform(inner, v)
        assert w.tolist() == [0.0, 0.0]
        return str(found.value)

    assert run(jtorch) == run(torch)


def test_gradients_are_not_kept_in_captured_leaves(torch, lazy):
    def run(t):
        w = t.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError) as found:
            t.func.grad(lambda a: ((w * a).sum().backward(), a.sum())[1])(t.ones(2))
        assert w.grad is None
        return str(found.value)

    assert run(jtorch) == run(torch)


def test_levels_are_told_apart(torch, lazy):
    def own(t):
        def outer(b):
            c = b * 1

            def inner(a):
                c.add_(a)
                return (c * a).sum()

            return t.func.grad(inner)(b).sum()

        return outer

    def run(t):
        with pytest.raises(RuntimeError) as found:
            t.func.grad(own(t))(t.ones(2))
        return str(found.value)

    assert run(jtorch) == run(torch)


def locals_of(t):
    w, host = t.tensor([1.0, 2.0]), np.zeros(2, np.float32)
    made = {
        "zeros": lambda a: t.zeros(2), "clone": lambda a: w.clone(), "sum": lambda a: w + 1,
        "tensor": lambda a: t.tensor(w.tolist()), "deepcopy": lambda a: copy.deepcopy(w),
        "zeros_like": lambda a: t.zeros_like(a), "argument": lambda a: a * 2,
        "view": lambda a: (a * 2).view(2),
        "read": lambda a: (lambda x: (x.sum().item(), x)[1])(w * 3), "stack": lambda a: t.stack([w[0], w[1]]),
        "numpy": lambda a: t.tensor(host), "cat": lambda a: t.cat([w[:1], w[1:]]),
        "to": lambda a: w.to(t.float64, copy=True),
        "copied": lambda a: w.detach().clone(), "empty": lambda a: t.empty(2).zero_(),
    }  # fmt: skip
    return made


@pytest.mark.parametrize("name", list(locals_of(jtorch)))
def test_tensors_of_the_function_itself_can_be_written_to(torch, name):
    def run(t):
        make = locals_of(t)[name]

        def f(a):
            x = make(a)
            x[0] = a[1]
            x.add_(a)
            return (x * a).sum()

        return t.func.grad(f)(t.tensor([3.0, 4.0])).tolist()

    assert run(jtorch) == run(torch)


def test_what_a_vmap_computes_of_unmapped_arguments_cannot_be_kept(lazy):
    w = jtorch.zeros(2)
    with pytest.raises(NotImplementedError, match="make the tensor an argument"):
        func.vmap(lambda a, b: w.add_(b) * a, in_dims=(0, None))(jtorch.ones(3), jtorch.ones(2))


def without_grad(t):
    f, v = t.func, t.tensor([0.3, 0.7])

    def inside(a):
        with t.no_grad():
            x = a * a
        return (x * a).sum() + (a.detach() * a).sum()

    def inference(a):
        with t.inference_mode():
            x = a * a
        return (x * a).sum()

    def custom(a):
        with t.no_grad():
            x = _square(t)(a)
        return (x * a).sum()

    def views(a):
        with t.no_grad():
            x, y = a[1:], a.reshape(2, 1).t()
        return (x * x).sum() + (y * y * a).sum() + (x[0] * a).sum()

    return {
        "views": lambda: (f.grad(views)(v), f.jvp(views, (v,), (v,)), f.hessian(views)(v)),
        "views in vmap": lambda: f.vmap(f.grad(views))(t.stack([v, v * 2])),
        "grad": lambda: f.grad(inside)(v),
        "jvp": lambda: f.jvp(inside, (v,), (v + 1,)),
        "jacfwd": lambda: f.jacfwd(inside)(v),
        "hessian": lambda: f.hessian(inside)(v),
        "reverse over forward": lambda: f.grad(lambda a: f.jvp(inside, (a,), (v,))[1])(v),
        "vmap of jvp": lambda: f.vmap(lambda a: f.jvp(inside, (a,), (a,))[1])(t.stack([v, v])),
        "linearize": lambda: f.linearize(inside, v)[1](v),
        "inference mode": lambda: f.jvp(inference, (v,), (v,)),
        "custom function": lambda: (f.jvp(custom, (v,), (v,)), f.grad(custom)(v), f.hessian(custom)(v)),
    }


def _square(t):
    class Square(t.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0] * g  # not 2: to see whose rule it is

        @staticmethod
        def jvp(ctx, d):
            return 3 * ctx.saved_tensors[0] * d

    return Square.apply


@pytest.mark.parametrize("name", list(without_grad(jtorch)))
def test_no_grad_stops_gradients_but_no_forward_derivatives(torch, name):
    found, expected = (torch.utils._pytree.tree_leaves(without_grad(t)[name]()) for t in (jtorch, torch))
    found = jtorch.utils._pytree.tree_leaves(found)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.flatten().tolist() == pytest.approx(b.flatten().tolist(), rel=1e-6)
