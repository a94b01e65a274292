"""MPS devices (``torch.mps``): JAX's Apple GPUs."""

from __future__ import annotations

from typing import Any

from jtorch import _accelerators
from jtorch._accelerators import Kind
from jtorch.tensor._random import default_generator_of, seed_devices

__all__ = [
    "Event", "compile_shader", "current_allocated_memory", "device_count", "driver_allocated_memory",
    "empty_cache", "get_rng_state", "is_available", "load_metallib", "manual_seed",
    "recommended_max_memory", "seed", "set_per_process_memory_fraction", "set_rng_state", "synchronize",
]  # fmt: skip


def _missing(name: str = "deviceSynchronize") -> Exception:
    return RuntimeError(f"Cannot execute {name}() without MPS backend.")


_kind = Kind("mps", _missing)


def _check(name: str) -> None:
    if not _kind.is_available():
        raise _missing(name)


def is_available() -> bool:
    """Whether JAX has such a device."""
    return _kind.is_available()


def device_count() -> int:
    """How many there are."""
    return _kind.count()


def synchronize() -> None:
    """Run what is pending and wait until the device has finished it."""
    _kind.synchronize()


class Event(_accelerators.Event):
    """A point in the work of the device."""

    def __init__(self, enable_timing: bool = False) -> None:
        _check("acquireEvent")
        super().__init__(_kind, enable_timing)


# ---- memory


def empty_cache() -> None:
    """Nothing to do: JAX's allocator keeps its memory for later arrays."""
    _check("emptyCache")


def current_allocated_memory() -> int:
    """Bytes in use."""
    _check("getCurrentAllocatedMemory")
    return _kind.allocated()


def driver_allocated_memory() -> int:
    """Bytes that JAX's allocator took; 0 if it does not tell."""
    _check("getDriverAllocatedMemory")
    return _kind.reserved()


def recommended_max_memory() -> int:
    """Bytes that JAX may use."""
    _check("getRecommendedMaxMemory")
    return _kind.limit()


def set_per_process_memory_fraction(fraction: float) -> None:
    """Not supported.

    Raises:
        RuntimeError: there is no device.
        NotImplementedError: there is one; JAX's allocator is set up by an environment variable.
    """
    _check("setMemoryFraction")
    raise NotImplementedError(
        "torch.mps.set_per_process_memory_fraction(): set XLA_PYTHON_CLIENT_MEM_FRACTION before the start"
    )


# ---- random numbers


def manual_seed(seed: int) -> None:
    """Seed the device's stream of random numbers."""
    seed_devices(int(seed))


def seed() -> None:
    """Seed the device's stream with a number nobody can foresee."""
    _check("getDefaultGenerator")
    default_generator_of(_kind.resolve(None)).seed()


def get_rng_state() -> Any:
    """The state of the device's stream of random numbers."""
    _check("getDefaultGenerator")
    return default_generator_of(_kind.resolve(None)).get_state()


def set_rng_state(new_state: Any) -> None:
    """Continue the device's stream of random numbers from a state."""
    _check("getDefaultGenerator")
    default_generator_of(_kind.resolve(None)).set_state(new_state)


# ---- kernels


def compile_shader(source: str) -> Any:
    """Not supported: kernels of one's own are JAX's, such as Pallas's.

    Raises:
        RuntimeError: there is no device.
        NotImplementedError: there is one.
    """
    if not _kind.is_available():
        raise RuntimeError("MPS is not available")
    raise NotImplementedError("torch.mps.compile_shader(): write the kernel with JAX")


def load_metallib(path: Any) -> Any:
    """Not supported: see :func:`compile_shader`."""
    return compile_shader(path)
