"""Process-wide switches of PyTorch that programs set at their start: threads, determinism, warnings."""

from __future__ import annotations

import os
from typing import Any

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_deterministic_debug_mode",
    "get_num_interop_threads",
    "get_num_threads",
    "init_num_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_vulkan_available",
    "is_warn_always_enabled",
    "set_deterministic_debug_mode",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_num_threads",
    "set_warn_always",
    "use_deterministic_algorithms",
]


class _Switches:
    threads = 0
    interop = 0
    deterministic = False
    warn_only = False
    warn_always = False


switches = _Switches()


def _available() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_num_threads() -> int:
    """The number of threads that was set, by default that of the processors this process may use."""
    return switches.threads or _available()


def set_num_threads(num: int) -> None:
    """Note a number of threads for :func:`get_num_threads`.

    # Differs from PyTorch: XLA's pool of threads stays as large as when the process started.

    Raises:
        TypeError: no int.
        RuntimeError: less than 1.
    """
    switches.threads = _positive("set_num_threads", num)


def init_num_threads() -> None:
    """Go back to the default number of threads."""
    switches.threads = 0


def get_num_interop_threads() -> int:
    """The number of threads that run operations side by side, as set or by default."""
    return switches.interop or _available()


def set_num_interop_threads(num: int) -> None:
    """Note a number for :func:`get_num_interop_threads`; XLA schedules operations itself.

    Raises:
        TypeError: no int.
        RuntimeError: less than 1.
    """
    switches.interop = _positive("set_num_interop_threads", num)


def _positive(name: str, num: Any) -> int:
    if not isinstance(num, int) or isinstance(num, bool):
        raise TypeError(f"{name} expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError("Expected positive number of threads")
    return num


def set_flush_denormal(mode: bool) -> bool:
    """Whether numbers below the normal range can be made zero: ``False``, XLA decides that itself."""
    return False


def is_vulkan_available() -> bool:
    """``False``: no Vulkan backend."""
    return False


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for operations that give the same bits in each run.

    Programs on the CPU always do. On a GPU, XLA does where ``--xla_gpu_deterministic_ops=true`` is in the
    environment's ``XLA_FLAGS`` before the first operation.
    """
    switches.deterministic, switches.warn_only = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether :func:`use_deterministic_algorithms` is on."""
    return switches.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether operations that are not deterministic would warn instead of failing."""
    return switches.warn_only


_MODES = {"default": 0, "warn": 1, "error": 2}


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """:func:`use_deterministic_algorithms` by a word: ``"default"`` (0), ``"warn"`` (1) or ``"error"`` (2).

    Raises:
        TypeError: neither a number nor a word.
        RuntimeError: another one.
    """
    if not isinstance(debug_mode, int | str):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _MODES:
            raise RuntimeError(
                "invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got "
                f"{debug_mode}"
            )
        debug_mode = _MODES[debug_mode]
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    """The mode set by :func:`set_deterministic_debug_mode`, as a number."""
    return switches.deterministic * (1 if switches.warn_only else 2)


def set_warn_always(b: bool, /) -> None:
    """Whether PyTorch would repeat warnings that it gives once; see :func:`is_warn_always_enabled`."""
    if not isinstance(b, bool):
        raise TypeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    switches.warn_always = b


def is_warn_always_enabled() -> bool:
    """What :func:`set_warn_always` set."""
    return switches.warn_always
