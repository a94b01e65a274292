"""Where points of an image go: maps of places, and kernels of key points, computed on the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor
from jtorch.vision.transforms import _functional_tensor as F_t
from jtorch.vision.transforms import _warps
from jtorch.vision.transforms.functional import _compute_resized_output_size, _shear_pair, _size_pair
from jtorch.vision.transforms.v2.functional._dispatch import is_pure_tensor
from jtorch.vision.tv_tensors import KeyPoints, wrap

__all__ = ["clamp_keypoints"]

Array = np.ndarray[Any, Any]
Size = tuple[int, int]
_Made = tuple[Tensor, dict[str, Any]]


# ---- maps of points (N, 2), in float32 or float64


def affine_points(
    points: Array,
    canvas: Size,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    center: Any = None,
    expand: bool = False,
) -> tuple[Array, Size]:
    """Points after an affine map, and the size of the image that holds it."""
    height, width = canvas
    middle = [width * 0.5, height * 0.5] if center is None else [float(c) for c in center]
    arguments = (middle, float(angle), translate, scale, _shear_pair(shear))
    rows = np.asarray(_warps.inverse_affine_matrix(*arguments, inverted=False), points.dtype).reshape(2, 3)
    made = points @ rows[:, :2].T + rows[:, 2]
    if not expand:
        return made, canvas
    corners = np.array([[0, 0], [0, height], [width, height], [width, 0]], points.dtype)
    made = made - (corners @ rows[:, :2].T + rows[:, 2]).min(0)
    new_width, new_height = _warps.affine_output_size(_warps.inverse_affine_matrix(*arguments), width, height)
    return made, (new_height, new_width)


def perspective_points(points: Array, startpoints: Any, endpoints: Any, coefficients: Any) -> Array:
    """Points after a perspective map, whose coefficients lead from its result back to the image.

    Raises:
        ValueError: neither four points each nor eight coefficients.
        RuntimeError: the map has no inverse.
    """
    if coefficients is None and (startpoints is None or endpoints is None):
        raise ValueError("Either the startpoints/endpoints or the coefficients must have non `None` values.")
    if coefficients is None:
        coefficients = _warps.perspective_coefficients(startpoints, endpoints)
    elif len(coefficients) != 8:
        raise ValueError("Argument coefficients should have 8 float values")
    a, b, c, d, e, f, g, h = coefficients
    if a * e == b * d:
        raise RuntimeError(f"Provided perspective_coeffs {coefficients} can not be inverted: a * e = b * d")
    inverse = np.linalg.inv(np.array([[a, b, c], [d, e, f], [g, h, 1.0]])).astype(points.dtype)
    made = points @ inverse[:, :2].T + inverse[:, 2]
    return made[:, :2] / made[:, 2:]


def elastic_points(points: Array, canvas: Size, displacement: Any) -> Array:
    """Points moved against the displacement at their pixel, which is nearly its inverse.

    Raises:
        TypeError, ValueError: no tensor ``(1, height, width, 2)``.
    """
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    height, width = canvas
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given {displacement.shape}"
        )
    places = points.astype(np.int64)
    x, y = np.clip(places[:, 0], 0, width - 1), np.clip(places[:, 1], 0, height - 1)
    kind = points.dtype if points.dtype.kind == "f" else np.dtype(np.float32)
    grid = _warps.identity_grid(canvas).astype(kind) - contents(displacement)[0].astype(kind)
    return (grid[y, x] + 1) * (0.5 * np.array([width, height], kind)) - np.asarray(0.5, kind)


# ---- kernels of key points: they return points and attributes that change


def _floats(points: Any) -> Array:
    x = contents(points).reshape(-1, 2)
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def _like(made: Array, points: Any) -> Tensor:
    array = made.astype(points.dtype.numpy).reshape(tuple(points.shape))
    return to_tensor(array, contents(points)).to(points.device)


def horizontal_flip(points: Any) -> _Made:
    """Left and right exchanged."""
    x = contents(points).copy()
    x[..., 0] = points.canvas_size[1] - 1 - x[..., 0]
    return _like(x, points), {}


def vertical_flip(points: Any) -> _Made:
    """Top and bottom exchanged."""
    x = contents(points).copy()
    x[..., 1] = points.canvas_size[0] - 1 - x[..., 1]
    return _like(x, points), {}


def resize(points: Any, size: Any, max_size: int | None = None, **unused: Any) -> _Made:
    """Of a resized image."""
    height, width = points.canvas_size
    new = tuple(_compute_resized_output_size((height, width), size, max_size, allow_size_none=True))
    factor = np.array([new[1] / width, new[0] / height], np.float32)
    return _like(contents(points) * factor, points), {"canvas_size": new}


def crop(points: Any, top: int, left: int, height: int, width: int) -> _Made:
    """Of a part of the image; points outside of it stay."""
    return _like(contents(points) - np.array([left, top]), points), {"canvas_size": (height, width)}


def pad(points: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> _Made:
    """Of a padded image.

    Raises:
        ValueError: a padding that shows parts of the image again.
    """
    if padding_mode != "constant":
        raise ValueError(
            f"Padding mode '{padding_mode}' is not supported with KeyPoints (supported modes are constant)"
        )
    left, right, top, bottom = F_t._parse_pad_padding(padding)
    height, width = points.canvas_size
    made = contents(points) + np.array([left, top])
    return _like(made, points), {"canvas_size": (height + top + bottom, width + left + right)}


def center_crop(points: Any, output_size: Any) -> _Made:
    """Of the middle of the image."""
    return crop(points, *_middle(points.canvas_size, output_size))


def _middle(canvas: Size, output_size: Any) -> tuple[int, int, int, int]:
    height, width = _size_pair(output_size)
    return round((canvas[0] - height) / 2.0), round((canvas[1] - width) / 2.0), height, width


def resized_crop(
    points: Any, top: int, left: int, height: int, width: int, size: Any, **unused: Any
) -> _Made:
    """Of a resized part of the image."""
    made, changes = crop(points, top, left, height, width)
    return resize(wrap(made, like=points, **changes), size)


def affine(
    points: Any, angle: float, translate: Any, scale: float, shear: Any, center: Any = None, **unused: Any
) -> _Made:
    """Of a turned, moved, scaled and sheared image."""
    made, _ = affine_points(_floats(points), points.canvas_size, angle, translate, scale, shear, center)
    return _like(made, points), {}


def rotate(points: Any, angle: float, expand: bool = False, center: Any = None, **unused: Any) -> _Made:
    """Of a turned image."""
    made, canvas = affine_points(
        _floats(points), points.canvas_size, -angle, [0.0, 0.0], 1.0, [0.0, 0.0], center, expand
    )
    return _like(made, points), {"canvas_size": canvas}


def perspective(
    points: Any, startpoints: Any, endpoints: Any, coefficients: Any = None, **unused: Any
) -> _Made:
    """Of an image after a perspective map."""
    return _like(perspective_points(_floats(points), startpoints, endpoints, coefficients), points), {}


def elastic(points: Any, displacement: Any, **unused: Any) -> _Made:
    """Of an image whose pixels are moved."""
    return _like(
        elastic_points(contents(points).reshape(-1, 2), points.canvas_size, displacement), points
    ), {}


def clamp_keypoints(inpt: Tensor, canvas_size: Size | None = None) -> Tensor:
    """Points moved to the nearest pixel of the image.

    Args:
        inpt: :class:`KeyPoints`, or a plain tensor ``(..., 2)``.
        canvas_size: (height, width) for a plain tensor.

    Raises:
        ValueError: the size is missing, or given twice.
        TypeError: an input of another kind.
    """
    pure = is_pure_tensor(inpt)
    if not pure and not isinstance(inpt, KeyPoints):
        raise TypeError(
            f"Input can either be a plain tensor or a keypoints tv_tensor, but got {type(inpt)} instead."
        )
    if pure and canvas_size is None:
        raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
    if not pure and canvas_size is not None:
        raise ValueError("For keypoints tv_tensor inputs, `canvas_size` must not be passed.")
    height, width = canvas_size if canvas_size is not None else inpt.canvas_size
    made = _like(np.clip(contents(inpt), 0, np.array([width - 1, height - 1])), inpt)
    return made if pure else wrap(made, like=inpt)
