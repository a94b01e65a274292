"""Regions of feature maps, sampled bilinearly (``torchvision.ops.roi_align``)."""

from __future__ import annotations

from collections.abc import Sequence

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.ops._utils import check_roi_boxes_shape, convert_boxes_to_roi_format

__all__ = ["RoIAlign", "roi_align"]


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Mean of bilinear samples in each bin of each region.

    A sample's weight for a pixel is a product of one for its row and one for its column, so the means of
    a bin are, too: regions are two products of matrices, and no pixel is gathered.

    Args:
        input: ``(N, C, H, W)``.
        boxes: ``(K, 5)`` of (image, x1, y1, x2, y2), or per image ``(L, 4)``.
        output_size: bins, (height, width).
        spatial_scale: from the boxes' coordinates to the input's.
        sampling_ratio: samples per bin and side; 0 or less: ceil(region / bins), for which
            the boxes are read.
        aligned: pixel centres lie at half-integers.

    Returns:
        ``(K, C, height, width)``.

    Raises:
        AssertionError: boxes of another shape.

    Reference: He et al., "Mask R-CNN", 2017, https://arxiv.org/abs/1703.06870
    """
    check_roi_boxes_shape(boxes)
    rois = boxes if isinstance(boxes, Tensor) else convert_boxes_to_roi_format(boxes)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    rois = rois.detach()
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    x1, y1, x2, y2 = corners.unbind(1)
    images, _, height, width = input.shape
    in_rows = _weights(y1, y2 - y1, rows, height, sampling_ratio, aligned)  # (K, rows, H)
    in_columns = _weights(x1, x2 - x1, columns, width, sampling_ratio, aligned)  # (K, columns, W)
    image = rois[:, 0].to(jtorch.int64)[:, None] == jtorch.arange(images, device=rois.device)
    image = image.to(input.dtype)
    of_rows = jtorch.einsum("kn,kph,nchw->kcpw", image, in_rows.to(input.dtype), input)
    return jtorch.einsum("kcpw,kqw->kcpq", of_rows, in_columns.to(input.dtype))


def _weights(start: Tensor, length: Tensor, bins: int, size: int, ratio: int, aligned: bool) -> Tensor:
    """What each of ``size`` pixels counts in each bin of each region, along one side: ``(K, bins, size)``."""
    if not aligned:
        length = length.clamp(min=1.0)
    step = length / bins
    if ratio > 0:
        samples, most = jtorch.full_like(step, ratio), ratio
    else:
        samples = jtorch.ceil(step)
        most = int(samples.max().item()) if samples.numel() else 0
        most = 1 << max(most - 1, 0).bit_length()  # so that programs are shared
    i = jtorch.arange(most, device=start.device)
    offsets = (i + 0.5) / samples.clamp(min=1)[:, None]  # (K, most)
    places = start[:, None, None] + step[:, None, None] * (
        jtorch.arange(bins, device=start.device)[None, :, None] + offsets[:, None, :]
    )
    # Samples up to one pixel outside count as if they lay on the border; others count nothing.
    counts = (i < samples[:, None])[:, None, :] & (places >= -1.0) & (places <= size)
    places = places.clamp(min=0.0, max=size - 1.0)
    pixels = jtorch.arange(size, device=start.device)
    shares = (1.0 - (places[..., None] - pixels).abs()).clamp(min=0.0) * counts[..., None]
    return shares.sum(dim=2) / samples.clamp(min=1)[:, None, None]


class RoIAlign(nn.Module):
    """Module form of :func:`roi_align`."""

    def __init__(
        self,
        output_size: int | Sequence[int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        """See :func:`roi_align`."""
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned})"
        )
