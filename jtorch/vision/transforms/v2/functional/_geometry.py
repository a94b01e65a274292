"""Sizes and places of pixels (``torchvision.transforms.v2.functional._geometry``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.tensor import Tensor
from jtorch.vision._host import contents
from jtorch.vision.transforms import _functional_pil as F_pil
from jtorch.vision.transforms import _functional_tensor as F_t
from jtorch.vision.transforms import _warps
from jtorch.vision.transforms import functional as F
from jtorch.vision.transforms.functional import InterpolationMode, pil_modes_mapping
from jtorch.vision.transforms.v2.functional import _boxes, _points
from jtorch.vision.transforms.v2.functional._dispatch import functional

_NEAREST = InterpolationMode.NEAREST
_BILINEAR = InterpolationMode.BILINEAR


def check_interpolation(interpolation: Any) -> InterpolationMode:
    """The mode that a name, or pillow's number, means.

    Raises:
        ValueError: there is none.
    """
    if isinstance(interpolation, str):
        names = [m.value for m in InterpolationMode]
        if interpolation not in names:
            raise ValueError(
                f"Invalid interpolation mode: '{interpolation}'. Supported string values are: {names}."
            )
        return InterpolationMode(interpolation)
    if isinstance(interpolation, int):
        return F._interpolation_modes_from_int(interpolation)
    if not isinstance(interpolation, InterpolationMode):
        raise ValueError(
            "Argument interpolation should be an `InterpolationMode` or a corresponding Pillow integer "
            f"constant, but got {interpolation}."
        )
    return interpolation


def horizontal_flip_image(image: Tensor) -> Tensor:
    """Left and right exchanged."""
    return _warps.flip(image, -1)


def vertical_flip_image(image: Tensor) -> Tensor:
    """Top and bottom exchanged."""
    return _warps.flip(image, -2)


def resize_image(
    image: Tensor,
    size: Any,
    interpolation: Any = _BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    """Another size; see ``transforms.functional.resize``. ``size`` may be ``None`` beside ``max_size``."""
    mode = check_interpolation(interpolation)
    if mode.value not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        raise NotImplementedError(f"{mode} is not available for tensors; resize the PIL image")
    old = (image.shape[-2], image.shape[-1])
    new = F._compute_resized_output_size(old, size, max_size, allow_size_none=True)
    if tuple(new) == old:
        return image
    smooth = bool(antialias) and mode in (_BILINEAR, InterpolationMode.BICUBIC)
    bytes_as_such = image.dtype.name == "uint8" and image.device.type == "cpu"
    return _warps.resize(image, new, mode.value, smooth, bytes_as_such)


def _resize_pil(
    image: Any,
    size: Any,
    interpolation: Any = _BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    mode = check_interpolation(interpolation)
    old = (image.height, image.width)
    new = F._compute_resized_output_size(old, size, max_size, allow_size_none=True)
    return F.resize(image, new, mode, antialias=antialias)


def resize_mask(mask: Tensor, size: Any, max_size: int | None = None, **unused: Any) -> Tensor:
    """A mask of another size, without new values."""
    return resize_image(mask, size, _NEAREST, max_size)


def crop_image(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A part; what lies outside of the image is 0."""
    return F_t.crop(image, top, left, height, width)


def center_crop_image(image: Tensor, output_size: Any) -> Tensor:
    """The middle part; a smaller image is padded with 0."""
    return F.center_crop(image, output_size)


