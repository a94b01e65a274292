"""Transforms of functions around JAX's and inside of them, on one device and on several."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch
from jtorch import func

V = np.array([0.1, 0.2, 0.3], np.float32)
ROWS = np.stack([V, 2 * V])


def _scanned(a):
    """The sum of a, a sin, a sin^2 ..., by a loop of JAX."""
    return jax.lax.scan(lambda c, _: (c * jnp.sin(a), c.sum()), a, None, length=3)[1].sum()


def _repeated(a):
    """The sum of a^4."""
    return jax.lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * a), (0, a))[1].sum()


def _sharded(a):
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")
    return jax.shard_map(lambda b: jnp.sin(b) * b, mesh=mesh, in_specs=spec, out_specs=spec)(a).sum()


#: Functions of arrays, to be called inside of transforms.
INSIDE = {
    "jit": jax.jit(lambda a: (jnp.sin(a) * a).sum()),
    "grad": lambda a: (jax.grad(lambda b: (b**3).sum())(a) * a).sum(),
    "value_and_grad": lambda a: sum(map(jnp.sum, jax.value_and_grad(lambda b: (b**3).sum())(a))),
    "vmap": lambda a: jax.vmap(lambda b: b * jnp.sin(a))(a).sum(),
    "jvp": lambda a: jax.jvp(jnp.sin, (a,), (a * a,))[1].sum(),
    "hessian": lambda a: jax.hessian(lambda b: (b**4).sum())(a).sum(),
    "scan": _scanned,
    "while_loop": _repeated,
    "cond": lambda a: jax.lax.cond(a.sum() > 0, lambda b: (b * b).sum(), lambda b: b.sum(), a),
    "checkpoint": jax.checkpoint(lambda a: jnp.exp(jnp.sin(a)).sum()),
    "custom_jvp": lambda a: (jax.nn.relu(a - 0.15) * a).sum(),
    "shard_map": _sharded,
}  # fmt: skip

#: Transforms of both sides: of a function of tensors, of one of arrays, what they are given.
BOTH = {
    "grad": (func.grad, jax.grad, V),
    "vmap of grad": (lambda f: func.vmap(func.grad(f)), lambda f: jax.vmap(jax.grad(f)), ROWS),
    "jacfwd": (func.jacfwd, jax.jacfwd, V),
    "hessian": (func.hessian, jax.hessian, V),
}


CASES = [
    *((name, "grad") for name in INSIDE if name != "while_loop"),  # which has no reverse derivative
    *((name, "vmap of grad") for name in INSIDE if name not in ("while_loop", "shard_map")),
    ("while_loop", "jacfwd"), ("shard_map", "jacfwd"), ("scan", "hessian"), ("custom_jvp", "hessian"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "transform"), CASES)
def test_inside(name, transform):
    inner = INSIDE[name]
    mine, of_jax, given = BOTH[transform]
    expected = of_jax(lambda a: (inner(a * 2) * a[0]).sum())(given)
    transformed = mine(lambda t: jtorch.from_jax(inner((t * 2).jax())) * t[0])
    for _ in range(2):
        np.testing.assert_allclose(transformed(jtorch.tensor(given)).numpy(), expected, rtol=2e-5, atol=1e-6)


SCRIPT = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import PartitionSpec as P
import jtorch
from jtorch import func

assert len(jax.devices()) == 8
mesh = jax.make_mesh((8,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
x = jnp.arange(16.0).reshape(16, 1) / 10 + jnp.arange(3.0) / 7
w = jnp.arange(3.0) + 1


class Cube(jtorch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a):
        return a**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0] ** 2 * 5  # not the derivative of the forward


def loss(w, row):
    return (row * w).sin().sum()


def of_samples(w, rows):
    w, rows = jtorch.from_jax(w), jtorch.from_jax(rows)
    return func.vmap(func.grad(loss), (None, 0))(w, rows).jax()


def mean_gradient(w, rows):
    return jax.lax.pmean(of_samples(w, rows).mean(0), "i")


def own(rows):
    return func.grad(lambda a: Cube.apply(a).sum())(jtorch.from_jax(rows)).jax()


def by_jax(w, rows):
    return jax.vmap(jax.grad(lambda w, r: jnp.sin(r * w).sum()), (None, 0))(w, rows)


expected = by_jax(w, x)
# JAX adds up the gradients of what is the same on all devices, unless it is told not to look at that.
added = [jax.shard_map(f, mesh=mesh, in_specs=(P(), P("i")), out_specs=P("i")) for f in (of_samples, by_jax)]
np.testing.assert_allclose(added[0](w, x), added[1](w, x), rtol=1e-5)
own_gradients = dict(mesh=mesh, in_specs=(P(), P("i")), check_vma=False)
sharded = jax.shard_map(of_samples, out_specs=P("i"), **own_gradients)
np.testing.assert_allclose(sharded(w, x), expected, rtol=1e-5)
np.testing.assert_allclose(jax.jit(sharded)(w, x), expected, rtol=1e-5)
mean = jax.shard_map(mean_gradient, out_specs=P(), **own_gradients)
np.testing.assert_allclose(jax.jit(mean)(w, x), expected.mean(0), rtol=1e-5)
cubes = jax.shard_map(own, mesh=mesh, in_specs=P("i"), out_specs=P("i"))
np.testing.assert_allclose(cubes(x), 5 * x**2, rtol=1e-5)
outer = jax.grad(lambda x: cubes(x).sum())
np.testing.assert_allclose(jax.jit(outer)(x), 10 * x, rtol=1e-5)


def step(carry, _):
    return carry - 0.1 * mean(carry, x), None


def by_hand(w):
    for _ in range(3):
        w = w - 0.1 * jax.vmap(jax.grad(lambda w, r: jnp.sin(r * w).sum()), (None, 0))(w, x).mean(0)
    return w


scanned = jax.jit(lambda w: jax.lax.scan(step, w, None, length=3)[0])
np.testing.assert_allclose(scanned(w), by_hand(w), rtol=1e-5)
print("done")
"""


def test_several_devices():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    made = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.stdout.strip() == "done", made.stderr
