"""CUDA devices (``torch.cuda``): JAX's gpu platform.

>>> import jtorch as torch
>>> isinstance(torch.cuda.is_available(), bool)
True
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from jtorch import _accelerators
from jtorch._accelerators import Kind, StreamContext
from jtorch.cuda import amp
from jtorch.devices import as_device, current_index, jax_device
from jtorch.tensor._random import default_generator_of, seed_devices
from jtorch.trace import session

__all__ = [
    "CUDAGraph", "Event", "Stream", "StreamContext", "amp", "can_device_access_peer", "current_device",
    "current_stream", "default_stream", "device", "device_count", "device_of", "empty_cache", "get_arch_list",
    "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state", "get_rng_state_all",
    "graph", "init", "initial_seed", "ipc_collect", "is_available", "is_bf16_supported",
    "is_current_stream_capturing", "is_initialized", "is_tf32_supported",
    "manual_seed", "manual_seed_all", "max_memory_allocated",
    "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_reserved", "memory_stats",
    "reset_max_memory_allocated", "reset_peak_memory_stats", "seed", "seed_all", "set_device",
    "set_rng_state", "set_rng_state_all", "set_stream", "stream", "synchronize",
]  # fmt: skip


def _missing() -> Exception:
    return AssertionError("Torch not compiled with CUDA enabled")


_kind = Kind("cuda", _missing)


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


# ---- memory


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
    stats = _kind.stats(device)
    return int(stats.get("pool_bytes", stats.get("bytes_reserved", 0)))


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that JAX's allocator took from the GPU; 0 if it does not tell."""
    stats = _kind.stats(device)
    return int(stats.get("peak_pool_bytes", stats.get("peak_bytes_reserved", 0)))


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


def ipc_collect() -> None:
    """Nothing to do: GPU memory is not shared with other processes."""
    _kind.check()


# ---- order of work


def synchronize(device: Any = None) -> None:
    """Run what is pending and wait until the GPU has finished it."""
    _kind.synchronize(device)


class Event(_accelerators.Event):
    """A point in the work of a GPU; recording it waits for the work before it.

    Args:
        enable_timing: whether :meth:`elapsed_time` may be asked.
        blocking: accepted.
        interprocess: accepted.
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        if not is_available():
            raise RuntimeError("Tried to instantiate dummy base class Event")
        super().__init__(_kind, enable_timing)


class Stream(_accelerators.Stream):
    """A queue of work; XLA has one order of work per GPU, so all streams are one."""

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any) -> None:
        if not is_available():
            raise RuntimeError("torch.cuda.Stream requires CUDA support")
        super().__init__(_kind, device, priority)
        self.cuda_stream = 0


def stream(stream: Any) -> StreamContext:
    """``with torch.cuda.stream(s):``; the work inside is ordered like any other."""
    return StreamContext(stream)


class CUDAGraph:
    """A recorded sequence of CUDA's launches: not available, XLA runs whole programs in any case.

    Raises:
        RuntimeError: there is no GPU.
        NotImplementedError: there is one.
    """

    def __new__(cls, *_: Any, **__: Any) -> CUDAGraph:  # noqa: D102
        if not is_available():
            raise RuntimeError("Tried to instantiate dummy base class CUDAGraph")
        raise NotImplementedError("torch.cuda.CUDAGraph: use torch.compile, which records and replays a call")


class graph(StreamContext):
    """Recording of a block as a :class:`CUDAGraph`: not available.

    Raises:
        RuntimeError: there is no GPU.
        NotImplementedError: there is one.
    """

    def __init__(
        self, cuda_graph: Any, pool: Any = None, stream: Any = None, capture_error_mode: str = "global"
    ) -> None:
        super().__init__(Stream())  # raises without a GPU
        CUDAGraph()


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


def is_current_stream_capturing() -> bool:
    """Whether a function is being recorded (``jtorch.compile``)."""
    return session() is not None


# ---- random numbers


def manual_seed(seed: int) -> None:
    """Seed the current GPU's stream of random numbers; without a GPU, that of later ones."""
    if is_available():
        default_generator_of(_kind.resolve(None)).manual_seed(int(seed))
    else:
        seed_devices(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed the streams of all GPUs."""
    seed_devices(int(seed))


def seed() -> None:
    """Seed the current GPU's stream with a number nobody can foresee."""
    if is_available():
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
    return [get_rng_state(i) for i in range(device_count())]


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Continue all GPUs' streams from states."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)
