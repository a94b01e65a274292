"""Where the time goes (``torch.profiler``).

Operations are recorded first and run later as fused programs, so a profile has two kinds of rows: what the
user marked with :class:`record_function`, and the programs that ran, with the operations in them.
``jax.profiler`` shows the inside of a program, under the names of operations.
"""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from jtorch.nn.modules._names import module_names
from jtorch.trace import clear_programs, flush_all, listen, synchronize

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "program_names", "record_function", "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(enum.Enum):
    """What to watch."""

    CPU = 0
    XPU = 1
    CUDA = 2


class ProfilerAction(enum.Enum):
    """What a profiler does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """What can be watched here."""
    from jtorch.devices import platform_available  # noqa: PLC0415  # starts the backends

    gpu = {ProfilerActivity.CUDA} if platform_available("cuda") else set()
    return {ProfilerActivity.CPU} | gpu


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """Which steps to profile, for :class:`profile`.

    Args:
        wait: steps to pass over in each cycle.
        warmup: steps to watch and forget.
        active: steps to keep.
        repeat: cycles; 0 for no end.
        skip_first: steps before the first cycle.
        skip_first_wait: whether the first cycle leaves out ``wait``.
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError("Invalid profiler schedule arguments")

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if repeat > 0 and step // cycle >= repeat:
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


class FunctionEvent:
    """One event: a name, its start and its duration in microseconds."""

    __slots__ = ("count", "cpu_time_total", "key", "name", "self_cpu_time_total", "start")

    def __init__(self, name: str, start: float, duration: float, own: float) -> None:
        self.name = self.key = name
        self.start, self.cpu_time_total, self.self_cpu_time_total, self.count = start, duration, own, 1

    @property
    def cpu_time(self) -> float:
        """Mean duration."""
        return self.cpu_time_total / self.count

    def __repr__(self) -> str:
        return f"<FunctionEvent {self.key} {self.count} x {self.cpu_time:.1f} us>"


class EventList(list[FunctionEvent]):
    """Events, to be summed up or shown."""

    def key_averages(self) -> EventList:
        """One row per name."""
        found: dict[str, FunctionEvent] = {}
        for e in self:
            row = found.get(e.key)
            if row is None:
                found[e.key] = FunctionEvent(e.key, e.start, e.cpu_time_total, e.self_cpu_time_total)
            else:
                row.cpu_time_total += e.cpu_time_total
                row.self_cpu_time_total += e.self_cpu_time_total
                row.count += 1
        return EventList(found.values())

    def total_average(self) -> FunctionEvent:
        """The sum of all rows."""
        total = FunctionEvent("Total", 0.0, 0.0, 0.0)
        total.count = len(self)
        for e in self:
            total.self_cpu_time_total += e.self_cpu_time_total
            total.cpu_time_total += e.self_cpu_time_total
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_name_column_width: int = 55,
        header: str | None = None,
        **_: Any,
    ) -> str:
        """The events as a table, the longest first if ``sort_by`` names a column.

        Args:
            sort_by: ``"cpu_time_total"``, ``"self_cpu_time_total"``, ``"cpu_time"`` or ``"count"``.
            row_limit: how many rows to show.
            max_name_column_width: where names are cut.
            header: a line above.
            **_: further options of PyTorch's are accepted.
        """
        key = (sort_by or "").replace("cuda_", "cpu_").replace("device_", "cpu_")
        rows = sorted(self, key=lambda e: -getattr(e, key)) if key else list(self)
        total = sum(e.self_cpu_time_total for e in self) or 1.0
        titles = ["Name", "Self CPU %", "Self CPU", "CPU total", "CPU time avg", "# of Calls"]
        lines = [titles]
        for e in rows[:row_limit]:
            lines.append([
                e.key[:max_name_column_width], f"{100 * e.self_cpu_time_total / total:.2f}%",
                _time(e.self_cpu_time_total), _time(e.cpu_time_total), _time(e.cpu_time), str(e.count),
            ])  # fmt: skip
        widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
        rule = "  ".join("-" * w for w in widths)
        shown = ["  ".join(x.rjust(w) for x, w in zip(line, widths, strict=True)) for line in lines]
        body = [rule, shown[0], rule, *shown[1:], rule, f"Self CPU time total: {_time(total)}"]
        return "\n".join([*([header] if header else []), *body])

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for ``chrome://tracing`` and Perfetto."""
        events = [
            {"name": e.name, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "pid": 0, "tid": 0}
            for e in self
        ]
        Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}))


def _time(microseconds: float) -> str:
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3f}s"
    return f"{microseconds / 1e3:.3f}ms" if microseconds >= 1e3 else f"{microseconds:.3f}us"


_running: list[profile] = []


