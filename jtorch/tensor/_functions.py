"""Functions of the top-level namespace that are no single op: views, and methods under a function's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jtorch.tensor import _combining as _combining
from jtorch.tensor import _copies as _copies
from jtorch.tensor import _dropout as _dropout
from jtorch.tensor import _linalg as _linalg
from jtorch.tensor import _lowrank as _lowrank
from jtorch.tensor import _methods as methods
from jtorch.tensor import _networks as _networks
from jtorch.tensor import _normalizing as _normalizing
from jtorch.tensor import _overloads as _overloads
from jtorch.tensor import _products as _products
from jtorch.tensor import _sequences as _sequences
from jtorch.tensor import _views as views
from jtorch.tensor import _windows as _windows
from jtorch.tensor._autograd import detach, detach_
from jtorch.tensor._core import Tensor
from jtorch.tensor._inplace import fill_, zero_
from jtorch.tensor._resizing import adjoint, resize_as_, split_with_sizes
from jtorch.tensor._views import (
    as_strided,
    diagonal,
    flatten,
    imag,
    movedim,
    narrow,
    permute,
    real,
    reshape,
    select,
    t,
    transpose,
    unbind,
    unflatten,
    unsqueeze,
    view_as_complex,
    view_as_real,
)

__all__ = [
    "adjoint",
    "as_strided",
    "broadcast_to",
    "chunk",
    "clone",
    "detach",
    "detach_",
    "diagonal",
    "dsplit",
    "fill_",
    "flatten",
    "hsplit",
    "imag",
    "is_same_size",
    "moveaxis",
    "movedim",
    "narrow",
    "numel",
    "permute",
    "ravel",
    "real",
    "reshape",
    "resize_as_",
    "select",
    "split",
    "split_with_sizes",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "tensor_split",
    "transpose",
    "unbind",
    "unflatten",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "unsqueeze",
    "view_as_complex",
    "view_as_real",
    "vsplit",
    "zero_",
]  # fmt: skip

swapaxes = methods.swapaxes
moveaxis = movedim
swapdims = transpose
numel = methods.numel
tensor_split = methods.tensor_split
is_same_size = methods.is_same_size
chunk = methods.chunk
ravel = methods.ravel
hsplit, vsplit, dsplit = (getattr(Tensor, n) for n in ("hsplit", "vsplit", "dsplit"))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without dimensions of size 1: all, or those given (``torch.squeeze``)."""
    return views.squeeze(input, dim)


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of a size, or of given sizes, along a dimension (``torch.split``)."""
    return views.split(tensor, split_size_or_sections, dim)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy in memory of its own, through which gradients flow (``torch.clone``)."""
    return methods.clone(input, memory_format=memory_format)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """``input`` expanded to ``size`` (``torch.broadcast_to``)."""
    return views.expand(input, views.sizes_from((size,)))


def unsafe_split(input: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """:func:`split`, whose pieces may be changed in place (``torch.unsafe_split``)."""
    return views.split(input, split_size, dim, "Unsafe")


def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """:func:`split_with_sizes`, whose pieces may be changed in place (``torch.unsafe_split_with_sizes``)."""
    return views.split(input, list(split_sizes), dim, "Unsafe")


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """:func:`chunk`, whose pieces may be changed in place (``torch.unsafe_chunk``)."""
    return methods.chunks_of(input, chunks, dim, "Unsafe")


for _name in ("unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes"):
    setattr(Tensor, _name, globals()[_name])
