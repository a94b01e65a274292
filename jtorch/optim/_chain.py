"""Optax transformations chained with their states, as rules of optimizers use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optax

__all__ = ["EMPTY", "Step", "prelude", "updated"]

EMPTY = optax.EmptyState()

#: A transformation and the state it starts from.
Step = tuple[Any, Any]


def prelude(maximize: bool, decay: Any = None) -> list[Step]:
    """What most rules begin with: the gradient's sign, and an L2 penalty unless ``decay`` is ``None``."""
    steps: list[Step] = [(optax.scale(-1.0), EMPTY)] if maximize else []
    if decay is not None:
        steps.append((optax.add_decayed_weights(decay), EMPTY))
    return steps


def updated(param: Any, gradient: Any, steps: Sequence[Step], lr: Any) -> tuple[Any, list[Any]]:
    """The parameter after ``-lr`` times the transformed gradient was added, and the new states."""
    chain = optax.chain(*(t for t, _ in steps), optax.scale(-lr))
    update, states = chain.update(gradient, (*(s for _, s in steps), EMPTY), param)
    return optax.apply_updates(param, update), list(states[:-1])
