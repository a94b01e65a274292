"""Pictures of images: grids, boxes, masks, points (``torchvision.utils``)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor

__all__ = [
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]

_Color = str | tuple[int, int, int]
_Colors = _Color | list[Any] | None


def _batch_of(tensor: Any) -> Any:
    """Images ``(N, C, H, W)`` as NumPy, grey ones in three channels."""
    if isinstance(tensor, list):
        for t in tensor:
            if not isinstance(t, Tensor):
                raise TypeError(f"tensor or list of tensors expected, got a list containing {type(t)}")
        images = np.stack([contents(t.detach()) for t in tensor])
    elif isinstance(tensor, Tensor):
        images = contents(tensor.detach())
    else:
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    if images.ndim == 2:
        images = images[None]
    if images.ndim == 3:
        images = images[None]
    return np.repeat(images, 3, 1) if images.ndim == 4 and images.shape[1] == 1 else images


def _stretched(images: Any, value_range: tuple[float, float] | None) -> Any:
    low, high = value_range or (float(images.min()), float(images.max()))
    kind = images.dtype.type
    return (np.clip(images, low, high) - kind(low)) / kind(max(high - low, 1e-5))


def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """One image of many; computed on the host.

    Args:
        tensor: ``(N, C, H, W)``, or a list of images of one size.
        nrow: images per row.
        padding: pixels between them.
        normalize: stretch values to [0, 1].
        value_range: values that become 0 and 1; ``None``: the least and the largest.
        scale_each: stretch each image on its own.
        pad_value: of the padding.

    Returns:
        ``(C, H', W')``; grey images get three channels.

    Raises:
        TypeError: no tensors, or ``value_range`` is no tuple.
    """
    images = _batch_of(tensor)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        if scale_each:
            images = np.stack([_stretched(image, value_range) for image in images])
        else:
            images = _stretched(images, value_range)
    if len(images) == 1:
        return to_tensor(images[0].copy())
    count, channels, height, width = images.shape
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    grid = np.full((channels, height * rows + padding, width * columns + padding), pad_value, images.dtype)
    for k, image in enumerate(images):
        top, left = k // columns * height + padding, k % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = image
    return to_tensor(grid)


def save_image(tensor: Tensor | list[Tensor], fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Write an image, or a grid of several, with values from 0 to 1 to a file.

    Args:
        tensor: see :func:`make_grid`.
        fp: path or file.
        format: pillow's name of it; ``None``: by the path.
        **kwargs: of :func:`make_grid`.
    """
    grid = contents(make_grid(tensor, **kwargs))
    kind = grid.dtype.type
    pixels = np.clip(grid * kind(255) + kind(0.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(pixels)).save(fp, format=format)


def _palette(count: int) -> list[tuple[int, ...]]:
    base = (2**25 - 1, 2**15 - 1, 2**21 - 1)
    return [tuple(i * b % 255 for b in base) for i in range(count)]


def _parse_colors(colors: _Colors, count: int) -> list[tuple[int, ...]]:
    """A colour for each of ``count`` things.

    Raises:
        ValueError: too few colours, or no colours.
    """
    found: list[Any]
    if colors is None:
        found = _palette(count)
    elif isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(
                f"Number of colors must be equal or larger than the number of objects, but got {len(colors)} "
                f"< {count}."
            )
        found = colors
    elif not isinstance(colors, tuple | str):
        raise ValueError(f"colors must be a tuple or a string, or a list thereof, but got {colors}.")
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"If passed as tuple, colors should be an RGB triplet, but got {colors}.")
    else:
        found = [colors] * count
    return [ImageColor.getrgb(c) if isinstance(c, str) else c for c in found]


def _check_image(
    image: Any, channels: tuple[int, ...], text: str, name: str = "The image must be a tensor"
) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(f"{name}, got {type(image)}")
    if not (image.dtype == jtorch.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) not in channels:
        raise ValueError(text)


