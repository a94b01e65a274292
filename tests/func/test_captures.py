"""What transformed functions take from outside: tensors with a history, random numbers, chunks."""

import jax
import numpy as np
import pytest

import jtorch
from jtorch import func, nn
from jtorch.compiler import explain

# Warnings of PyTorch about itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr:UserWarning"),
]


def captures(t):
    """``name: function of (w, x, model)``, all of which an outer backward goes through."""
    f = t.func

    def detached(w, x, model):
        outside = w.detach()
        return f.grad(lambda a: (a * a * w * w.detach() * outside).sum())(x)

    def local_changed(w, x, model):
        def inner(a):
            h = w * 1
            y = (h + a).sum()
            h[:1].mul_(a[1])
            return y * (h * a * a).sum()

        return f.grad(inner)(x)

    def mapped_without_grad(w, x, model):
        def inner(a):
            with t.no_grad():
                c = w * a
            return a * w * c

        return f.vmap(inner)(t.stack([x, x * 2]))

    def without_grad(w, x, model):
        def inner(a):
            with t.no_grad():
                c = w * 3
            return (a * a * w * c).sum()

        return f.grad(inner)(x)

    return {
        "grad": lambda w, x, model: f.grad(lambda a: (a * a * w).sum())(x),
        "non-leaf and view": lambda w, x, model: (
            lambda h, v: f.grad(lambda a: (a * a * h * v + w[1]).sum())(x)
        )(w.exp(), w[0]),
        "inside alone": lambda w, x, model: f.grad(lambda a: (a * w.sin() * w).sum())(x),
        "detached": detached,
        "no_grad": without_grad,
        "no_grad in vmap": mapped_without_grad,
        "changed in place afterwards": local_changed,
        "vmap": lambda w, x, model: f.vmap(lambda a: a * w.sum())(x),
        "vjp": lambda w, x, model: (lambda o, g: o.sum() + g(t.ones(2))[0].sum())(
            *f.vjp(lambda a: model(a).sin() * w, x)
        ),
        "jvp": lambda w, x, model: f.jvp(lambda a: model(a) * w, (x,), (x,))[1],
        "jacrev": lambda w, x, model: f.jacrev(lambda a: model(a * w).exp())(x),
        "jacrev in chunks": lambda w, x, model: f.jacrev(lambda a: model(a * w).exp(), chunk_size=1)(x),
        "jacfwd": lambda w, x, model: f.jacfwd(lambda a: model(a * w).exp())(x),
        "hessian": lambda w, x, model: f.hessian(lambda a: (a**3 * w).sum())(x),
        "nested": lambda w, x, model: f.grad(lambda a: f.grad(lambda b: (b**3 * a * w).sum())(a).sum())(x),
        "vmap of grad": lambda w, x, model: f.vmap(lambda r: f.grad(lambda a: (model(a) * w).sin().sum())(r))(
            t.stack([x, x * 2])
        ),
        "several uses": lambda w, x, model: f.grad(lambda a: (a * w + a * a * w).sum() * w[0])(x),
    }


@pytest.mark.parametrize("name", list(captures(jtorch)))
def test_gradients_of_captured_tensors_are_those_of_pytorch(torch, name):
    def run(t):
        w = t.tensor([1.0, 2.0], requires_grad=True)
        model = t.nn.Linear(2, 2)
        with t.no_grad():
            model.weight.copy_(t.tensor([[0.5, -0.25], [1.0, 0.75]]))
            model.bias.copy_(t.tensor([0.1, -0.2]))
        out = captures(t)[name](w, t.tensor([0.3, 0.4]), model)
        assert out.requires_grad
        (out * out).sum().backward()
        grads = [None if p.grad is None else p.grad.tolist() for p in (w, *model.parameters())]
        return out.tolist(), grads

    (out, grads), (expected, theirs) = run(jtorch), run(torch)
    np.testing.assert_allclose(out, expected, rtol=2e-5)
    for a, b in zip(grads, theirs, strict=True):
        if b is None:  # PyTorch may have zeros where there is no way to go
            assert a is None or not np.any(a)
        else:
            np.testing.assert_allclose(np.zeros_like(b) if a is None else a, b, rtol=5e-5, atol=1e-6)


def test_results_require_grad_if_they_depend_on_something_that_does(torch):
    def run(t):
        f, v = t.func, t.tensor([3.0, 4.0])
        w = t.tensor([1.0, 2.0], requires_grad=True)
        gradient, (value, aux) = f.grad_and_value(lambda a: ((a + w).sum(), (w * 2, v, a * 2)), has_aux=True)(
            v
        )
        made = [gradient, value, *aux]
        made += [f.grad(lambda a: (a * w).sum())(v), f.grad(lambda a: (a.relu() * 2 + w).sum())(v)]
        made += [
            *f.jvp(lambda a: a + w, (v,), (v,)),
            f.jacrev(lambda a: a * 2 + w)(v),
            f.jacfwd(lambda a: a * w)(v),
        ]
        made += f.vmap(lambda a: (a * 2, a * w.sum(), (a * w > 0) * 1.0))(v)
        return [x.requires_grad for x in made]

    assert run(jtorch) == run(torch)


