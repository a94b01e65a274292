"""Mixed precision under its old path (``torch.cuda.amp``)."""

from jtorch.cuda.amp.autocast_mode import autocast, custom_bwd, custom_fwd
from jtorch.cuda.amp.common import amp_definitely_not_available
from jtorch.cuda.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "amp_definitely_not_available", "autocast", "custom_bwd", "custom_fwd"]
