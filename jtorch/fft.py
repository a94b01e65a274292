"""Discrete Fourier transforms (``torch.fft``): everything that is registered under this prefix."""

from jtorch.tensor._derive import derived

globals().update(derived["fft"])
__all__ = sorted(derived["fft"])
