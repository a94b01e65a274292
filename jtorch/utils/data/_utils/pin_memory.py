"""Placing a batch in page-locked memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

from jtorch.tensor import Tensor

__all__ = ["pin_memory"]


def pin_memory(data: Any, device: Any = None) -> Any:
    """Calls ``pin_memory()`` of everything in nested containers that has it.

    Args:
        data: a batch.
        device: kept for PyTorch's signature; the current accelerator is meant.
    """
    if isinstance(data, Tensor) or hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, str | bytes):
        return data
    if isinstance(data, Mapping):
        pinned = {k: pin_memory(v, device) for k, v in data.items()}
        try:
            if isinstance(data, MutableMapping):
                clone = copy.copy(data)
                clone.update(pinned)
                return clone
            return type(data)(pinned)  # type: ignore[call-arg]
        except TypeError:
            return pinned
    if isinstance(data, tuple):
        parts = [pin_memory(v, device) for v in data]
        return type(data)(*parts) if hasattr(data, "_fields") else type(data)(parts)
    if isinstance(data, Sequence):
        parts = [pin_memory(v, device) for v in data]
        try:
            if isinstance(data, MutableSequence):
                twin = copy.copy(data)
                for i, x in enumerate(parts):
                    twin[i] = x
                return twin
            return type(data)(parts)  # type: ignore[call-arg]
        except TypeError:
            return parts
    return data
