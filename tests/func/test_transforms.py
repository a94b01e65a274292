"""Transforms of functions against PyTorch's, errors included, and their composition with JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch
from jtorch import func, nn


def cases(t):
    """``(name, function of no arguments)`` in the words of ``t``: jtorch or torch."""
    f = t.func
    x = t.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
    v = t.tensor([0.3, 0.6, -0.2])
    z = t.tensor([1.0 + 2.0j, -0.5j])

    def tree(p):
        return (p["w"] * x).sum() ** 2 + p["b"][0].sum()

    def aux(a, b):
        return (a * b).sum(), {"n": a * 2, "k": [b]}

    def partly(a):
        with t.no_grad():
            c = a * a
        return (c * a).sum() + (a.detach() * a).sum()

    params = {"w": x * 2, "b": (v, v)}
    return {
        "grad": lambda: f.grad(lambda a: (a.sin() * a).sum())(x),
        "grad of a tree": lambda: f.grad(tree)(params),
        "grad by several": lambda: f.grad(lambda a, b: (a @ b).sum(), argnums=(1, -2))(x, v),
        "grad with aux": lambda: f.grad(aux, has_aux=True)(v, v + 1),
        "grad_and_value": lambda: f.grad_and_value(aux, argnums=1, has_aux=True)(v, v + 1),
        "grad of grad": lambda: f.grad(lambda a: f.grad(lambda b: (b**3).sum())(a).sum())(v),
        "no_grad inside": lambda: f.grad(partly)(v),
        "grad of complex": lambda: f.grad(lambda a: (a * a.conj()).real.sum() + (a**2).imag.sum())(z),
        "grad in place": lambda: f.grad(lambda a: (a.clone().mul_(2).add_(a) ** 2).sum())(v),
        "grad of views": lambda: f.grad(lambda a: (a.view(3, 2)[1:].t() ** 3).sum())(x),
        "vjp": lambda: (lambda o, g: (o, g(t.ones(2))))(*f.vjp(lambda a, b: a @ b, x, v)),
        "vjp of a tree": lambda: (lambda o, g, a: (o, g({"y": x, "s": t.tensor(1.0)}), a))(
            *f.vjp(lambda a: ({"y": a * 2, "s": a.sum()}, a + 1), x, has_aux=True)
        ),
        "jvp": lambda: f.jvp(lambda a, b: (a * b.sum(), b), (x, v), (x * 2, v + 1)),
        "jvp with aux": lambda: f.jvp(lambda a: (a**2, a), (v,), (v,), has_aux=True),
        "jacrev": lambda: f.jacrev(lambda a: a.sin() * a.sum())(v),
        "jacrev by several": lambda: f.jacrev(lambda a, b: (a @ b, b), argnums=(0, 1))(x, v),
        "jacfwd": lambda: f.jacfwd(lambda a: {"y": a**3})(v),
        "hessian": lambda: f.hessian(lambda a: (a**3).sum() * a[0])(v),
        "linearize": lambda: (lambda o, g: (o, g(v + 1)))(*f.linearize(t.sin, v)),
        "vmap": lambda: f.vmap(lambda a, b: a @ b, in_dims=(0, None))(x, v),
        "vmap with dims": lambda: f.vmap(lambda a, b: (a * b[0], a.sum()), (1, (None,)), (1, 0))(x, (v[:2],)),
        "vmap in chunks": lambda: f.vmap(t.softmax, in_dims=(0, None), chunk_size=1)(x, 0),
        "vmap of vmap": lambda: f.vmap(f.vmap(lambda a: a * 2 + 1))(x),
        "vmap of grad": lambda: f.vmap(f.grad(lambda p, a: (p * a).sum() ** 2), (None, 0))(v, x),
        "vmap of keyword": lambda: f.vmap(lambda a, k=1: a * k)(x, k=3),
        "grad of vmap": lambda: f.grad(lambda a: f.vmap(t.dot)(a, a).prod())(x),
        "functionalize": lambda: f.functionalize(lambda a: a.clone().add_(1))(v),
    }


NAMES = list(cases(jtorch))


def plain(x):
    """Nested results as nested NumPy arrays."""
    if isinstance(x, dict):
        return {k: plain(y) for k, y in x.items()}
    if isinstance(x, list | tuple):
        return [plain(y) for y in x]
    return np.asarray(x.detach().resolve_conj().numpy()) if hasattr(x, "detach") else x


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        a, b = list(a.values()), list(b.values())
    if isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
    else:
        assert a == b


# A warning of PyTorch about itself.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr:UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_results_are_those_of_pytorch(torch, name):
    same(plain(cases(jtorch)[name]()), plain(cases(torch)[name]()))


def errors(t):
    f = t.func
    v = t.tensor([1.0, 2.0])
    return {
        "vector": lambda: f.grad(lambda a: a)(v),
        "no tensor": lambda: f.grad(lambda a: 1.0)(v),
        "argnum": lambda: f.grad(t.sum, argnums=2)(v),
        "argnums twice": lambda: f.grad(lambda a, b: a.sum(), argnums=(0, 0))(v, v),
        "argnums empty": lambda: f.grad(t.sum, argnums=())(v),
        "argnums type": lambda: f.grad(t.sum, argnums="a")(v),
        "aux": lambda: f.grad(lambda a: a.sum(), has_aux=True)(v),
        "vjp integer": lambda: f.vjp(lambda a: a.argmax(), v),
        "vjp aux": lambda: f.vjp(lambda a: a, v, has_aux=True),
        "chunk": lambda: f.jacrev(t.sin, chunk_size=0),
        "complex": lambda: f.jacrev(t.sin)(v + 1j),
        "randomness": lambda: f.vmap(lambda a: a, randomness="some"),
        "random": lambda: f.vmap(lambda a: a + t.rand(2))(t.ones(3, 2)),
        "in_dims type": lambda: f.vmap(lambda a: a, in_dims=[0])(v),
        "in_dims value": lambda: f.vmap(lambda a: a, in_dims=("x",))(v),
        "in_dims range": lambda: f.vmap(lambda a: a, in_dims=1)(v),
        "no inputs": lambda: f.vmap(lambda: 1)(),
        "all None": lambda: f.vmap(lambda a: a, in_dims=(None,))(v),
        "aux type": lambda: f.grad(lambda a: (a.sum(), 3), has_aux=True)(v),
        "sizes": lambda: f.vmap(lambda a, b: a + b)(t.ones(2), t.ones(3)),
        "not a tensor in": lambda: f.vmap(lambda a, b: a)(v, 3),
        "chunk size": lambda: f.vmap(lambda a: a, chunk_size=0)(v),
        "no models": lambda: f.stack_module_state([]),
        "modes": lambda: f.stack_module_state([t.nn.Linear(1, 1), t.nn.Linear(1, 1).eval()]),
        "classes": lambda: f.stack_module_state([t.nn.Linear(1, 1), t.nn.Bilinear(1, 1, 1)]),
        "repeated": lambda: f.functional_call(t.nn.ReLU(), [{"a": v}, {"a": v}], (v,)),
        "remove": lambda: f.functionalize(t.sin, remove="all")(v),
    }


@pytest.mark.parametrize("name", list(errors(jtorch)))
def test_errors_are_those_of_pytorch(torch, name):
    with pytest.raises(Exception) as expected:  # noqa: PT011  # whatever PyTorch raises
        errors(torch)[name]()
    with pytest.raises(type(expected.value)) as found:
        errors(jtorch)[name]()
    assert str(found.value).replace("jtorch.", "torch.") == str(expected.value)


def test_ensembles_train(torch):
    def train(t):
        t.manual_seed(0)
        models = [t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2)) for _ in range(3)]
        params, buffers = t.func.stack_module_state(models)
        assert all(p.requires_grad and p.is_leaf for p in params.values())
        x = t.randn(5, 3)

        def one(p, b, x):
            return t.func.functional_call(models[0], (p, b), (x,))

        optimizer = t.optim.SGD(params.values(), lr=0.1)
        for _ in range(2):
            loss = (t.vmap(one, (0, 0, None))(params, buffers, x) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        per_sample = t.func.vmap(
            t.func.grad(lambda p, x: (one(p, {}, x[None]) ** 2).sum()), (None, 0)
        )({k: p[0].detach() for k, p in params.items()}, x)  # fmt: skip
        return loss.item(), {k: p.tolist() for k, p in params.items()}, per_sample["0.weight"].tolist()

    loss, params, samples = train(jtorch)
    expected = train(torch)
    assert loss == pytest.approx(expected[0], rel=1e-5)
    for k, p in params.items():
        np.testing.assert_allclose(p, expected[1][k], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(samples, expected[2], rtol=1e-4, atol=1e-6)


def test_random_numbers_in_vmap_are_pytorchs(torch):
    def draw(t, randomness):
        t.manual_seed(0)
        x = t.ones(3, 20)
        noisy = t.func.vmap(lambda a: t.nn.functional.dropout(a, 0.5) + t.rand(20), randomness=randomness)
        return noisy(x).tolist()

    for randomness in ("same", "different"):
        assert draw(jtorch, randomness) == draw(torch, randomness)
    rows = draw(jtorch, "different")
    assert rows[0] != rows[1]
    rows = draw(jtorch, "same")
    assert rows[0] == rows[1]


def test_transforms_compose_with_those_of_jax():
    def loss(x):
        return (x.sin() ** 2).sum()

    x = jtorch.tensor([0.1, 0.2, 0.3])
    expected = np.sin(2 * np.array([0.1, 0.2, 0.3]))  # by hand: (sin^2)' = sin(2x)
    np.testing.assert_allclose(jax.jit(func.grad(loss))(x).numpy(), expected, rtol=1e-6)
    on_arrays = lambda a: loss(jtorch.from_jax(a)).jax()  # noqa: E731
    np.testing.assert_allclose(jax.grad(on_arrays)(x.jax()), expected, rtol=1e-6)
    by_row = jax.vmap(lambda a: func.grad(loss)(jtorch.from_jax(a)).jax())(jnp.ones((2, 3)) * 0.1)
    np.testing.assert_allclose(by_row, np.full((2, 3), np.sin(0.2)), rtol=1e-6)

    def step(carry, _):
        t = jtorch.from_jax(carry)
        return (t - 0.1 * func.grad(loss)(t)).jax(), loss(t).jax()

    end, losses = jax.lax.scan(step, x.jax(), None, length=4)
    y = x.clone()
    for _ in range(4):
        y = y - 0.1 * func.grad(loss)(y)
    np.testing.assert_allclose(end, y.numpy(), rtol=1e-6)
    assert losses.shape == (4,)
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")
    spread = jax.shard_map(
        lambda a: func.grad(loss)(jtorch.from_jax(a)).jax(), mesh=mesh, in_specs=spec, out_specs=spec
    )
    np.testing.assert_allclose(spread(x.jax()), expected, rtol=1e-6)


def test_captured_tensors_and_pending_values_inside_a_transform():
    m = nn.Linear(3, 2)
    pending = m.weight.detach() * 2
    f = jax.jit(lambda x: m(x) + pending.sum())
    x = jtorch.ones(1, 3)
    assert jtorch.allclose(f(x), m(x) + pending.sum())
    assert not isinstance(m.weight.jax(), jax.core.Tracer)


def test_programs_are_compiled_once(lazy):
    f = func.grad(lambda x: (x**3).sum())
    for i in range(4):
        f(jtorch.ones(3) * i).tolist()
    assert jtorch.metrics()["programs_compiled"] <= 2


def test_batch_norms_without_running_statistics():
    m = nn.Sequential(nn.BatchNorm1d(2), nn.ReLU())
    assert func.replace_all_batch_norm_modules_(m) is m
    assert m[0].running_mean is None
    assert not m[0].track_running_stats


def test_calls_with_names_that_a_module_does_not_have():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.factor = nn.Linear(2, 2), 3

        def forward(self, x):
            return self.first(x) + getattr(self, "shift", 0)

    model, x = Model(), jtorch.ones(1, 2)
    weight, plain = model.first.weight, model(x).tolist()
    shifted = func.functional_call(model, {"shift": x}, (x,))
    assert jtorch.equal(shifted, model(x) + 1)
    assert not hasattr(model, "shift")
    other = {"first.weight": jtorch.zeros(2, 2)}
    errors = [  # of PyTorch 2.13
        ({"factor": x}, TypeError, "attribute `factor`: 3 is not an instance of torch.Tensor"),
        ({"first.bias": 3}, TypeError, "3 is not an instance of torch.Tensor"),
        ({"second.bias": x}, AttributeError, "Model has no attribute `second`"),
    ]
    for given, kind, text in errors:
        with pytest.raises(kind) as caught:
            func.functional_call(model, other | given, (x,))
        assert str(caught.value) == text
        assert model.first.weight is weight  # nothing stays replaced
    assert model(x).tolist() == plain
    with pytest.raises(RuntimeError) as caught:
        func.functional_call(model, other | {"shift": x}, (x,), strict=True)
    assert str(caught.value) == (
        "Error(s) in reparametrizing for Model:\n\tUnexpected key(s): 'shift'.\n\t"
        "Missing key(s): 'first.bias'."
    )


def test_cotangents_and_tangents_of_other_sizes():
    x = jtorch.ones(2, 3)
    _, pull = func.vjp(lambda x: x * 2, x)
    with pytest.raises(RuntimeError) as caught:
        pull(jtorch.ones(3))
    assert str(caught.value) == (  # of PyTorch 2.13
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and output[0] has a shape of "
        "torch.Size([2, 3])."
    )
    with pytest.raises(RuntimeError) as caught:
        func.jvp(lambda x: x * 2, (x,), (jtorch.ones(3),))
    assert str(caught.value) == (
        "Trying to set a forward gradient that has a different size than that of the original Tensor, this "
        "is not supported. Tensor is of size [2, 3] while the given forward gradient is of size [3]."
    )


def test_gradients_around_a_forward_derivative_of_a_maximum():
    """What a rule returns besides the derivative has derivatives, too."""
    x = jtorch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    for reduce in (jtorch.max, jtorch.min, jtorch.median):
        x.grad = None
        value, moved = jtorch.func.jvp(reduce, (x,), (jtorch.ones(3),))
        (value + moved).backward()
        assert x.grad.tolist() == (reduce(x.detach()) == x.detach()).float().tolist()
