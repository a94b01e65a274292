"""Transforms of sizes and places of pixels (``v2``); their arguments are those of ``transforms``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jtorch
from jtorch.vision.transforms import _crops, _distortions, _draws
from jtorch.vision.transforms._arguments import check_sequence, setup_angle, setup_size
from jtorch.vision.transforms.v2 import functional as F
from jtorch.vision.transforms.v2._fill import fill_for, setup_fill
from jtorch.vision.transforms.v2._transform import RandomApplied, Transform, query_size

__all__ = [
    "CenterCrop",
    "ElasticTransform",
    "FiveCrop",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomPerspective",
    "RandomResize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShortestSize",
    "RandomVerticalFlip",
    "RandomZoomOut",
    "Resize",
    "ScaleJitter",
    "TenCrop",
]


class RandomHorizontalFlip(RandomApplied):
    """Left and right exchanged with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The flipped input."""
        return self._call_kernel(F.horizontal_flip, inpt)


class RandomVerticalFlip(RandomApplied):
    """Top and bottom exchanged with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The flipped input."""
        return self._call_kernel(F.vertical_flip, inpt)


class Resize(Transform):
    """Another size; ``size=None`` with ``max_size``: the longer side's.

    Raises:
        ValueError: ``size`` is neither one number nor two.
    """

    def __init__(
        self,
        size: Any,
        interpolation: Any = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        elif size is not None:
            raise ValueError(
                f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead."
            )
        elif not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        self.size, self.interpolation, self.max_size, self.antialias = (
            size,
            interpolation,
            max_size,
            antialias,
        )

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The resized input."""
        options = {
            "interpolation": self.interpolation,
            "max_size": self.max_size,
            "antialias": self.antialias,
        }
        return self._call_kernel(F.resize, inpt, self.size, **options)


class CenterCrop(Transform):
    """The middle part."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = setup_size(size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The part."""
        return self._call_kernel(F.center_crop, inpt, output_size=self.size)


