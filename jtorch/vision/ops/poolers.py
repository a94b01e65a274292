"""Regions sampled from the level of a feature pyramid that suits their size (``torchvision.ops.poolers``)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.ops._utils import convert_boxes_to_roi_format
from jtorch.vision.ops.boxes import box_area
from jtorch.vision.ops.roi_align import roi_align

__all__ = ["LevelMapper", "MultiScaleRoIAlign"]


class LevelMapper:
    """The level of a pyramid for a box: one more for each doubling of its side.

    Args:
        k_min: the finest level.
        k_max: the coarsest.
        canonical_scale: side of a box that belongs to ``canonical_level``.
        canonical_level: that level.
        eps: added before the level is rounded down.
    """

    def __init__(
        self,
        k_min: int,
        k_max: int,
        canonical_scale: int = 224,
        canonical_level: int = 4,
        eps: float = 1e-6,
    ) -> None:
        self.k_min, self.k_max = k_min, k_max
        self.s0, self.lvl0, self.eps = canonical_scale, canonical_level, eps

    def __call__(self, boxlists: Sequence[Tensor]) -> Tensor:
        """Levels of boxes, counted from the finest."""
        side = jtorch.sqrt(jtorch.cat([box_area(boxes) for boxes in boxlists]))
        level = jtorch.floor(self.lvl0 + jtorch.log2(side / self.s0) + self.eps)
        return level.clamp(self.k_min, self.k_max).to(jtorch.int64) - self.k_min


class MultiScaleRoIAlign(nn.Module):
    """:func:`roi_align` on the level of a feature pyramid that suits each box.

    Args:
        featmap_names: of the levels that are used, the finest first.
        output_size: bins, (height, width).
        sampling_ratio: samples per bin and side.
        canonical_scale: side of a box that belongs to ``canonical_level``.
        canonical_level: that level.

    Raises:
        ValueError: at the call, without images.

    Reference: Lin et al., "Feature Pyramid Networks for Object Detection", 2017,
    https://arxiv.org/abs/1612.03144
    """

    def __init__(
        self,
        featmap_names: list[str],
        output_size: int | Sequence[int],
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names = featmap_names
        self.sampling_ratio = sampling_ratio
        self.output_size = (output_size,) * 2 if isinstance(output_size, int) else tuple(output_size)
        self.scales: list[float] | None = None
        self.map_levels: LevelMapper | None = None
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def _setup(self, levels: list[Tensor], image_shapes: Sequence[tuple[int, int]]) -> list[float]:
        """Scales of the levels, powers of 2, from the largest height of all images."""
        if not image_shapes:
            raise ValueError("images list should not be empty")
        height = max(shape[0] for shape in image_shapes)
        scales = [2.0 ** round(math.log2(level.shape[-2] / height)) for level in levels]
        finest, coarsest = (int(-math.log2(scales[i])) for i in (0, -1))
        self.map_levels = LevelMapper(finest, coarsest, self.canonical_scale, self.canonical_level)
        self.scales = scales
        return scales

    def forward(
        self, x: Mapping[str, Tensor], boxes: list[Tensor], image_shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Regions ``(K, C, *output_size)``.

        Args:
            x: feature maps ``(N, C, H, W)`` by name.
            boxes: per image ``(L, 4)`` of (x1, y1, x2, y2) in pixels of the image.
            image_shapes: (height, width) of each image; looked at in the first call.
        """
        levels = [maps for name, maps in x.items() if name in self.featmap_names]
        scales = self._setup(levels, image_shapes) if self.scales is None else self.scales
        rois = convert_boxes_to_roi_format(boxes)
        size, ratio = self.output_size, self.sampling_ratio
        if len(levels) == 1:
            return roi_align(levels[0], rois, size, scales[0], ratio)
        assert self.map_levels is not None
        of_boxes = self.map_levels(boxes)
        made = jtorch.zeros(len(rois), levels[0].shape[1], *size, dtype=levels[0].dtype, device=rois.device)
        for level, (maps, scale) in enumerate(zip(levels, scales, strict=True)):
            # All regions on all levels, of which one each is kept: shapes do not depend on the boxes.
            found = roi_align(maps, rois, size, scale, ratio).to(made.dtype)
            made = jtorch.where((of_boxes == level)[:, None, None, None], found, made)
        return made

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, output_size={self.output_size}, "
            f"sampling_ratio={self.sampling_ratio})"
        )
