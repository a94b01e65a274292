"""Methods that change a tensor's size, and sizes that methods bring a tensor to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jtorch.devices import CPU, META
from jtorch.errors import warn_user
from jtorch.tensor import _views as views
from jtorch.tensor._core import Tensor, call
from jtorch.tensor._custom import counter
from jtorch.tensor._inplace import check_writable, copy_, fill_
from jtorch.tensor._methods import matrices_turned, method
from jtorch.tensor._storage import Storage, contiguous_strides, place_changes, strides_of
from jtorch.tensor._values import meta_value, to_device
from jtorch.trace import aval_of, from_host

__all__ = ["adjoint", "resize_as_", "split_with_sizes"]


@method
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Change the size in place; elements keep their places in memory, new ones are zeros.

    Raises:
        RuntimeError: the tensor requires grad.
    """
    shape = views.sizes_from(sizes)
    if self._tracked:
        raise RuntimeError("cannot resize variables that require grad")
    check_writable(self, uniform=True)
    if any(n < 0 for n in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    aval = self._aval()
    if shape == aval.shape:
        return self
    storage = self._storage
    count = self._offset + int(np.prod(shape, dtype=np.int64))
    base = storage.read()
    if storage.strides is None and count <= base.aval.size:
        whole = object.__new__(Tensor)
        whole._storage = storage
        shown = views.as_strided(whole, shape, contiguous_strides(shape), self._offset)
        self._view, self._strides, self._offset = shown._view, shown._strides, shown._offset
        self._cached = None
        self._abase, self._adepth = None, 0
        place_changes[0] += 1
        counter(self).version += 1
        return self
    if aval.device is META:
        made = Storage(meta_value(aval_of(shape, aval.dtype, META)))
    else:
        memory = np.zeros(count, aval.dtype.numpy)
        held = np.asarray(self._host()).reshape(-1)
        memory[self._offset : self._offset + held.size] = held[: count - self._offset]
        value = from_host(memory[self._offset :].reshape(shape).copy())
        made = Storage(value if aval.device is CPU else to_device(value, aval.device))
    counter(self).version += 1
    made.version = storage.version
    self._storage = made
    self._view = self._strides = self._cached = self._abase = None
    self._offset = self._adepth = 0
    return self


def _resized(name: str, self: Tensor, shape: tuple[int, ...]) -> Tensor:
    warn_user(f"non-inplace {name} is deprecated")
    sizes = self._aval().shape
    if math.prod(shape) != math.prod(sizes):
        new, old = ("x".join(map(str, s)) for s in (shape, sizes))
        raise RuntimeError(
            f"requested resize to {new} ({math.prod(shape)} elements in total), but the given tensor has a "
            f"size of {old} ({math.prod(sizes)} elements). autograd's resize can only change the shape of a "
            "given tensor, while preserving the number of elements. "
        )
    return views.view_shape(views.contiguous(self), shape)


@method
def resize(self: Tensor, *sizes: Any) -> Tensor:
    """Old name of :meth:`reshape`.

    Raises:
        RuntimeError: another number of elements.
    """
    return _resized("resize", self, views.sizes_from(sizes))


@method
def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """:meth:`resize` to the shape of ``tensor``."""
    return _resized("resize_as", self, tensor._aval().shape)


@method
def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What a parameter or buffer becomes when a module loads ``other`` for it and swaps tensors.

    A tensor on this one's memory with the values of ``other``, or on that of ``other`` if ``assign``.
    """
    return other.detach() if assign else copy_(self, other).detach()  # type: ignore[no-any-return]


@method
def resize_as_(input: Tensor, the_template: Tensor, memory_format: Any = None) -> Tensor:
    """:meth:`resize_` to the size of another tensor."""
    return resize_(input, the_template._aval().shape)


@method
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sum over the dimensions that broadcasting ``size`` to this tensor's size would repeat.

    Raises:
        RuntimeError: ``size`` does not broadcast to this tensor's size.
    """
    target, shape = views.sizes_from(size), self._aval().shape
    if not target:
        return call("sum", self)  # type: ignore[no-any-return]
    extra = len(shape) - len(target)
    if extra < 0 or any(n not in (1, m) for n, m in zip(target, shape[extra:], strict=True)):
        raise RuntimeError(f"size {{{list(target)}}} is not expandable to size {{{list(shape)}}}.")
    repeated = [*range(extra), *(i + extra for i, n in enumerate(target) if n == 1 and shape[i + extra] != 1)]
    if not repeated:
        return self
    summed: Tensor = call("sum", self, tuple(repeated), True)
    return views.view_shape(summed, target)


@method
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given sizes along a dimension."""
    return views.split(input, list(split_sizes), dim)


@method
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions swapped and complex numbers conjugated (``torch.adjoint``)."""
    turned = matrices_turned(input, "adjoint()")
    return call("conj", turned) if input._aval().dtype.is_complex else turned


@method
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Set the main diagonal to a number; of a tall matrix again and again below it if ``wrap``.

    Raises:
        RuntimeError: fewer than 2 dimensions, or unequal sizes of more than 2.
    """
    shape = self._aval().shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    check_writable(self)
    strides = strides_of(self)
    step, count = sum(strides), min(shape)
    fill_(views.as_strided(self, (count,), (step,), self._offset), fill_value)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        start = shape[1] + 1
        while start < shape[0]:
            rows = min(shape[0] - start, shape[1])
            fill_(views.as_strided(self, (rows,), (step,), self._offset + start * strides[0]), fill_value)
            start += shape[1] + 1
    return self


@method
def broadcast_to(self: Tensor, size: Any) -> Tensor:
    """This tensor expanded to ``size``."""
    return views.expand(self, views.sizes_from((size,)))