def test_a_compiled_step_differentiates_by_what_it_captures(lazy):
    def train(compiled):
        jtorch.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = jtorch.optim.Adam(model.parameters(), lr=0.05)

        def step(x):
            slope = func.vmap(func.grad(lambda a: model(a).sum()))(x)
            loss = ((slope - x) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = jtorch.compile(step) if compiled else step
        return [step(jtorch.randn(6, 2)).item() for _ in range(4)], step

    expected, _ = train(False)
    found, step = train(True)
    assert found == pytest.approx(expected, rel=1e-5)
    assert explain(step).count("\n") == 0
    assert found[-1] != found[0]


def test_nothing_is_read_while_a_transform_is_traced(lazy):
    w = jtorch.ones(3) * 2
    jtorch.reset_metrics()
    out = func.grad(lambda a: (a * a * w).sum())(jtorch.ones(3))
    assert jtorch.metrics()["flushes"] == {}
    assert out.tolist() == [4.0] * 3


def test_transforms_under_jax_capture_tensors():
    w = jtorch.tensor([1.0, 2.0], requires_grad=True)
    inner = func.grad(lambda a: (a * a * w).sum())
    x = jtorch.tensor([3.0, 4.0])
    expected = [6.0, 16.0]  # by hand: 2 a w
    assert jax.jit(inner)(x).tolist() == expected
    assert (
        jax.vmap(lambda a: inner(jtorch.from_jax(a)).jax())(jax.numpy.stack([x.jax()] * 2)).tolist()
        == [expected] * 2
    )
    assert (
        jax.lax.scan(lambda c, _: (inner(jtorch.from_jax(c)).jax(), None), x.jax(), None, length=1)[
            0
        ].tolist()
        == expected
    )
    outer = jax.grad(lambda a: inner(jtorch.from_jax(a)).sum().jax())(x.jax())
    assert outer.tolist() == [2.0, 4.0]  # by hand: 2 w
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")
    spread = jax.shard_map(
        lambda a: inner(jtorch.from_jax(a)).jax(), mesh=mesh, in_specs=spec, out_specs=spec
    )
    assert spread(x.jax()).tolist() == expected


def draws(t):
    F = t.nn.functional
    return {
        "randn": lambda a: a + t.randn(4),
        "randn_like": lambda a: t.randn_like(a) * a,
        "dropout": lambda a: F.dropout(a, 0.5),
        "bernoulli": lambda a: t.bernoulli(a / 2),
        "uniform_": lambda a: a.clone().uniform_(),
        "randperm": lambda a: a + t.randperm(4),
        "randint": lambda a: a + t.randint(0, 9, (4,)),
    }


@pytest.mark.parametrize("name", list(draws(jtorch)))
def test_random_modes_of_vmap_and_jacfwd(torch, name):
    def run(t, randomness, api):
        t.manual_seed(7)
        transform = getattr(t.func, api)(draws(t)[name], randomness=randomness)
        made = transform(t.ones(3, 4) if api == "vmap" else t.ones(4)).tolist()
        return made, t.rand(1).item()

    for randomness in ("different", "same"):
        if (name, randomness) == ("bernoulli", "same"):
            continue  # PyTorch refuses probabilities of the batch
        assert run(jtorch, randomness, "vmap") == run(torch, randomness, "vmap")
    for t in (jtorch, torch):
        with pytest.raises(
            RuntimeError, match="vmap: called random operation while in randomness error mode"
        ):
            run(t, "error", "vmap")
    if name == "randn":
        for randomness in ("different", "same"):
            mine, theirs = run(jtorch, randomness, "jacfwd"), run(torch, randomness, "jacfwd")
            np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-6)
            assert mine[1] == theirs[1]
        with pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
            run(jtorch, "error", "jacfwd")


def test_random_functions_without_a_form_per_sample_say_so():
    rates = jtorch.ones(2)
    with pytest.raises(NotImplementedError, match="no form that draws for each sample"):
        func.vmap(lambda a: a + jtorch.multinomial(rates, 1), randomness="different")(jtorch.ones(3))


def test_chunks_are_one_program(torch):
    def f(t):
        return lambda a, b: {"p": a.sin() * b, "s": (a * a).sum()}

    def run(t, **settings):
        x, b = t.arange(12.0).reshape(2, 6) / 10, t.tensor([1.0, 2.0])
        out = t.func.vmap(f(t), in_dims=(1, None), out_dims={"p": 1, "s": 0}, **settings)(x, b)
        jacobian = t.func.jacrev(lambda a: (a.sin() * a.sum(), a[:2] * 2), **settings)(x[0])
        return [out["p"], out["s"], *jacobian]

    for size in (1, 4, 6, 9):
        for a, b in zip(run(jtorch, chunk_size=size), run(torch, chunk_size=size), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a.tolist(), b.tolist(), rtol=1e-5, atol=1e-6)
    seen = []
    func.vmap(lambda a: seen.append(1) or a * 2, chunk_size=1)(jtorch.ones(20))
    assert len(seen) < 20  # a loop of the program, not of Python


