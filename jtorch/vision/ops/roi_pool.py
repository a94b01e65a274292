"""Maxima in the bins of regions (``torchvision.ops.roi_pool``)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.ops._utils import check_roi_boxes_shape, convert_boxes_to_roi_format

__all__ = ["RoIPool", "roi_pool"]


def roi_pool(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """Largest value in each bin of each region, whose corners are rounded to pixels; 0 in empty bins.

    Args:
        input: ``(N, C, H, W)``.
        boxes: ``(K, 5)`` of (image, x1, y1, x2, y2), or per image ``(L, 4)``.
        output_size: bins, (height, width).
        spatial_scale: from the boxes' coordinates to the input's.

    Returns:
        ``(K, C, height, width)``.

    Raises:
        AssertionError: boxes of another shape.

    Reference: Girshick, "Fast R-CNN", 2015, https://arxiv.org/abs/1504.08083
    """
    check_roi_boxes_shape(boxes)
    rois = boxes if isinstance(boxes, Tensor) else convert_boxes_to_roi_format(boxes)
    rois = rois.detach()
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    # Halves away from zero, as C rounds.
    scaled = rois[:, 1:] * spatial_scale
    x1, y1, x2, y2 = (scaled.sign() * (scaled.abs() + 0.5).floor()).unbind(1)
    height, width = input.shape[-2:]
    in_rows = _members(y1, y2, rows, height)  # (K, rows, H)
    in_columns = _members(x1, x2, columns, width)
    maps = input[rois[:, 0].to(jtorch.int64)]  # (K, C, H, W)
    of_rows = jtorch.where(in_rows[:, None, :, :, None], maps[:, :, None], -math.inf).amax(dim=3)
    inside = in_columns[:, None, None]  # (K, 1, 1, columns, W)
    most = jtorch.where(inside, of_rows[:, :, :, None], -math.inf).amax(dim=-1)
    return jtorch.where(most == -math.inf, 0.0, most).to(input.dtype)


def _members(first: Tensor, last: Tensor, bins: int, size: int) -> Tensor:
    """Which of ``size`` pixels lie in each bin of each region, along one side: ``(K, bins, size)``."""
    length = (last - first + 1).clamp(min=1)
    # By a tensor: XLA multiplies by the reciprocal of a number, which may move a bound to the next pixel.
    step = (length / jtorch.full_like(length, bins))[:, None]
    i = jtorch.arange(bins, device=first.device)
    low = ((i * step).floor() + first[:, None]).clamp(min=0, max=size)
    high = (((i + 1) * step).ceil() + first[:, None]).clamp(min=0, max=size)
    pixels = jtorch.arange(size, device=first.device)
    return (pixels >= low[..., None]) & (pixels < high[..., None])


class RoIPool(nn.Module):
    """Module form of :func:`roi_pool`."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        """See :func:`roi_pool`."""
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"
