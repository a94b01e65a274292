"""Kernels by name: what the functions call for each kind of input, on plain tensors (``v2.functional``).

Kernels of boxes and key points take what a ``tv_tensor`` would know as arguments (``format``,
``canvas_size``, ``clamping_mode``); where the image may change its size, they return its new size as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.tensor import Tensor
from jtorch.vision.transforms.v2.functional import _boxes, _color, _geometry, _misc, _points
from jtorch.vision.tv_tensors import BoundingBoxes, KeyPoints

#: Frames of a video are images.
_OF_IMAGES = {
    _color: "adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation adjust_sharpness "
    "autocontrast equalize invert permute_channels posterize solarize",
    _geometry: "affine center_crop crop elastic five_crop horizontal_flip pad perspective resize "
    "resized_crop rotate ten_crop vertical_flip",
    _misc: "erase gaussian_blur gaussian_noise jpeg normalize to_dtype",
}
#: Kernel -> its arguments after the tensor; a star: it returns the size of the image, too.
_OF_BOXES = {
    "horizontal_flip": "format canvas_size",
    "vertical_flip": "format canvas_size",
    "resize": "* canvas_size size max_size format clamping_mode",
    "affine": "format canvas_size angle translate scale shear center clamping_mode",
    "rotate": "* format canvas_size angle expand center clamping_mode",
    "pad": "* format canvas_size padding padding_mode clamping_mode",
    "crop": "* format top left height width clamping_mode",
    "perspective": "format canvas_size startpoints endpoints coefficients clamping_mode",
    "elastic": "format canvas_size displacement clamping_mode",
    "center_crop": "* format canvas_size output_size clamping_mode",
    "resized_crop": "* format top left height width size clamping_mode",
}
_OF_POINTS = {
    "horizontal_flip": "canvas_size",
    "vertical_flip": "canvas_size",
    "resize": "* size canvas_size max_size",
    "affine": "* canvas_size angle translate scale shear center",
    "rotate": "* canvas_size angle expand center",
    "pad": "* canvas_size padding padding_mode",
    "crop": "* top left height width",
    "perspective": "canvas_size startpoints endpoints coefficients",
    "elastic": "canvas_size displacement",
    "center_crop": "* canvas_size output_size",
    "resized_crop": "* top left height width size",
}


def _named(kernel: Callable[..., Any], kind: Any, parameters: str) -> Callable[..., Any]:
    sized, names = parameters.startswith("*"), parameters.replace("*", "").split()

    def function(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False)) | kwargs
        if len(args) > len(names) or not given.keys() <= set(names):
            raise TypeError(f"{function.__name__}() takes a tensor and {', '.join(names)}")
        known = {"canvas_size": (0, 0)}
        if kind is BoundingBoxes:
            known["format"] = "XYXY"  # type: ignore[assignment]
        for name in ("format", "canvas_size", "clamping_mode"):
            if name in given:
                known[name] = given.pop(name)
        made, changes = kernel(kind(tensor, **known), **given)
        return (made, changes.get("canvas_size", known["canvas_size"])) if sized else made

    suffix = "bounding_boxes" if kind is BoundingBoxes else "keypoints"
    function.__name__ = function.__qualname__ = f"{kernel.__name__}_{suffix}"
    function.__doc__ = kernel.__doc__
    return function


def kernels() -> dict[str, Callable[..., Any]]:
    """All of them that are not defined under their own name elsewhere."""
    found: dict[str, Callable[..., Any]] = {}
    for module, names in _OF_IMAGES.items():
        for name in names.split():
            found[f"{name}_video"] = getattr(module, f"{name}_image")
    for name, parameters in _OF_BOXES.items():
        found[f"{name}_bounding_boxes"] = _named(getattr(_boxes, name), BoundingBoxes, parameters)
    for name, parameters in _OF_POINTS.items():
        found[f"{name}_keypoints"] = _named(getattr(_points, name), KeyPoints, parameters)
    for name in ("horizontal_flip", "vertical_flip", "crop", "center_crop"):
        found[f"{name}_mask"] = getattr(_geometry, f"{name}_image")
    for name in ("affine", "rotate", "perspective", "elastic"):
        found[f"{name}_mask"] = getattr(_geometry, f"{name}_mask")
    for what in ("dimensions", "num_channels", "size"):
        for kind in ("image", "video"):
            found[f"get_{what}_{kind}"] = getattr(_misc, f"get_{what}")
    found["get_size_mask"] = _misc.get_size
    found["get_size_bounding_boxes"] = found["get_size_keypoints"] = _misc.get_size
    found["get_num_frames_video"] = _misc.get_num_frames
    return found
