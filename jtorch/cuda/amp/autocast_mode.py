"""Casts on GPUs (``torch.cuda.amp.autocast_mode``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch import amp
from jtorch.cuda.amp._old_path import warn
from jtorch.dtypes import dtype, float16

__all__ = ["autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """:class:`jtorch.autocast` of CUDA tensors.

    Args:
        enabled: whether to cast inside.
        dtype: ``float16`` by default.
        cache_enabled: keep the casts of weights until the outermost block ends.
    """

    def __init__(self, enabled: bool = True, dtype: dtype = float16, cache_enabled: bool = True) -> None:
        warn("autocast", "'cuda', args...")
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: dtype | None = None) -> Any:
    """:func:`jtorch.amp.custom_fwd` for CUDA."""
    warn("custom_fwd", "args..., device_type='cuda'")
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any]) -> Any:
    """:func:`jtorch.amp.custom_bwd` for CUDA."""
    warn("custom_bwd", "args..., device_type='cuda'")
    return amp.custom_bwd(bwd, device_type="cuda")
