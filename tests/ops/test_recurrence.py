"""The derivative of recurrent networks that is written out, against JAX's of the plain loop."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from jtorch.ops._recurrent import GATES, recurrence, scan_steps

T, B, H = 5, 3, 4


def operands(cell: str, bias: bool) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    gates = GATES[cell] * H
    u, weight = random.normal(size=(T, B, gates)), random.normal(size=(gates, H))
    states = [random.normal(size=(B, H)) for _ in range(2 if cell == "lstm" else 1)]
    return u, random.normal(size=gates) if bias else None, weight, states


def plain(cell: str, reverse: bool, u: Any, bias: Any, weight: Any, states: Any) -> Any:
    r = None if bias is None else jnp.broadcast_to(bias, u.shape)
    return scan_steps(cell, reverse, u, r, (weight,), tuple(states), None)


def written(cell: str, reverse: bool, u: Any, bias: Any, weight: Any, states: Any) -> Any:
    return recurrence(cell, reverse, u, bias, (weight,), tuple(states), None)


def total(f: Any, cell: str, reverse: bool) -> Any:
    """A number that depends on every output, and on each in its own way."""

    def loss(given: Any) -> Array:
        leaves = jax.tree.leaves(f(cell, reverse, *given))
        return sum((jnp.sin(x * (i + 1)) * jnp.arange(1.0, x.size + 1).reshape(x.shape)).sum()
                   for i, x in enumerate(leaves))  # fmt: skip

    return loss


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("cell", GATES)
def test_first_and_second_derivatives(cell: str, bias: bool, reverse: bool) -> None:
    with jax.enable_x64(True):
        given = jax.tree.map(jnp.asarray, operands(cell, bias))
        direction = jax.tree.map(jnp.cos, given)
        results = []
        for f in (plain, written):
            loss = total(f, cell, reverse)
            gradient = jax.grad(loss)
            results.append(
                jax.jit(lambda g, d, gradient=gradient: jax.jvp(gradient, (g,), (d,)))(given, direction)
            )
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9), *results)


def test_one_loop_forward_and_one_back() -> None:
    given = jax.tree.map(lambda x: jnp.asarray(x, "float32"), operands("rnn_tanh", True))

    def step(given: Any) -> Any:
        # The forward pass and, as a program of its own, the backward pass: as they are recorded.
        outputs, _ = written("rnn_tanh", False, *given)
        _, pull = jax.vjp(lambda g: written("rnn_tanh", False, *g)[0], given)
        return outputs, pull(outputs)

    text = jax.jit(step).lower(given).compile().as_text()
    assert text is not None
    assert text.count(" while(") == 2
