"""At home in JAX: pytrees, arrays, programs ahead of time."""

import jax
import numpy as np
import optax

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
