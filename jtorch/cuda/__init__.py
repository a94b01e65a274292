"""CUDA devices (``torch.cuda``): JAX's gpu platform.

>>> import jtorch as torch
>>> isinstance(torch.cuda.is_available(), bool)
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch._accelerators import StreamContext
from jtorch.cuda import amp, graphs, memory, nccl, nvtx, profiler, random, streams
from jtorch.cuda._kind import KIND as _kind
from jtorch.cuda._kind import refused
from jtorch.cuda.graphs import (
    CUDAGraph,
    graph,
    graph_pool_handle,
    is_current_stream_capturing,
    make_graphed_callables,
)
from jtorch.cuda.memory import (
    CUDAPluggableAllocator,
    MemPool,
    caching_allocator_alloc,
    caching_allocator_delete,
    caching_allocator_enable,
    change_current_allocator,
    empty_cache,
    get_allocator_backend,
    get_per_process_memory_fraction,
    host_memory_stats,
    host_memory_stats_as_nested_dict,
    list_gpu_processes,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_snapshot,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_accumulated_host_memory_stats,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_host_memory_stats,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
    use_mem_pool,
)
from jtorch.cuda.random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from jtorch.cuda.streams import Event, ExternalStream, Stream
from jtorch.devices import as_device, current_index, jax_device
from jtorch.tensor._legacy import CUDA_TYPES

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CUDAGraph", "CUDAPluggableAllocator", "CharTensor",
    "CudaError", "DeferredCudaCallError", "DoubleTensor", "Event", "ExternalStream", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "MemPool", "ShortTensor", "Stream", "StreamContext", "amp",
    "caching_allocator_alloc", "caching_allocator_delete", "caching_allocator_enable",
    "can_device_access_peer", "change_current_allocator", "clock_rate", "cudart", "current_blas_handle",
    "current_device", "current_solver_handle", "current_stream", "default_generators", "default_stream",
    "device", "device_count", "device_memory_used", "device_of", "empty_cache", "get_allocator_backend",
    "get_arch_list", "get_device_capability", "get_device_name", "get_device_properties",
    "get_gencode_flags", "get_per_process_memory_fraction", "get_rng_state", "get_rng_state_all",
    "get_stream_from_external", "get_sync_debug_mode", "graph", "graph_pool_handle", "graphs", "has_half",
    "has_magma", "host_memory_stats", "host_memory_stats_as_nested_dict", "init", "initial_seed",
    "ipc_collect", "is_available", "is_bf16_supported", "is_current_stream_capturing", "is_initialized",
    "is_tf32_supported", "list_gpu_processes", "make_graphed_callables", "manual_seed", "manual_seed_all",
    "max_memory_allocated", "max_memory_cached", "max_memory_reserved", "mem_get_info", "memory",
    "memory_allocated", "memory_cached", "memory_reserved", "memory_snapshot", "memory_stats",
    "memory_stats_as_nested_dict", "memory_summary", "memory_usage", "nccl", "nvtx", "power_draw",
    "profiler", "random", "reset_accumulated_host_memory_stats", "reset_accumulated_memory_stats",
    "reset_max_memory_allocated", "reset_max_memory_cached", "reset_peak_host_memory_stats",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_per_process_memory_fraction",
    "set_rng_state", "set_rng_state_all", "set_stream", "set_sync_debug_mode", "stream", "streams",
    "synchronize", "temperature", "use_mem_pool", "utilization",
]  # fmt: skip

FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor = (
    CUDA_TYPES[n] for n in ("FloatTensor", "DoubleTensor", "HalfTensor", "BFloat16Tensor")
)
ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, BoolTensor = (
    CUDA_TYPES[n]
    for n in ("ByteTensor", "CharTensor", "ShortTensor", "IntTensor", "LongTensor", "BoolTensor")
)


def is_available() -> bool:
    """Whether JAX has a GPU."""
    return _kind.is_available()


def device_count() -> int:
    """How many GPUs this process has."""
    return _kind.count()


def init() -> None:
    """Start JAX's GPU backend.

    Raises:
        AssertionError: there is none.
    """
    _kind.check()


def is_initialized() -> bool:
    """Whether there is a GPU backend; it starts when it is first needed."""
    return _kind.is_available()


def current_device() -> int:
    """The number of the GPU that a bare ``"cuda"`` means."""
    return _kind.index()


def set_device(device: Any) -> None:
    """Let a bare ``"cuda"`` mean this GPU from now on."""
    _kind.set(device)


class device:
    """``with torch.cuda.device(1):`` makes a GPU the current one inside; -1 or ``None`` changes nothing."""

    def __init__(self, device: Any) -> None:
        self.idx = (
            -1 if device is None else device if isinstance(device, int) else as_device(device).index or 0
        )
        self.prev_idx = -1

    def __enter__(self) -> None:
        if self.idx >= 0:
            self.prev_idx = current_index.get("cuda", 0)
            set_device(self.idx)

    def __exit__(self, *_: object) -> None:
        if self.idx >= 0:
            current_index["cuda"] = self.prev_idx


class device_of(device):
    """``with torch.cuda.device_of(tensor):`` makes the tensor's GPU the current one inside."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.device.index if obj.device.type == "cuda" else -1)


