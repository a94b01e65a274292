"""What this build is (``torch.version``): the PyTorch release it follows, and no CUDA toolkit of its own."""

from __future__ import annotations

from jtorch._version import PYTORCH

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "xpu"]

__version__ = PYTORCH
debug = False
#: JAX brings its own CUDA libraries; PyTorch's toolkit versions do not apply.
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
git_version: str | None = None
