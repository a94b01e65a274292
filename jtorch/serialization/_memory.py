"""Memory for what is read from files."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

__all__ = ["new_bytes"]

_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
#: From this size on NumPy asks the system for huge pages.
_HUGE = 4 << 20


def new_bytes(size: int) -> np.ndarray[Any, Any]:
    """Uninitialised bytes, in pages of the usual size.

    Linux may have to clear space for huge pages first, which took three times as long as reading a file.
    """
    if size < _HUGE or not _PRIVATE:
        return np.empty(size, np.uint8)
    return np.frombuffer(mmap.mmap(-1, size, flags=_PRIVATE), np.uint8)