def _to_bytes(image: Tensor) -> Any:
    """Pixels ``(H, W, 3)`` of an image; floats up to 1 as bytes."""
    pixels = contents(image.detach())
    if pixels.dtype != np.uint8:
        pixels = (pixels * pixels.dtype.type(255.999)).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(pixels, 3 // len(pixels), 0).transpose(1, 2, 0))


def _from_picture(picture: Image.Image, like: Tensor) -> Tensor:
    pixels = np.asarray(picture).transpose(2, 0, 1)
    if like.dtype != jtorch.uint8:
        kind = like.dtype.numpy
        pixels = pixels.astype(kind) * kind.type(1 / 255)
    return to_tensor(pixels.copy())


def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: Sequence[str | None] | None = None,
    colors: _Colors = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: _Colors = None,
    label_background_colors: _Colors = None,
    fill_labels: bool = False,
) -> Tensor:
    """An image with boxes.

    Args:
        image: ``(C, H, W)`` with 1 or 3 channels, uint8, or floats from 0 to 1.
        boxes: ``(N, 4)`` as (x1, y1, x2, y2).
        labels: a text (or ``None``) per box.
        colors: one, or a list: names or (r, g, b); ``None``: chosen.
        fill: fill the boxes, transparently.
        width: of the lines.
        font: file of a TrueType font; ``None``: pillow's.
        font_size: of that font.
        label_colors: of the texts; ``None``: those of the boxes.
        label_background_colors: behind the texts; ``None``: those of the boxes.
        fill_labels: fill behind the texts.

    Returns:
        ``(3, H, W)`` of the same dtype.

    Raises:
        TypeError, ValueError: arguments that do not go together.
        NotImplementedError: turned boxes ``(N, 8)``.
    """
    _check_image(image, (1, 3), "Only grayscale and RGB images are supported", "Tensor expected")
    if boxes.shape[-1] != 4:
        raise NotImplementedError("draw_bounding_boxes draws straight boxes (N, 4) only")
    corners = contents(boxes)
    if (corners[:, :2] > corners[:, 2:]).any():
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert to convert "
            "them"
        )
    count = len(corners)
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify labels for each "
            "box."
        )
    lines = _parse_colors(colors, count)
    texts = _parse_colors(label_colors or "black", count) if label_colors or fill_labels else lines
    behind = (
        _parse_colors(label_background_colors, count) if fill_labels and label_background_colors else lines
    )
    if font is None and font_size is not None:
        warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=2)
    face: Any = ImageFont.load_default() if font is None else ImageFont.truetype(font, font_size or 10)
    picture = Image.fromarray(_to_bytes(image))
    draw = ImageDraw.Draw(picture, "RGBA" if fill else None)
    places = [tuple(int(x) for x in box) for box in corners.tolist()]
    for i, box in enumerate(places):
        inside = (*lines[i], 100) if fill else None
        draw.rectangle(box, width=width, outline=lines[i], fill=inside)
        label = None if labels is None else labels[i]
        if label is not None:
            at = (box[0] + width + 1, box[1] + width + 1)
            if fill_labels:
                left, top, right, bottom = draw.textbbox(at, label, font=face)
                draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=behind[i])
            draw.text(at, label, fill=texts[i], font=face)
    return _from_picture(picture, image)


def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: _Colors = None
) -> Tensor:
    """An RGB image with coloured masks; where masks overlap, it is darkened.

    Args:
        image: ``(3, H, W)``, uint8, or floats from 0 to 1.
        masks: bool, ``(N, H, W)`` or ``(H, W)``.
        alpha: opacity of the masks, from 0 to 1.
        colors: one, or a list: names or (r, g, b); ``None``: chosen.

    Raises:
        TypeError, ValueError: arguments that do not go together.
    """
    _check_image(image, (3,), "Pass an RGB image. Other Image formats are not supported")
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != jtorch.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    if not len(masks):
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    where, pixels = contents(masks), contents(image.detach())
    painted = pixels.copy()
    scale = 1 if pixels.dtype == np.uint8 else 255
    for mask, color in zip(where, _parse_colors(colors, len(where)), strict=False):
        painted[:, mask] = (np.asarray(color) / scale).astype(pixels.dtype)[:, None]
    painted[:, where.sum(0) > 1] = 0
    mixed = pixels * np.float32(1 - alpha) + painted * np.float32(alpha)
    return to_tensor(mixed.astype(pixels.dtype))


