"""Training on several processes (``torch.distributed``): not available, as in a PyTorch built without it.

Programs and packages ask :func:`is_available` first, and then run on one process.
"""

from __future__ import annotations

from typing import Any

__all__ = ["is_available"]


def is_available() -> bool:
    """Always false: the rest of the module does not exist."""
    return False


def is_torchelastic_launched() -> bool:
    """Always false."""
    return False


class ProcessGroup:
    """Exists for annotations only, as in a PyTorch built without the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("torch.distributed is not available in jtorch: programs run in one process")


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'torch.distributed' has no attribute '{name}': it is not available in jtorch "
        "(torch.distributed.is_available() is False)"
    )
