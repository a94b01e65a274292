"""Mixed precision under its old path (``torch.cuda.amp``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch import amp
from jtorch.dtypes import dtype, float16
from jtorch.errors import warn_user

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


def _warn(name: str, arguments: str) -> None:
    warn_user(
        f"`torch.cuda.amp.{name}(args...)` is deprecated. "
        f"Please use `torch.amp.{name}({arguments})` instead.",
        FutureWarning,
    )


class autocast(amp.autocast):
    """:class:`jtorch.autocast` of CUDA tensors.

    Args:
        enabled: whether to cast inside.
        dtype: ``float16`` by default.
        cache_enabled: keep the casts of weights until the outermost block ends.
    """

    def __init__(self, enabled: bool = True, dtype: dtype = float16, cache_enabled: bool = True) -> None:
        _warn("autocast", "'cuda', args...")
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """:class:`jtorch.amp.GradScaler` on the CUDA, with the same arguments."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _warn("GradScaler", "'cuda', args...")
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: dtype | None = None) -> Any:
    """:func:`jtorch.amp.custom_fwd` for CUDA."""
    _warn("custom_fwd", "args..., device_type='cuda'")
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any]) -> Any:
    """:func:`jtorch.amp.custom_bwd` for CUDA."""
    _warn("custom_bwd", "args..., device_type='cuda'")
    return amp.custom_bwd(bwd, device_type="cuda")
