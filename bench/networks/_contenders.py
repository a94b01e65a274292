"""Who is compared: functions that make a case's step for each contender."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import jax
import numpy as np

from bench._processes import accelerator_peak
from bench.networks._cases import RATE, Case


class LeftOutError(Exception):
    """A contender that cannot run here; the text says why."""


@dataclass(frozen=True)
class Contender:
    """A step, and how to wait for what it returns; calling does both.

    ``wait`` of a training step reads the loss, as loops do; of inference, it leaves the result on the device.
    """

    step: Callable[[], Any]
    wait: Callable[[Any], Any]
    settle: Callable[[], Any] = lambda: None

    def __call__(self) -> Any:
        return self.wait(self.step())


def pytorch(name: str, compiled: bool, case: Case, state: Any, data: Any) -> Contender:
    """The ordinary loop, run by jtorch or by PyTorch."""
    torch = required(name)
    device = str(torch.accelerator.current_accelerator() or "cpu")
    if device == "cpu" and jax.default_backend() != "cpu":
        raise LeftOutError("it finds no accelerator, and JAX has one")
    model = case.build(torch, **case.sizes)
    model.load_state_dict({k: torch.as_tensor(v) for k, v in state.items()})
    model.to(device)
    x, y = (torch.as_tensor(a).to(device, copy=True) for a in data)  # its own, as a loader's batches are
    settle: Callable[[], Any] = lambda: None  # noqa: E731
    if name == "jtorch":
        settle = torch.synchronize
    elif device != "cpu":
        settle = torch.accelerator.synchronize
    if not case.loss:
        model.eval()
        forward = torch.compile(model) if compiled else model

        def infer() -> Any:
            with torch.inference_mode():
                return forward(x)

        def wait(out: Any) -> Any:
            if name == "jtorch":
                out.jax().block_until_ready()
            else:
                settle()
            return out

        return Contender(infer, wait, settle)

    optimizer = getattr(torch.optim, case.optimizer)(model.parameters(), lr=RATE[case.optimizer])
    criterion = getattr(torch.nn, case.loss)()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = torch.compile(step) if compiled else step
    return Contender(lambda: run(x, y), lambda loss: loss.item(), settle)


def inductor(case: Case, state: Any, data: Any) -> Contender:
    """PyTorch's own compiler."""
    if sys.platform == "linux" and not any(map(shutil.which, ("g++", "clang++"))):
        raise LeftOutError("it needs a C++ compiler, and there is none")
    return pytorch("torch", True, case, state, data)


def by_jax(module: str, case: Case, state: Any, data: Any, **keywords: Any) -> Contender:
    """A version written for JAX."""
    found = required(module)
    if case.loss:
        return Contender(found.training(case, state, data, **keywords), float)
    return Contender(found.inference(case, state, data, **keywords), lambda out: out.block_until_ready())


def required(name: str) -> Any:
    """A module, or the word that something is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise LeftOutError(str(error)) from None


def warm_up(contender: str) -> Callable[[], int | None]:
    """Import what the contender needs and start its backend; what counts its memory on an accelerator."""
    found = required(NEEDS[contender])
    if NEEDS[contender] == "jtorch":  # it loads these when they are first used; the others' imports load all
        for part in ("nn", "optim", "compiler"):
            import_module(f"jtorch.{part}")
    jax.jit(lambda x: x + 1)(0.0).block_until_ready()  # the compiler's own memory is nobody's
    if NEEDS[contender] == "torch" and found.accelerator.is_available():
        return found.accelerator.max_memory_allocated
    return accelerator_peak


NEEDS = {
    "PyTorch": "torch",
    "torch.compile": "torch",
    "JAX + optax": "bench.networks._by_hand",
    "flax nnx": "bench.networks._nnx",
    "nnx, cached": "bench.networks._nnx",
    "jtorch": "jtorch",
    "jtorch compiled": "jtorch",
}
#: In the order of the tables.
CONTENDERS: dict[str, Callable[[Case, Any, Any], Contender]] = {
    "PyTorch": partial(pytorch, "torch", False),
    "torch.compile": inductor,
    "JAX + optax": partial(by_jax, NEEDS["JAX + optax"]),
    "flax nnx": partial(by_jax, NEEDS["flax nnx"], cached=False),
    "nnx, cached": partial(by_jax, NEEDS["nnx, cached"], cached=True),
    "jtorch": partial(pytorch, "jtorch", False),
    "jtorch compiled": partial(pytorch, "jtorch", True),
}


def numbers(out: Any) -> Any:
    """What a contender returned, as a NumPy array."""
    return np.asarray(out.cpu() if hasattr(out, "cpu") else out, np.float64)


def differs(found: Any, expected: Any, *, training: bool) -> str | None:
    """In what way two contenders differ, if they do.

    Args:
        found: losses of the first steps, or the outputs of a forward pass.
        expected: those of another.
        training: the first loss tells whether it is the same model; the changes from step to step, which are
            small beside it, whether gradients and optimizer are the same too.
    """
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    scale = np.abs(expected).max()
    if training:
        off, change = np.abs(np.diff(found) - np.diff(expected)).max(), np.abs(np.diff(expected)).max()
        if not off <= 0.02 * change + 2e-6 * scale:
            return f"losses change by {np.diff(found)} and {np.diff(expected)}"
        found, expected = found[0], expected[0]
    off = np.abs(found - expected).max()
    return None if off <= 1e-5 * scale else f"off by {off:.1e} where {scale:.3g} is the largest"
