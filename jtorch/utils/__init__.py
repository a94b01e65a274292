"""Tools beside the model: data loading and others (``torch.utils``)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["checkpoint", "data", "dlpack", "hooks", "tensorboard"]


def __getattr__(name: str) -> Any:
    if name in __all__ or name == "_pytree":
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
