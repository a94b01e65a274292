"""Memory of GPUs (``torch.cuda.memory``): that of JAX's allocator."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from jtorch.cuda._kind import KIND as _kind
from jtorch.cuda._kind import refuse, refused
from jtorch.errors import warn_user

__all__ = [
    "CUDAPluggableAllocator", "MemPool", "caching_allocator_alloc", "caching_allocator_delete",
    "caching_allocator_enable", "change_current_allocator", "empty_cache", "get_allocator_backend",
    "get_per_process_memory_fraction", "host_memory_stats", "host_memory_stats_as_nested_dict",
    "list_gpu_processes", "max_memory_allocated", "max_memory_cached",
    "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_cached", "memory_reserved",
    "memory_snapshot", "memory_stats", "memory_stats_as_nested_dict", "memory_summary",
    "reset_accumulated_host_memory_stats", "reset_accumulated_memory_stats", "reset_max_memory_allocated",
    "reset_max_memory_cached", "reset_peak_host_memory_stats", "reset_peak_memory_stats",
    "set_per_process_memory_fraction", "use_mem_pool",
]  # fmt: skip


def memory_allocated(device: Any = None) -> int:
    """Bytes in use; 0 without a GPU."""
    return _kind.allocated(device)


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes in use since the start or the last reset.

    JAX cannot reset its peak: after a reset this is a lower bound until the earlier peak is exceeded.
    """
    return _kind.peak(device)


def memory_reserved(device: Any = None) -> int:
    """Bytes that JAX's allocator took from the GPU; 0 if it does not tell."""
    return _kind.reserved(device)


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that JAX's allocator took from the GPU; 0 if it does not tell."""
    return _kind.reserved(device, "peak_")


def reset_peak_memory_stats(device: Any = None) -> None:
    """Start measuring :func:`max_memory_allocated` anew."""
    _kind.reset_peak(device)


def reset_max_memory_allocated(device: Any = None) -> None:
    """Old name of :func:`reset_peak_memory_stats`."""
    _kind.reset_peak(device)


def memory_stats(device: Any = None) -> dict[str, Any]:
    """What JAX's allocator reports, under PyTorch's names where there is one; empty without a GPU."""
    stats = _kind.stats(device)
    names = {
        "bytes_in_use": "allocated_bytes.all.current",
        "peak_bytes_in_use": "allocated_bytes.all.peak",
        "pool_bytes": "reserved_bytes.all.current",
        "peak_pool_bytes": "reserved_bytes.all.peak",
        "num_allocs": "allocation.all.allocated",
    }
    return OrderedDict(sorted((names.get(k, k), v) for k, v in stats.items()))


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of the memory that JAX may use."""
    where = _kind.resolve(device)
    total = _kind.limit(where)
    return total - _kind.allocated(where), total


def empty_cache() -> None:
    """Nothing to do: JAX's allocator keeps its memory for later arrays."""


def memory_cached(device: Any = None) -> int:
    """Old name of :func:`memory_reserved`."""
    warn_user("`torch.cuda.memory_cached` has been renamed to `torch.cuda.memory_reserved`", FutureWarning)
    return memory_reserved(device)


def max_memory_cached(device: Any = None) -> int:
    """Old name of :func:`max_memory_reserved`."""
    warn_user(
        "`torch.cuda.max_memory_cached` has been renamed to `torch.cuda.max_memory_reserved`", FutureWarning
    )
    return max_memory_reserved(device)


def reset_max_memory_cached(device: Any = None) -> None:
    """Old name of :func:`reset_peak_memory_stats`."""
    _kind.reset_peak(device)


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Nothing to do: JAX's allocator counts no memory that was freed."""
    _kind.resolve(device)


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """:func:`memory_stats` with a dictionary for each part of a name."""
    found: dict[str, Any] = {}
    for name, value in memory_stats(device).items():
        *path, last = name.split(".")
        place = found
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """What JAX's allocator reports, as a table.

    Args:
        device: the current one if ``None``.
        abbreviated: leave out all but memory in use and taken, and their peaks.
    """
    where = _kind.resolve(device)
    rows = {
        "Allocated memory": (memory_allocated(where), max_memory_allocated(where)),
        "GPU reserved memory": (memory_reserved(where), max_memory_reserved(where)),
    }
    lines = [
        f"jtorch CUDA memory summary, device ID {where.index}",
        f"{'Metric':<32} | {'Cur Usage':>12} | {'Peak Usage':>12}",
    ]
    lines += [f"{name:<32} | {now >> 10:>8} KiB | {peak >> 10:>8} KiB" for name, (now, peak) in rows.items()]
    if not abbreviated:
        lines += [f"{name:<32} | {value:>12} |" for name, value in memory_stats(where).items()]
    width = max(map(len, lines))
    return "\n".join(f"| {line:<{width}} |" for line in lines) + "\n"


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Not supported: JAX's allocator is set up when it starts, by an environment variable.

    Raises:
        NotImplementedError: always, where there is a GPU.
    """
    _kind.resolve(device)
    raise NotImplementedError(
        "torch.cuda.set_per_process_memory_fraction(): set XLA_PYTHON_CLIENT_MEM_FRACTION before the start"
    )


# ---- what JAX's allocator does not let one do or see


_OWNED = "JAX's allocator owns the memory; make a tensor (torch.empty) and let go of it"
_SET_UP = "JAX's allocator is chosen before the start (XLA_PYTHON_CLIENT_ALLOCATOR)"
_TOLD = "memory_stats() gives what JAX's allocator tells; jax.profiler.device_memory_profile() what is alive"
caching_allocator_alloc = refused("caching_allocator_alloc", _OWNED)
caching_allocator_delete = refused("caching_allocator_delete", _OWNED)
change_current_allocator = refused("change_current_allocator", _SET_UP)
CUDAPluggableAllocator = refused("CUDAPluggableAllocator", _SET_UP)
use_mem_pool = refused("use_mem_pool", _SET_UP)
get_per_process_memory_fraction = refused("get_per_process_memory_fraction", _SET_UP)
memory_snapshot = refused("memory_snapshot", _TOLD)


class MemPool:
    """Memory of a GPU set apart: not supported.

    Raises:
        RuntimeError: there is no GPU.
        NotImplementedError: there is one.
    """

    def __new__(cls, *_: Any, **__: Any) -> MemPool:  # noqa: D102
        refuse("MemPool", _SET_UP)


def caching_allocator_enable(value: bool = True) -> None:
    """Nothing to do: JAX's allocator keeps memory for later arrays in any case."""


def get_allocator_backend() -> str:
    """``"native"``: JAX's allocator keeps memory for later arrays, as PyTorch's of this name does."""
    _kind.check()
    return "native"


def host_memory_stats() -> dict[str, Any]:
    """No numbers: JAX does not tell about pinned memory."""
    return OrderedDict()


def host_memory_stats_as_nested_dict() -> dict[str, Any]:
    """No numbers: JAX does not tell about pinned memory."""
    return {}


def reset_accumulated_host_memory_stats() -> None:
    """Nothing to do."""


def reset_peak_host_memory_stats() -> None:
    """Nothing to do."""


def list_gpu_processes(device: Any = None) -> str:
    """Who uses a GPU: ``nvidia-smi`` tells."""
    return "pynvml module not found, please install nvidia-ml-py"