def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: _Color | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """An RGB image with points, and lines between them.

    Args:
        image: ``(3, H, W)``, uint8, or floats from 0 to 1.
        keypoints: ``(N, K, 2)`` as (x, y).
        connectivity: pairs of points that lines connect.
        colors: of the points.
        radius: of the points.
        width: of the lines.
        visibility: bool, ``(N, K)``: which points are drawn.

    Raises:
        TypeError, ValueError: arguments that do not go together.
    """
    _check_image(image, (3,), "Pass an RGB image. Other Image formats are not supported")
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    seen = np.ones(keypoints.shape[:-1], bool) if visibility is None else contents(visibility).astype(bool)
    seen = seen[..., 0] if seen.ndim == 3 else seen
    if seen.ndim != 2:
        raise ValueError(f"visibility must be of shape (num_instances, K). Got ndim={seen.ndim}")
    if seen.shape != tuple(keypoints.shape[:-1]):
        raise ValueError(
            "keypoints and visibility must have the same dimensionality for num_instances and K. Got "
            f"visibility.shape={jtorch.Size(seen.shape)!r} and keypoints.shape={keypoints.shape!r}"
        )
    picture = Image.fromarray(_to_bytes(image))
    draw = ImageDraw.Draw(picture)
    for points, visible in zip(contents(keypoints).astype(np.int64).tolist(), seen.tolist(), strict=True):
        for (x, y), shown in zip(points, visible, strict=True):
            if shown:
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colors, width=0)
        for i, j in connectivity or ():
            if visible[i] and visible[j]:
                draw.line((tuple(points[i]), tuple(points[j])), width=width)
    return _from_picture(picture, image)


#: Steps around the circle of colours of optical flow -> which channel rises or falls (Baker et al., 2007).
_WHEEL = (
    (15, 0, 1, True),
    (6, 1, 0, False),
    (4, 1, 2, True),
    (11, 2, 1, False),
    (13, 2, 0, True),
    (6, 0, 2, False),
)


def _color_wheel() -> Any:
    parts = []
    for steps, full, other, rising in _WHEEL:
        part = np.zeros((steps, 3), np.float32)
        ramp = np.floor(255 * np.arange(steps, dtype=np.float32) / steps)
        part[:, full] = 255
        part[:, other] = ramp if rising else 255 - ramp
        parts.append(part)
    return np.concatenate(parts)


def flow_to_image(flow: Tensor) -> Tensor:
    """Optical flow in colours: hue is the direction, saturation the speed.

    Args:
        flow: float32, ``(N, 2, H, W)`` or ``(2, H, W)``.

    Returns:
        uint8, ``(N, 3, H, W)`` or ``(3, H, W)``.

    Raises:
        ValueError: another shape or dtype.
    """
    if flow.dtype != jtorch.float32:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    if flow.ndim not in (3, 4) or flow.shape[-3] != 2:
        raise ValueError(f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {flow.shape}.")
    vectors = contents(flow)
    longest = np.sqrt((vectors**2).sum(-3)).max()
    x, y = np.moveaxis(vectors / (longest + np.finfo(np.float32).eps), -3, 0)
    wheel = _color_wheel()
    place = (np.arctan2(-y, -x) / np.float32(np.pi) + 1) / 2 * (len(wheel) - 1)
    low = np.floor(place).astype(np.int64)
    share = (place - low)[..., None]
    color = (1 - share) * (wheel[low] / 255) + share * (wheel[(low + 1) % len(wheel)] / 255)
    speed = np.sqrt(x**2 + y**2)[..., None]
    pixels = np.floor(255 * (1 - speed * (1 - color))).astype(np.uint8)
    return to_tensor(np.moveaxis(pixels, -1, -3).copy())
