"""Tensors that say what they are, for ``transforms.v2`` (``torchvision.tv_tensors``).

Operations on them return plain tensors; transforms keep their kind.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import jtorch
from jtorch.tensor import Tensor
from jtorch.tensor._overrides import disabled_torch_function

__all__ = [
    "BoundingBoxFormat",
    "BoundingBoxes",
    "Image",
    "KeyPoints",
    "Mask",
    "TVTensor",
    "Video",
    "is_rotated_bounding_format",
    "set_return_type",
    "wrap",
]


class TVTensor(Tensor):
    """Base of the kinds."""

    __torch_function__ = disabled_torch_function

    @classmethod
    def _make(cls, data: Any, dtype: Any, device: Any, requires_grad: bool | None) -> Tensor:
        if requires_grad is None:
            requires_grad = data.requires_grad if isinstance(data, Tensor) else False
        return jtorch.as_tensor(data, dtype=dtype, device=device).requires_grad_(requires_grad)

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        """The data, which are shared if they are a tensor, as a tensor of this kind."""
        return cls._wrap(cls._make(data, dtype, device, requires_grad))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Made by ``__new__``."""

    @classmethod
    def _wrap(cls, tensor: Tensor) -> Any:
        return tensor.as_subclass(cls)

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **kwargs: Any) -> Any:
        """A tensor as the kind of ``like``, with its attributes."""
        return cls._wrap(tensor)


class Image(TVTensor):
    """An image ``(..., C, H, W)``, of a tensor, a PIL image or an array ``(C, H, W)`` or ``(H, W)``."""

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        """See :class:`Image`."""
        if hasattr(data, "getbands"):
            from jtorch.vision.transforms.functional import pil_to_tensor  # noqa: PLC0415 (needs pillow)

            data = pil_to_tensor(data)
        tensor = cls._make(data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError
        return cls._wrap(tensor.unsqueeze(0) if tensor.ndim == 2 else tensor)


class Video(TVTensor):
    """A video ``(..., T, C, H, W)``.

    Raises:
        ValueError: fewer than four dimensions.
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        """See :class:`Video`."""
        tensor = cls._make(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError
        return cls._wrap(tensor)


class Mask(TVTensor):
    """A segmentation ``(..., H, W)``."""

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        """See :class:`Mask`."""
        if hasattr(data, "getbands"):
            from jtorch.vision.transforms.functional import pil_to_tensor  # noqa: PLC0415 (needs pillow)

            data = pil_to_tensor(data)
        return cls._wrap(cls._make(data, dtype, device, requires_grad))


class BoundingBoxFormat(Enum):
    """What the numbers of a box are; the last three are formats of turned boxes."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Whether it is a format of turned boxes."""
    name = format.value if isinstance(format, BoundingBoxFormat) else format
    return name in ("XYWHR", "CXCYWHR", "XYXYXYXY")


class BoundingBoxes(TVTensor):
    """Boxes ``(N, K)`` of an image.

    Args:
        data: numbers of the boxes, or of one.
        format: what they are.
        canvas_size: (height, width) of the image.
        clamping_mode: ``soft``, ``hard`` or ``None``: whether transforms cut boxes to the image.
        dtype: of the boxes.
        device: of the boxes.
        requires_grad: of the boxes.

    Raises:
        ValueError: other dimensions, or an unknown mode.
    """

    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft",
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        """See :class:`BoundingBoxes`."""
        tensor = cls._make(data, dtype, device, requires_grad)
        if is_rotated_bounding_format(format) and not tensor.is_floating_point():
            raise ValueError(f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}.")
        return cls._boxes(tensor, format, canvas_size, clamping_mode)

    @classmethod
    def _boxes(cls, tensor: Tensor, format: Any, canvas_size: Any, clamping_mode: Any) -> Any:
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.ndim != 2:
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        boxes = tensor.as_subclass(cls)
        boxes.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        boxes.canvas_size = canvas_size
        boxes.clamping_mode = clamping_mode
        return boxes

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **kwargs: Any) -> Any:
        """A tensor as boxes, with the attributes of ``like`` but for those given."""
        names = ("format", "canvas_size", "clamping_mode")
        return cls._boxes(tensor, *(kwargs.get(name, getattr(like, name)) for name in names))


class KeyPoints(TVTensor):
    """Points ``(..., 2)`` of an image: x to the right, y downwards.

    Args:
        data: numbers of the points, or of one.
        canvas_size: (height, width) of the image.
        dtype: of the points.
        device: of the points.
        requires_grad: of the points.

    Raises:
        ValueError: the last dimension is not 2.
    """

    canvas_size: tuple[int, int]

    def __new__(
        cls,
        data: Any,
        *,
        canvas_size: tuple[int, int],
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        """See :class:`KeyPoints`."""
        return cls._points(cls._make(data, dtype, device, requires_grad), canvas_size)

    @classmethod
    def _points(cls, tensor: Tensor, canvas_size: Any) -> Any:
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        points = tensor.as_subclass(cls)
        points.canvas_size = canvas_size
        return points

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **kwargs: Any) -> Any:
        """A tensor as points, with the canvas of ``like`` unless another is given."""
        return cls._points(tensor, kwargs.get("canvas_size", like.canvas_size))


class _Restored:
    """What ``set_return_type`` returns, for ``with``: there is one type, so nothing is to be restored."""

    def __enter__(self) -> _Restored:
        return self

    def __exit__(self, *args: object) -> None:
        return None


def set_return_type(return_type: str) -> Any:
    """What operations on these kinds return: plain tensors (``"Tensor"``).

    Raises:
        ValueError: an unknown type.
        NotImplementedError: ``"TVTensor"``; wrap results with :func:`wrap`.
    """
    kinds = {"tensor": False, "tvtensor": True}
    if return_type.lower() not in kinds:
        raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
    if kinds[return_type.lower()]:
        # Differs from PyTorch: torchvision can keep the kind through every operation.
        raise NotImplementedError(
            "set_return_type('TVTensor') is not available: operations on tv_tensors return plain tensors; "
            "use tv_tensors.wrap(result, like=image)"
        )
    return _Restored()


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A tensor as the kind of ``like``, with its attributes but for those given."""
    if isinstance(like, TVTensor):
        return type(like).wrap(wrappee, like, **kwargs)
    return wrappee.as_subclass(type(like))
