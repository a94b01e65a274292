"""What a worker process knows about itself."""

from __future__ import annotations

from typing import Any

__all__ = ["get_worker_info"]

_info: Any = None


def get_worker_info() -> Any:
    """``id``, ``num_workers``, ``seed`` and ``dataset`` of this worker; ``None`` in the main process."""
    return _info
