"""The older interface to profiles (``torch.autograd.profiler``); :mod:`jtorch.profiler` is the newer one."""

from __future__ import annotations

from typing import Any, NoReturn

from jtorch.profiler import EventList, FunctionEvent, record_function
from jtorch.profiler import profile as _Profile

__all__ = [
    "EnforceUnique", "EventList", "FunctionEvent", "emit_itt", "emit_nvtx", "load_nvprof",
    "parse_nvprof_trace", "profile", "record_function",
]  # fmt: skip


class profile:
    """Watch what the engine does in a ``with`` block.

    Example::

        >>> import jtorch
        >>> with jtorch.autograd.profiler.profile() as prof:
        ...     with jtorch.autograd.profiler.record_function("sum"):
        ...         total = jtorch.ones(3).sum()
        >>> [event.name for event in prof.function_events if event.name == "sum"]
        ['sum']

    Args:
        enabled: ``False`` makes the block do nothing.
        use_cuda, use_device, use_cpu, use_kineto: accepted; all devices are watched.
        record_shapes, with_flops, profile_memory, with_stack: accepted.
        with_modules: calls of modules are rows of their own.
        **_: further options of PyTorch's are accepted.
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        **_: Any,
    ) -> None:
        self.enabled = enabled
        self.entered = False
        self._profile = _Profile(with_modules=with_modules)
        self._events: EventList | None = None

    def __enter__(self) -> profile | None:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self.entered = True
        self._profile.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            self._profile.stop()
            self._events = self._profile.events()

    def _finished(self) -> EventList:
        if self._events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self._events

    @property
    def function_events(self) -> EventList:
        """What was watched."""
        return self._finished()

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """The events as a table; see :meth:`EventList.table`."""
        return self._finished().table(sort_by=sort_by, row_limit=row_limit, **options)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for ``chrome://tracing`` and Perfetto."""
        self._finished().export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> NoReturn:
        """Not available: no stacks are kept."""
        self._finished()
        raise NotImplementedError(
            "export_stacks: stacks are not kept; profile(log_dir=...) of torch.profiler records them"
        )

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, **_: Any
    ) -> EventList:
        """One row per name."""
        return self._finished().key_averages()

    def total_average(self) -> FunctionEvent:
        """The sum of all events."""
        return self._finished().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events, each without those inside of it."""
        return sum(e.self_cpu_time_total for e in self._finished())

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else self._events.table()

    __str__ = __repr__


class EnforceUnique:
    """Raises an error if a key is seen more than once."""

    def __init__(self) -> None:
        self.seen: set[Any] = set()

    def see(self, *key: Any) -> None:
        """Note a key.

        Raises:
            RuntimeError: it was seen before.
        """
        if key in self.seen:
            raise RuntimeError("duplicate key: " + str(key))
        self.seen.add(key)


_INSTEAD = "use torch.profiler.profile(log_dir=...), whose trace shows the kernels of every device"


class _Emitter:
    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        raise NotImplementedError(f"autograd.profiler.{type(self).__name__}: {_INSTEAD}")


class emit_nvtx(_Emitter):
    """Not available; :class:`jtorch.profiler.profile` with ``log_dir`` takes its place."""


class emit_itt(_Emitter):
    """Not available; :class:`jtorch.profiler.profile` with ``log_dir`` takes its place."""


def load_nvprof(path: str) -> NoReturn:
    """Not available: there is nothing that writes such files."""
    raise NotImplementedError(f"autograd.profiler.load_nvprof: {_INSTEAD}")


def parse_nvprof_trace(path: str) -> NoReturn:
    """Not available: there is nothing that writes such files."""
    raise NotImplementedError(f"autograd.profiler.parse_nvprof_trace: {_INSTEAD}")
