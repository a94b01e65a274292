"""Whole training steps: compiled, lazy, and hand-written JAX, in turns."""

import statistics
import time
from itertools import pairwise

import jax
import jax.numpy as jnp
import optax

import jtorch
from jtorch import nn

SIZES = {"linear regression 40 x 1": (40, (1, 1)), "MLP 2-10-10-1, 800": (800, (2, 10, 10, 1)),
         "MLP 784-512-512-10, 64": (64, (784, 512, 512, 10))}  # fmt: skip


def contenders(batch, sizes):
    """The same step three times: ``{name: function}``."""
    jtorch.manual_seed(0)
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())][:-1]
    x, y = jtorch.randn(batch, sizes[0]), jtorch.randn(batch, sizes[-1])
    linear = layers[::2]
    # Copies: an array that shares memory with a parameter would have each step written to it, too.
    params = [tuple(jnp.asarray(p.detach().clone().numpy()) for p in (m.weight, m.bias)) for m in linear]

    def torch_step():
        model = nn.Sequential(*layers)
        optimizer = jtorch.optim.SGD(model.parameters(), lr=1e-3)

        def step(x, y):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss.detach()

        return step

    rule = optax.sgd(1e-3)

    def loss(params, x, y):
        for i, (w, b) in enumerate(params):
            x = x @ w.T + b
            x = jax.nn.relu(x) if i < len(params) - 1 else x
        return ((x - y) ** 2).mean()

    @jax.jit
    def jax_step(params, state, x, y):
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, state = rule.update(grads, state)
        return optax.apply_updates(params, updates), state, value

    held = [params, rule.init(params)]
    xa, ya = x.jax(), y.jax()

    def by_hand():
        held[0], held[1], value = jax_step(*held, xa, ya)
        return value

    lazy, fast = torch_step(), jtorch.compile(torch_step())
    return {"compiled": lambda: fast(x, y), "lazy": lambda: lazy(x, y), "JAX": by_hand}


def main():
    """Print medians in microseconds."""
    for title, (batch, sizes) in SIZES.items():
        steps = contenders(batch, sizes)
        for step in steps.values():
            for _ in range(5):
                step()
        times = {name: [] for name in steps}
        for _ in range(21):
            for name, step in steps.items():
                start = time.perf_counter()
                for _ in range(20):
                    result = step()
                float(result)
                times[name].append((time.perf_counter() - start) / 20 * 1e6)
        medians = {name: statistics.median(t) for name, t in times.items()}
        best = {name: min(t) for name, t in times.items()}
        print(f"{title:28}", *(f"{n} {medians[n]:9.1f} (best {best[n]:8.1f})" for n in steps))


if __name__ == "__main__":
    main()
