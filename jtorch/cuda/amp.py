"""Mixed precision under its old path (``torch.cuda.amp``)."""

from jtorch.amp import GradScaler, autocast, custom_bwd, custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]
