"""CUDA's libraries (``torch.backends.cuda``).

XLA chooses how products, decompositions and attention are computed; the switches of PyTorch's kernels are
kept and reported, and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jtorch.backends._precision import Precise
from jtorch.devices import platform_available

__all__ = [
    "SDPAParams", "allow_fp16_bf16_reduction_math_sdp", "can_use_cudnn_attention",
    "can_use_efficient_attention", "can_use_flash_attention", "cudnn_sdp_enabled", "cufft_plan_cache",
    "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp",
    "flash_sdp_enabled", "fp16_bf16_reduction_math_sdp_allowed", "is_built", "is_ck_sdpa_available",
    "is_flash_attention_available", "math_sdp_enabled", "matmul", "mem_efficient_sdp_enabled",
    "preferred_blas_library", "preferred_linalg_library", "preferred_rocm_fa_library", "sdp_kernel",
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

attention_switches: dict[str, bool] = {}


def _switch(name: str, value: bool = True) -> tuple[Callable[[], bool], Callable[[bool], None]]:
    """The functions that tell and set a switch of attention, which is kept and changes nothing."""
    attention_switches[name] = value

    def enabled() -> bool:
        """What was set; it changes nothing."""
        return attention_switches[name]

    def enable(enabled: bool) -> None:
        """Kept, and changes nothing: devices and shapes decide how attention is computed."""
        attention_switches[name] = bool(enabled)

    return enabled, enable


flash_sdp_enabled, enable_flash_sdp = _switch("flash")
mem_efficient_sdp_enabled, enable_mem_efficient_sdp = _switch("mem_efficient")
math_sdp_enabled, enable_math_sdp = _switch("math")
cudnn_sdp_enabled, enable_cudnn_sdp = _switch("cudnn")
fp16_bf16_reduction_math_sdp_allowed, allow_fp16_bf16_reduction_math_sdp = _switch("reduction", False)


def is_flash_attention_available() -> bool:
    """``False``: PyTorch's kernel is not here; ``scaled_dot_product_attention`` chooses by shapes."""
    return False


def is_ck_sdpa_available() -> bool:
    """``False``: PyTorch's kernel is not here."""
    return False


class SDPAParams:
    """The arguments of an attention, for :func:`can_use_flash_attention` and its like."""

    def __init__(
        self, query: Any, key: Any, value: Any, attn_mask: Any, dropout: float, is_causal: bool,
        enable_gqa: bool,
    ) -> None:  # fmt: skip
        self.query, self.key, self.value, self.attn_mask = query, key, value, attn_mask
        self.dropout, self.is_causal, self.enable_gqa = dropout, is_causal, enable_gqa


def can_use_flash_attention(params: SDPAParams, debug: bool = False) -> bool:
    """``False``: PyTorch's kernels of attention are not here."""
    return False


def can_use_efficient_attention(params: SDPAParams, debug: bool = False) -> bool:
    """``False``: PyTorch's kernels of attention are not here."""
    return False


def can_use_cudnn_attention(params: SDPAParams, debug: bool = False) -> bool:
    """``False``: PyTorch's kernels of attention are not here."""
    return False


@contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[dict[str, Any]]:
    """Set the switches of attention in a block; the old form of :func:`jtorch.nn.attention.sdpa_kernel`."""
    before = dict(attention_switches)
    attention_switches.update(
        flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn
    )
    try:
        yield {}
    finally:
        attention_switches.update(before)


# ---- libraries


def _preference(choices: Sequence[str], names: str) -> Callable[[str | None], str]:
    chosen = ["default"]

    def preferred(backend: str | None = None) -> str:
        """Which library shall be used: kept, and changes nothing.

        Args:
            backend: a name; ``None`` only asks.

        Raises:
            RuntimeError: another name.
        """
        if backend is not None:
            if backend not in choices:
                raise RuntimeError(f"Unknown input value. Choose from: {names}.")
            chosen[0] = backend
        return chosen[0]

    return preferred


preferred_linalg_library = _preference(("default", "cusolver", "magma"), "default, cusolver, magma")
preferred_blas_library = _preference(
    ("default", "cublas", "hipblas", "cublaslt", "hipblaslt", "ck"),
    "default, cublas, hipblas, cublaslt, hipblaslt, ck",
)
preferred_rocm_fa_library = _preference(("default", "aotriton", "ck"), "default, aotriton, ck")


class _FourierPlans:
    """The plans of cuFFT (``torch.backends.cuda.cufft_plan_cache``): XLA's, which cannot be seen.

    Raises:
        AssertionError: there is no GPU.
        NotImplementedError: there is one.
    """

    def _refuse(self, *_: Any) -> Any:
        if not is_built():
            raise AssertionError("Torch not compiled with CUDA enabled")
        raise NotImplementedError("torch.backends.cuda.cufft_plan_cache: XLA keeps cuFFT's plans itself")

    size = max_size = property(_refuse, _refuse)
    clear = __getitem__ = _refuse


cufft_plan_cache = _FourierPlans()
