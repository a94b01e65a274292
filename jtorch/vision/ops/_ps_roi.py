"""What the two position-sensitive poolings share: bin (p, q) looks at its own group of channels."""

from __future__ import annotations

from collections.abc import Sequence

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision.ops._utils import check_roi_boxes_shape, convert_boxes_to_roi_format

__all__ = ["grouped", "mean_over", "regions"]


def regions(input: Tensor, boxes: Tensor | Sequence[Tensor]) -> Tensor:
    """Boxes as ``(K, 5)``, without history.

    Raises:
        AssertionError: boxes of another shape.
        RuntimeError: another dtype than the input's.
    """
    check_roi_boxes_shape(boxes)
    rois = boxes if isinstance(boxes, Tensor) else convert_boxes_to_roi_format(boxes)
    if rois.dtype != input.dtype:
        raise RuntimeError("input and rois must have the same dtype")
    return rois.detach()


def grouped(input: Tensor, output_size: int | Sequence[int]) -> tuple[Tensor, int, int]:
    """The input as ``(N, C, P, Q, H, W)`` and the bins per side, P and Q.

    Raises:
        RuntimeError: P * Q does not divide the channels.
    """
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    images, channels, height, width = input.shape
    if channels % (rows * columns):
        raise RuntimeError("input channels must be a multiple of pooling height * pooling width")
    return input.reshape(images, -1, rows, columns, height, width), rows, columns


def mean_over(maps: Tensor, rois: Tensor, in_rows: Tensor, in_columns: Tensor) -> Tensor:
    """Sums weighted by row and column ``(K, bins, pixels)``, of the group of channels of each bin."""
    image = rois[:, 0].to(jtorch.int64)[:, None] == jtorch.arange(maps.shape[0], device=rois.device)
    of_rows = jtorch.einsum("kn,kph,ncpqhw->kcpqw", image.to(maps.dtype), in_rows.to(maps.dtype), maps)
    return jtorch.einsum("kcpqw,kqw->kcpq", of_rows, in_columns.to(maps.dtype))
