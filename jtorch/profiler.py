"""Where the time goes (``torch.profiler``).

Operations are recorded first and run later as fused programs, so a profile has two kinds of rows: what the
user marked with :class:`record_function`, and the programs that ran, with the operations in them.
``jax.profiler`` shows the inside of a program, under the names of operations.
"""

from __future__ import annotations

import enum
import functools
import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jtorch.nn.modules._names import module_names
from jtorch.trace import clear_programs, flush_all, listen, synchronize

__all__ = [
    "ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "program_names", "record_function",
    "schedule", "supported_activities", "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(enum.Enum):
    """What to watch."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What a profiler does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def kineto_available() -> bool:
    """``True``: profiles can be taken, by this module and ``jax.profiler``."""
    return True


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


_NO_MEMORY = (
    "a profile does not tell memory; jtorch.compiler.lower(f, *args).compile().memory_analysis() does for a "
    "program"
)


def _by_cpu(name: str) -> str:
    """The column of the CPU's time that stands for one of a device's."""
    return name.replace("cuda_", "cpu_").replace("xpu_", "cpu_").replace("device_", "cpu_")


#: Durations of an event; with ``_str`` at the end they are text.
_TIMES = ("cpu_time", "cpu_time_total", "self_cpu_time_total")


class Interval(NamedTuple):
    """When an event started and ended, in microseconds."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        """How long it took."""
        return self.end - self.start


class FunctionEvent:
    """One event: a name, its start and its duration in microseconds.

    Programs are waited for while a profile is taken, so the time of devices is part of the CPU's, and is
    given again under the names that it has in PyTorch (``device_time_total``, ``cuda_time_total``).
    """

    __slots__ = ("count", "cpu_time_total", "key", "name", "self_cpu_time_total", "start")

    def __init__(self, name: str, start: float, duration: float, own: float) -> None:
        self.name = name
        # One row for all steps, as in PyTorch.
        self.key = "ProfilerStep*" if name.startswith("ProfilerStep#") else name
        self.start, self.cpu_time_total, self.self_cpu_time_total, self.count = start, duration, own, 1

    @property
    def cpu_time(self) -> float:
        """Mean duration."""
        return self.cpu_time_total / self.count

    @property
    def time_range(self) -> Interval:
        """Start and end."""
        return Interval(self.start, self.start + self.cpu_time_total)

    def __getattr__(self, name: str) -> float | str:
        kind = _by_cpu(name)
        if kind in _TIMES and kind != name:
            return float(getattr(self, kind))
        if "memory_usage" in kind:
            raise NotImplementedError(f"{name}: {_NO_MEMORY}")
        if kind.endswith("_str") and kind.removesuffix("_str") in _TIMES:
            return _time(getattr(self, kind.removesuffix("_str")))
        raise AttributeError(f"'FunctionEvent' object has no attribute '{name}'")

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
                found[e.key] = FunctionEvent(e.name, e.start, e.cpu_time_total, e.self_cpu_time_total)
            else:
                row.cpu_time_total += e.cpu_time_total
                row.self_cpu_time_total += e.self_cpu_time_total
                row.count += 1
        return EventList(found.values())

    @property
    def self_cpu_time_total(self) -> float:
        """The sum of all rows, each without what is inside of it."""
        return sum(e.self_cpu_time_total for e in self)

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

        Raises:
            AttributeError: another column.
            NotImplementedError: a column of memory.
        """
        key = _by_cpu(sort_by or "")
        rows = sorted(self, key=lambda e: -getattr(e, key)) if key else list(self)
        total = self.self_cpu_time_total or 1.0
        titles = [
            "Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls",
        ]  # fmt: skip
        lines = [titles]
        for e in rows[:row_limit]:
            lines.append([
                e.key[:max_name_column_width], f"{100 * e.self_cpu_time_total / total:.2f}%",
                _time(e.self_cpu_time_total), f"{100 * e.cpu_time_total / total:.2f}%",
                _time(e.cpu_time_total), _time(e.cpu_time), str(e.count),
            ])  # fmt: skip
        widths = [max(12, *(len(line[i]) for line in lines)) for i in range(len(titles))]
        rule = "  ".join("-" * w for w in widths)
        shown = ["  ".join(x.rjust(w) for x, w in zip(line, widths, strict=True)) for line in lines]
        body = [rule, shown[0], rule, *shown[1:], rule, f"Self CPU time total: {_time(total)}"]
        return "\n".join([*([header] if header else []), *body])

    def export_chrome_trace(self, path: str, **more: Any) -> None:
        """Write the events for ``chrome://tracing`` and Perfetto.

        Args:
            path: of the file; compressed if it ends in ``.gz``.
            **more: entries beside the events.
        """
        events = [
            {
                "name": e.name, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "pid": 0, "tid": 0,
                "cat": "program" if "program of " in e.name else "user_annotation",
            }
            for e in self
        ]  # fmt: skip
        text = json.dumps({**more, "traceEvents": events, "displayTimeUnit": "ms"}).encode()
        Path(path).write_bytes(gzip.compress(text) if str(path).endswith(".gz") else text)


def _time(microseconds: float) -> str:
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3f}s"
    return f"{microseconds / 1e3:.3f}ms" if microseconds >= 1e3 else f"{microseconds:.3f}us"