class profile:
    """Watch what the engine does (``torch.profiler.profile``).

    Args:
        activities: accepted; the CPU is watched, and with ``log_dir`` all devices by ``jax.profiler``.
        schedule: which steps to keep, told by :meth:`step`; all by default.
        on_trace_ready: called with the profiler at the end of each cycle.
        record_shapes, profile_memory, with_stack, with_flops: accepted.
        with_modules: calls of modules are rows of their own (the Python that records their operations), and
            programs are compiled anew with the names of modules, which titles and ``log_dir``'s trace show.
        log_dir: a folder for a trace of ``jax.profiler``, which shows the inside of programs.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        log_dir: str | None = None,
        **_: Any,
    ) -> None:
        self.schedule, self.on_trace_ready, self.log_dir = schedule, on_trace_ready, log_dir
        self.with_modules = with_modules
        self._names: Any = None
        self.step_num = 0
        self._events: list[FunctionEvent] = []
        self._open: list[list[float]] = []
        self._calls: list[str] = []

    # ---- watching

    def _action(self) -> ProfilerAction:
        return ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num)

    def begin(self) -> None:
        """Something starts."""
        self._open.append([time.perf_counter(), 0.0])

    def end(self, name: str) -> None:
        """What started last is over."""
        started, inside = self._open.pop()
        duration = time.perf_counter() - started
        if self._open:
            self._open[-1][1] += duration
        if self._action() in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            self._events.append(FunctionEvent(name, started * 1e6, duration * 1e6, (duration - inside) * 1e6))

    def _call(self, name: str | None) -> None:
        """A module is called, or (``None``) returns."""
        if name is not None:
            self._calls.append(name)
            self.begin()
        else:
            self.end(f"nn.Module: {self._calls.pop()}")

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to watch."""
        flush_all("profiler")
        if self.with_modules:
            self._names = program_names(self._call)
            self._names.__enter__()
        _running.append(self)
        listen(self)
        if self.log_dir is not None:
            jax.profiler.start_trace(self.log_dir)

    def stop(self) -> None:
        """Run what is pending and cease to watch."""
        synchronize()
        if self.log_dir is not None:
            jax.profiler.stop_trace()
        if self._names is not None:
            self._names.__exit__(None, None, None)
        _running.remove(self)
        listen(_running[-1] if _running else None)
        if self.on_trace_ready is not None and self.schedule is None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """A step of training ends; the schedule decides what the next one is."""
        flush_all("profiler")
        save = self._action() is ProfilerAction.RECORD_AND_SAVE
        self.step_num += 1
        if save and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        if save and self._action() is not ProfilerAction.RECORD:
            self._kept, self._events = self._events, []

    _kept: list[FunctionEvent] | None = None

    # ---- results

    def events(self) -> EventList:
        """Everything that was watched, in order of ending."""
        return EventList(self._events or self._kept or [])

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """One row per name."""
        return self.events().key_averages()

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for ``chrome://tracing`` and Perfetto."""
        self.events().export_chrome_trace(path)


@contextmanager
def program_names(tell: Callable[[str | None], None] | None = None) -> Iterator[None]:
    """Let programs name the modules that their operations come from, in this block.

    For ``jax.profiler`` and HLO: an operation's ``op_name`` ends in ``ResNet/layer1/BasicBlock_0/conv/...``.
    Programs are compiled anew for that, so the first steps in the block are slow; functions that were
    compiled before it keep theirs (``jtorch.compiler.reset()`` forgets them). Backward passes carry the names
    of operations alone.

    Args:
        tell: called with the name of each module that is called, and with ``None`` when it returns.
    """
    option = "jax_compilation_cache_include_metadata_in_key"
    before = getattr(jax.config, option)
    clear_programs()
    jax.config.update(option, True)
    try:
        with module_names(tell):
            yield
    finally:
        jax.config.update(option, before)


class record_function:
    """``with record_function("name"):`` gives what happens inside a row, and a name in ``jax.profiler``.

    Operations inside are recorded there; they run where their values are needed.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self._annotation: Any = None

    def __enter__(self) -> record_function:
        self._annotation = jax.profiler.TraceAnnotation(self.name)
        self._annotation.__enter__()
        self._watchers = list(_running)
        for p in self._watchers:
            p.begin()
        return self

    def __exit__(self, *error: Any) -> None:
        for p in self._watchers:
            p.end(self.name)
        self._annotation.__exit__(*error)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator: every call of the function is such a block."""

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return wrapper


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For ``on_trace_ready``: writes a Chrome trace per cycle into a folder."""
    if use_gzip:
        raise NotImplementedError("tensorboard_trace_handler(use_gzip=True): compress the file afterwards")

    def handler(p: profile) -> None:
        folder = Path(dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        name = worker_name or "jtorch"
        p.export_chrome_trace(str(folder / f"{name}.{time.time_ns()}.pt.trace.json"))

    return handler
