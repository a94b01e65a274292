"""Tensors on several devices: JAX's meshes, in a process of its own that has eight CPU devices."""

import os
import subprocess
import sys

CODE = """
import contextlib, numpy as np, jax, jtorch
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from jtorch import nn

F = nn.functional
mesh = jax.make_mesh((8,), ("b",), axis_types=(AxisType.Auto,))
other = jax.make_mesh((8,), ("c",), axis_types=(AxisType.Auto,))
explicit = jax.make_mesh((8,), ("b",))
x, w = jtorch.randn(16, 4), jtorch.randn(3, 4)


def put(v, mesh, *spec):
    return jax.device_put(v, NamedSharding(mesh, P(*spec)))


def net(w, x):
    return F.log_softmax(F.relu(F.linear(x, w)) + F.gelu(F.linear(x, w)), -1).pow(2).mean()


def leaf(w, x):
    w = w.detach().clone().requires_grad_()
    net(w, x).backward()
    return w.grad


def same(found, expected):
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-6)


def spread(f, mesh, check=True):
    axis = mesh.axis_names[0]
    mean = lambda w, x: jax.tree.map(lambda a: lax.pmean(a, axis), f(w, x))
    made = jax.shard_map(mean, mesh=mesh, in_specs=(P(), P(axis)), out_specs=P(), check_vma=check)
    return jax.jit(made)(put(w, mesh), put(x, mesh, axis))


# The gradient of a mean over equal parts is the mean of the parts' gradients.
expected = leaf(w, x)
# What one mesh traced serves neither another one nor the world outside.
same(spread(leaf, mesh), expected)
same(spread(leaf, other), expected)
same(spread(leaf, mesh, check=False), expected)
same(leaf(w, x[:2]), jtorch.func.grad(net)(w, x[:2]))
same(spread(lambda w, x: jax.grad(lambda w: net(w, x).jax())(w), mesh, check=False), expected)
# Tensors from before are operands in a mesh's context, and operations inside of it run on their own device.
with jax.set_mesh(explicit):
    same(jax.jit(leaf)(put(w, explicit), put(x, explicit, "b")), expected)
    same(leaf(w, x), expected)
    pending = w * 2
    same(jax.jit(lambda x: F.linear(x, pending))(put(x, explicit, "b")), F.linear(x, w) * 2)
# Spread over a mesh, tensors stay so in transforms, and are gathered by operations outside of them.
weight, rows = put(w, mesh), put(x, mesh, "b")
assert len(rows.jax().devices()) == 8 and rows.device == jtorch.device("cpu")
same(leaf(weight, rows), expected)
assert len(rows.jax().devices()) == 8
same(jtorch.from_jax(rows.jax()) + 1, x + 1)
layer = nn.Linear(4, 3)
layer.load_state_dict({"weight": put(w, explicit), "bias": put(jtorch.ones(3), explicit)})
same(layer(x).detach(), F.linear(x, w) + 1)
# Inside of transforms shard_map runs on its mesh, wherever the operands are; a backward does not go on there.
grad = jtorch.func.grad
parts = lambda w, x: lax.pmean(net(jtorch.from_jax(w), jtorch.from_jax(x)).jax(), "b")
mapped = jax.shard_map(parts, mesh=mesh, in_specs=(P(), P("b")), out_specs=P())
over = lambda w, x: jtorch.from_jax(mapped(w.jax(), x.jax()))
same(grad(over)(w, x), expected)
same(grad(lambda w: over(w, rows))(weight), expected)
same(jax.jit(grad(over))(put(w, mesh), put(x, mesh, "b")), expected)
same(grad(lambda w: grad(over)(w, x).pow(2).sum())(w), grad(lambda w: grad(net)(w, x).pow(2).sum())(w))
leaf_x = x.clone().requires_grad_()
try:
    grad(over)(w, leaf_x)
    raise SystemExit("no error")
except NotImplementedError as error:
    assert "shard_map" in str(error)
with jtorch.no_grad():
    same(grad(over)(w, leaf_x), expected)


# Compiled steps in a mesh's context, and in and out of it, are those outside.
def train(compile, contexts):
    jtorch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    optimizer = jtorch.optim.Adam(layer.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = layer(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss * 2 if loss > 0 else loss

    step, seen = compile(step), []
    scanned = jtorch.compile(lambda x: x.sum()) if compile is jtorch.compile else lambda x: x.sum()
    doubled = compile(lambda x: x * 2)
    for where in contexts:
        with jax.set_mesh(where) if where else contextlib.nullcontext():
            seen += [step(x), doubled(x).sum()]
            seen.append(jtorch.scan(scanned, x.view(4, 4, 4)).sum() if compile is jtorch.compile else x.sum())
    return jtorch.stack(seen)


for contexts in ([explicit] * 6, [None] * 6 + [explicit] * 3 + [None] * 2, [mesh] * 3 + [None] * 3):
    expected = train(lambda f: f, [None] * len(contexts))
    same(train(jtorch.compile, contexts).detach(), expected.detach())
exported = jtorch.export.export(layer, (x,))
with jax.set_mesh(explicit):
    same(exported(x), layer(x).detach())
    same(jtorch.export.export(layer, (x,))(x), layer(x).detach())
print("done")
"""


def test_meshes_of_several_devices():
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=env, check=False)
    assert found.stdout.strip() == "done", found.stderr
