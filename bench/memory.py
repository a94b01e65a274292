"""Peak memory of a training step beside hand-written JAX with donation, and 10,000 steps on the spot."""

from __future__ import annotations

import argparse
import gc
import json
import resource
from collections import defaultdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jtorch
from bench._processes import RETURNING, accelerator_peak, child, peak, start_of_peak
from bench._timing import table

#: Widths of the fully connected network: 112 MiB of parameters, and twice that for Adam's moments.
SIZES = (2048, 4096, 4096, 1024)
#: Channels of the convolutional network, on images of 64 x 64 pixels; its activations occupy the memory.
CHANNELS = (3, 32, 32, 64)
PIXELS = 64
BATCHES = {"dense": 1024, "convolutional": 64}
TITLES = {
    "dense": "fully connected, parameters and Adam's state dominate",
    "convolutional": "convolutional, activations dominate",
}


def resident() -> int:
    """Bytes of memory that this process occupies now."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def batch(model: str) -> tuple[Any, Any]:
    """Inputs and classes as NumPy arrays."""
    rng = np.random.default_rng(0)
    count = BATCHES[model]
    if model == "dense":
        return rng.random((count, SIZES[0]), np.float32), rng.integers(0, SIZES[-1], count)
    return rng.random((count, CHANNELS[0], PIXELS, PIXELS), np.float32), rng.integers(0, 10, count)


def train_jtorch(model: str, steps: int) -> None:
    """Adam steps of the unmodified loop."""
    nn = jtorch.nn
    layers: list[Any] = []
    if model == "dense":
        for n, m in pairwise(SIZES):
            layers += [nn.Linear(n, m), nn.ReLU()]
        layers.pop()
    else:
        for n, m in pairwise(CHANNELS):
            layers += [nn.Conv2d(n, m, 3, padding=1), nn.ReLU()]
        layers += [nn.Flatten(), nn.Linear(CHANNELS[-1] * PIXELS**2, 10)]
    network = nn.Sequential(*layers)
    criterion = nn.CrossEntropyLoss()
    optimizer = jtorch.optim.Adam(network.parameters(), lr=1e-3)
    x, y = (jtorch.from_numpy(a) for a in batch(model))
    for _ in range(steps):
        loss = criterion(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


def train_jax(model: str, steps: int) -> None:
    """The same by hand, state donated."""
    rng = np.random.default_rng(0)
    if model == "dense":
        shapes: list[tuple[int, ...]] = list(pairwise(SIZES))
    else:
        shapes = [(m, n, 3, 3) for n, m in pairwise(CHANNELS)]
        shapes.append((CHANNELS[-1] * PIXELS**2, 10))
    params = [
        (
            jnp.asarray(rng.uniform(-0.01, 0.01, shape).astype(np.float32)),
            jnp.zeros(shape[0] if len(shape) == 4 else shape[1]),
        )
        for shape in shapes
    ]
    optimizer = optax.adam(1e-3)
    state = optimizer.init(params)

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        for i, (weight, bias) in enumerate(params):
            if weight.ndim == 4:
                x = jax.lax.conv(x, weight, (1, 1), "SAME") + bias[:, None, None]
            else:
                x = x.reshape(len(x), -1) @ weight + bias
            if i < len(params) - 1:
                x = jax.nn.relu(x)
        return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(params: Any, state: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(params, x, y)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, loss

    x, y = (jnp.asarray(a) for a in batch(model))
    for _ in range(steps):
        params, state, loss = update(params, state, x, y)
        float(loss)


def flat(steps: int) -> dict[str, list[int]]:
    """Memory and cache sizes after one, five and ten tenths of so many small steps."""
    from jtorch.trace import _executor, _graph, _value

    nn = jtorch.nn
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = jtorch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = jtorch.ones(32, 8), jtorch.ones(32, 1)
    found: dict[str, list[int]] = defaultdict(list)
    for i in range(1, steps + 1):
        loss = ((model(x) * (1 + i / steps) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        if i in (steps // 10, steps // 2, steps):
            gc.collect()
            found["resident"].append(resident() >> 10)
            found["programs"].append(len(_executor._programs) + len(_executor._pieces))
            found["signatures"].append(len(_graph.SIGNATURES))
            found["avals"].append(len(_value._interned))
            found["objects"].append(len(gc.get_objects()))
    return found


def run_child(what: str, steps: int) -> Any:
    """Measure in this process: bytes at the peak, or the sizes that must stay flat."""
    if what == "flat":
        return flat(steps)
    framework, model = what.split()
    jax.device_put(0.0).block_until_ready()
    before = start_of_peak()
    (train_jtorch if framework == "jtorch" else train_jax)(model, steps)
    on_device = accelerator_peak()
    return peak() - before if on_device is None else on_device


def main() -> None:
    """Print both tables; ``--child`` is how it calls itself."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--child")
    parser.add_argument("--steps", type=int, default=4)
    arguments, _ = parser.parse_known_args()
    if arguments.child:
        print(json.dumps(run_child(arguments.child, arguments.steps)))
        return
    rows = []
    for model, title in TITLES.items():
        found: dict[str, list[int]] = {"jtorch": [], "jax": []}
        for _ in range(3):
            for framework, peaks in found.items():
                peaks.append(child("bench.memory", "--child", f"{framework} {model}", **RETURNING))
        mine, by_hand = median(found["jtorch"]), median(found["jax"])
        rows.append([title, int(mine) >> 20, int(by_hand) >> 20, f"{mine / by_hand:.2f}"])
    table(
        "Peak memory of training steps, MiB over a started JAX",
        ["network", "jtorch", "JAX + optax, donated", "ratio"],
        rows,
    )
    sizes = child("bench.memory", "--child", "flat", "--steps", "10000", **RETURNING)
    table(
        "10,000 training steps",
        ["", "after 1,000", "after 5,000", "after 10,000"],
        [
            ["resident memory, KiB", *sizes["resident"]],
            ["programs kept", *sizes["programs"]],
            ["signatures", *sizes["signatures"]],
            ["avals", *sizes["avals"]],
            ["Python objects", *sizes["objects"]],
        ],
    )


if __name__ == "__main__":
    main()
