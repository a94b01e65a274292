"""Signal processing (``torch.signal``)."""

from jtorch.signal import windows

__all__ = ["windows"]
