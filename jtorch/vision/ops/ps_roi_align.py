"""Regions of position-sensitive feature maps, sampled bilinearly (``torchvision.ops.ps_roi_align``)."""

from __future__ import annotations

from collections.abc import Sequence

from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.ops._ps_roi import grouped, mean_over, regions
from jtorch.vision.ops.roi_align import _weights

__all__ = ["PSRoIAlign", "ps_roi_align"]


def ps_roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """Mean of bilinear samples in each bin of each region, in the channels that belong to the bin.

    Args:
        input: ``(N, C * P * Q, H, W)``.
        boxes: ``(K, 5)`` of (image, x1, y1, x2, y2), or per image ``(L, 4)``.
        output_size: bins, (P, Q).
        spatial_scale: from the boxes' coordinates to the input's.
        sampling_ratio: samples per bin and side; 0 or less: ceil(region / bins).

    Returns:
        ``(K, C, P, Q)``.

    Raises:
        AssertionError: boxes of another shape.
        RuntimeError: bins that do not divide the channels, or dtypes that differ.

    Reference: Li et al., "Light-Head R-CNN", 2017, https://arxiv.org/abs/1711.07264
    """
    rois = regions(input, boxes)
    maps, rows, columns = grouped(input, output_size)
    x1, y1, x2, y2 = (rois[:, 1:] * spatial_scale - 0.5).unbind(1)
    in_rows = _weights(y1, y2 - y1, rows, input.shape[-2], sampling_ratio, aligned=True)
    in_columns = _weights(x1, x2 - x1, columns, input.shape[-1], sampling_ratio, aligned=True)
    return mean_over(maps, rois, in_rows, in_columns)


class PSRoIAlign(nn.Module):
    """Module form of :func:`ps_roi_align`."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        """See :func:`ps_roi_align`."""
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio})"
        )
