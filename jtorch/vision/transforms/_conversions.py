"""Transforms between PIL images and tensors, of dtypes and of value ranges."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch import nn
from jtorch.dtypes import dtype as _dtype
from jtorch.tensor import Tensor
from jtorch.vision.transforms import functional as F

__all__ = ["ConvertImageDtype", "LinearTransformation", "Normalize", "PILToTensor", "ToPILImage", "ToTensor"]


class ToTensor:
    """A PIL image or NumPy array ``(H, W, C)`` as a tensor ``(C, H, W)``; bytes become floats from 0 to 1."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image as a tensor ``(C, H, W)`` of the same dtype."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ConvertImageDtype(nn.Module):
    """A tensor in another dtype, with values scaled to its range; see ``functional.convert_image_dtype``."""

    def __init__(self, dtype: _dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        """The image in ``dtype``."""
        return F.convert_image_dtype(image, self.dtype)


class ToPILImage:
    """A tensor ``(C, H, W)`` or NumPy array ``(H, W, C)`` as a PIL image.

    Args:
        mode: pillow's name of the colours; ``None``: by channels and dtype.
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class Normalize(nn.Module):
    """``(tensor - mean) / std``, channel by channel.

    Args:
        mean: one number per channel.
        std: one number per channel.
        inplace: overwrite the tensor.
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        """The normalized image."""
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class LinearTransformation(nn.Module):
    """Flattened images minus a mean, times a square matrix: whitening, for example.

    Args:
        transformation_matrix: ``(D, D)``, D = C * H * W.
        mean_vector: ``(D,)``.

    Raises:
        ValueError: shapes, dtypes or devices that do not go together.
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        check_linear(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        """The image ``(..., C, H, W)``, transformed.

        Raises:
            ValueError: it has another size or lies on another device.
        """
        return linear(tensor, self.transformation_matrix, self.mean_vector)

    def __repr__(self) -> str:
        matrix, mean = self.transformation_matrix.tolist(), self.mean_vector.tolist()
        return f"{type(self).__name__}(transformation_matrix={matrix}, mean_vector={mean})"


def check_linear(matrix: Tensor, mean: Tensor) -> None:
    """See :class:`LinearTransformation`."""
    shape = tuple(matrix.size())
    if shape[0] != shape[1]:
        raise ValueError(f"transformation_matrix should be square. Got {shape} rectangular matrix.")
    if mean.size(0) != shape[0]:
        raise ValueError(
            f"mean_vector should have the same length {mean.size(0)} as any one of the dimensions of the "
            f"transformation_matrix [{shape}]"
        )
    if matrix.device != mean.device:
        raise ValueError(f"Input tensors should be on the same device. Got {matrix.device} and {mean.device}")
    if matrix.dtype != mean.dtype:
        raise ValueError(f"Input tensors should have the same dtype. Got {matrix.dtype} and {mean.dtype}")


def linear(tensor: Tensor, matrix: Tensor, mean: Tensor) -> Tensor:
    """See :class:`LinearTransformation`."""
    shape = tensor.shape
    n = shape[-3] * shape[-2] * shape[-1]
    if n != matrix.shape[0]:
        raise ValueError(
            "Input tensor and transformation matrix have incompatible shape."
            f"[{shape[-3]} x {shape[-2]} x {shape[-1]}] != {matrix.shape[0]}"
        )
    if tensor.device.type != mean.device.type:
        raise ValueError(
            "Input tensor should be on the same device as transformation matrix and mean vector. Got "
            f"{tensor.device} vs {mean.device}"
        )
    flat = tensor.view(-1, n) - mean
    return jtorch.mm(flat, matrix.to(flat.dtype)).view(shape)
