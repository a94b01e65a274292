"""Scaled gradients on GPUs (``torch.cuda.amp.grad_scaler``)."""

from __future__ import annotations

from jtorch import amp
from jtorch.cuda.amp._old_path import warn

__all__ = ["GradScaler"]


class GradScaler(amp.GradScaler):
    """:class:`jtorch.amp.GradScaler` on GPUs, with the same arguments."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        warn("GradScaler", "'cuda', args...")
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
