"""Counting forward passes in a buffer."""

from __future__ import annotations

from typing import Any

import numpy as np

from jtorch.tensor._autograd import no_grad
from jtorch.trace import from_host

__all__ = ["count_one"]


def count_one(counter: Any) -> None:
    """Add 1 to an integer buffer: on the host at once, so that a loop's program does not carry it along."""
    storage = counter._storage
    value = storage.value
    if counter._view is None and value is not None and value.host is not None and storage.buffer is None:
        storage.write(from_host(np.asarray(value.host + 1), value.aval))
        return
    with no_grad():
        counter.add_(1)
