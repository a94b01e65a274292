"""Window functions (``torch.signal.windows``)."""

from jtorch.tensor._derive import derived

globals().update(derived["signal.windows"])
__all__ = sorted(derived["signal.windows"])
