"""Forward-mode derivatives through ``jax.jvp``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import computed, from_jax

__all__ = ["jacobian_forward"]


def jacobian_forward(
    func: Callable[..., Any], inputs: tuple[Any, ...], check: Callable[[Any], tuple[bool, tuple[Any, ...]]]
) -> tuple[bool, tuple[tuple[Any, ...], ...]]:
    """Jacobians by one forward pass per element of the inputs, all at once.

    Args:
        func: takes tensors and returns a tensor or a tuple of them.
        inputs: where to evaluate it.
        check: makes a tuple of what it returns, and tells whether it was one.

    Returns:
        Whether there are several outputs, and per output a tensor per input.
    """
    device = inputs[0].device
    several = [False]

    def pure(*arrays: Any) -> tuple[Any, ...]:
        with no_grad():
            several[0], outputs = check(func(*(from_value(from_jax(a, device)) for a in arrays)))
        return tuple(computed(value_of(o)) for o in outputs)

    with jax.enable_x64(True):
        arrays = [computed(value_of(x)) for x in inputs]
        columns = []
        for i, a in enumerate(arrays):
            basis = jnp.eye(a.size, dtype=a.dtype).reshape(a.size, *a.shape)

            def push(tangent: Any, i: int = i) -> Any:
                tangents = [tangent if j == i else jnp.zeros_like(b) for j, b in enumerate(arrays)]
                return jax.jvp(pure, arrays, tangents)[1]

            moved = jax.vmap(push, out_axes=-1)(basis)
            columns.append([o.reshape(*o.shape[:-1], *a.shape) for o in moved])
    made = tuple(tuple(from_value(from_jax(c[k], device)) for c in columns) for k in range(len(columns[0])))
    return several[0], made
