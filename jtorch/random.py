"""The default stream of random numbers: seeds, states and forks of it (``torch.random``)."""

from __future__ import annotations

from collections.abc import Generator as _Yields
from contextlib import contextmanager
from typing import Any

from jtorch.devices import as_device
from jtorch.tensor._random import (
    default_generator,
    default_generator_of,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
    use_key,
    used_device_generators,
)

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "use_key",
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
        devices: accelerators whose streams to keep as well; all that are in use by default.
        enabled: whether to fork at all.
        device_type: kind of ``devices``.
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    kept = used_device_generators() if devices is None else [_generator(d, device_type) for d in devices]
    states = [generator.get_state() for generator in kept]
    try:
        yield
    finally:
        set_rng_state(state)
        for generator, saved in zip(kept, states, strict=True):
            generator.set_state(saved)


def _generator(where: Any, kind: str) -> Any:
    return default_generator_of(as_device(f"{kind}:{where}" if isinstance(where, int) else where))
