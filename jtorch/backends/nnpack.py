"""NNPACK (``torch.backends.nnpack``): not used, XLA's CPU compiler does without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["flags", "is_available", "set_flags"]

_enabled = [True]


def is_available() -> bool:
    """``False``."""
    return False


def set_flags(_enabled_: bool, /) -> tuple[bool]:
    """Kept, and changes nothing; returns what was set before."""
    before = _enabled[0]
    _enabled[0] = bool(_enabled_)
    return (before,)


@contextmanager
def flags(enabled: bool = False) -> Iterator[None]:
    """Keep the switch in a block."""
    (before,) = set_flags(enabled)
    try:
        yield
    finally:
        set_flags(before)
