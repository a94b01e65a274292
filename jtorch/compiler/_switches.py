"""Switches of the process that code reads by functions, and where their values are kept."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from jtorch.backends.cuda import attention_switches, matmul
from jtorch.tensor._switches import switches

__all__ = ["switches_named"]

#: What is read, and the names in code that read it.
_READ_BY: tuple[tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]], ...] = (
    (vars(switches), ("threads", "interop"), ("get_num_threads", "get_num_interop_threads")),
    (
        vars(switches), ("deterministic", "warn_only"),
        (
            "are_deterministic_algorithms_enabled", "is_deterministic_algorithms_warn_only_enabled",
            "get_deterministic_debug_mode",
        ),
    ),
    (vars(switches), ("warn_always",), ("is_warn_always_enabled",)),
    (
        attention_switches, tuple(attention_switches),
        (
            "flash_sdp_enabled", "mem_efficient_sdp_enabled", "math_sdp_enabled", "cudnn_sdp_enabled",
            "fp16_bf16_reduction_math_sdp_allowed",
        ),
    ),
)  # fmt: skip
_MATMUL = (
    "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction",
    "allow_fp16_accumulation",
)  # fmt: skip


def switches_named(names: Container[str]) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
    """Where switches are kept that code with these names may read, and their keys there."""
    found = [(own, keys) for own, keys, readers in _READ_BY if any(name in names for name in readers)]
    found += [(vars(matmul), (name,)) for name in _MATMUL if name in names]
    return found
