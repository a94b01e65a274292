"""MPS devices (``torch.mps``)."""

from __future__ import annotations

from typing import Any

from jtorch._accelerators import Kind
from jtorch.tensor._random import seed_devices

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "synchronize"]


def _missing() -> Exception:
    return RuntimeError("Cannot execute deviceSynchronize() without MPS backend.")


_kind = Kind("mps", _missing)


def is_available() -> bool:
    """Whether JAX has such a device."""
    return _kind.is_available()


def device_count() -> int:
    """How many there are."""
    return _kind.count()


def synchronize(device: Any = None) -> None:
    """Run what is pending and wait until the device has finished it."""
    _kind.synchronize(device)


def empty_cache() -> None:
    """Nothing to do: JAX's allocator keeps its memory for later arrays."""


def manual_seed(seed: int) -> None:
    """Seed the device's stream of random numbers."""
    seed_devices(int(seed))