_running: list[profile] = []


class profile:
    """Watch what the engine does (``torch.profiler.profile``).

    Args:
        activities: accepted; all devices are watched, and with ``log_dir`` by ``jax.profiler``.
        schedule: which steps to keep, told by :meth:`step`; all by default.
        on_trace_ready: called with the profiler at the end of each cycle.
        record_shapes, profile_memory, with_stack, with_flops, experimental_config, execution_trace_observer,
            acc_events, use_cuda, custom_trace_id_callback, post_processing_timeout_s: accepted.
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
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
        log_dir: str | None = None,
    ) -> None:
        self.schedule, self.on_trace_ready, self.log_dir = schedule, on_trace_ready, log_dir
        self.with_modules = with_modules
        self._names: Any = None
        self.step_num = 0
        self._events: list[FunctionEvent] = []
        self._open: list[list[float]] = []
        self._calls: list[str] = []
        self._metadata: dict[str, Any] = {}
        #: the step under way: its name in traces, its start; and the time of what it contains
        self._step: tuple[Any, float] | None = None
        self._inside = 0.0

    # ---- watching

    def _action(self) -> ProfilerAction:
        return ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num)

    def _keeps(self) -> bool:
        return self._action() in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)

    def begin(self) -> None:
        """Something starts."""
        self._open.append([time.perf_counter(), 0.0])

    def end(self, name: str) -> None:
        """What started last is over."""
        started, inside = self._open.pop()
        duration = time.perf_counter() - started
        if self._open:
            self._open[-1][1] += duration
        else:
            self._inside += duration
        if self._keeps():
            self._note(name, started, inside)

    def _note(self, name: str, started: float, inside: float) -> None:
        """Keep an event that ends now."""
        duration = time.perf_counter() - started
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
        self._begin_step()

    def _begin_step(self) -> None:
        """With a schedule, each step is a row."""
        if self.schedule is not None and self in _running:
            annotation = jax.profiler.StepTraceAnnotation("ProfilerStep", step_num=self.step_num)
            annotation.__enter__()
            self._step, self._inside = (annotation, time.perf_counter()), 0.0

    def _end_step(self) -> None:
        if self._step is None:
            return
        annotation, started = self._step
        self._step = None
        annotation.__exit__(None, None, None)
        if self._keeps():
            self._note(f"ProfilerStep#{self.step_num}", started, self._inside)

    def stop(self) -> None:
        """Run what is pending and cease to watch."""
        synchronize()
        self._end_step()
        if self.log_dir is not None:
            jax.profiler.stop_trace()
        if self._names is not None:
            self._names.__exit__(None, None, None)
        _running.remove(self)
        listen(_running[-1] if _running else None)
        # A cycle that ends early is one, too.
        if self.on_trace_ready is not None and self._keeps():
            self.on_trace_ready(self)

    def step(self) -> None:
        """A step of training ends; the schedule decides what the next one is."""
        flush_all("profiler")
        save = self._action() is ProfilerAction.RECORD_AND_SAVE
        self._end_step()
        self.step_num += 1
        if save and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        if save:
            self._kept, self._events = self._events, []
        self._begin_step()

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
        self.events().export_chrome_trace(path, **self._metadata)

    def add_metadata(self, key: str, value: str) -> None:
        """Write an entry into the Chrome trace, beside the events."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """:meth:`add_metadata` of a value that is JSON."""
        self._metadata[key] = json.loads(value)

    #: Entries may be written before a profile starts, too.
    preset_metadata_json = add_metadata_json

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Not supported: programs are fused, so no operation has a stack.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("export_stacks(): use with_modules=True, which names programs by module")

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """Not supported.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"export_memory_timeline(): {_NO_MEMORY}")


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

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return wrapper


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, use_python_export: bool = False
) -> Callable[[profile], None]:
    """For ``on_trace_ready``: writes a Chrome trace per cycle into a folder.

    Args:
        dir_name: the folder.
        worker_name: how names of files begin.
        use_gzip: compress them.
        use_python_export: accepted.
    """

    def handler(p: profile) -> None:
        folder = Path(dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        name = worker_name or "jtorch"
        ending = ".gz" if use_gzip else ""
        p.export_chrome_trace(str(folder / f"{name}.{time.time_ns()}.pt.trace.json{ending}"))

    return handler
