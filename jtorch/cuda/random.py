"""Random numbers on GPUs (``torch.cuda.random``)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from jtorch.cuda._kind import KIND as _kind
from jtorch.tensor._random import default_generator_of, seed_devices

__all__ = [
    "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed",
    "seed_all", "set_rng_state", "set_rng_state_all",
]  # fmt: skip


def manual_seed(seed: int) -> None:
    """Seed the current GPU's stream of random numbers; without a GPU, that of later ones."""
    if _kind.is_available():
        default_generator_of(_kind.resolve(None)).manual_seed(int(seed))
    else:
        seed_devices(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed the streams of all GPUs."""
    seed_devices(int(seed))


def seed() -> None:
    """Seed the current GPU's stream with a number nobody can foresee."""
    if _kind.is_available():
        default_generator_of(_kind.resolve(None)).seed()


def seed_all() -> None:
    """Seed the streams of all GPUs with one number nobody can foresee."""
    seed_devices(int.from_bytes(os.urandom(8), "little") >> 1)


def initial_seed() -> int:
    """The seed that the current GPU's stream began with."""
    return default_generator_of(_kind.resolve(None)).initial_seed()


def get_rng_state(device: Any = "cuda") -> Any:
    """The state of a GPU's stream of random numbers."""
    return default_generator_of(_kind.resolve(device)).get_state()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Continue a GPU's stream of random numbers from a state."""
    default_generator_of(_kind.resolve(device)).set_state(new_state)


def get_rng_state_all() -> list[Any]:
    """The states of all GPUs' streams."""
    return [get_rng_state(i) for i in range(_kind.count())]


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Continue all GPUs' streams from states."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)
