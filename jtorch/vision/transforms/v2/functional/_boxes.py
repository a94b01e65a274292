"""Kernels of straight bounding boxes, computed on the host; they return boxes and attributes that change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor
from jtorch.vision.ops.boxes import box_convert
from jtorch.vision.transforms.functional import _compute_resized_output_size, _size_pair
from jtorch.vision.transforms.v2.functional import _points
from jtorch.vision.transforms.v2.functional._dispatch import is_pure_tensor
from jtorch.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, is_rotated_bounding_format, wrap

__all__ = ["clamp_bounding_boxes", "convert_bounding_box_format"]

_Made = tuple[Tensor, dict[str, Any]]


def _corners(boxes: Any, what: str) -> Any:
    """(x1, y1, x2, y2) of boxes.

    Raises:
        NotImplementedError: they are turned.
    """
    if is_rotated_bounding_format(boxes.format):
        # Differs from PyTorch: torchvision transforms them, too.
        raise NotImplementedError(f"{what} of turned boxes ({boxes.format.value}) is not available")
    x = contents(boxes)
    if boxes.format is BoundingBoxFormat.XYXY:
        return x.copy()
    first, size = x[:, :2], x[:, 2:]
    if boxes.format is BoundingBoxFormat.CXCYWH:
        first = first - size / 2 if x.dtype.kind == "f" else first - np.ceil(size / 2).astype(x.dtype)
    return np.concatenate([first, first + size], 1)


def _in_format(corners: Any, boxes: Any) -> Tensor:
    corners = corners.astype(boxes.dtype.numpy)
    first, last = corners[:, :2], corners[:, 2:]
    size = last - first
    if boxes.format is BoundingBoxFormat.XYWH:
        corners = np.concatenate([first, size], 1)
    elif boxes.format is BoundingBoxFormat.CXCYWH:
        middle = (first + last) / 2
        corners = np.concatenate([middle if middle.dtype == corners.dtype else np.round(middle), size], 1)
    return to_tensor(corners.astype(boxes.dtype.numpy)).to(boxes.device)


def _clamped(corners: Any, canvas: tuple[int, int], mode: str | None) -> Any:
    if mode is None:
        return corners
    height, width = canvas
    return np.clip(corners, 0, np.array([width, height, width, height]))


def horizontal_flip(boxes: Any) -> _Made:
    """Left and right exchanged."""
    corners = _corners(boxes, "horizontal_flip")
    corners[:, [0, 2]] = boxes.canvas_size[1] - corners[:, [2, 0]]
    return _in_format(corners, boxes), {}


def vertical_flip(boxes: Any) -> _Made:
    """Top and bottom exchanged."""
    corners = _corners(boxes, "vertical_flip")
    corners[:, [1, 3]] = boxes.canvas_size[0] - corners[:, [3, 1]]
    return _in_format(corners, boxes), {}


def resize(boxes: Any, size: Any, max_size: int | None = None, **unused: Any) -> _Made:
    """Of a resized image."""
    height, width = boxes.canvas_size
    new = tuple(_compute_resized_output_size((height, width), size, max_size, allow_size_none=True))
    factor = np.array([new[1] / width, new[0] / height] * 2, np.float32)
    _corners(boxes, "resize")  # refuses turned boxes
    made = (contents(boxes) * factor).astype(boxes.dtype.numpy)
    return to_tensor(made).to(boxes.device), {"canvas_size": new}


def crop(boxes: Any, top: int, left: int, height: int, width: int) -> _Made:
    """Of a part of the image."""
    corners = _corners(boxes, "crop") - np.array([left, top] * 2)
    corners = _clamped(corners, (height, width), boxes.clamping_mode)
    return _in_format(corners, boxes), {"canvas_size": (height, width)}


def pad(boxes: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> _Made:
    """Of a padded image.

    Raises:
        ValueError: a padding that shows parts of the image again.
    """
    if padding_mode not in ("constant",):
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with bounding boxes")
    sides = [padding] if isinstance(padding, int) else list(padding)
    left, top, right, bottom = sides * (4 // len(sides))
    height, width = boxes.canvas_size
    canvas = (height + top + bottom, width + left + right)
    corners = _clamped(_corners(boxes, "pad") + np.array([left, top] * 2), canvas, boxes.clamping_mode)
    return _in_format(corners, boxes), {"canvas_size": canvas}


def center_crop(boxes: Any, output_size: Any) -> _Made:
    """Of the middle of the image."""
    height, width = _size_pair(output_size)
    old_height, old_width = boxes.canvas_size
    return crop(boxes, round((old_height - height) / 2.0), round((old_width - width) / 2.0), height, width)


def resized_crop(boxes: Any, top: int, left: int, height: int, width: int, size: Any, **unused: Any) -> _Made:
    """Of a resized part of the image."""
    made, changes = crop(boxes, top, left, height, width)
    return resize(wrap(made, like=boxes, **changes), size)


def _mapped(boxes: Any, what: str, map: Callable[[Any], Any]) -> Any:
    """The smallest straight boxes around the corners after a map of points ``(4 N, 2)``."""
    corners = _corners(boxes, what)
    if corners.dtype.kind != "f":
        corners = corners.astype(np.float32)
    if not len(corners):
        return corners
    points = map(corners[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)).reshape(-1, 4, 2)
    return np.concatenate([points.min(1), points.max(1)], 1)


def affine(
    boxes: Any, angle: float, translate: Any, scale: float, shear: Any, center: Any = None, **unused: Any
) -> _Made:
    """Around boxes of a turned, moved, scaled and sheared image."""
    return _affine(boxes, "affine", angle, translate, scale, shear, center, False)


def rotate(boxes: Any, angle: float, expand: bool = False, center: Any = None, **unused: Any) -> _Made:
    """Around boxes of a turned image."""
    return _affine(boxes, "rotate", -angle, [0.0, 0.0], 1.0, [0.0, 0.0], center, expand)


def _affine(boxes: Any, what: str, *arguments: Any) -> _Made:
    canvas = boxes.canvas_size

    def map(points: Any) -> Any:
        nonlocal canvas
        made, canvas = _points.affine_points(points, boxes.canvas_size, *arguments)
        return made

    corners = _mapped(boxes, what, map)
    return _in_format(_clamped(corners, canvas, boxes.clamping_mode), boxes), {"canvas_size": canvas}


def perspective(
    boxes: Any, startpoints: Any, endpoints: Any, coefficients: Any = None, **unused: Any
) -> _Made:
    """Around boxes of an image after a perspective map."""
    corners = _mapped(
        boxes, "perspective", lambda p: _points.perspective_points(p, startpoints, endpoints, coefficients)
    )
    return _in_format(_clamped(corners, boxes.canvas_size, boxes.clamping_mode), boxes), {}


def elastic(boxes: Any, displacement: Any, **unused: Any) -> _Made:
    """Around boxes of an image whose pixels are moved."""
    canvas = boxes.canvas_size
    corners = _mapped(boxes, "elastic", lambda p: _points.elastic_points(np.ceil(p), canvas, displacement))
    return _in_format(_clamped(corners, canvas, boxes.clamping_mode), boxes), {}


def convert_bounding_box_format(
    inpt: Tensor, old_format: Any = None, new_format: Any = None, inplace: bool = False
) -> Tensor:
    """Boxes in another format.

    Args:
        inpt: :class:`BoundingBoxes`, or a plain tensor ``(N, K)``.
        old_format: of a plain tensor.
        new_format: of the result.
        inplace: not available.

    Raises:
        TypeError, ValueError: formats that are missing or given twice.
        NotImplementedError: ``inplace``.
    """
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    if inplace:
        raise NotImplementedError("convert_bounding_box_format with inplace=True is not available")
    pure = is_pure_tensor(inpt)
    if pure == (old_format is None):
        raise ValueError("`old_format` has to be passed for simple tensors, and only for these")
    old = (old_format if pure else inpt.format) or ""
    names = [f.upper() if isinstance(f, str) else f.value for f in (old, new_format)]
    made = box_convert(inpt.as_subclass(Tensor), names[0].lower(), names[1].lower())
    return made if pure else BoundingBoxes.wrap(made, inpt, format=BoundingBoxFormat[names[1]])


def clamp_bounding_boxes(
    inpt: Tensor, format: Any = None, canvas_size: Any = None, clamping_mode: str | None = "auto"
) -> Tensor:
    """Boxes cut to the image.

    Args:
        inpt: :class:`BoundingBoxes`, or a plain tensor ``(N, 4)``.
        format: of a plain tensor.
        canvas_size: of a plain tensor.
        clamping_mode: ``auto``: that of the boxes; ``None``: leave them.

    Raises:
        ValueError: an unknown mode; arguments that are missing or given twice.
        TypeError: an input of another kind.
    """
    if clamping_mode not in ("soft", "hard", "auto", None):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if is_pure_tensor(inpt):
        if format is None or canvas_size is None or clamping_mode == "auto":
            raise ValueError(
                "For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed."
            )
        boxes = BoundingBoxes(inpt, format=format, canvas_size=canvas_size, clamping_mode=clamping_mode)
        return clamp_bounding_boxes(boxes).as_subclass(Tensor)
    if not isinstance(inpt, BoundingBoxes):
        raise TypeError(
            f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead."
        )
    if format is not None or canvas_size is not None:
        raise ValueError("For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed.")
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    made = _in_format(_clamped(_corners(inpt, "clamp_bounding_boxes"), inpt.canvas_size, mode), inpt)
    return wrap(made, like=inpt)
