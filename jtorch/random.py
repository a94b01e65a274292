"""The default stream of random numbers: seeds, states and forks of it (``torch.random``)."""

from __future__ import annotations

from collections.abc import Generator as _Yields
from contextlib import contextmanager
from typing import Any

from jtorch.tensor._random import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


@contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> _Yields[None]:
    """Let a block draw what it likes: afterwards the default stream goes on as if it had drawn nothing.

    Args:
        devices: accelerators whose streams to keep as well; all random numbers come from the default
            stream, so none has one of its own.
        enabled: whether to fork at all.
        device_type: kind of ``devices``.
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
