"""CUDA devices as a kind of accelerator."""

from __future__ import annotations

from jtorch._accelerators import Kind

__all__ = ["KIND"]


def _missing() -> Exception:
    return AssertionError("Torch not compiled with CUDA enabled")


KIND = Kind("cuda", _missing)
