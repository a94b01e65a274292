"""Several processes that run one function, and the error of the first that fails."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

__all__ = [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "spawn",
    "start_processes",
]

#: Seconds that a process has to end after it was asked to, before it is killed.
GRACE_SECONDS = 30.0


class ProcessException(Exception):
    """A process failed.

    Args:
        msg: the text.
        error_index: its place among the processes.
        error_pid: its number.
    """

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, error_pid

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """The function raised an error; the text has its traceback."""


class ProcessExitedException(ProcessException):
    """A process ended by a signal or with an exit code.

    Args:
        msg: the text.
        error_index: its place among the processes.
        error_pid: its number.
        exit_code: the code; negative for a signal.
        signal_name: of the signal, if it was one.
    """

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid, self.exit_code, self.signal_name)


def _run(fn: Callable[..., Any], index: int, args: Sequence[Any], errors: Any) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:  # the parent was interrupted, too
        pass
    except Exception:
        errors.send(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """Processes that were started together.

    Args:
        processes: started.
        errors: for each a connection that receives the traceback if it raises.
    """

    def __init__(self, processes: list[Any], errors: list[Any]) -> None:
        self.processes, self._errors = processes, errors
        self.sentinels = {process.sentinel: index for index, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """Numbers of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until one of the processes ends; end all if it failed.

        Args:
            timeout: seconds to wait at most.
            grace_period: seconds that the others have to end by themselves if one failed.

        Returns:
            Whether all have ended.

        Raises:
            ProcessRaisedException: one raised an error.
            ProcessExitedException: one ended by a signal or with an exit code.
        """
        for sentinel in multiprocessing.connection.wait(list(self.sentinels), timeout):
            index = self.sentinels.pop(sentinel)
            self.processes[index].join()
            if self.processes[index].exitcode:
                self._end(grace_period)
                self._raise(index)
        return not self.sentinels

    def _end(self, grace_period: float | None) -> None:
        def wait(seconds: float) -> None:
            end = time.monotonic() + seconds
            for process in self.processes:
                process.join(max(0.0, end - time.monotonic()))

        if grace_period is not None:
            wait(grace_period)
        for process in self.processes:
            process.terminate()
        wait(GRACE_SECONDS if grace_period is None else grace_period)
        for process in self.processes:
            process.kill()
            process.join()

    def _raise(self, index: int) -> None:
        process, errors = self.processes[index], self._errors[index]
        try:
            text = errors.recv() if errors.poll() else None
        except EOFError:
            text = None
        if text is not None:
            raise ProcessRaisedException(
                f"\n\n-- Process {index} terminated with the following error:\n{text}", index, process.pid
            )
        code, name = process.exitcode, None
        how = f"exit code {code}"
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"<Unknown signal {-code}>"
            how = f"signal {name}"
        raise ProcessExitedException(
            f"process {index} terminated with {how}", index, process.pid, exit_code=code, signal_name=name
        )


def start_processes(
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Run ``fn(i, *args)`` in ``nprocs`` processes.

    Args:
        fn: function at the top level of a module, if processes are spawned.
        args: its further arguments.
        nprocs: number of processes.
        join: wait for all of them.
        daemon: end them with this process.
        start_method: ``"spawn"``, ``"fork"`` or ``"forkserver"``.

    Returns:
        The processes if ``join`` is false, else ``None``.

    Raises:
        ProcessRaisedException: with ``join``: one raised an error.
        ProcessExitedException: with ``join``: one ended by a signal or with an exit code.
    """
    kind: Any = multiprocessing.get_context(start_method)
    processes, errors = [], []
    for index in range(nprocs):
        receiver, sender = kind.Pipe(duplex=False)
        process = kind.Process(target=_run, args=(fn, index, args, sender), daemon=daemon)
        process.start()
        sender.close()
        processes.append(process)
        errors.append(receiver)
    context = ProcessContext(processes, errors)
    if not join:
        return context
    while not context.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """:func:`start_processes` with the start method ``"spawn"``."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
