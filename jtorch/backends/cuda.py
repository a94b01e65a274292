"""CUDA's libraries (``torch.backends.cuda``).

XLA chooses how products, decompositions and attention are computed; the switches of PyTorch's kernels are
kept and reported, and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jtorch.backends._precision import Precise
from jtorch.devices import platform_available

__all__ = [
    "allow_fp16_bf16_reduction_math_sdp", "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp",
    "enable_math_sdp", "enable_mem_efficient_sdp", "flash_sdp_enabled",
    "fp16_bf16_reduction_math_sdp_allowed", "is_built", "is_flash_attention_available", "math_sdp_enabled",
    "matmul", "mem_efficient_sdp_enabled", "preferred_linalg_library", "sdp_kernel",
]  # fmt: skip


class _Matmul(Precise):
    """Products of matrices.

    Half-precision products accumulate in float32; ``allow_fp16_reduced_precision_reduction`` and its bfloat16
    twin are kept and change nothing.
    """

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False


matmul = _Matmul()


def is_built() -> bool:
    """Whether JAX was installed with its GPU backend and found a GPU."""
    return platform_available("cuda")


# ---- attention

_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "reduction": False}


def is_flash_attention_available() -> bool:
    """``False``: PyTorch's kernel is not here; ``scaled_dot_product_attention`` chooses by shapes."""
    return False


def flash_sdp_enabled() -> bool:
    """What :func:`enable_flash_sdp` set."""
    return _sdp["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Kept, and changes nothing."""
    _sdp["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """What :func:`enable_mem_efficient_sdp` set."""
    return _sdp["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Kept, and changes nothing."""
    _sdp["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """What :func:`enable_math_sdp` set."""
    return _sdp["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Kept, and changes nothing."""
    _sdp["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """What :func:`enable_cudnn_sdp` set."""
    return _sdp["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Kept, and changes nothing."""
    _sdp["cudnn"] = bool(enabled)


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """What :func:`allow_fp16_bf16_reduction_math_sdp` set."""
    return _sdp["reduction"]


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Kept, and changes nothing: sums of half-precision attention are taken in float32."""
    _sdp["reduction"] = bool(enabled)


@contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[dict[str, Any]]:
    """Set the switches of attention in a block; the old form of :func:`jtorch.nn.attention.sdpa_kernel`."""
    before = dict(_sdp)
    _sdp.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield {}
    finally:
        _sdp.update(before)


# ---- linear algebra


_linalg = ["default"]


def preferred_linalg_library(backend: str | None = None) -> str:
    """Which library shall decompose matrices: kept, and changes nothing.

    Args:
        backend: ``"default"``, ``"cusolver"`` or ``"magma"``; ``None`` only asks.

    Raises:
        RuntimeError: another name.
    """
    if backend is not None:
        if backend not in ("default", "cusolver", "magma"):
            raise RuntimeError("Unknown input value. Choose from: default, cusolver, magma.")
        _linalg[0] = backend
    return _linalg[0]
