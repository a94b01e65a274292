"""At home in JAX: pytrees, arrays, programs ahead of time."""

import jax
import numpy as np
import optax
import pytest

import jtorch
from jtorch import nn


def test_a_program_ahead_of_time_changes_nothing():
    model = nn.Linear(64, 64)
    optimizer = jtorch.optim.Adam(model.parameters())

    def step(x):
        loss = (model(nn.functional.dropout(x)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(jtorch.ones(4, 64))
    weight, state = model.weight.tolist(), jtorch.get_rng_state()
    moment, grad = optimizer.state[model.weight]["exp_avg"].tolist(), model.weight.grad
    lowered = jtorch.compiler.lower(jtorch.compile(step), jtorch.ones(4, 64))
    assert "stablehlo" in lowered.as_text()
    program = lowered.compile()
    # Forward and the gradient of the weight: 2 * 4 * 64 * 64 each; no gradient of the input is needed.
    assert program.cost_analysis()["flops"] >= 4 * 4 * 64 * 64
    assert program.memory_analysis().argument_size_in_bytes >= 3 * 4 * 64 * 64
    assert model.weight.tolist() == weight
    assert optimizer.state[model.weight]["step"].item() == 1
    assert optimizer.state[model.weight]["exp_avg"].tolist() == moment
    assert model.weight.grad is grad
    assert jtorch.equal(jtorch.get_rng_state(), state)


def test_modules_train_under_jax_and_optax():
    jtorch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    params = {k: p.detach() for k, p in model.named_parameters()}
    buffers = dict(model.named_buffers())
    x, y = jtorch.randn(8, 3), jtorch.randn(8, 1)
    rule = optax.sgd(0.1)
    state = rule.init(params)

    def loss(params, buffers):
        buffers = dict(buffers)
        out = jtorch.func.functional_call(model, (params, buffers), x)
        return ((out - y) ** 2).mean().jax(), buffers

    @jax.jit
    def step(params, buffers, state):
        (value, buffers), grads = jax.value_and_grad(loss, has_aux=True)(params, buffers)
        updates, state = rule.update(grads, state, params)
        return value, optax.apply_updates(params, updates), buffers, state

    values = []
    for _ in range(3):
        value, params, buffers, state = step(params, buffers, state)
        values.append(float(value))
    optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)
    expected = []
    for _ in range(3):
        mine = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        mine.backward()
        optimizer.step()
        expected.append(mine.item())
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    np.testing.assert_allclose(buffers["1.running_mean"].numpy(), model[1].running_mean.numpy(), rtol=1e-4)
    assert int(buffers["1.num_batches_tracked"].item()) == 3


def test_tensors_are_pytrees_and_share_memory():
    state = nn.Linear(2, 3).state_dict()
    doubled = jax.tree.map(lambda a: a * 2, state)
    assert list(doubled) == list(state)
    assert jtorch.allclose(doubled["weight"], state["weight"] * 2)
    array = jax.numpy.arange(3.0)
    t = jtorch.from_jax(array)
    assert t.jax() is array
    assert jax.numpy.add(t, 1.0).tolist() == [1.0, 2.0, 3.0]  # __jax_array__
    p = nn.Parameter(t)
    leaves, tree = jax.tree.flatten(p)
    assert len(leaves) == 1
    again = jax.tree.unflatten(tree, leaves)
    assert isinstance(again, nn.Parameter)
    assert again.requires_grad
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)]
    assert paths == ["['weight'].data", "['bias'].data"]
    assert [a.shape for a in jax.tree.leaves(state)] == [(3, 2), (3,)]


@pytest.mark.parametrize("kind", [*jtorch.dtypes.ALL], ids=str)
def test_arrays_and_tensors_of_every_dtype(kind):
    t = jtorch.tensor([[1, 4], [2, 1]]).to(kind).t()
    array = t.jax()
    assert array.dtype == kind.numpy
    assert array.tolist() == t.tolist()
    assert jtorch.from_jax(array).dtype is kind
    assert jtorch.from_jax(array).jax() is array
    back = jax.jit(lambda t: t[0])(t)  # 64-bit types, too, though JAX's are switched off
    assert back.dtype is kind
    assert back.tolist() == t.tolist()[0]


def test_arrays_are_indices():
    t, i = jtorch.arange(6.0).reshape(3, 2), jax.numpy.array([2, 0])
    assert t[i].tolist() == [[4, 5], [0, 1]]
    assert t[jax.numpy.array([False, False, True])].tolist() == [[4, 5]]
    assert t[jax.numpy.int32(1)].tolist() == [2, 3]
    assert jax.jit(lambda t, i: t[i, 0])(t, i).tolist() == [4, 0]
    t[i] = 7.0
    assert t.tolist() == [[7, 7], [2, 3], [7, 7]]


def test_writes_do_not_reach_arrays():
    array = jax.numpy.ones(3)
    t = jtorch.from_jax(array)
    held = t.jax()
    t.add_(1)
    t.numpy()[0] = 5
    assert array.tolist() == held.tolist() == [1, 1, 1]
    assert t.jax().tolist() == t.tolist() == [5, 2, 2]


