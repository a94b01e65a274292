"""CUDA's libraries (``torch.backends.cuda``)."""

from __future__ import annotations

from jtorch.backends._precision import Precise
from jtorch.devices import platform_available

__all__ = ["is_built", "matmul"]


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
