"""MTIA devices (``torch.mtia``): JAX has none.

>>> import jtorch as torch
>>> torch.mtia.is_available(), torch.mtia.device_count()
(False, 0)
"""

from __future__ import annotations

from typing import Any

from jtorch.tensor._random import seed_devices

__all__ = [
    "current_device", "device_count", "empty_cache", "init", "is_available", "is_initialized", "manual_seed",
    "memory_allocated", "memory_stats", "synchronize",
]  # fmt: skip


def _missing(name: str) -> Exception:
    return RuntimeError(f"Cannot execute {name}() without MTIA backend.")


def is_available() -> bool:
    """``False``: JAX has no such device."""
    return False


def is_initialized() -> bool:
    """``False``."""
    return False


def device_count() -> int:
    """``0``."""
    return 0


def init() -> None:
    """Refuse.

    Raises:
        AssertionError: always.
    """
    raise AssertionError(
        "Torch not compiled with MTIA enabled. Ensure you have `import "
        "mtia.host_runtime.torch_mtia.dynamic_library` in your python src file and include "
        "`//mtia/host_runtime/torch_mtia:torch_mtia` as your target dependency!"
    )


def current_device() -> int:
    """Refuse.

    Raises:
        RuntimeError: always.
    """
    raise _missing("getCurrentDevice")


def synchronize(device: Any = None) -> None:
    """Refuse.

    Raises:
        RuntimeError: always.
    """
    raise _missing("getCurrentDevice")


def empty_cache() -> None:
    """Refuse.

    Raises:
        RuntimeError: always.
    """
    raise _missing("emptyCache")


def memory_allocated(device: Any = None) -> int:
    """``0``."""
    return 0


def memory_stats(device: Any = None) -> dict[str, Any]:
    """No numbers."""
    return {}


def manual_seed(seed: int) -> None:
    """Seed the streams of devices."""
    seed_devices(int(seed))
