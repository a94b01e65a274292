"""What runs in a worker process.

A worker leaves XLA alone: it is forked from a process whose XLA threads it does not have, so what its data
set computes with tensors is computed with NumPy.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jtorch.tensor._at_once import compute_at_once
from jtorch.tensor._random import manual_seed
from jtorch.trace import leave_xla
from jtorch.utils.data._channel import Channel
from jtorch.utils.data._utils.exceptions import ExceptionWrapper
from jtorch.utils.data._utils.fetch import _BaseDatasetFetcher, _IterableDatasetFetcher, _MapDatasetFetcher

__all__ = ["WorkerInfo", "get_worker_info"]


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker knows about itself.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what its random numbers began with.
        dataset: its copy of the data set.
        rng: generators of its own; only for workers that are threads, which this library does not have.
        worker_method: how it runs.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What this worker process knows about itself; ``None`` in the main process."""
    return _worker_info


@dataclass(frozen=True)
class _IterableDatasetStopIteration:
    """A worker's samples are at an end."""

    worker_id: int


@dataclass(frozen=True)
class _ResumeIteration:
    """Another epoch begins."""

    seed: int | None = None


@dataclass(frozen=True)
class _Job:
    """All that a worker is told when it starts."""

    kind: int
    dataset: Any
    auto_collation: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    base_seed: int
    init_fn: Callable[[int], None] | None
    worker_id: int
    num_workers: int

    def fetcher(self) -> _BaseDatasetFetcher:
        kind = _IterableDatasetFetcher if self.kind else _MapDatasetFetcher
        return kind(self.dataset, self.auto_collation, self.collate_fn, self.drop_last)


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """Words that seed NumPy's global generator."""
    entropy = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return [int(w) for w in np.random.SeedSequence(entropy).generate_state(4)]


def _end_with(parent: int) -> None:
    """End this process when the one that started it ends, whatever it is doing then."""

    def watch() -> None:
        try:
            poll = select.poll()
            poll.register(os.pidfd_open(parent), select.POLLIN)
            poll.poll()
        except OSError:
            while _alive(parent):
                time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="jtorch-parent-watch", daemon=True).start()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _worker_loop(job: _Job, channel: Channel, parent: int, strangers: list[Channel]) -> None:
    """Serve requests until there are no more.

    Args:
        job: what to do.
        channel: requests in, batches out.
        parent: process that wants the batches.
        strangers: ends of channels that this process has inherited and must not keep open.
    """
    global _worker_info
    for stranger in strangers:
        stranger.socket.close()
    # Ctrl-C reaches the whole group of processes; the main process decides what it means.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with(parent)
    leave_xla()
    compute_at_once()
    seed = job.base_seed + job.worker_id
    random.seed(seed)
    manual_seed(seed)
    np.random.seed(_generate_state(job.base_seed, job.worker_id))
    _worker_info = WorkerInfo(job.worker_id, job.num_workers, seed, job.dataset)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # nobody wants more
        _serve(job, channel)


def _serve(job: _Job, channel: Channel) -> None:
    where = f"in DataLoader worker process {job.worker_id}"
    fetcher: Any = None
    failure: ExceptionWrapper | None = None
    try:
        if job.init_fn is not None:
            job.init_fn(job.worker_id)
        fetcher = job.fetcher()
    except Exception:
        failure = ExceptionWrapper(where=where)
    ended = False
    while (request := channel.receive()) is not None:
        if isinstance(request, _ResumeIteration):
            channel.send((request, None), wait=True)
            fetcher, ended = job.fetcher(), False
            continue
        if ended:
            continue
        number, index = request
        data: Any
        if failure is not None:
            data, failure = failure, None
        else:
            try:
                data = fetcher.fetch(index)
            except Exception as error:
                if isinstance(error, StopIteration) and job.kind:
                    data, ended = _IterableDatasetStopIteration(job.worker_id), True
                else:
                    data = ExceptionWrapper(where=where)
        _reply(channel, number, data, where)
        del data, index, request


def _reply(channel: Channel, number: int, data: Any, where: str) -> None:
    try:
        channel.send((number, data), wait=True)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception:
        # What the data set made does not travel, or the exception's own type does not.
        if isinstance(data, ExceptionWrapper):
            data.exc_type = RuntimeError if data.exc_type is not RuntimeError else Exception
        else:
            data = ExceptionWrapper(where=where)
        _reply(channel, number, data, where)
