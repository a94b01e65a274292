"""Means in the bins of regions of position-sensitive feature maps (``torchvision.ops.ps_roi_pool``)."""

from __future__ import annotations

from collections.abc import Sequence

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.ops._ps_roi import grouped, mean_over, regions

__all__ = ["PSRoIPool", "ps_roi_pool"]


def ps_roi_pool(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """Mean in each bin of each region, in the channels that belong to the bin; 0 in empty bins.

    Corners are rounded to pixels. As in torchvision, the last row and column of pixels are never counted.

    Args:
        input: ``(N, C * P * Q, H, W)``.
        boxes: ``(K, 5)`` of (image, x1, y1, x2, y2), or per image ``(L, 4)``.
        output_size: bins, (P, Q).
        spatial_scale: from the boxes' coordinates to the input's.

    Returns:
        ``(K, C, P, Q)``.

    Raises:
        AssertionError: boxes of another shape.
        RuntimeError: bins that do not divide the channels, or dtypes that differ.

    Reference: Dai et al., "R-FCN", 2016, https://arxiv.org/abs/1605.06409
    """
    rois = regions(input, boxes)
    maps, rows, columns = grouped(input, output_size)
    # Halves away from zero, as C rounds.
    scaled = rois[:, 1:] * spatial_scale
    x1, y1, x2, y2 = (scaled.sign() * (scaled.abs() + 0.5).floor()).unbind(1)
    return mean_over(
        maps, rois, _shares(y1, y2, rows, input.shape[-2]), _shares(x1, x2, columns, input.shape[-1])
    )


def _shares(first: Tensor, last: Tensor, bins: int, size: int) -> Tensor:
    """What each of ``size`` pixels counts in each bin of each region, along one side: ``(K, bins, size)``."""
    length = (last - first).clamp(min=1)
    # By a tensor: XLA multiplies by the reciprocal of a number, which may move a bound to the next pixel.
    step = (length / jtorch.full_like(length, bins))[:, None]
    i = jtorch.arange(bins, device=first.device)
    low = ((i * step).floor() + first[:, None]).clamp(min=0, max=size - 1)
    high = (((i + 1) * step).ceil() + first[:, None]).clamp(min=0, max=size - 1)
    pixels = jtorch.arange(size, device=first.device)
    inside = (pixels >= low[..., None]) & (pixels < high[..., None])
    return inside / (high - low).clamp(min=1)[..., None]


class PSRoIPool(nn.Module):
    """Module form of :func:`ps_roi_pool`."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        """See :func:`ps_roi_pool`."""
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"