def resized_crop_image(
    image: Tensor,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = _BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    """A part in another size."""
    return resize_image(crop_image(image, top, left, height, width), size, interpolation, None, antialias)


def _resized_crop_pil(
    image: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = _BILINEAR,
    antialias: bool | None = True,
) -> Any:
    return _resize_pil(F_pil.crop(image, top, left, height, width), size, interpolation, antialias=antialias)


def resized_crop_mask(
    mask: Tensor, top: int, left: int, height: int, width: int, size: Any, **unused: Any
) -> Tensor:
    """A part of a mask in another size."""
    return resize_mask(crop_image(mask, top, left, height, width), size)


def pad_image(image: Tensor, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Tensor:
    """More pixels on the sides; ``fill`` is one number or one per channel."""
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            "`padding_mode` should be either `'constant'`, `'edge'`, `'reflect'` or `'symmetric'`, but got "
            f"`'{padding_mode}'`."
        )
    return _warps.pad(image, F_t._parse_pad_padding(padding), 0 if fill is None else fill, padding_mode)


def pad_mask(mask: Tensor, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Tensor:
    """More pixels on the sides of a mask.

    Raises:
        ValueError: ``fill`` has one number per channel.
    """
    if isinstance(fill, tuple | list):
        raise ValueError("Non-scalar fill value is not supported")
    made = pad_image(mask if mask.ndim > 2 else mask[None], padding, fill, padding_mode)
    return made if mask.ndim > 2 else made[0]


def five_crop_image(image: Tensor, size: Any) -> tuple[Tensor, ...]:
    """The corners and the middle."""
    return F.five_crop(image, size)


def ten_crop_image(image: Tensor, size: Any, vertical_flip: bool = False) -> tuple[Tensor, ...]:
    """The corners and the middle of the image and of its mirror image."""
    return F.ten_crop(image, size, vertical_flip)


def _sample(image: Tensor, grid: Any, interpolation: Any, fill: Any) -> Tensor:
    mode = check_interpolation(interpolation)
    if mode not in (_NEAREST, _BILINEAR):
        raise ValueError(f"Interpolation mode '{mode.value}' is unsupported with Tensor input")
    whole = image if image.ndim > 2 else image[None]
    channels = whole.shape[-3]
    if isinstance(fill, tuple | list) and len(fill) not in (1, channels):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
            f"({len(fill)} != {channels})"
        )
    made = _warps.grid_sample(whole, grid, mode.value, fill, fused=True)
    return made if image.ndim > 2 else made[0]


def _size_of(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def affine_image(
    image: Tensor,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    interpolation: Any = _NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Tensor:
    """Turned, moved, scaled and sheared; see ``transforms.functional.affine``."""
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    matrix = _warps.inverse_affine_matrix(
        F._from_middle(center, image), float(angle), translate, scale, F._shear_pair(shear)
    )
    size = _size_of(image)
    return _sample(image, _warps.affine_grid(matrix, size, size), interpolation, fill)


def rotate_image(
    image: Tensor,
    angle: float,
    interpolation: Any = _NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Tensor:
    """Turned counterclockwise; see ``transforms.functional.rotate``."""
    angle = angle % 360
    size = _size_of(image)
    middle = [0.0, 0.0] if expand else F._from_middle(center, image)
    matrix = _warps.inverse_affine_matrix(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    out = _warps.affine_output_size(matrix, size[1], size[0])[::-1] if expand else size
    return _sample(image, _warps.affine_grid(matrix, size, out), interpolation, fill)


def perspective_image(
    image: Tensor,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = _BILINEAR,
    fill: Any = None,
    coefficients: Any = None,
) -> Tensor:
    """A perspective map; see ``transforms.functional.perspective``."""
    if coefficients is None:
        coefficients = _warps.perspective_coefficients(startpoints, endpoints)
    return _sample(image, _warps.perspective_grid(coefficients, _size_of(image)), interpolation, fill)


def elastic_image(
    image: Tensor, displacement: Tensor, interpolation: Any = _BILINEAR, fill: Any = None
) -> Tensor:
    """Each pixel moved; see ``transforms.functional.elastic_transform``."""
    size = _size_of(image)
    if tuple(displacement.shape) != (1, *size, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, *size, 2)}, but given {displacement.shape}"
        )
    return _sample(image, _warps.identity_grid(size) + contents(displacement)[0], interpolation, fill)


def _nearest(kernel: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same of a mask, without new values."""

    def of_mask(mask: Tensor, *args: Any, interpolation: Any = None, **kwargs: Any) -> Tensor:
        return kernel(mask, *args, interpolation=_NEAREST, **kwargs)

    return of_mask


def _of_pil(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of PIL images that takes names of interpolations, too."""

    def of_pil(image: Any, *args: Any, **kwargs: Any) -> Any:
        if "interpolation" in kwargs:
            kwargs["interpolation"] = check_interpolation(kwargs["interpolation"])
        return function(image, *args, **kwargs)

    return of_pil


def _perspective_pil(
    image: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = _BILINEAR,
    fill: Any = None,
    coefficients: Any = None,
) -> Any:
    if coefficients is None:
        coefficients = _warps.perspective_coefficients(startpoints, endpoints)
    return F_pil.perspective(image, coefficients, pil_modes_mapping[check_interpolation(interpolation)], fill)


def _pad_pil(image: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    return F_pil.pad(image, padding, fill, padding_mode)


horizontal_flip = hflip = functional(
    horizontal_flip_image, F_pil.hflip, horizontal_flip_image, _boxes.horizontal_flip, _points.horizontal_flip
)
vertical_flip = vflip = functional(
    vertical_flip_image, F_pil.vflip, vertical_flip_image, _boxes.vertical_flip, _points.vertical_flip
)
resize = functional(resize_image, _resize_pil, resize_mask, _boxes.resize, _points.resize)
crop = functional(crop_image, F_pil.crop, crop_image, _boxes.crop, _points.crop)
center_crop = functional(
    center_crop_image, F.center_crop, center_crop_image, _boxes.center_crop, _points.center_crop
)
resized_crop = functional(
    resized_crop_image, _resized_crop_pil, resized_crop_mask, _boxes.resized_crop, _points.resized_crop
)
pad = functional(pad_image, _pad_pil, pad_mask, _boxes.pad, _points.pad)
five_crop = functional(five_crop_image, F.five_crop)
ten_crop = functional(ten_crop_image, F.ten_crop)
affine_mask, rotate_mask = _nearest(affine_image), _nearest(rotate_image)
perspective_mask, elastic_mask = _nearest(perspective_image), _nearest(elastic_image)
affine = functional(affine_image, _of_pil(F.affine), affine_mask, _boxes.affine, _points.affine)
rotate = functional(rotate_image, _of_pil(F.rotate), rotate_mask, _boxes.rotate, _points.rotate)
perspective = functional(
    perspective_image, _perspective_pil, perspective_mask, _boxes.perspective, _points.perspective
)
elastic = elastic_transform = functional(
    elastic_image, _of_pil(F.elastic_transform), elastic_mask, _boxes.elastic, _points.elastic
)