def errors(t):
    f = t.func
    v = t.tensor([1.0, 2.0])
    whole = t.tensor([1, 2])
    return {
        "item": lambda: f.vmap(lambda a: a.item())(v),
        "decision": lambda: f.vmap(lambda a: a if a > 0 else -a)(v),
        "out_dims range": lambda: f.vmap(lambda a: a, out_dims=3)(v),
        "out_dims tree": lambda: f.vmap(lambda a: (a, a), out_dims=(0, 0, 0))(v),
        "in_dims tree": lambda: f.vmap(lambda a, b: a, in_dims=(0, (0, 1)))(v, v),
        "grad integer": lambda: f.grad(lambda a: (a * v).sum())(whole),
        "vjp of integer": lambda: f.vjp(lambda a: a * v, whole),
        "jacrev integer": lambda: f.jacrev(lambda a: a * v)(whole),
        "jacfwd integer": lambda: f.jacfwd(lambda a: a * v)(whole),
        "jvp integer": lambda: f.jvp(lambda a: a * v, (whole,), (whole,)),
        "jacrev to integer": lambda: f.jacrev(lambda a: (a * 2).int())(v),
        "jacrev to complex": lambda: f.jacrev(lambda a: a * 1j)(v),
        "jacfwd to complex": lambda: f.jacfwd(lambda a: a * 1j)(v),
        "jacrev to no tensor": lambda: f.jacrev(lambda a: 3)(v),
        "jacfwd to no tensor": lambda: f.jacfwd(lambda a: 3)(v),
        "jacfwd randomness": lambda: f.jacfwd(lambda a: a, randomness="x")(v),
        "jacobian of complex": lambda: t.autograd.functional.jacobian(lambda a: a * 1j, v),
        "out_dims None": lambda: f.vmap(lambda a: a * 2, out_dims=None)(v),
        "one of out_dims None": lambda: f.vmap(lambda a, b: (a, a + b), (None, 0), (None, None))(v, v),
        "cotangent of another shape": lambda: f.vjp(lambda a: a * 2, v)[1](t.ones(3)),
        "cotangent no tensor": lambda: f.vjp(lambda a: a * 2, v)[1](3.0),
        "complex cotangent": lambda: f.vjp(lambda a: a * 2, v)[1](v * 1j),
        "tangent of another shape": lambda: f.linearize(lambda a: a * 2, v)[1](t.ones(3)),
        "tangent of another type": lambda: f.linearize(lambda a: a * 2, v)[1](v.double()),
        "strict jvp": lambda: f.jvp(lambda a: (a, v * 2), (v,), (v,), strict=True),
    }


def odd(t):
    f, v = t.func, t.tensor([1.0, 2.0])
    return {
        "gradient of an integer": lambda: f.grad(lambda a: a.sum().int())(v),
        "with aux": lambda: f.grad_and_value(lambda a: (a.sum().long(), a * 2), has_aux=True)(v),
        "jvp to integers": lambda: f.jvp(lambda a: (a.int(), a > 1, a * 2), (v,), (v,)),
        "jacfwd to integers": lambda: f.jacfwd(lambda a: (a * 3).int())(v),
        "cotangent of another type": lambda: f.vjp(lambda a: a**3, v)[1](v.double()),
        "integer cotangent": lambda: f.vjp(lambda a: a**3, v)[1](t.tensor([1, 2])),
        "out_dims None": lambda: f.vmap(lambda a, b: (a * 2, v, b * a), (None, 0), (None, None, 0))(v, v),
        "strict jvp": lambda: f.jvp(lambda a: a * v, (v,), (v,), strict=True),
    }


@pytest.mark.parametrize("name", list(odd(jtorch)))
def test_integers_and_results_that_are_no_batches(torch, name):
    found, expected = (torch.utils._pytree.tree_leaves(odd(t)[name]()) for t in (jtorch, torch))
    for a, b in zip(found, expected, strict=True):
        assert (str(a.dtype), a.tolist()) == (str(b.dtype), b.tolist())


@pytest.mark.parametrize("name", list(errors(jtorch)))
def test_errors_are_those_of_pytorch(torch, name):
    with pytest.raises(Exception) as expected:  # noqa: PT011  # whatever PyTorch raises
        errors(torch)[name]()
    with pytest.raises(type(expected.value)) as found:
        errors(jtorch)[name]()
    assert str(found.value).replace("jtorch.", "torch.") == str(expected.value)
