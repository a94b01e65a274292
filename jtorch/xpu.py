"""XPU devices (``torch.xpu``): JAX has none, so what needs one raises PyTorch's error.

>>> import jtorch as torch
>>> torch.xpu.is_available(), torch.xpu.device_count()
(False, 0)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from jtorch._accelerators import Kind, StreamContext
from jtorch.tensor._random import seed_devices

__all__ = [
    "Event", "MemPool", "Stream", "StreamContext", "XPUGraph", "can_device_access_peer", "current_device",
    "current_stream", "default_generators", "device", "device_count", "device_of", "empty_cache",
    "get_arch_list", "get_device_capability", "get_device_name", "get_device_properties",
    "get_gencode_flags", "get_per_process_memory_fraction", "get_rng_state", "get_rng_state_all",
    "get_stream_from_external", "graph", "graph_pool_handle", "init", "initial_seed", "is_available",
    "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "is_tf32_supported",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "mem_get_info",
    "memory_allocated", "memory_reserved", "memory_snapshot", "memory_stats", "memory_stats_as_nested_dict",
    "reset_accumulated_memory_stats", "reset_peak_memory_stats", "seed", "seed_all", "set_device",
    "set_per_process_memory_fraction", "set_rng_state", "set_rng_state_all", "set_stream", "stream",
    "synchronize",
]  # fmt: skip


def _missing() -> Exception:
    return AssertionError("Torch not compiled with XPU enabled")


_kind = Kind("xpu", _missing)


# ---- what needs a device


def _refused(name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        """Needs a device.

        Raises:
            AssertionError: JAX has no XPU devices.
        """
        raise _missing()

    function.__name__ = function.__qualname__ = name
    return function


def _dummy(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"Tried to instantiate dummy base class {name}")

    return refuse


can_device_access_peer = _refused("can_device_access_peer")
current_device = _refused("current_device")
current_stream = _refused("current_stream")
get_device_capability = _refused("get_device_capability")
get_device_name = _refused("get_device_name")
get_device_properties = _refused("get_device_properties")
get_per_process_memory_fraction = _refused("get_per_process_memory_fraction")
get_rng_state = _refused("get_rng_state")
get_stream_from_external = _refused("get_stream_from_external")
init = _refused("init")
initial_seed = _refused("initial_seed")
mem_get_info = _refused("mem_get_info")
reset_accumulated_memory_stats = _refused("reset_accumulated_memory_stats")
reset_peak_memory_stats = _refused("reset_peak_memory_stats")
set_device = _refused("set_device")
set_per_process_memory_fraction = _refused("set_per_process_memory_fraction")
synchronize = _refused("synchronize")


class Stream:
    """A queue of work of a device; there is none."""

    __new__ = _dummy("Stream")


class Event:
    """A point in the work of a device; there is none."""

    __new__ = _dummy("Event")


class MemPool:
    """Memory of a device set apart; there is none."""

    __new__ = _dummy("MemPool")


class XPUGraph:
    """Recorded launches; there are none. ``torch.compile`` records and replays a call on any device."""

    __new__ = _dummy("XPUGraph")


class graph:
    """Recording of a block as an :class:`XPUGraph`; there is none."""

    __new__ = _dummy("Stream")


graph_pool_handle = _dummy("_xpu_graph_pool_handle")
is_current_stream_capturing = _dummy("_xpu_isCurrentStreamCapturing")


# ---- what does not


default_generators: tuple[Any, ...] = ()


def is_available() -> bool:
    """``False``: JAX has no such device."""
    return _kind.is_available()


def is_initialized() -> bool:
    """``False``."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """``False``."""
    return False


def is_tf32_supported() -> bool:
    """``False``."""
    return False


def device_count() -> int:
    """``0``."""
    return _kind.count()


def get_arch_list() -> list[str]:
    """No architectures."""
    return []


def get_gencode_flags() -> str:
    """No flags."""
    return ""


class device:
    """``with torch.xpu.device(i):`` changes nothing, for there is no device to choose."""

    def __init__(self, device: Any) -> None:
        self.idx, self.prev_idx = device, -1

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class device_of(device):
    """``with torch.xpu.device_of(tensor):`` changes nothing."""

    def __init__(self, obj: Any) -> None:
        super().__init__(-1)


def stream(stream: Any) -> StreamContext:
    """A block that changes nothing."""
    return StreamContext(stream)


def set_stream(stream: Any) -> None:
    """Nothing to do."""


def empty_cache() -> None:
    """Nothing to do."""


def memory_allocated(device: Any = None) -> int:
    """``0``."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def memory_stats(device: Any = None) -> dict[str, Any]:
    """No numbers."""
    return OrderedDict()


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """No numbers."""
    return {}


def memory_snapshot(mempool_id: Any = None) -> list[Any]:
    """No memory."""
    return []


# ---- random numbers


def manual_seed(seed: int) -> None:
    """Seed the streams of devices."""
    seed_devices(int(seed))


manual_seed_all = manual_seed


def seed() -> None:
    """Nothing to do."""


def seed_all() -> None:
    """Nothing to do."""


def get_rng_state_all() -> list[Any]:
    """No states."""
    return []


def set_rng_state(new_state: Any, device: Any = "xpu") -> None:
    """Kept for a device that never comes."""


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Kept for devices that never come."""
