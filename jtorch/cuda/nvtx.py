"""Ranges in traces of NVIDIA's profilers (``torch.cuda.nvtx``): here ranges of ``jax.profiler``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from jtorch.cuda._kind import KIND

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]

_open: list[Any] = []
_started: dict[int, Any] = {}


def _range(name: str) -> Any:
    if not KIND.is_available():
        raise RuntimeError("NVTX functions not installed. Are you sure you have a CUDA build?")
    annotation = jax.profiler.TraceAnnotation(name)
    annotation.__enter__()
    return annotation


def range_push(msg: str) -> int:
    """Begin a range inside of those that are open; returns how many were.

    Raises:
        RuntimeError: there is no GPU.
    """
    _open.append(_range(msg))
    return len(_open) - 1


def range_pop() -> int:
    """End the range that was begun last; returns how many stay open.

    Raises:
        RuntimeError: there is no GPU.
    """
    if not _open:
        _range("").__exit__(None, None, None)
        return -1
    _open.pop().__exit__(None, None, None)
    return len(_open)


def range_start(msg: str) -> int:
    """Begin a range that :func:`range_end` ends; returns its number."""
    number = max(_started, default=0) + 1
    _started[number] = _range(msg)
    return number


def range_end(range_id: int) -> None:
    """End a range of :func:`range_start`."""
    _started.pop(range_id).__exit__(None, None, None)


def mark(msg: str) -> None:
    """An event without a duration."""
    _range(msg).__exit__(None, None, None)


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """A range around a block or, as a decorator, a function; ``msg`` may be a format for the arguments."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