def test_errors_inside_transforms_name_the_cure():
    def notes(function, *args):
        with pytest.raises(RuntimeError) as e:
            function(*args)
        return str(e.value), " ".join(e.value.__notes__)

    text, note = notes(jax.jit(lambda x: x if x.sum() > 0 else -x), jtorch.ones(2))
    assert "no concrete values to read" in text
    assert "jax.lax.cond" in note
    text, note = notes(jax.jit(nn.Dropout()), jtorch.ones(2))
    assert "need a key" in text
    assert "jtorch.random.use_key(key)" in note


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", jtorch.zeros(2))

    def forward(self, x):
        self.total = self.total + x
        return x * 2


def test_state_that_would_leave_a_transform_is_named():
    """Nothing is written, and the error says what, and what to do instead."""
    x = jtorch.ones(4, 2)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)
    counted = Counted()

    def assign(x):
        model[0].weight = nn.Parameter(x[:2])

    def data(x):
        model[0].weight.data = x[:2]

    def copy(x):
        with jtorch.no_grad():
            model[0].bias.copy_(x[0])

    def train(x):
        model[0](x).sum().backward()
        optimizer.step()

    before = {k: v.tolist() for k, v in model.state_dict().items()}
    for function, name in (
        (model, r"Sequential\.1\.(num_batches_tracked|running_mean)"),
        (assign, r"Linear\.weight|Sequential\.0\.weight"),
        (data, r"Sequential\.0\.weight\.data"),
        (copy, r"Sequential\.0\.bias"),
        (train, r"Sequential\.0\.(weight|bias)\.grad"),
        (lambda x: counted(x[0]), r"Counted\.total"),
    ):
        for transform in (jax.jit, jtorch.func.vmap if function is model else jax.jit):
            given = x[None] if transform is not jax.jit else x
            with pytest.raises(RuntimeError, match=rf"({name}) would be changed inside a JAX transform") as e:
                transform(function)(given)
            assert "functional_call(module, state, x)" in str(e.value)
    with pytest.raises(RuntimeError, match=r"Sequential\.1\.running_mean"):
        jtorch.func.grad(lambda a: model[1](a).pow(2).sum())(x)
    before["1.num_batches_tracked"] += 2  # transforms that call the function each time refuse the mean first
    assert {k: v.tolist() for k, v in model.state_dict().items()} == before
    assert model[0].weight.grad is None
    # In evaluation nothing is written, and state that is given comes back.
    assert jax.jit(model.eval())(x).shape == (4, 2)
    call = jax.jit(lambda state, x: (jtorch.func.functional_call(counted, state, (x,)), state))
    assert call({"total": jtorch.zeros(2)}, jtorch.ones(2))[1]["total"].tolist() == [1.0, 1.0]


def test_values_of_modules_are_not_changed_once_for_all_calls():
    class Counted(nn.Module):
        def __init__(self, assigns):
            super().__init__()
            self.register_buffer("calls", jtorch.zeros(()))
            self.assigns = assigns

        def forward(self, x):
            if self.assigns:
                self.calls = self.calls + 1
            else:
                self.calls += 1
            return x * self.calls

    x = jtorch.ones(2)
    for module in (Counted(True), Counted(False)):
        for transform in (jax.jit, jax.checkpoint, lambda f: lambda x: jax.lax.map(f, x)):
            with pytest.raises(RuntimeError, match=r"Counted\.calls would be changed .* traced once"):
                transform(lambda x, module=module: module(x))(x)
        assert module.calls == 0
        # These call the function each time; and state that is given may be made inside.
        jax.grad(lambda x, module=module: module(x).sum().jax())(x)
        jax.vmap(lambda x, module=module: module(x))(x)
        assert module.calls == 2
        jax.jit(lambda x, module=module: jtorch.func.functional_call(module, {"calls": jtorch.zeros(())}, x))(
            x
        )
        assert module.calls == 2
        assert "_inside" not in vars(module.calls)

    w = nn.Parameter(jtorch.ones(2))
    w.grad = jtorch.ones(2)
    for optimizer in (jtorch.optim.SGD([w], 0.1), jtorch.optim.Optax([w], optax.sgd(0.1))):

        def step(x, optimizer=optimizer):
            optimizer.step()
            return x

        with pytest.raises(RuntimeError, match=r"param_groups\[0\]\['params'\]\[0\] would be changed"):
            jax.jit(step)(x)
    assert w.tolist() == [1.0, 1.0]


def test_a_tensor_that_a_transform_wrote_to_says_so():
    total = jtorch.zeros(2)

    def f(x):
        total.add_(x)
        return x

    jax.jit(f)(jtorch.ones(2))
    with pytest.raises(RuntimeError, match=r"written to inside a JAX transform .* that is over"):
        total.tolist()


def test_tensors_and_modules_made_inside_a_transform_may_be_written():
    def f(x):
        y = jtorch.zeros(2)
        y += x
        y[0] = 3
        norm = nn.BatchNorm1d(2)
        norm(jtorch.stack([x, x * 2]))
        weight = nn.Parameter(jtorch.ones(2))
        (weight * x).sum().backward()
        return y + norm.running_mean, weight.grad

    total, grad = jax.jit(f)(jtorch.ones(2))
    np.testing.assert_allclose(total.tolist(), [3.15, 1.15], rtol=1e-6)  # by hand: 0.1 times the mean 1.5
    assert grad.tolist() == [1.0, 1.0]
