"""CUDA devices (``torch.cuda``): JAX's gpu platform.

>>> import jtorch as torch
>>> isinstance(torch.cuda.is_available(), bool)
True
"""

from __future__ import annotations

from typing import Any

from jtorch import _accelerators
from jtorch._accelerators import StreamContext
from jtorch.cuda import amp, memory, nvtx, random
from jtorch.cuda._kind import KIND as _kind
from jtorch.cuda.memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
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
from jtorch.devices import as_device, current_index, jax_device
from jtorch.tensor._legacy import CUDA_TYPES
from jtorch.trace import session

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CUDAGraph", "CharTensor", "DoubleTensor", "Event",
    "FloatTensor", "HalfTensor", "IntTensor", "LongTensor", "ShortTensor", "Stream", "StreamContext", "amp",
    "can_device_access_peer", "current_device", "current_stream", "default_stream", "device", "device_count",
    "device_of", "empty_cache", "get_arch_list", "get_device_capability", "get_device_name",
    "get_device_properties", "get_rng_state", "get_rng_state_all", "get_sync_debug_mode", "graph", "init",
    "initial_seed", "ipc_collect", "is_available", "is_bf16_supported", "is_current_stream_capturing",
    "is_initialized", "is_tf32_supported", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "max_memory_cached", "max_memory_reserved", "mem_get_info", "memory", "memory_allocated", "memory_cached",
    "memory_reserved", "memory_stats", "memory_stats_as_nested_dict", "memory_summary", "nvtx", "random",
    "reset_accumulated_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_per_process_memory_fraction",
    "set_rng_state", "set_rng_state_all", "set_stream", "set_sync_debug_mode", "stream", "synchronize",
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
