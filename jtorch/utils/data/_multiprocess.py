"""One pass over a loader whose batches are made by worker processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import select
import signal
import time
import warnings
import weakref
from typing import Any

from jtorch.trace import load_host_engine, synchronize
from jtorch.utils.data._channel import Channel, available, channel_pair
from jtorch.utils.data._iterators import _BaseDataLoaderIter, _DatasetKind
from jtorch.utils.data._utils.exceptions import ExceptionWrapper
from jtorch.utils.data._utils.worker import (
    _IterableDatasetStopIteration,
    _Job,
    _ResumeIteration,
    _worker_loop,
)

__all__: list[str] = []

#: Seconds that workers get to end by themselves.
GRACE = 5.0

#: Every open end that this process holds: a forked worker must not keep them open.
_ends: weakref.WeakSet[Channel] = weakref.WeakSet()


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Sends lists of indices to the workers in turn and returns their batches in that order.

    A batch in the making is a *task*; at most ``prefetch_factor * num_workers`` are outstanding. A worker is
    *active* until its samples are at an end.
    """

    def __init__(self, loader: Any) -> None:
        self._shutdown = True
        self._workers: list[Any] = []
        self._channels: list[Channel] = []
        super().__init__(loader)
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = loader.in_order
        if self._num_workers <= 0:
            raise AssertionError("num_workers must be greater than 0 for MultiProcessingDataLoaderIter")
        if self._prefetch_factor <= 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        if not available():
            raise NotImplementedError(
                f"num_workers={self._num_workers}: worker processes need Linux; use num_workers=0"
            )
        self._worker_init_fn = loader.worker_init_fn
        self._grace = GRACE
        self._shutdown = False
        self._start(loader.multiprocessing_context or multiprocessing.get_context())
        self._reset(loader, first_iter=True)

    def _start(self, context: Any) -> None:
        load_host_engine()
        # Results that are pending would otherwise be computed by every worker anew.
        synchronize()
        forks = context.get_start_method() == "fork"
        for i in range(self._num_workers):
            mine, theirs = channel_pair()
            _ends.add(mine)
            self._channels.append(mine)
            job = _Job(
                self._dataset_kind,
                self._dataset,
                self._auto_collation,
                self._collate_fn,
                self._drop_last,
                self._base_seed,
                self._worker_init_fn,
                i,
                self._num_workers,
            )
            strangers = list(_ends) if forks else []
            worker = context.Process(
                target=_worker_loop, args=(job, theirs, os.getpid(), strangers), daemon=True
            )
            try:
                self._launch(worker)
            except (TypeError, AttributeError, pickle.PicklingError):
                warnings.warn(
                    "Got pickle error when attempting to start a worker Process. This might be because the "
                    "worker Process arguments are not picklable. Python 3.14+ changed the multiprocessing "
                    "start method in non-Mac POSIX platforms to 'forkserver', which requires the worker "
                    "Process arguments to be picklable. You can also try "
                    "multiprocessing.set_start_method('fork').",
                    stacklevel=4,
                )
                raise
            finally:
                theirs.close()
            self._workers.append(worker)

    @staticmethod
    def _launch(worker: Any) -> None:
        with warnings.catch_warnings():
            # JAX and Python warn of forking beside threads. A worker never calls what the threads serve.
            warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
            warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
            worker.start()

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        super()._reset(loader, first_iter)
        self._send_idx = 0  # the next task to send
        self._rcvd_idx = 0  # the next task to return
        #: task -> (worker,) or (worker, batch); those not sent back yet have no batch
        self._task_info: dict[int, tuple[Any, ...]] = {}
        self._tasks_outstanding = 0
        self._workers_status = [True] * self._num_workers
        self._workers_num_tasks = [0] * self._num_workers
        self._worker_queue_idx_cycle = itertools.cycle(range(self._num_workers))
        if not first_iter:
            self._resume()
        for _ in range(self._prefetch_factor * self._num_workers):
            self._try_put_index()

    def _resume(self) -> None:
        """Begin another epoch: what is still under way from the last one is dropped."""
        for i in range(self._num_workers):
            self._send(i, _ResumeIteration())
        waiting = self._num_workers
        while waiting:
            answer, _ = self._get_data()
            waiting -= isinstance(answer, _ResumeIteration)

    # ---- talking to workers

    def _send(self, worker: int, message: Any) -> None:
        try:
            self._channels[worker].send(message, wait=False)
        except OSError:
            self._raise_if_any_died(worker)
            raise

    def _get_data(self) -> Any:
        """The next answer of any worker.

        Raises:
            RuntimeError: none came in time, or a worker has died.
        """
        until = time.monotonic() + self._timeout if self._timeout > 0 else None
        while True:
            poll = select.poll()
            places: dict[int, int] = {}
            for i, channel in enumerate(self._channels):
                if channel.fileno() >= 0:
                    places[channel.fileno()] = i
                    poll.register(channel, select.POLLIN | (select.POLLOUT if channel.backlog else 0))
            left = None if until is None else max(until - time.monotonic(), 0) * 1000
            events = poll.poll(left)
            if not events:
                self._grace = 0.1  # whoever does not answer now will not end by itself either
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
            for descriptor, event in events:
                i = places[descriptor]
                if event & select.POLLOUT:
                    self._channels[i].flush()
            for descriptor, event in events:
                if event & ~select.POLLOUT:
                    return self._receive(places[descriptor])

    def _receive(self, worker: int) -> Any:
        try:
            return self._channels[worker].receive()
        except EOFError:
            self._raise_if_any_died(worker)

    def _raise_if_any_died(self, worker: int) -> None:
        """Report a worker whose channel has closed."""
        process = self._workers[worker]
        process.join(GRACE)
        code = process.exitcode
        self._workers_status[worker] = False
        if code is not None and code < 0:
            reason = f"DataLoader worker (pid {process.pid}) is killed by signal: {signal.strsignal(-code)}. "
            if -code == signal.SIGBUS:
                reason += (
                    "It is possible that dataloader's workers are out of shared memory. Please try to raise "
                    "your shared memory limit."
                )
        else:
            reason = (
                f"DataLoader worker (pid {process.pid}) exited unexpectedly with exit code {code}. Details "
                "are lost due to multiprocessing. Rerunning with num_workers=0 may give better error trace."
            )
        self._shutdown_workers()
        raise RuntimeError(f"DataLoader worker (pid(s) {process.pid}) exited unexpectedly") from RuntimeError(
            reason
        )

    # ---- tasks

    def _try_put_index(self) -> None:
        """Send the next task to the next active worker, if there are both."""
        most = self._prefetch_factor * self._num_workers
        try:
            index = self._next_index()
        except StopIteration:
            return
        for _ in range(self._num_workers):
            worker = next(self._worker_queue_idx_cycle)
            if self._workers_status[worker] and (
                self._in_order or self._workers_num_tasks[worker] < most // sum(self._workers_status)
            ):
                break
        else:
            return
        self._send(worker, (self._send_idx, index))
        self._task_info[self._send_idx] = (worker,)
        self._workers_num_tasks[worker] += 1
        self._tasks_outstanding += 1
        self._send_idx += 1

    def _next_data(self) -> Any:
        while True:
            self._skip_ended()
            if self._rcvd_idx >= self._send_idx:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if len(self._task_info[self._rcvd_idx]) == 2:
                worker, data = self._task_info.pop(self._rcvd_idx)
                self._rcvd_idx += 1
                return self._process_data(data, worker)
            if self._shutdown or self._tasks_outstanding <= 0:
                raise AssertionError(
                    "Invalid iterator state: shutdown or no outstanding tasks when fetching next data"
                )
            number, data = self._get_data()
            self._tasks_outstanding -= 1
            if self._dataset_kind == _DatasetKind.Iterable and isinstance(
                data, _IterableDatasetStopIteration
            ):
                self._end(data.worker_id)
                self._try_put_index()
                continue
            if number == self._rcvd_idx:
                self._rcvd_idx += 1
            elif self._in_order:
                self._task_info[number] += (data,)
                continue
            return self._process_data(data, self._task_info.pop(number)[0])

    def _skip_ended(self) -> None:
        """Pass over tasks that will not be answered: their worker's samples are at an end."""
        while self._rcvd_idx < self._send_idx:
            info = self._task_info.get(self._rcvd_idx)
            if info is not None:
                if len(info) == 2 or self._workers_status[info[0]]:
                    return
                del self._task_info[self._rcvd_idx]
            self._rcvd_idx += 1

    def _end(self, worker: int) -> None:
        """A worker's samples are at an end."""
        self._workers_status[worker] = False
        if not self._persistent_workers:
            self._channels[worker].close()

    def _process_data(self, data: Any, worker: int) -> Any:
        self._workers_num_tasks[worker] -= 1
        self._try_put_index()
        if isinstance(data, ExceptionWrapper):
            data.reraise()
        return data

    # ---- the end

    def _shutdown_workers(self) -> None:
        """End the workers: they notice that their channel is closed; those that do not are killed."""
        if self._shutdown:
            return
        self._shutdown = True
        for channel in self._channels:
            channel.close()
        until = time.monotonic() + self._grace
        for worker in self._workers:
            worker.join(max(until - time.monotonic(), 0))
        for end in ("terminate", "kill"):
            for worker in self._workers:
                if worker.is_alive():
                    getattr(worker, end)()
                    worker.join(1)

    def __del__(self) -> None:
        self._shutdown_workers()
