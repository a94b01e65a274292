"""What ``jtorch.cuda``, ``jtorch.mps``, ``jtorch.xpu`` and ``jtorch.accelerator`` have in common.

JAX owns the devices: memory is that of its allocator, and the order of execution is XLA's. What PyTorch's
functions mean under these terms stands in their docstrings.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax

from jtorch.devices import as_device, canonical, current_index, device, jax_device, platform_available
from jtorch.trace import flush_all, recorder

__all__ = ["Event", "Kind", "Stream", "StreamContext"]


class Kind:
    """One type of accelerator.

    Args:
        type: as in ``torch.device``.
        missing: the error where there is none.
    """

    def __init__(self, type: str, missing: Callable[[], Exception]) -> None:
        self.type, self.missing = type, missing
        self._floor: dict[device, tuple[int, int]] = {}

    def is_available(self) -> bool:
        """Whether JAX has such devices."""
        return self.type != "xpu" and platform_available(self.type)

    def count(self) -> int:
        """How many of them this process has."""
        if not self.is_available():
            return 0
        return len(jax.local_devices(backend=jax_device(device(self.type, 0)).platform))

    def index(self) -> int:
        """The current device's number."""
        self.check()
        return current_index.get(self.type, 0)

    def check(self) -> None:
        """Raise the error that there is no such device, if there is none."""
        if not self.is_available():
            raise self.missing()

    def set(self, target: Any) -> None:
        """Make a device the current one; negative numbers change nothing."""
        if isinstance(target, int) and target < 0:
            return
        index = self.resolve(target).index or 0
        current_index[self.type] = index

    def resolve(self, target: Any) -> device:
        """A device, a number, a name or ``None`` (the current one) as a device of this kind."""
        self.check()
        if target is None:
            return canonical(device(self.type))
        found = device(self.type, target) if isinstance(target, int) else as_device(target)
        if found.type != self.type:
            raise ValueError(f"Expected a {self.type} device, but got: {found}")
        found = canonical(found)
        jax_device(found)
        return found

    # ---- memory

    def stats(self, target: Any = None) -> dict[str, int]:
        """What JAX's allocator reports, in bytes; empty where it reports nothing."""
        if not self.is_available():
            return {}
        flush_all("memory")
        return jax_device(self.resolve(target)).memory_stats() or {}

    def allocated(self, target: Any = None) -> int:
        """Bytes in use."""
        return int(self.stats(target).get("bytes_in_use", 0))

    def peak(self, target: Any = None) -> int:
        """The most bytes that were in use since the last reset.

        JAX cannot reset its peak: after a reset, until the earlier peak is exceeded, the answer is the most
        that was seen at calls of this function, a lower bound.
        """
        # Differs from PyTorch: a lower bound after a reset.
        stats = self.stats(target)
        highest, now = int(stats.get("peak_bytes_in_use", 0)), int(stats.get("bytes_in_use", 0))
        before = self._floor.get(self.resolve(target)) if stats else None
        if before is None or highest > before[0]:
            return highest
        self._floor[self.resolve(target)] = (before[0], max(before[1], now))
        return max(before[1], now)

    def reserved(self, target: Any = None, which: str = "") -> int:
        """Bytes that the allocator took, or with ``"peak_"`` the most; 0 if it does not tell."""
        stats = self.stats(target)
        return int(stats.get(f"{which}pool_bytes", stats.get(f"{which}bytes_reserved", 0)))

    def reset_peak(self, target: Any = None) -> None:
        """Start the measurement of :meth:`peak` anew."""
        self.check()
        stats = self.stats(target)
        self._floor[self.resolve(target)] = (
            int(stats.get("peak_bytes_in_use", 0)),
            int(stats.get("bytes_in_use", 0)),
        )

    def limit(self, target: Any = None) -> int:
        """Bytes that JAX may use."""
        return int(self.stats(target).get("bytes_limit", 0))

    def synchronize(self, target: Any = None) -> None:
        """Run what is pending and wait until the device has finished it."""
        where = self.resolve(target)
        flush_all("synchronize")
        place = recorder(where).jax_device or jax_device(where)
        jax.device_put(0.0, place).block_until_ready()


class Event:
    """A point in the work of a device (``torch.cuda.Event``).

    XLA decides on the order of work itself, so recording an event runs what is pending and waits for it; the
    time between two events is that of everything in between.

    Args:
        kind: of the device.
        enable_timing: whether :meth:`elapsed_time` may be asked.
    """

    def __init__(self, kind: Kind, enable_timing: bool = False) -> None:
        self._kind, self._timing = kind, enable_timing
        self._at: float | None = None

    def record(self, stream: Any = None) -> None:
        """Note the time after what was issued so far."""
        self._kind.synchronize()
        self._at = time.perf_counter()

    def query(self) -> bool:
        """Whether the work before the event is done: it always is."""
        return True

    def synchronize(self) -> None:
        """Nothing is left to wait for."""

    def wait(self, stream: Any = None) -> None:
        """Nothing is left to wait for."""

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another.

        Raises:
            ValueError: one was not recorded, or made without ``enable_timing``.
        """
        if not (self._timing and end_event._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._at is None or end_event._at is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._at - self._at) * 1000.0


class Stream:
    """A queue of work (``torch.cuda.Stream``); XLA has one per device, so all streams are one."""

    def __init__(self, kind: Kind, target: Any = None, priority: int = 0) -> None:
        self._kind = kind
        self.device = kind.resolve(target)
        self.priority = priority
        self.device_index = self.device.index or 0
        self.stream_id = 0

    def synchronize(self) -> None:
        """Wait until the device has finished what was issued."""
        self._kind.synchronize(self.device)

    def query(self) -> bool:
        """Whether all work is done; waits for it."""
        self.synchronize()
        return True

    def wait_stream(self, stream: Any) -> None:
        """Nothing to do: there is one order of work."""

    def wait_event(self, event: Any) -> None:
        """Nothing to do: there is one order of work."""

    def record_event(self, event: Any = None) -> Any:
        """Record an event here and return it."""
        event = Event(self._kind) if event is None else event
        event.record(self)
        return event

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.device == other.device

    def __hash__(self) -> int:
        return hash((Stream, self.device))

    def __repr__(self) -> str:
        return f"<torch.{self.device.type}.Stream device={self.device} cuda_stream=0x0>"


class StreamContext:
    """``with torch.cuda.stream(s):``; the work inside is ordered like any other."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
