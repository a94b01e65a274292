"""Whole training steps with ``loss.item()``: one loop, run by jtorch and by PyTorch, beside JAX and optax.

The loops are ordinary PyTorch code and take the framework as their argument. The JAX versions are what one
would write by hand: one jitted function with donated state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle, pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jtorch
from bench._timing import microseconds, optional, ratio, rounds, table

Step = Callable[[], float]


def data(name: str) -> list[tuple[Any, Any]]:
    """Batches of inputs and targets as NumPy arrays."""
    rng = np.random.default_rng(0)
    if name == "regression":
        x = np.arange(0, 0.8, 0.02, dtype=np.float32)[:, None]
        return [(x, 0.7 * x + 0.3)]
    if name == "circles":
        angle = rng.uniform(0, 2 * np.pi, 800)
        inner = rng.random(800) < 0.5
        x = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(inner, 0.8, 1.0)[:, None]
        return [((x + rng.normal(0, 0.03, x.shape)).astype(np.float32), inner[:, None].astype(np.float32))]
    return [(rng.random((64, 784), np.float32), rng.integers(0, 10, 64)) for _ in range(8)]


def network(torch: Any, name: str) -> Any:
    """The model of a task."""
    nn = torch.nn
    if name == "regression":
        return nn.Linear(1, 1)
    if name == "circles":
        return nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1))
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def pytorch_step(torch: Any, name: str) -> Step:
    """One step of the unmodified loop."""
    torch.manual_seed(0)
    model = network(torch, name)
    criteria = {"regression": torch.nn.L1Loss, "circles": torch.nn.BCEWithLogitsLoss}
    criterion = criteria.get(name, torch.nn.CrossEntropyLoss)()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batches = cycle([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in data(name)])

    def step() -> float:
        x, y = next(batches)
        model.train()
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def jax_step(name: str) -> Step:
    """The same by hand: pure functions, one compiled step, donated parameters and optimizer state."""
    sizes = {"regression": (1, 1), "circles": (2, 10, 10, 1)}.get(name, (784, 512, 512, 10))
    keys = jax.random.split(jax.random.key(0), len(sizes))
    params = [
        (jax.random.uniform(k, (n, m), minval=-1, maxval=1) / np.sqrt(n), jnp.zeros(m))
        for k, (n, m) in zip(keys, pairwise(sizes), strict=False)
    ]
    optimizer = optax.sgd(0.01)
    state = optimizer.init(params)

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        for i, (weight, bias) in enumerate(params):
            x = x @ weight + bias
            if i < len(params) - 1:
                x = jax.nn.relu(x)
        if name == "regression":
            return jnp.abs(x - y).mean()
        if name == "circles":
            return optax.sigmoid_binary_cross_entropy(x, y).mean()
        return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(params: Any, state: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(params, x, y)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, loss

    batches = cycle([(jnp.asarray(x), jnp.asarray(y)) for x, y in data(name)])

    def step() -> float:
        nonlocal params, state
        params, state, loss = update(params, state, *next(batches))
        return float(loss)

    return step


TASKS = {
    "regression": "linear regression, 40 x 1, L1Loss, SGD",
    "circles": "MLP 2-10-10-1, 800 points, BCEWithLogitsLoss, SGD",
    "digits": "MLP 784-512-512-10, batch 64, CrossEntropyLoss, SGD",
}


def main() -> None:
    """Print microseconds per step and the ratios."""
    torch = optional("torch")
    rows = []
    for name, title in TASKS.items():
        contenders = {"jtorch": pytorch_step(jtorch, name), "jax": jax_step(name)}
        if torch is not None:
            contenders["torch"] = pytorch_step(torch, name)
        times = rounds(contenders)
        against = "-" if torch is None else f"{ratio(times, 'jtorch', 'torch'):.2f}"
        rows.append(
            [
                title,
                microseconds(times["jtorch"]),
                "-" if torch is None else microseconds(times["torch"]),
                microseconds(times["jax"]),
                against,
                f"{ratio(times, 'jtorch', 'jax'):.2f}",
            ]
        )
    table(
        "Training step with loss.item(), microseconds",
        ["step", "jtorch", "PyTorch eager", "JAX + optax", "jtorch / PyTorch", "jtorch / JAX"],
        rows,
    )


if __name__ == "__main__":
    main()
