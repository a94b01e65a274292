"""Versions: the package's own, and the PyTorch release whose behaviour it follows."""

__all__ = ["PYTORCH", "VERSION"]

VERSION = "0.1.0"
PYTORCH = "2.13.0"
