"""Dropout of square regions (``torchvision.ops.drop_block``)."""

from __future__ import annotations

import math

import jtorch
from jtorch import nn
from jtorch.nn import functional as F
from jtorch.tensor import Tensor

__all__ = ["DropBlock2d", "DropBlock3d", "drop_block2d", "drop_block3d"]


def drop_block2d(
    input: Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-6,
    training: bool = True,
) -> Tensor:
    """Set squares of feature maps to 0, and scale the rest to keep the mean.

    Args:
        input: ``(N, C, H, W)``.
        p: share of places to drop, in [0, 1].
        block_size: side of the squares, odd.
        inplace: whether the input is overwritten.
        eps: added to the number of places kept.
        training: otherwise the input is returned.

    Raises:
        ValueError: ``p``, the number of dimensions or ``block_size`` is out of range.

    Reference: Ghiasi et al., "DropBlock", 2018, https://arxiv.org/abs/1810.12890
    """
    return _drop_block(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(
    input: Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-6,
    training: bool = True,
) -> Tensor:
    """As :func:`drop_block2d`, with cubes in inputs ``(N, C, D, H, W)``."""
    return _drop_block(input, p, block_size, inplace, eps, training, 3)


def _drop_block(
    input: Tensor, p: float, block_size: int, inplace: bool, eps: float, training: bool, dims: int
) -> Tensor:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != dims + 2:
        raise ValueError(f"input should be {dims + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    sizes = list(input.shape[2:])
    block_size = min(block_size, *sizes)
    if block_size % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block_size} which is even.")
    # Centres lie where the whole block fits.
    centers = [s - block_size + 1 for s in sizes]
    gamma = p * math.prod(sizes) / (block_size**dims * math.prod(centers))
    noise = jtorch.empty([*input.shape[:2], *centers], dtype=input.dtype, device=input.device)
    noise = noise.bernoulli_(gamma)
    half = block_size // 2
    noise = F.pad(noise, [half] * (2 * dims), value=0)
    pool = F.max_pool2d if dims == 2 else F.max_pool3d
    keep = 1 - pool(noise, kernel_size=block_size, stride=1, padding=half)
    scale = keep.numel() / (eps + keep.sum())
    if inplace:
        return input.mul_(keep).mul_(scale)
    return input * keep * scale


class DropBlock2d(nn.Module):
    """Module form of :func:`drop_block2d`."""

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6) -> None:
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        """See :func:`drop_block2d`."""
        return drop_block2d(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """Module form of :func:`drop_block3d`."""

    def forward(self, input: Tensor) -> Tensor:
        """See :func:`drop_block3d`."""
        return drop_block3d(input, self.p, self.block_size, self.inplace, self.eps, self.training)
