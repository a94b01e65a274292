"""Boxes from one format to another; names say what the last dimension holds."""

from __future__ import annotations

import math
from collections.abc import Callable

import jtorch
from jtorch.tensor import Tensor

__all__ = ["DIRECT", "FORMATS"]

FORMATS = ("xyxy", "xywh", "cxcywh", "xywhr", "cxcywhr", "xyxyxyxy")


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Centre and size -> corners."""
    cx, cy, w, h = boxes.unbind(-1)
    return jtorch.stack((cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h), dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Corners -> centre and size."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return jtorch.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), dim=-1)


def xywh_to_xyxy(boxes: Tensor) -> Tensor:
    """First corner and size -> corners."""
    x, y, w, h = boxes.unbind(-1)
    return jtorch.stack((x, y, x + w, y + h), dim=-1)


def xyxy_to_xywh(boxes: Tensor) -> Tensor:
    """Corners -> first corner and size."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return jtorch.stack((x1, y1, x2 - x1, y2 - y1), dim=-1)


def _like(made: Tensor, boxes: Tensor) -> Tensor:
    return made if boxes.is_floating_point() else made.round().to(boxes.dtype)


def _turn(r: Tensor) -> tuple[Tensor, Tensor]:
    radians = r * math.pi / 180.0
    return jtorch.cos(radians), jtorch.sin(radians)


def cxcywhr_to_xywhr(boxes: Tensor) -> Tensor:
    """Centre -> first corner of a box turned by r degrees."""
    cx, cy, w, h, r = boxes.unbind(-1)
    cos, sin = _turn(r)
    x = cx - w / 2 * cos - h / 2 * sin
    y = cy - h / 2 * cos + w / 2 * sin
    return _like(jtorch.stack((x, y, w, h, r), dim=-1), boxes)


def xywhr_to_cxcywhr(boxes: Tensor) -> Tensor:
    """First corner -> centre of a box turned by r degrees."""
    x, y, w, h, r = boxes.unbind(-1)
    cos, sin = _turn(r)
    cx = x + w / 2 * cos + h / 2 * sin
    cy = y - w / 2 * sin + h / 2 * cos
    return _like(jtorch.stack((cx, cy, w, h, r), dim=-1), boxes)


def xywhr_to_xyxyxyxy(boxes: Tensor) -> Tensor:
    """First corner, size and angle -> four corners."""
    x1, y1, w, h, r = boxes.unbind(-1)
    cos, sin = _turn(r)
    x2, y2 = x1 + w * cos, y1 - w * sin
    x4, y4 = x1 + h * sin, y1 + h * cos
    x3, y3 = x2 + h * sin, y2 + h * cos
    return _like(jtorch.stack((x1, y1, x2, y2, x3, y3, x4, y4), dim=-1), boxes)


def xyxyxyxy_to_xywhr(boxes: Tensor) -> Tensor:
    """Four corners -> first corner, size and angle."""
    x1, y1, x2, y2, x3, y3, _, _ = boxes.unbind(-1)
    r = jtorch.atan2(y1 - y2, x2 - x1) * 180 / math.pi
    w = ((x2 - x1) ** 2 + (y1 - y2) ** 2).sqrt()
    h = ((x3 - x2) ** 2 + (y3 - y2) ** 2).sqrt()
    return _like(jtorch.stack((x1, y1, w, h, r), dim=-1), boxes)


#: Conversions, each as steps.
DIRECT: dict[tuple[str, str], tuple[Callable[[Tensor], Tensor], ...]] = {
    ("xywh", "xyxy"): (xywh_to_xyxy,),
    ("cxcywh", "xyxy"): (cxcywh_to_xyxy,),
    ("xyxy", "xywh"): (xyxy_to_xywh,),
    ("xyxy", "cxcywh"): (xyxy_to_cxcywh,),
    ("xywh", "cxcywh"): (xywh_to_xyxy, xyxy_to_cxcywh),
    ("cxcywh", "xywh"): (cxcywh_to_xyxy, xyxy_to_xywh),
    ("cxcywhr", "xywhr"): (cxcywhr_to_xywhr,),
    ("xywhr", "cxcywhr"): (xywhr_to_cxcywhr,),
    ("cxcywhr", "xyxyxyxy"): (cxcywhr_to_xywhr, xywhr_to_xyxyxyxy),
    ("xyxyxyxy", "cxcywhr"): (xyxyxyxy_to_xywhr, xywhr_to_cxcywhr),
    ("xywhr", "xyxyxyxy"): (xywhr_to_xyxyxyxy,),
    ("xyxyxyxy", "xywhr"): (xyxyxyxy_to_xywhr,),
}
