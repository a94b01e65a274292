"""The load that runs in this thread."""

from __future__ import annotations

import threading
from typing import Any

from jtorch.serialization._budget import Budget

__all__ = ["current"]


class _Current(threading.local):
    """What a load was told, and what its file may still ask for.

    Attributes:
        map_location: for tensors stored apart from their device.
        budget: shared by all pickles of the file; ``None``: nothing is being loaded.
    """

    map_location: Any = None
    budget: Budget | None = None

    def charge(self, size: int) -> None:
        """Account for memory, if something is being loaded."""
        if self.budget is not None:
            self.budget.charge(size)


current = _Current()
