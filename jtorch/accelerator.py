"""The accelerator of this process, whatever its type (``torch.accelerator``)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from jtorch import dtypes
from jtorch._accelerators import Kind, Stream
from jtorch.devices import current_index
from jtorch.devices import device as _device

__all__ = [
    "Graph", "current_accelerator", "current_device_idx", "current_device_index", "current_stream",
    "device_count", "device_index", "empty_cache", "empty_host_cache", "get_device_capability",
    "get_memory_info", "is_available", "max_memory_allocated", "max_memory_reserved", "memory_allocated",
    "memory_reserved", "memory_stats", "reset_accumulated_memory_stats", "reset_peak_memory_stats",
    "set_device_idx", "set_device_index", "set_stream", "synchronize",
]  # fmt: skip


def _missing() -> Exception:
    return RuntimeError("Cannot access accelerator device when none is available.")


_kinds = [Kind(type, _missing) for type in ("cuda", "tpu", "mps")]


def _kind() -> Kind:
    for kind in _kinds:
        if kind.is_available():
            return kind
    raise _missing()


def is_available() -> bool:
    """Whether JAX has an accelerator."""
    return any(kind.is_available() for kind in _kinds)


def device_count() -> int:
    """How many accelerators this process has."""
    return _kind().count() if is_available() else 0


def current_accelerator(check_available: bool = False) -> Any:
    """The accelerator as a device without a number; ``None`` if there is none."""
    return _device(_kind().type) if is_available() else None


def current_device_index() -> int:
    """The number of the current accelerator."""
    return _kind().index()


def set_device_index(device: Any, /) -> None:
    """Make an accelerator the current one."""
    _kind().set(device)


current_device_idx, set_device_idx = current_device_index, set_device_index


class device_index:
    """``with torch.accelerator.device_index(1):`` makes an accelerator the current one inside."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device
        self.prev_idx = 0

    def __enter__(self) -> None:
        if self.idx is not None:
            self.prev_idx = _kind().index()
            _kind().set(self.idx)

    def __exit__(self, *_: object) -> None:
        if self.idx is not None:
            current_index[_kind().type] = self.prev_idx


class Graph:
    """Recorded launches: not available, XLA runs whole programs in any case.

    Raises:
        RuntimeError: there is no accelerator.
        NotImplementedError: there is one.
    """

    def __new__(cls, *_: Any, **__: Any) -> Graph:  # noqa: D102
        _kind()
        raise NotImplementedError(
            "torch.accelerator.Graph: use torch.compile, which records and replays a call"
        )


def synchronize(device: Any = None, /) -> None:
    """Run what is pending and wait until the accelerator has finished it."""
    _kind().synchronize(device)


def current_stream(device: Any = None, /) -> Stream:
    """The one queue of work of an accelerator."""
    return Stream(_kind(), device)


def set_stream(stream: Any) -> None:
    """Nothing to do: an accelerator has one queue of work."""


def empty_cache() -> None:
    """Nothing to do: JAX's allocator keeps its memory for later arrays."""
    _kind()


def empty_host_cache() -> None:
    """Nothing to do: JAX's allocator keeps its memory for later arrays."""
    _kind()


def get_device_capability(device: Any = None, /) -> dict[str, Any]:
    """What an accelerator can do: ``{"supported_dtypes": ...}``, all dtypes that XLA has."""
    _kind().resolve(device)
    return {"supported_dtypes": set(dtypes.ALL)}


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes in use."""
    return _kind().allocated(device_index)


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The most bytes in use since the last reset; after one a lower bound (see ``jtorch.cuda``)."""
    return _kind().peak(device_index)


def memory_reserved(device_index: Any = None, /) -> int:
    """Bytes that JAX's allocator took; 0 if it does not tell."""
    return _kind().reserved(device_index)


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The most bytes that JAX's allocator took; 0 if it does not tell."""
    return _kind().reserved(device_index, "peak_")


def reset_accumulated_memory_stats(device_index: Any = None, /) -> None:
    """Nothing to do: JAX's allocator counts no memory that was freed."""
    _kind().resolve(device_index)


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Start measuring :func:`max_memory_allocated` anew."""
    _kind().reset_peak(device_index)


def memory_stats(device_index: Any = None, /) -> OrderedDict[str, Any]:
    """What JAX's allocator reports."""
    return OrderedDict(sorted(_kind().stats(device_index).items()))


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """Free and total bytes of the memory that JAX may use."""
    kind = _kind()
    total = kind.limit(device_index)
    return total - kind.allocated(device_index), total
