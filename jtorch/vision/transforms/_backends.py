"""What kernels of images are written with: NumPy for images on the host, tensors' operations for all others.

A kernel is a function ``kernel(xp, image, ...)``; ``xp`` is one of the two classes here, whose functions have
the same names and meanings. So each formula stands once, and an image on the host costs microseconds, also in
worker processes, while images on devices and gradients are handled by tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

import jtorch
from jtorch.dtypes import dtype, from_numpy_dtype
from jtorch.tensor import Tensor
from jtorch.vision._host import host_array, to_tensor

__all__ = ["Arrays", "Tensors", "on_images"]


class Arrays:
    """Functions of NumPy arrays."""

    where, stack, concatenate = np.where, np.stack, np.concatenate
    floor, round, remainder, fmod = np.floor, np.round, np.remainder, np.fmod
    minimum, maximum, flip, isfinite = np.minimum, np.maximum, np.flip, np.isfinite

    @staticmethod
    def dtype_of(x: Any) -> dtype:
        """Jtorch's dtype of an image."""
        return from_numpy_dtype(x.dtype)

    @staticmethod
    def cast(x: Any, to: dtype) -> Any:
        """An image in another dtype."""
        return x.astype(to.numpy, copy=False)

    @staticmethod
    def clip(x: Any, low: float, high: float) -> Any:
        """Values no lower and no higher than those."""
        return np.minimum(np.maximum(x, low), high)

    @staticmethod
    def least(x: Any, dims: tuple[int, ...]) -> Any:
        """Minimum over dimensions, which stay."""
        return x.min(axis=dims, keepdims=True)

    @staticmethod
    def most(x: Any, dims: tuple[int, ...]) -> Any:
        """Maximum over dimensions, which stay."""
        return x.max(axis=dims, keepdims=True)

    @staticmethod
    def mean(x: Any, dims: tuple[int, ...]) -> Any:
        """Mean over dimensions, which stay."""
        return x.mean(axis=dims, keepdims=True, dtype=np.float64).astype(x.dtype)

    @staticmethod
    def like(values: Any, x: Any) -> Any:
        """An array, or numbers, in the dtype of an image."""
        return np.asarray(values, x.dtype)

    @staticmethod
    def indices(values: Any, x: Any) -> Any:
        """Places, for indexing an image."""
        return np.asarray(values)

    @staticmethod
    def add_times(x: Any, y: Any, factor: float) -> Any:
        """``x + y * factor``, rounded once as PyTorch's ``add`` with ``alpha``."""
        if x.dtype != np.float32:
            return x + y * factor
        product = np.multiply(y, np.float64(np.float32(factor)), dtype=np.float64)
        return (product + x).astype(np.float32)


class Tensors:
    """Functions of tensors."""

    where, stack, concatenate = jtorch.where, jtorch.stack, jtorch.cat
    floor, round, remainder, fmod = jtorch.floor, jtorch.round, jtorch.remainder, jtorch.fmod
    minimum, maximum, isfinite, clip = jtorch.minimum, jtorch.maximum, jtorch.isfinite, jtorch.clamp

    @staticmethod
    def flip(x: Tensor, dim: int) -> Tensor:
        """The other way round along a dimension."""
        return x.flip(dim)

    @staticmethod
    def dtype_of(x: Tensor) -> dtype:
        """The dtype of an image."""
        return x.dtype

    @staticmethod
    def cast(x: Tensor, to: dtype) -> Tensor:
        """An image in another dtype."""
        return x.to(to)

    @staticmethod
    def least(x: Tensor, dims: tuple[int, ...]) -> Tensor:
        """Minimum over dimensions, which stay."""
        return x.amin(dims, keepdim=True)

    @staticmethod
    def most(x: Tensor, dims: tuple[int, ...]) -> Tensor:
        """Maximum over dimensions, which stay."""
        return x.amax(dims, keepdim=True)

    @staticmethod
    def mean(x: Tensor, dims: tuple[int, ...]) -> Tensor:
        """Mean over dimensions, which stay."""
        return x.mean(dims, keepdim=True)

    @staticmethod
    def like(values: Any, x: Tensor) -> Tensor:
        """An array, or numbers, in the dtype and on the device of an image."""
        return jtorch.as_tensor(values).to(dtype=x.dtype, device=x.device)

    @staticmethod
    def indices(values: Any, x: Tensor) -> Tensor:
        """Places, for indexing an image."""
        return jtorch.as_tensor(values).to(x.device)

    @staticmethod
    def add_times(x: Tensor, y: Tensor, factor: float) -> Tensor:
        """``x + y * factor``."""
        return jtorch.add(x, y, alpha=factor)


Backend = type[Arrays] | type[Tensors]


def on_images(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of tensors of a kernel."""

    @wraps(kernel)
    def function(image: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        array = host_array(image)
        if array is None:
            return kernel(Tensors, image, *args, **kwargs)
        made = kernel(Arrays, array, *args, **kwargs)
        return image if made is array else to_tensor(made, array)

    return function


def unbind(image: Any) -> Sequence[Any]:
    """Channels of an image ``(..., C, H, W)``."""
    return [image[..., c, :, :] for c in range(image.shape[-3])]
