"""Storages on their way from a file to tensors: bounds are checked before anything views the memory."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from jtorch.devices import CPU, META
from jtorch.dtypes import dtype
from jtorch.serialization._current import current
from jtorch.serialization._locations import Placer
from jtorch.tensor import Tensor
from jtorch.tensor._storage import Storage, contiguous_strides, strides_of
from jtorch.tensor._storages import TypedStorage, UntypedStorage, dtype_of, whole_of
from jtorch.tensor._values import meta_value, to_device
from jtorch.tensor._views import as_strided
from jtorch.trace import aval_of, from_host

__all__ = ["LoadedStorage", "swap_bytes"]

#: More dimensions than NumPy has are no tensor.
_MAX_DIMS = 64
_MAX_SIZE = 1 << 62


def swap_bytes(array: np.ndarray[Any, Any], kind: dtype) -> None:
    """Turn elements of the other byte order into the machine's, in place."""
    size = kind.itemsize // 2 if kind.is_complex else kind.itemsize
    if size > 1:
        array.view(f"u{size}").byteswap(inplace=True)


class LoadedStorage(TypedStorage):
    """A storage that a file holds, or a part of one.

    Its memory takes the shape of the first tensor that covers it, so that the usual tensor needs no view.

    Attributes:
        array: its bytes on the host; ``None`` on the meta device.
        start: bytes between the memory's beginning and this storage's.
        length: bytes of this storage.
        swapped: the bytes are of the other byte order, and the type of the elements is not known yet.
        shared: writes reach the mapped file.
        whole: the bytes have been read and may be copied.
    """

    __slots__ = ("_fresh", "_target", "array", "length", "shared", "start", "swapped", "whole")

    def __init__(
        self,
        array: np.ndarray[Any, Any] | None,
        length: int,
        kind: dtype,
        *,
        shared: bool = False,
        whole: bool = False,
    ) -> None:
        self.whole = whole
        if current.budget is not None:
            current.budget.grant(length)
        self.array, self.start, self.length, self.swapped, self.shared = array, 0, length, False, shared
        if array is None:
            cell = Storage(meta_value(aval_of((length // kind.itemsize,), kind, META)))
        elif shared:
            cell = Storage(None)
            cell.buffer = array.view(kind.numpy)
        else:
            cell = Storage(from_host(array.view(kind.numpy)))
        super().__init__(wrap_storage=UntypedStorage._of(cell), dtype=kind)
        self._fresh, self._target = True, META if array is None else CPU

    def place(self, rule: Placer, location: str) -> None:
        """Decide where the memory goes, by ``map_location``."""
        cell = self._untyped._cell
        held = sys.getrefcount(cell)
        self._target, chosen = rule(self._untyped, location)
        if chosen._cell is not cell:
            if chosen.nbytes() != self.length:
                raise RuntimeError(
                    f"map_location returned a storage of {chosen.nbytes()} bytes for one of {self.length}"
                )
            self._untyped, self._fresh = chosen, False
        elif sys.getrefcount(cell) != held:
            self._fresh = False  # someone made a tensor on it: its shape must stay
            self.settle()

    def part(self, start: int, length: int) -> LoadedStorage:
        """The storage of ``length`` bytes that begins ``start`` bytes after this one.

        Raises:
            RuntimeError: it would reach beyond.
        """
        if not 0 <= start <= start + length <= self.length:
            raise RuntimeError(f"a view of bytes {start} to {start + length} of a storage of {self.length}")
        self._fresh = False
        self.settle()
        made = object.__new__(LoadedStorage)
        made._untyped, made.dtype, made.array = self._untyped, self.dtype, self.array
        made.start, made.length = self.start + start, length
        made.swapped, made.shared, made.whole = False, self.shared, self.whole
        made._fresh, made._target = False, self._target
        return made

    def settle(self) -> None:
        """Move the memory to its device if that has not happened."""
        cell = self._untyped._cell
        if self._target is not CPU and cell.value is not None and cell.value.aval.device is CPU:
            cell.value = to_device(cell.value, self._target)

    def refill(self) -> None:
        """Take over ``array``, whose contents were read after tensors had been made."""
        cell, array = self._untyped._cell, self.array
        value = cell.value
        if array is None or value is None or (value.host is not None and np.shares_memory(value.host, array)):
            return
        aval = value.aval
        fresh = from_host(array.view(aval.dtype.numpy).reshape(aval.shape))
        cell.value = fresh if aval.device is CPU else to_device(fresh, aval.device)

    def tensor(self, kind: dtype, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        """A tensor on this memory.

        Args:
            kind: its dtype.
            offset: of its first element, in elements.
            size: its shape.
            stride: in elements.

        Raises:
            RuntimeError: it would reach outside of the storage.
        """
        self._check(kind, offset, size, stride)
        if self.swapped:
            assert self.array is not None
            swap_bytes(self.array, kind)
            self.swapped = False
        if self._fresh:
            self._fresh = False
            if not offset:
                self._shape_as(kind, size, stride)
            self.settle()
        cell = self._untyped._cell
        whole = whole_of(cell)
        offset += self.start // kind.itemsize
        same = dtype_of(cell) is kind
        if same and not offset and whole._aval().shape == size and strides_of(whole) == stride:
            return whole
        if not same:
            whole = whole.reshape(-1).view(kind)
        return as_strided(whole, size, stride, offset).detach()  # type: ignore[no-any-return]

    def _check(self, kind: dtype, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        if len(size) != len(stride):
            raise RuntimeError(
                f"mismatch in length of strides and shape (expected {len(size)} strides but got "
                f"{len(stride)})"
            )
        if len(size) > _MAX_DIMS:
            raise RuntimeError(f"a tensor of {len(size)} dimensions; at most {_MAX_DIMS} are supported")
        count, last = 1, offset
        for n, s in zip(size, stride, strict=True):
            count *= n
            last += (n - 1) * s
            if max(count, last) > _MAX_SIZE:
                raise RuntimeError(f"sizes {list(size)} and strides {list(stride)} overflow")
        needed = (last + 1) * kind.itemsize if count else 0
        if needed > self.length or (self.start % kind.itemsize):
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and "
                f"itemsize {kind.itemsize} requiring a storage size of {needed} are out of bounds for "
                f"storage of size {self.length}"
            )
        if dtype_of(self._untyped._cell) is not kind and self.length % kind.itemsize:
            raise RuntimeError(f"a storage of {self.length} bytes does not hold elements of {kind}")

    def _shape_as(self, kind: dtype, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        """Give the memory, which nothing views yet, the shape of a tensor that fills it."""
        if math.prod(size) * kind.itemsize != self.length or not self.length:
            return
        cell, array = self._untyped._cell, self.array
        row_major = stride == contiguous_strides(size)
        if array is None:
            if row_major:
                cell.value = meta_value(aval_of(size, kind, META))
            return
        flat = array.view(kind.numpy)
        if row_major:
            if self.shared:
                cell.buffer = flat.reshape(size)
            else:
                cell.value = from_host(flat.reshape(size))
        elif self.whole and kind is self.dtype and _dense(size, stride):
            # Another order of dimensions, such as channels last: the engine keeps it beside the values.
            items = [s * kind.itemsize for s in stride]
            cell.value = from_host(np.array(np.lib.stride_tricks.as_strided(flat, size, items), order="C"))
            cell.strides = stride


def _dense(size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether the strides are those of some order of dimensions, without gaps."""
    step = 1
    for s, n in sorted(zip(stride, size, strict=True)):
        if n != 1 and s != step:
            return False
        step *= n
    return True
