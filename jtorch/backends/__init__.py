"""Switches and facts about what computes (``torch.backends``). Everything here is computed by XLA.

>>> import jtorch as torch
>>> with torch.backends.cudnn.flags(deterministic=True):
...     torch.backends.cudnn.deterministic
True
"""

from jtorch.backends import (
    cpu,
    cuda,
    cudnn,
    cusparselt,
    kleidiai,
    mha,
    mkl,
    mkldnn,
    mps,
    nnpack,
    openmp,
    opt_einsum,
)

__all__ = [
    "cpu", "cuda", "cudnn", "cusparselt", "kleidiai", "mha", "mkl", "mkldnn", "mps", "nnpack", "openmp",
    "opt_einsum",
]  # fmt: skip