class RandomResizedCrop(Transform):
    """A part of random size and shape, resized."""

    def __init__(
        self,
        size: Any,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = setup_size(size)
        _crops.check_scale_and_ratio(scale, ratio)
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The place of the part."""
        size = query_size(flat_inputs)
        place = _crops.RandomResizedCrop.get_params(_Canvas(size), self.scale, self.ratio)
        return dict(zip(("top", "left", "height", "width"), place, strict=True))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The resized part."""
        options = {"size": self.size, "interpolation": self.interpolation, "antialias": self.antialias}
        return self._call_kernel(F.resized_crop, inpt, **params, **options)


def _Canvas(size: tuple[int, ...]) -> Any:
    """Stands for an image of that size."""
    return jtorch.empty(0).expand(1, *size) if 0 in size else jtorch.zeros(1).expand(1, *size)


class FiveCrop(Transform):
    """The corners and the middle, as a tuple of five images."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = setup_size(size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The parts."""
        return self._call_kernel(F.five_crop, inpt, self.size)


class TenCrop(Transform):
    """The corners and the middle of the image and of its mirror image, as a tuple of ten images."""

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = setup_size(size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The parts."""
        return self._call_kernel(F.ten_crop, inpt, self.size, vertical_flip=self.vertical_flip)


def _check_padding(padding: Any, padding_mode: str) -> None:
    sides = padding if isinstance(padding, tuple | list) else [padding]
    if len(sides) not in (1, 2, 4) or not all(isinstance(p, int) for p in sides):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element of tuple or list, got {padding}.")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")


class Pad(Transform):
    """More pixels on the sides.

    Raises:
        ValueError: arguments of another kind.
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        _check_padding(padding, padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill, self._fill = fill, setup_fill(fill)
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The padded input."""
        fill = fill_for(self._fill, inpt)
        return self._call_kernel(F.pad, inpt, padding=self.padding, fill=fill, padding_mode=self.padding_mode)


class RandomZoomOut(RandomApplied):
    """The image in a larger, filled one at a random place, with probability ``p``.

    Args:
        fill: of the larger image.
        side_range: range of the factor of its sides.
        p: probability.

    Raises:
        ValueError: ``side_range`` is no range from 1 on.
    """

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.fill, self._fill = fill, setup_fill(fill)
        check_sequence(side_range, "side_range", (2,))
        self.side_range = side_range
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The padding."""
        height, width = query_size(flat_inputs)
        low, high = self.side_range
        factor = low + _draws.chance() * (high - low)
        room = [int(width * factor) - width, int(height * factor) - height]
        left, top = (int(r * share) for r, share in zip(room, jtorch.rand(2).tolist(), strict=True))
        return {"padding": [left, top, room[0] - left, room[1] - top]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The larger input."""
        return self._call_kernel(F.pad, inpt, **params, fill=fill_for(self._fill, inpt))


class RandomRotation(Transform):
    """A turn by a random angle."""

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = "nearest",
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = setup_angle(degrees, "degrees", (2,))
        self.interpolation, self.expand = interpolation, expand
        self.fill, self._fill = fill, setup_fill(fill)
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The angle."""
        return {"angle": _draws.uniform(self.degrees[0], self.degrees[1])}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The turned input."""
        options = {"interpolation": self.interpolation, "expand": self.expand, "center": self.center}
        return self._call_kernel(F.rotate, inpt, **params, **options, fill=fill_for(self._fill, inpt))


class RandomAffine(Transform):
    """A random turn, move, scaling and shear around the middle."""

    def __init__(
        self,
        degrees: Any,
        translate: Any = None,
        scale: Any = None,
        shear: Any = None,
        interpolation: Any = "nearest",
        fill: Any = 0,
        center: Any = None,
    ) -> None:
        super().__init__()
        self.degrees = setup_angle(degrees, "degrees", (2,))
        _distortions.check_affine(translate, scale, center)
        self.translate, self.scale = translate, scale
        self.shear = None if shear is None else setup_angle(shear, "shear", (2, 4))
        self.interpolation = interpolation
        self.fill, self._fill = fill, setup_fill(fill)
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The map."""
        height, width = query_size(flat_inputs)
        made = _distortions.RandomAffine.get_params(
            self.degrees, self.translate, self.scale, self.shear, [width, height]
        )
        return dict(zip(("angle", "translate", "scale", "shear"), made, strict=True))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The transformed input."""
        options = {"interpolation": self.interpolation, "center": self.center}
        return self._call_kernel(F.affine, inpt, **params, **options, fill=fill_for(self._fill, inpt))


class RandomCrop(Transform):
    """A part at a random place."""

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = setup_size(size)
        if padding is not None:
            _check_padding(padding, padding_mode)
        sides = [padding] if isinstance(padding, int) else list(padding or [0])
        left, top, right, bottom = sides * (4 // len(sides))
        self.padding = [left, right, top, bottom] if padding else None
        self.pad_if_needed = pad_if_needed
        self.fill, self._fill = fill, setup_fill(fill)
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Padding and place of the part.

        Raises:
            ValueError: the padded image is smaller.
        """
        height, width = query_size(flat_inputs)
        left, right, top, bottom = self.padding or [0, 0, 0, 0]
        wanted_height, wanted_width = self.size
        if self.pad_if_needed:
            down = max(wanted_height - (height + top + bottom), 0)
            across = max(wanted_width - (width + left + right), 0)
            left, right, top, bottom = left + across, right + across, top + down, bottom + down
        room = height + top + bottom - wanted_height, width + left + right - wanted_width
        if min(room) < 0:
            padded = (height + top + bottom, width + left + right)
            kind = "padded " if self.padding is not None else ""
            raise ValueError(
                f"Required crop size {(wanted_height, wanted_width)} is larger than {kind}input image size "
                f"{padded}."
            )
        place = [_draws.integer(0, r + 1) if r else 0 for r in room]
        return {"padding": [left, top, right, bottom], "place": place, "crop": any(room)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The part."""
        if any(params["padding"]):
            options = {"padding": params["padding"], "padding_mode": self.padding_mode}
            inpt = self._call_kernel(F.pad, inpt, **options, fill=fill_for(self._fill, inpt))
        if params["crop"]:
            top, left = params["place"]
            height, width = self.size
            inpt = self._call_kernel(F.crop, inpt, top=top, left=left, height=height, width=width)
        return inpt


class RandomPerspective(RandomApplied):
    """A random perspective with probability ``p``.

    Raises:
        ValueError: ``distortion_scale`` is not in [0, 1].
    """

    def __init__(
        self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = "bilinear", fill: Any = 0
    ) -> None:
        super().__init__(p=p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale, self.interpolation = distortion_scale, interpolation
        self.fill, self._fill = fill, setup_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The corners, before and after."""
        height, width = query_size(flat_inputs)
        start, end = _distortions.RandomPerspective.get_params(width, height, self.distortion_scale)
        return {"startpoints": start, "endpoints": end}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The distorted input."""
        fill = fill_for(self._fill, inpt)
        return self._call_kernel(F.perspective, inpt, **params, fill=fill, interpolation=self.interpolation)


class ElasticTransform(Transform):
    """Pixels moved by smooth noise, as if seen through water."""

    def __init__(
        self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = "bilinear", fill: Any = 0
    ) -> None:
        super().__init__()
        self.alpha = _distortions.setup_elastic(alpha, "alpha")
        self.sigma = _distortions.setup_elastic(sigma, "sigma")
        self.interpolation = interpolation
        self.fill, self._fill = fill, setup_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The displacement."""
        size = query_size(flat_inputs)
        return {"displacement": _distortions.ElasticTransform.get_params(self.alpha, self.sigma, size)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The distorted input."""
        fill = fill_for(self._fill, inpt)
        return self._call_kernel(F.elastic, inpt, **params, fill=fill, interpolation=self.interpolation)


class _Resizing(Transform):
    interpolation: Any
    antialias: bool | None

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The resized input."""
        options = {"interpolation": self.interpolation, "antialias": self.antialias}
        return self._call_kernel(F.resize, inpt, size=params["size"], **options)


class ScaleJitter(_Resizing):
    """A random share of the largest size that fits into ``target_size``."""

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size, self.scale_range = target_size, scale_range
        self.interpolation, self.antialias = interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        height, width = query_size(flat_inputs)
        low, high = self.scale_range
        # In float32, as torchvision computes with a tensor.
        scale = low + jtorch.rand(1) * (high - low)
        factor = (min(self.target_size[1] / height, self.target_size[0] / width) * scale).item()
        return {"size": (int(height * factor), int(width * factor))}


class RandomShortestSize(_Resizing):
    """A random one of several sizes of the shorter side, as far as the longer one allows."""

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int | None = None,
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation, self.antialias = interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        height, width = query_size(flat_inputs)
        factor = self.min_size[_draws.integer(0, len(self.min_size))] / min(height, width)
        if self.max_size is not None:
            factor = min(factor, self.max_size / max(height, width))
        return {"size": (int(height * factor), int(width * factor))}


class RandomResize(_Resizing):
    """A random size of the shorter side, from ``min_size`` up to, but not including, ``max_size``."""

    def __init__(
        self, min_size: int, max_size: int, interpolation: Any = "bilinear", antialias: bool | None = True
    ) -> None:
        super().__init__()
        self.min_size, self.max_size = min_size, max_size
        self.interpolation, self.antialias = interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        return {"size": [_draws.integer(self.min_size, self.max_size)]}
