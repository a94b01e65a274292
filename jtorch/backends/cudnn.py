"""cuDNN (``torch.backends.cudnn``), which XLA calls on its own.

``enabled`` says whether it computes LSTMs; without it they have second and forward derivatives, too.
``deterministic`` and ``benchmark`` are kept and change nothing: XLA chooses algorithms itself, when a program
is compiled. ``allow_tf32`` is the switch of ``backends.cuda.matmul.allow_tf32``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jtorch.backends._precision import PreciseModule
from jtorch.devices import platform_available
from jtorch.tensor._settings import allow_cudnn, cudnn_allowed

__all__ = ["benchmark", "deterministic", "enabled", "flags", "is_available", "set_flags", "version"]

enabled: bool
benchmark = False
deterministic = False
benchmark_limit = 10


def is_available() -> bool:
    """Whether there is a GPU; XLA brings cuDNN along."""
    return platform_available("cuda")


def version() -> int | None:
    """JAX does not tell cuDNN's version."""
    return None


def set_flags(
    _enabled: bool | None = None,
    _benchmark: bool | None = None,
    _benchmark_limit: int | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
    _fp32_precision: str = "none",
) -> tuple[Any, ...]:
    """Set several switches; returns what they were."""
    here: Any = sys.modules[__name__]
    names = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")
    given = (_enabled, _benchmark, _benchmark_limit, _deterministic, _allow_tf32)
    before = tuple(getattr(here, name) for name in names)
    for name, value in zip(names, given, strict=True):
        if value is not None:
            setattr(here, name, value)
    return before


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool | None = None,
    fp32_precision: str = "none",
) -> Iterator[None]:
    """Set several switches in a block."""
    before = set_flags(enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    try:
        yield
    finally:
        set_flags(*before)


class _Cudnn(PreciseModule):
    @property
    def enabled(self) -> bool:
        """Whether recurrent networks may run by cuDNN."""
        return cudnn_allowed()

    @enabled.setter
    def enabled(self, value: bool) -> None:
        allow_cudnn(bool(value))


sys.modules[__name__].__class__ = _Cudnn
