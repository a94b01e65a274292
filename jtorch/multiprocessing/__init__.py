"""``torch.multiprocessing``: Python's module of that name, and the start of several processes at once.

Tensors that travel between processes are copied. A process that is forked after programs ran computes with
NumPy, as a ``DataLoader``'s workers do; spawned ones are like any other.
"""

# ruff: noqa: F403
from __future__ import annotations

import multiprocessing as _multiprocessing
import warnings as _warnings
from multiprocessing import *

from jtorch.multiprocessing.spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    spawn,
    start_processes,
)

__all__ = [
    *_multiprocessing.__all__,
    "ProcessContext",
    "ProcessExitedException",
    "ProcessRaisedException",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]

_strategy = "file_descriptor"

# JAX warns that a forked process must not use it; ours does not (see ``trace/_executor.py``).
_warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)


def get_all_sharing_strategies() -> set[str]:
    """Names that :func:`set_sharing_strategy` takes."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What was set last; tensors are copied in either case."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Keep the name, which changes nothing.

    Raises:
        AssertionError: for another name.
    """
    global _strategy
    known = get_all_sharing_strategies()
    if new_strategy not in known:
        raise AssertionError(f"invalid sharing strategy {new_strategy!r}, expected one of {known}")
    _strategy = new_strategy
