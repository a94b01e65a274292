"""The CPU as a device (``torch.cpu``)."""

from __future__ import annotations

from typing import Any

from jtorch._accelerators import StreamContext
from jtorch.backends.cpu import get_capabilities
from jtorch.cpu import amp
from jtorch.trace import synchronize as _synchronize

__all__ = [
    "Event", "Stream", "StreamContext", "amp", "current_device", "current_stream", "device_count",
    "get_capabilities", "is_available", "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip


class Stream:
    """The one queue of work of the CPU."""

    def __init__(self, priority: int = -1) -> None:
        self.priority = priority

    def wait_stream(self, stream: Any) -> None:
        """Nothing to do: there is one queue."""

    def record_event(self) -> None:
        """Nothing to do: there is one queue."""

    def wait_event(self, event: Any) -> None:
        """Nothing to do: there is one queue."""


class Event:
    """A point in the work of the CPU."""

    def __init__(self, enable_timing: bool = False) -> None:
        pass

    def query(self) -> bool:
        """Whether the work before is done: it is."""
        return True

    def record(self, stream: Any = None) -> None:
        """Nothing to do."""

    def synchronize(self) -> None:
        """Nothing to do."""

    def wait(self, stream: Any = None) -> None:
        """Nothing to do."""


_stream = Stream()


def is_available() -> bool:
    """``True``."""
    return True


def is_initialized() -> bool:
    """``True``."""
    return True


def device_count() -> int:
    """``1``."""
    return 1


def current_device() -> str:
    """``"cpu"``."""
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing to do: there is one CPU."""


def synchronize(device: Any = None) -> None:
    """Run what is pending and wait for it."""
    _synchronize()


def current_stream(device: Any = None) -> Stream:
    """The one queue of work."""
    return _stream


def stream(stream: Any) -> StreamContext:
    """``with torch.cpu.stream(s):``; the work inside is ordered like any other."""
    return StreamContext(stream)
