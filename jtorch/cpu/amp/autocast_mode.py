"""Casts on the CPU (``torch.cpu.amp.autocast_mode``)."""

from __future__ import annotations

from jtorch import amp
from jtorch.cpu.amp._old_path import warn
from jtorch.dtypes import bfloat16, dtype

__all__ = ["autocast"]


class autocast(amp.autocast):
    """:class:`jtorch.autocast` of CPU tensors.

    Args:
        enabled: whether to cast inside.
        dtype: ``bfloat16`` by default.
        cache_enabled: keep the casts of weights until the outermost block ends.
    """

    def __init__(self, enabled: bool = True, dtype: dtype = bfloat16, cache_enabled: bool = True) -> None:
        warn("autocast", "'cpu', args...")
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)
