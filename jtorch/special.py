"""Special functions (``torch.special``): everything that is registered under this prefix."""

from jtorch.tensor._derive import derived

globals().update(derived["special"])
__all__ = sorted(derived["special"])
