"""Transforms in ordinary loops: Python runs at each call as in PyTorch, and nothing is compiled anew."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch
from jtorch import func, nn
from jtorch.func import _running

# A warning of PyTorch about itself.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")


def loops(t):
    """``name: function without arguments``, whose results and effects are those of PyTorch at each call."""
    f, F = t.func, t.nn.functional
    x, y, rows = t.tensor([0.3, -0.4, 1.2]), t.tensor([1.0, 2.0, 3.0]), t.arange(12.0).reshape(4, 3) / 10
    calls = []

    def counting(a):
        calls.append(len(calls))
        return (a**3).sum()

    def counted():
        made = [f.grad(counting)(x), f.vmap(counting)(rows), f.hessian(counting)(x), f.jacrev(counting)(x)]
        out, pull = f.vjp(counting, x)
        return [*made, out, pull(out)[0], pull(out)[0], f.jvp(counting, (x,), (y,))[1], t.tensor(len(calls))]

    factor = [0.0]

    def numbers():
        factor[0] += 0.5
        return f.grad(lambda a: (a**2 * factor[0] + factor[0]).sum())(x)

    def in_place():
        def g(a):
            b = a.clone()
            b[0] = b[1] * 2
            b.mul_(a)
            b[1:].add_(a[0])
            return (b.reshape(3, 1).T ** 2).sum()

        return f.vmap(f.grad(g))(rows)

    def decisions():
        def g(a):
            total = a.sum()
            if total > 0 and int(total.item() * 10) % 2:
                return total * 2
            return (total * a[a > 0]).sum()

        return [
            f.grad(g)(x), f.grad(g)(-x), f.grad(g)(y), f.jacrev(g)(x), f.vjp(g, x)[1](t.tensor(2.0))[0],
            f.grad(lambda a: f.grad(lambda b: g(b * a) if a.max() > 1 else g(b))(a).sum())(x),
        ]  # fmt: skip

    def noise(randomness):
        def draw():
            g = f.grad(lambda b: (F.dropout(b, 0.5) * t.randn(3) * b).sum())
            nested = f.vmap(f.vmap(lambda a: a + t.rand(3), randomness=randomness), randomness="different")
            made = f.vmap(g, randomness=randomness)(rows), nested(rows.reshape(2, 2, 3))
            return [*made, f.grad(lambda a: (a * t.randn(3)).sum())(x), t.rand(1)]

        return draw

    statistics = t.nn.BatchNorm1d(3)
    state = {k: v.clone() for k, v in statistics.named_buffers()}
    weights = {k: v.detach() for k, v in statistics.named_parameters()}

    def loss(weights, state, x):
        return (f.functional_call(statistics, (weights, state), (x,)) ** 3).sum()

    def buffers():
        gradients = f.grad(loss)(weights, state, rows.sin())
        return [*gradients.values(), *state.values()]

    models = [t.nn.BatchNorm1d(3, affine=False) for _ in range(2)]
    _, stacked = f.stack_module_state(models)

    def written():
        f.vmap(lambda b, x: f.functional_call(models[0], b, (x,)), (0, None))(stacked, rows)
        batch, single, tangent = rows.clone(), y.clone(), x.clone()
        doubled = f.vmap(lambda a, b: (b.add_(1), a.mul_(2))[1], (0, None))(batch, single)
        moved = f.jvp(lambda a: a.mul_(2), (tangent,), (y.clone(),))
        return [*stacked.values(), batch, single, doubled, tangent, *moved]

    def captured():
        w = y.clone().requires_grad_()
        penalty = f.vmap(f.grad(lambda a: (a**3 * w).sum()))(rows).pow(2).sum()
        penalty.backward()
        y.add_(0.5)
        return [penalty.detach(), w.grad]

    def adapted():
        def inner(w, a):
            return ((a * w).sum() - 1) ** 2

        def outer(w, a):
            for _ in range(2):
                w = w - 0.01 * f.grad(inner)(w, a)
            return inner(w, a)

        return f.vmap(f.grad(outer), (None, 0))(x, rows)

    return {
        "counted": counted, "numbers": numbers, "in place": in_place, "decisions": decisions,
        "same noise": noise("same"), "different noise": noise("different"), "buffers": buffers,
        "written": written, "captured": captured, "adapted": adapted,
    }  # fmt: skip


@pytest.mark.parametrize("name", list(loops(jtorch)))
def test_each_round_is_that_of_pytorch(torch, name):
    def run(t):
        t.manual_seed(0)
        step = loops(t)[name]
        rounds = [step() for _ in range(3)]
        return [x.tolist() for r in rounds for x in (r if isinstance(r, list) else [r])]

    for found, expected in zip(run(jtorch), run(torch), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["numbers", "in place", "same noise", "buffers", "written", "adapted"])
def test_later_rounds_compile_nothing(lazy, name):
    step = loops(jtorch)[name]
    for _ in range(3):
        jtorch.reset_metrics()
        made = step()
        for x in made if isinstance(made, list) else [made]:
            x.tolist()
    metrics = jtorch.metrics()
    assert metrics["programs_compiled"] == 0
    assert metrics["cache_hits"] > 0


def test_nothing_outlives_a_transform():
    gc.collect()
    gc.disable()
    try:
        held = [jtorch.ones(3) * 2]
        value = weakref.ref(held[0]._storage.value)
        func.vmap(func.grad(lambda a: (a * held[0]).sum()))(jtorch.ones(2, 3)).tolist()
        held.clear()
        assert value() is None
    finally:
        gc.enable()


def test_results_are_of_the_values_at_the_call():
    x, w = jtorch.tensor([1.0, 2.0]), jtorch.tensor([3.0, 4.0])
    _, pull = func.vjp(lambda a: a * a * w, x)
    _, push = func.linearize(lambda a: a * a * w, x)
    x.add_(1)
    w.add_(1)
    assert pull(jtorch.ones(2))[0].tolist() == push(jtorch.ones(2)).tolist() == [6.0, 16.0]  # by hand: 2 x w
    learned = jtorch.tensor([3.0, 4.0], requires_grad=True)
    _, pull = func.vjp(lambda a: a * learned, x)
    with jtorch.no_grad():
        learned.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        pull(jtorch.ones(2))


def test_writes_that_do_not_fit():
    x, one = jtorch.ones(2, 3), jtorch.zeros(3)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place"):
        func.grad(lambda a: a.mul_(2).sum())(one)
    with pytest.raises(RuntimeError, match="`self` not being vmapped over"):
        func.vmap(lambda a, b: (b.add_(a), a)[1], (0, None))(x, one)
    assert one.tolist() == [0.0] * 3
    assert func.grad(lambda a: (a * a).sum())(one + 1).tolist() == [2.0] * 3  # no mode is left behind


def test_functions_of_jax_inside():
    x = jtorch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    v = x.numpy()

    def mixed(a):
        doubled = a * 2
        return (jtorch.from_jax(jnp.sin(doubled.jax())) * a).sum() + jtorch.from_jax(jnp.ones(3)).sum()

    expected = np.sin(2 * v) + 2 * v * np.cos(2 * v)
    np.testing.assert_allclose(func.vmap(func.grad(mixed))(x).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(func.grad(lambda a: func.vmap(mixed)(a).sum())(x).numpy(), expected, rtol=1e-5)

    def rows(a):
        return jax.vmap(lambda q: (jtorch.from_jax(q) * a).sum().jax())(jnp.ones((2, 3)))

    assert func.grad(lambda a: jtorch.from_jax(rows(a)).sum())(x[0]).tolist() == [2.0] * 3
    seen = []

    def watched(a):
        jax.debug.callback(lambda value: seen.append(value.sum()), a.jax())
        return (a * a).sum()

    func.grad(watched)(x[0]).tolist()
    jax.effects_barrier()
    assert len(seen) >= 1

    def inside(q):
        y = jtorch.from_jax(q)
        return func.grad(lambda a: (a * a * y.sin()).sum())(y).jax()

    np.testing.assert_allclose(jax.jit(inside)(x.jax()), 2 * v * np.sin(v), rtol=1e-5)


def test_draws_of_a_key_differ_by_sample():
    def noisy(q, key):
        with jtorch.random.use_key(key):
            return func.vmap(lambda a: a + jtorch.randn(3), randomness="different")(jtorch.from_jax(q)).jax()

    made = jax.jit(noisy)(jnp.zeros((4, 3)), jax.random.key(0))
    assert len({*np.asarray(made).ravel().tolist()}) == 12


def test_compiled_functions_decide_inside_of_transforms():
    def step(a):
        return a - 0.1 * func.grad(lambda b: (b * b).sum() if b.sum() > 0 else (b * 3).sum())(a)

    compiled = jtorch.compile(step)
    for sign in (1.0, -1.0, 1.0, -1.0):
        x = jtorch.ones(3) * sign
        assert compiled(x).tolist() == step(x).tolist()
    model = jtorch.compile(nn.Linear(3, 1))
    assert func.grad(lambda a: model(a).sum())(x).shape == (3,)


def test_functions_of_jax_trace_nothing_anew(lazy):
    factor = jnp.arange(3.0) + 1

    def mixed(a):
        return (jtorch.from_jax(jnp.sin(a.jax() * factor)) * a).sum()

    def known():
        return len(_running._plans)

    x, rows = jtorch.tensor([0.1, 0.2, 0.3]), jtorch.ones(2, 3) * 0.5
    for transform, given in ((func.grad(mixed), x), (func.vmap(func.grad(mixed)), rows)):
        made = [transform(given * k).tolist() for k in range(2)]
        jtorch.reset_metrics()
        before = known()
        made = [transform(given * k).tolist() for k in range(3)]
        assert jtorch.metrics()["programs_compiled"] == 0
        assert known() == before
        v, f = 2 * given.numpy(), np.asarray(factor)
        np.testing.assert_allclose(made[2], np.sin(v * f) + v * f * np.cos(v * f), rtol=1e-5)


def test_functions_of_jax_that_differ_in_what_their_text_leaves_out():
    # Constants and numbers that print alike; settings of operations.
    x = jtorch.tensor([1.0, 2.0])
    for number in (0.1, np.nextafter(np.float32(0.1), np.float32(1))):
        scaled = func.vmap(lambda a, n=number: jtorch.from_jax(a.jax() * np.float32(n)))(x)
        assert scaled.tolist() == (x.numpy() * np.float32(number)).tolist()
    for power in (2, 3):
        made = func.grad(lambda a, n=power: jtorch.from_jax((a.jax() ** n).sum()))(x)
        assert made.tolist() == (power * x.numpy() ** (power - 1)).tolist()
    for rule in (2.0, 3.0):
        own = jax.custom_jvp(lambda q: q * 1.0)
        own.defjvp(lambda p, t, r=rule: (p[0] * 1.0, t[0] * r))
        made = func.grad(lambda a, f=own: jtorch.from_jax(f(a.jax()).sum()))(x)
        assert made.tolist() == [rule] * 2
