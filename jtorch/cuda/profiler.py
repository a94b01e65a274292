"""Switches of NVIDIA's profilers (``torch.cuda.profiler``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jtorch.cuda._kind import refused

__all__ = ["profile", "start", "stop"]

_INSTEAD = "use jtorch.profiler.profile(log_dir=...) or jax.profiler"
start = refused("profiler.start", _INSTEAD)
stop = refused("profiler.stop", _INSTEAD)


@contextmanager
def profile() -> Iterator[None]:
    """A block between :func:`start` and :func:`stop`."""
    start()
    try:
        yield
    finally:
        stop()
