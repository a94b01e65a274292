"""Tensors that say what they are, for ``transforms.v2`` (``torchvision.tv_tensors``).

Operations on them return plain tensors, unless :func:`set_return_type` says otherwise; transforms keep their
kind.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import jtorch
from jtorch.tensor import Tensor
from jtorch.tensor._overrides import Disabled, disabled_torch_function, notice

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

    def clone(self, *args: Any, **kwargs: Any) -> Any:
        """A copy of the same kind."""
        return _kind_of(super().clone(*args, **kwargs), self)  # type: ignore[misc]

    def detach(self) -> Any:
        """The same memory without history, of the same kind."""
        return _kind_of(super().detach(), self)  # type: ignore[misc]

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """With another dtype or on another device, of the same kind."""
        return _kind_of(super().to(*args, **kwargs), self)  # type: ignore[misc]

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


#: What a kind consists of besides its numbers.
_ATTRIBUTES = ("format", "canvas_size", "clamping_mode")


def _kind_of(result: Any, like: Any) -> Any:
    """The tensors in an operation's result as the kind of ``like``, whatever their shape."""
    if isinstance(result, tuple | list):
        made = [_kind_of(x, like) for x in result]
        return type(result)(*made) if hasattr(result, "_fields") else type(result)(made)
    if not isinstance(result, Tensor) or isinstance(result, TVTensor):
        return result
    tensor = result.as_subclass(type(like))
    for name in _ATTRIBUTES:
        if hasattr(like, name):
            setattr(tensor, name, getattr(like, name))
    return tensor


def _keep_kind(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """``__torch_function__`` while operations return their operands' kind."""
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    kwargs = kwargs or {}
    nested = [x if isinstance(x, tuple | list) else (x,) for x in (*args, *kwargs.values())]
    with Disabled():
        return _kind_of(func(*args, **kwargs), next(x for xs in nested for x in xs if isinstance(x, cls)))


class _Restoring:
    """What ``set_return_type`` returns: at the end of a ``with`` block it is as before."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        TVTensor.__torch_function__ = self.before


def set_return_type(return_type: str) -> Any:
    """What operations on these kinds return: plain tensors (``"Tensor"``) or their own kind (``"TVTensor"``).

    It holds until it is set again, or to the end of a ``with`` block.

    Raises:
        ValueError: an unknown type.
    """
    kinds = {"tensor": disabled_torch_function, "tvtensor": classmethod(_keep_kind)}
    if return_type.lower() not in kinds:
        raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
    before = vars(TVTensor)["__torch_function__"]
    TVTensor.__torch_function__ = kinds[return_type.lower()]  # type: ignore[assignment]
    notice(TVTensor)
    return _Restoring(before)


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A tensor as the kind of ``like``, with its attributes but for those given."""
    if isinstance(like, TVTensor):
        return type(like).wrap(wrappee, like, **kwargs)
    return wrappee.as_subclass(type(like))
