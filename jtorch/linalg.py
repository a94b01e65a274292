"""Linear algebra (``torch.linalg``): everything that is registered under this prefix."""

from jtorch.tensor._derive import derived

globals().update(derived["linalg"])
__all__ = sorted(derived["linalg"])
