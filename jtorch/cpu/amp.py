"""Mixed precision under its old path (``torch.cpu.amp``)."""

from __future__ import annotations

from jtorch import amp
from jtorch.dtypes import bfloat16, dtype
from jtorch.errors import warn_user

__all__ = ["GradScaler", "autocast"]


def _warn(name: str, arguments: str) -> None:
    warn_user(
        f"`torch.cpu.amp.{name}(args...)` is deprecated. Please use `torch.amp.{name}({arguments})` instead.",
        FutureWarning,
    )


class autocast(amp.autocast):
    """:class:`jtorch.autocast` of CPU tensors.

    Args:
        enabled: whether to cast inside.
        dtype: ``bfloat16`` by default.
        cache_enabled: keep the casts of weights until the outermost block ends.
    """

    def __init__(self, enabled: bool = True, dtype: dtype = bfloat16, cache_enabled: bool = True) -> None:
        _warn("autocast", "'cpu', args...")
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """:class:`jtorch.amp.GradScaler` on the CPU, with the same arguments."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _warn("GradScaler", "'cpu', args...")
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
