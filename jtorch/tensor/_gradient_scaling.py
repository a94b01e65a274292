"""The in-place operations of :class:`jtorch.amp.GradScaler`, under PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence

from jtorch.dtypes import float32
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import Tensor, call
from jtorch.tensor._inplace import assign

__all__ = ["_amp_foreach_non_finite_check_and_unscale_", "_amp_update_scale_"]


def _amp_foreach_non_finite_check_and_unscale_(
    self: Sequence[Tensor], found_inf: Tensor, inv_scale: Tensor
) -> None:
    """Multiply gradients by ``inv_scale`` in place and set ``found_inf`` to 1 if one is infinite or nan."""
    for name, x in (("inv_scale", inv_scale), ("found_inf", found_inf)):
        if x.numel() != 1:
            raise RuntimeError(f"{name} must be a 1-element tensor.")
        if x.dtype is not float32:
            raise RuntimeError(f"{name} must be a float tensor.")
    with no_grad():
        flag, *unscaled = call("_amp_unscale", list(self), found_inf, inv_scale)
        assign(found_inf, flag)
        for gradient, new in zip(self, unscaled, strict=True):
            assign(gradient, new)


def _amp_update_scale_(
    self: Tensor,
    growth_tracker: Tensor,
    found_inf: Tensor,
    scale_growth_factor: float,
    scale_backoff_factor: float,
    growth_interval: int,
) -> Tensor:
    """Change the scale after a step: shrink it if ``found_inf``, let it grow after enough good steps."""
    with no_grad():
        scale, tracker = call(
            "_amp_next_scale",
            self,
            growth_tracker,
            found_inf,
            float(scale_growth_factor),
            float(scale_backoff_factor),
            int(growth_interval),
        )
        assign(growth_tracker, tracker)
        return assign(self, scale)