def get_device_name(device: Any = None) -> str:
    """The GPU's name."""
    return str(jax_device(_kind.resolve(device)).device_kind)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Major and minor compute capability."""
    major, _, minor = str(jax_device(_kind.resolve(device)).compute_capability).partition(".")
    return int(major), int(minor or 0)


class _CudaDeviceProperties:
    """What is known of a GPU; JAX tells less than CUDA."""

    def __init__(self, device: Any) -> None:
        place = jax_device(device)
        self.name = str(place.device_kind)
        self.major, self.minor = get_device_capability(device)
        self.total_memory = _kind.limit(device)
        self.multi_processor_count = int(getattr(place, "core_count", 0))

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory // (1 << 20)}MB, "
            f"multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(device: Any = None) -> Any:
    """Name, capability, memory that JAX may use, and number of multiprocessors."""
    return _CudaDeviceProperties(_kind.resolve(device))


def get_arch_list() -> list[str]:
    """Architectures of the GPUs here: XLA compiles for what it finds."""
    found = {"sm_{}{}".format(*get_device_capability(i)) for i in range(device_count())}
    return sorted(found)


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether arrays can be copied between two GPUs directly; JAX copies between any two."""
    return _kind.resolve(device) != _kind.resolve(peer_device)


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes with bfloat16; XLA emulates it where it does not."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def is_tf32_supported() -> bool:
    """Whether the GPU has TF32."""
    return is_available() and get_device_capability()[0] >= 8


# ---- order of work


def ipc_collect() -> None:
    """Nothing to do: GPU memory is not shared with other processes."""
    _kind.check()


def synchronize(device: Any = None) -> None:
    """Run what is pending and wait until the GPU has finished it."""
    _kind.synchronize(device)


def stream(stream: Any) -> StreamContext:
    """``with torch.cuda.stream(s):``; the work inside is ordered like any other."""
    return StreamContext(stream)


def current_stream(device: Any = None) -> Stream:
    """The one queue of a GPU."""
    _kind.check()
    return Stream(device)


def default_stream(device: Any = None) -> Stream:
    """The one queue of a GPU."""
    _kind.check()
    return Stream(device)


def set_stream(stream: Any) -> None:
    """Nothing to do: all streams are one."""


def set_sync_debug_mode(debug_mode: int | str) -> None:
    """Not supported, but for the default; ``jtorch.metrics()`` counts the lines that wait for values.

    Args:
        debug_mode: ``"default"`` or 0.

    Raises:
        NotImplementedError: ``"warn"``, ``"error"``, 1 or 2.
        RuntimeError: something else.
    """
    _kind.check()
    if debug_mode in ("warn", "error", 1, 2):
        raise NotImplementedError(
            f"torch.cuda.set_sync_debug_mode({debug_mode!r}): jtorch.metrics()['reads'] counts the lines "
            "that wait for values"
        )
    if debug_mode not in ("default", 0):
        raise RuntimeError("invalid value of debug_mode, expected one of `default`, `warn`, `error`")


def get_sync_debug_mode() -> int:
    """0: lines that wait for the device are not reported."""
    _kind.check()
    return 0


# ---- CUDA below JAX


class CudaError(RuntimeError):
    """An error of CUDA's library; JAX raises its own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CUDA error ({code})")


class DeferredCudaCallError(Exception):
    """A call that waited for CUDA to start has failed; JAX starts its backend at once."""


default_generators: tuple[Any, ...] = ()
has_half, has_magma = True, False


_HANDLES = "XLA keeps the handles of CUDA's libraries; jax.ffi calls functions of your own"
cudart = refused("cudart", _HANDLES)
current_blas_handle = refused("current_blas_handle", _HANDLES)
current_solver_handle = refused("current_solver_handle", _HANDLES)
get_stream_from_external = refused(
    "get_stream_from_external",
    "XLA has one queue of work per GPU; Tensor.__dlpack__(stream=...) hands memory to another",
)


def get_gencode_flags() -> str:
    """No flags: XLA compiles for what it finds."""
    return ""


def _unmeasured(name: str) -> Callable[..., int]:
    def function(device: Any = None) -> int:
        """Not measured: ``nvidia-smi`` tells.

        Raises:
            ModuleNotFoundError: always, as PyTorch does without NVIDIA's package.
        """
        raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed or it can't be imported.")

    function.__name__ = function.__qualname__ = name
    return function


clock_rate = _unmeasured("clock_rate")
device_memory_used = _unmeasured("device_memory_used")
memory_usage = _unmeasured("memory_usage")
power_draw = _unmeasured("power_draw")
temperature = _unmeasured("temperature")
utilization = _unmeasured("utilization")
