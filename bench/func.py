"""Transforms of ``torch.func`` in ordinary loops, in turns with PyTorch eager and with JAX by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jtorch
from bench._timing import microseconds, optional, ratio, rounds, table

RATE = 0.01
#: How many networks are mapped over.
NETWORKS_TOGETHER = 5


def _layers(sizes: tuple[int, ...]) -> dict[str, np.ndarray[Any, Any]]:
    """Parameters of linear layers with tanh between them, as a Sequential names them."""
    rng = np.random.default_rng(0)
    made = {}
    for i, (n, m) in enumerate(pairwise(sizes)):
        made[f"{2 * i}.weight"] = rng.normal(size=(m, n)).astype(np.float32) / np.float32(n**0.5)
        made[f"{2 * i}.bias"] = np.zeros(m, np.float32)
    return made


def _data(count: int, inputs: int, outputs: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(count, inputs)).astype(np.float32), rng.normal(size=(count, outputs)).astype(
        np.float32
    )


class _Torch:
    """The loops as users of PyTorch write them; each call is one round of a loop and reads a result."""

    def __init__(self, torch: Any, sizes: tuple[int, ...], batch: int) -> None:
        self.torch, self.sizes = torch, sizes
        self.net = self.network()
        self.params = {k: torch.tensor(v) for k, v in _layers(sizes).items()}
        self.x, self.y = map(torch.tensor, _data(batch, sizes[0], sizes[-1]))

    def network(self) -> Any:
        torch, layers = self.torch, []
        for n, m in pairwise(self.sizes):
            layers += [torch.nn.Linear(n, m), torch.nn.Tanh()]
        return torch.nn.Sequential(*layers[:-1])

    def loss(self, params: Any, x: Any, y: Any) -> Any:
        return ((self.torch.func.functional_call(self.net, params, (x,)) - y) ** 2).mean()

    def gradient(self) -> Callable[[], Any]:
        params = self.params

        def step() -> Any:
            nonlocal params
            grads, value = self.torch.func.grad_and_value(self.loss)(params, self.x, self.y)
            params = {k: p - RATE * grads[k] for k, p in params.items()}
            return value.item()

        return step

    def per_sample(self) -> Callable[[], Any]:
        func = self.torch.func

        def largest() -> Any:
            grads = func.vmap(func.grad(self.loss), in_dims=(None, 0, 0))(self.params, self.x, self.y)
            return sum(g.flatten(1).pow(2).sum(1) for g in grads.values()).max()

        return lambda: largest().item()

    def inner_loop(self) -> Callable[[], Any]:
        func = self.torch.func

        def adapted(params: Any, x: Any, y: Any) -> Any:
            for _ in range(2):
                grads = func.grad(self.loss)(params, x, y)
                params = {k: p - RATE * grads[k] for k, p in params.items()}
            return self.loss(params, x, y)

        def step() -> Any:
            return func.grad_and_value(adapted)(self.params, self.x, self.y)[1].item()

        return step

    def newton(self) -> Callable[[], Any]:
        torch, func = self.torch, self.torch.func
        w = torch.zeros(self.sizes[0])

        def objective(w: Any) -> Any:
            return torch.nn.functional.softplus(self.x @ w - self.y[:, 0]).sum() + (w * w).sum()

        def step() -> Any:
            nonlocal w
            w = w - torch.linalg.solve(func.hessian(objective)(w), func.grad(objective)(w))
            return w[0].item()

        return step

    def ensemble(self) -> Callable[[], Any]:
        torch, func, models = self.torch, self.torch.func, []
        for i in range(NETWORKS_TOGETHER):
            models.append(self.network())
            models[i].load_state_dict({k: (i + 1) * v for k, v in self.params.items()})
        params, buffers = func.stack_module_state(models)

        def one(params: Any, buffers: Any, x: Any) -> Any:
            return func.functional_call(models[0], (params, buffers), (x,))

        def step() -> Any:
            with torch.no_grad():
                return torch.vmap(one, (0, 0, None))(params, buffers, self.x).mean().item()

        return step


class _Jax:
    """The same by hand: each round of a loop is one jitted function of arrays."""

    def __init__(self, sizes: tuple[int, ...], batch: int) -> None:
        self.sizes, self.depth = sizes, len(sizes) - 1
        self.params = {k: jnp.asarray(v) for k, v in _layers(sizes).items()}
        self.x, self.y = map(jnp.asarray, _data(batch, sizes[0], sizes[-1]))

    def forward(self, params: Any, x: Any) -> Any:
        for i in range(self.depth):
            x = x @ params[f"{2 * i}.weight"].T + params[f"{2 * i}.bias"]
            x = jnp.tanh(x) if i + 1 < self.depth else x
        return x

    def loss(self, params: Any, x: Any, y: Any) -> Any:
        return ((self.forward(params, x) - y) ** 2).mean()

    def _descent(self, params: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(self.loss)(params, x, y)
        return {k: p - RATE * grads[k] for k, p in params.items()}, value

    def gradient(self) -> Callable[[], Any]:
        params, update = self.params, jax.jit(self._descent)

        def step() -> Any:
            nonlocal params
            params, value = update(params, self.x, self.y)
            return value.item()

        return step

    def per_sample(self) -> Callable[[], Any]:
        @jax.jit
        def largest(params: Any, x: Any, y: Any) -> Any:
            grads = jax.vmap(jax.grad(self.loss), (None, 0, 0))(params, x, y)
            return sum((g.reshape(len(x), -1) ** 2).sum(1) for g in grads.values()).max()

        return lambda: largest(self.params, self.x, self.y).item()

    def inner_loop(self) -> Callable[[], Any]:
        def adapted(params: Any, x: Any, y: Any) -> Any:
            for _ in range(2):
                params, _ = self._descent(params, x, y)
            return self.loss(params, x, y)

        both = jax.jit(jax.value_and_grad(adapted))
        return lambda: both(self.params, self.x, self.y)[0].item()

    def newton(self) -> Callable[[], Any]:
        w = jnp.zeros(self.sizes[0])

        def objective(w: Any) -> Any:
            return jax.nn.softplus(self.x @ w - self.y[:, 0]).sum() + (w * w).sum()

        update = jax.jit(lambda w: w - jnp.linalg.solve(jax.hessian(objective)(w), jax.grad(objective)(w)))

        def step() -> Any:
            nonlocal w
            w = update(w)
            return w[0].item()

        return step

    def ensemble(self) -> Callable[[], Any]:
        params = {
            k: jnp.stack([(i + 1) * v for i in range(NETWORKS_TOGETHER)]) for k, v in self.params.items()
        }
        mean = jax.jit(lambda params, x: jax.vmap(self.forward, (0, None))(params, x).mean())
        return lambda: mean(params, self.x).item()


LOOPS = {
    "gradient": "descent by grad_and_value",
    "per_sample": "gradients of each sample",
    "inner_loop": "gradient through two steps",
    "newton": "Newton's steps by hessian",
    "ensemble": "five networks by vmap",
}
NETWORKS = {
    "2-10-10-1, 32 points": ((2, 10, 10, 1), 32),
    "256-512-512-10, 64 points": ((256, 512, 512, 10), 64),
}


def main() -> None:
    """Print microseconds per round, first rounds in milliseconds, and ratios to the others."""
    torch = optional("torch")
    rows = []
    for network, (sizes, batch) in NETWORKS.items():
        makers: dict[str, Any] = {"jtorch": _Torch(jtorch, sizes, batch), "JAX by hand": _Jax(sizes, batch)}
        if torch is not None:
            makers["PyTorch"] = _Torch(torch, sizes, batch)
        for loop, title in LOOPS.items():
            contenders, first = {}, {}
            for name, maker in makers.items():
                contenders[name] = getattr(maker, loop)()
                started = time.perf_counter()
                contenders[name]()
                first[name] = time.perf_counter() - started
            times = rounds(contenders, count=9, warmup=5)
            others = [n for n in makers if n != "jtorch"]
            rows.append([
                f"{title}, {network}", *(microseconds(times[n]) for n in makers),
                *(f"{ratio(times, 'jtorch', n):.2f}" for n in others),
                *(f"{first[n] * 1e3:,.0f}" for n in makers),
            ])  # fmt: skip
    header = [
        "", *makers, *(f"jtorch / {n}" for n in others), *(f"{n}, first, ms" for n in makers),
    ]  # fmt: skip
    table("Transforms in loops, microseconds per round with a result read", header, rows)


if __name__ == "__main__":
    main()
