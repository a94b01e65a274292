"""Indexing: ``x[...]`` to read and to write, in every form that PyTorch knows.

Integers, slices, ``None`` and ``...`` make views; index tensors and masks read with one gather and write with one
scatter. What is on the host and outside autograd is indexed there at once, by NumPy.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU
from jtorch.dispatch import GRAD, INFERENCE, modes
from jtorch.dtypes import dtype
from jtorch.ops._registry import OPS
from jtorch.tensor._bridge import legacy_name
from jtorch.tensor._core import (
    Tensor,
    _own_memory,
    _strided_host,
    from_value,
    run,
    to_device,
    value_of,
    view,
    write,
)
from jtorch.tensor._conversion import warn_of_lost_imaginary
from jtorch.tensor._creation import filled
from jtorch.tensor._data import array_from_data
from jtorch.tensor._formats import iteration_order, strides_in_order
from jtorch.tensor._inplace import check_writable, overwrite
from jtorch.tensor._storage import contiguous_strides
from jtorch.tensor._views import alias, reshape, strides_of, unsqueeze
from jtorch.trace import counters, from_host, user_line

__all__ = ["index_put", "index_put_"]

_INDEX, _INDEX_PUT, _MASK_PUT, _FILL = (OPS[n] for n in ("_index", "_index_put", "_mask_put", "_fill"))
_VALUES = (Tensor, int, float, complex, np.integer)

#: Index tensors by the dimension that each applies to; a mask stands at the first of the dimensions it covers.
Entries = list[tuple[int, Any]]


# ---- views ---------------------------------------------------------------------------------------------------------


def select_at(x: Tensor, dim: int, index: int, place: int) -> Tensor:
    """The slice at ``index`` along ``dim``; ``place`` is the position of the index, for the error."""
    shape = x._aval().shape
    if not shape and index == 0:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
            "0-dim tensor to a number"
        )
    size = shape[dim] if shape else 0
    if not -size <= index < size:
        if not -(1 << 63) <= index < 1 << 63:
            raise ValueError("Overflow when unpacking long long")
        raise IndexError(f"index {index} is out of bounds for dimension {place} with size {size}")
    if index < 0:
        index += size
    strides = x._strides
    if strides is None:
        if not dim:
            step = 1
            for n in shape[1:]:
                step *= n if n > 1 else 1
            return view(x, "select", (index,), (0,), None, x._offset + index * step)
        strides = contiguous_strides(shape)
    left, new = strides[:dim] + strides[dim + 1 :], shape[:dim] + shape[dim + 1 :]
    return view(
        x,
        "select",
        (index,),
        (dim,),
        None if left == contiguous_strides(new) else left,
        x._offset + index * strides[dim],
    )


def slice_at(x: Tensor, dim: int, s: slice, *, keep_whole: bool = False) -> Tensor:
    """A slice along ``dim``; ``x`` itself if it takes everything, unless ``keep_whole``."""
    shape = x._aval().shape
    if not shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    size = shape[dim]
    start, stop, step = s.indices(size)
    if step <= 0:
        raise ValueError("step must be greater than zero")
    length = (stop - start + step - 1) // step if stop > start else 0
    if not keep_whole and step == 1 and length == size and not s.start and (s.stop is None or s.stop >= 0):
        return x
    strides = x._strides
    new = shape[:dim] + (length,) + shape[dim + 1 :]
    if strides is None:
        strides = contiguous_strides(shape)
        if not dim and step == 1:
            return view(x, "slice", (start,), (0, length, 1), None, x._offset + start * strides[0])
    left = strides[:dim] + (strides[dim] * step,) + strides[dim + 1 :]
    return view(
        x,
        "slice",
        (start,),
        (dim, length, step),
        None if left == contiguous_strides(new) else left,
        x._offset + start * strides[dim],
    )


# ---- taking an index apart -----------------------------------------------------------------------------------------


def as_tuple(index: Any) -> tuple[Any, ...]:
    """An index as a tuple; a list that holds slices, sequences or ``None`` counts as one."""
    if type(index) is tuple:
        return index
    if isinstance(index, Tensor | np.ndarray) or not _is_sequence(index):
        return (index,)
    if isinstance(index, tuple):
        return tuple(index)
    if len(index) < 32 and any(
        x is None or x is Ellipsis or isinstance(x, Tensor | slice) or _is_sequence(x) for x in index
    ):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; "
            "use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
            "x[torch.tensor(seq)], which will result either in an error or a different result",
            UserWarning,
            stacklevel=4,
        )
        return tuple(index)
    return (index,)


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence | np.ndarray)


def _is_mask(kind: dtype) -> bool:
    return kind is dtypes.bool_ or kind is dtypes.uint8


def _dims_taken(item: Any) -> int:
    """How many dimensions of the tensor an item consumes."""
    if item is None or item is Ellipsis or item is True or item is False:
        return 0
    if isinstance(item, Tensor):
        aval = item._aval()
        return aval.ndim if _is_mask(aval.dtype) else 1
    return 1


def take_apart(x: Tensor, index: tuple[Any, ...]) -> tuple[Tensor, Entries]:
    """The view that the simple items of an index make, and its index tensors.

    Raises:
        IndexError: too many indices, one out of bounds, or something that is no index.
    """
    items = []
    taken = 0
    for item in index:
        if type(item) is not int and type(item) is not slice:
            item = _plain_item(item)
        items.append(item)
        taken += _dims_taken(item)
    ndim = x._aval().ndim
    if taken > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    dim = 0
    entries: Entries = []
    for place, item in enumerate(items):
        if type(item) is int:
            x = select_at(x, dim, item, place)
        elif type(item) is slice:
            x = slice_at(x, dim, item)
            dim += 1
        elif item is Ellipsis:
            dim += ndim - taken
        elif item is None:
            x = unsqueeze(x, dim)
            dim += 1
        elif item is True or item is False:
            x = unsqueeze(x, dim)
            entries.append((dim, np.zeros(int(item), np.int64)))
            dim += 1
        else:
            x, dim = _take_tensor(x, dim, item, place, entries)
    for d, item in entries:
        if isinstance(item, Tensor) and _is_mask(item._aval().dtype):
            _check_mask(x._aval().shape, item._aval().shape, d)
    return x, entries


def _plain_item(item: Any) -> Any:
    """An item as an int, slice, ``None``, ``...``, bool or tensor."""
    if item is None or item is Ellipsis or isinstance(item, Tensor | bool | slice):
        return item
    if isinstance(item, int | np.integer):
        return int(item)
    if _is_sequence(item):
        array = array_from_data(item, None)
        if array.dtype not in (np.bool_, np.uint8):
            array = array.astype(np.int64)
        return from_value(from_host(array))
    kind = type(item)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
        f"{name})"
    )


def _take_tensor(x: Tensor, dim: int, item: Tensor, place: int, entries: Entries) -> tuple[Tensor, int]:
    aval = item._aval()
    if not aval.ndim and aval.dtype.category <= dtypes.INT:
        number = item.item()  # type: ignore[attr-defined]
        if not _is_mask(aval.dtype):
            return select_at(x, dim, number, place), dim
        x = unsqueeze(x, dim)
        entries.append((dim, np.zeros(1 if number else 0, np.int64)))
        return x, dim + 1
    if _is_mask(aval.dtype):
        if aval.dtype is dtypes.uint8:
            warnings.warn(
                "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
                UserWarning,
                stacklevel=5,
            )
        entries.append((dim, item))
        return x, dim + aval.ndim
    if aval.dtype is not dtypes.int64 and aval.dtype is not dtypes.int32:
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    entries.append((dim, item))
    return x, dim + 1


def _check_mask(shape: tuple[int, ...], mask: tuple[int, ...], dim: int) -> None:
    for j, n in enumerate(mask):
        if dim + j >= len(shape):
            raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
        if n != shape[dim + j]:
            raise IndexError(
                f"The shape of the mask {list(mask)} at index {j} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {dim + j}"
            )


# ---- index tensors -------------------------------------------------------------------------------------------------


class Places:
    """Index tensors made ready: masks turned into indices, shapes broadcast.

    Attributes:
        dims: dimension of each index.
        indices: per dimension an int NumPy array, or a tensor that is not on the host.
        shape: of the result.
        spread: their common shape.
        first: the dimension of the result where that stands.
        on_host: every index is a NumPy array.
        masked: there were masks, so the result's shape depends on values.
    """

    __slots__ = ("at", "dims", "first", "indices", "masked", "on_host", "shape", "spread")

    def __init__(self, x: Tensor, entries: Entries) -> None:
        shape = x._aval().shape
        self.dims: list[int] = []
        self.indices: list[Any] = []
        self.masked = False
        self.on_host = True
        for dim, item in entries:
            if isinstance(item, Tensor):
                aval = item._aval()
                if _is_mask(aval.dtype):
                    self.masked = True
                    for d, one in enumerate(_mask_indices(item)):
                        self.dims.append(dim + d)
                        self.indices.append(one)
                    continue
                known = _known(item)
                if known is None:
                    self.on_host = False
                else:
                    item = known
            self.dims.append(dim)
            self.indices.append(item)
        self.spread = self._broadcast()
        dims = self.dims
        neighbours = dims[-1] - dims[0] == len(dims) - 1
        self.first = dims[0] if neighbours else 0
        rest = [n for d, n in enumerate(shape) if d not in dims]
        self.shape = (*rest[: self.first], *self.spread, *rest[self.first :])

    def _broadcast(self) -> tuple[int, ...]:
        shapes = [i.shape if type(i) is np.ndarray else i._aval().shape for i in self.indices]
        if len(shapes) == 1:
            return tuple(shapes[0])
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise IndexError(
                "shape mismatch: indexing tensors could not be broadcast together with shapes "
                + ", ".join(str(list(s)) for s in shapes)
            ) from None

    def check_bounds(self, shape: tuple[int, ...]) -> Places:
        """Itself; ``shape`` is that of the indexed tensor.

        Raises:
            IndexError: an index whose value is known is out of bounds.
        """
        sizes = [shape[d] for d in self.dims]
        if 0 in self.spread:
            return self
        if 0 in sizes:
            raise IndexError("index is out of bounds for dimension with size 0")
        if 0 in self.shape:
            return self
        for i, size in zip(self.indices, sizes, strict=True):
            if type(i) is np.ndarray and (i.min() < -size or i.max() >= size):
                raise self._out_of_bounds(sizes)
        return self

    def _out_of_bounds(self, sizes: list[int]) -> IndexError:
        """PyTorch's error for the first place that is out of bounds; it numbers dimensions by the indices given."""
        first: tuple[int, int] | None = None
        for j, (i, size) in enumerate(zip(self.indices, sizes, strict=True)):
            if type(i) is np.ndarray:
                wrong = np.broadcast_to((i < -size) | (i >= size), self.spread).reshape(-1)
                if wrong.any() and (first is None or wrong.argmax() < first[0]):
                    first = int(wrong.argmax()), j
        assert first is not None
        at, j = first
        bad = np.broadcast_to(self.indices[j], self.spread).reshape(-1)[at]
        return IndexError(f"index {bad} is out of bounds for dimension {j} with size {sizes[j]}")

    def key(self, ndim: int) -> tuple[Any, ...]:
        """As an index of a NumPy array."""
        at: list[Any] = [slice(None)] * ndim
        for d, i in zip(self.dims, self.indices, strict=True):
            at[d] = i
        return tuple(at)

    def tensors(self, x: Tensor) -> tuple[Tensor, ...]:
        """The indices as operands on the device of ``x``."""
        where = x._aval().device
        found = []
        for i in self.indices:
            if type(i) is np.ndarray:
                value = from_host(i)
                i = from_value(value if where is CPU else to_device(value, where))
            elif i._aval().device is not where:
                if i._aval().device is not CPU:
                    raise RuntimeError(
                        "indices should be either on cpu or on the same device as the indexed tensor "
                        f"({where})"
                    )
                i = from_value(to_device(value_of(i), where))
            found.append(i)
        return tuple(found)

    def strides(self, x: Tensor) -> tuple[int, ...] | None:
        """Strides of the result of reading, if it is not row-major: dimensions keep the order of memory of ``x``."""
        empty = 0 in self.shape
        if x._strides is None and not empty:
            return None
        old, dims = strides_of(x), set(self.dims)
        rest = [s for d, s in enumerate(old) if d not in dims]
        count = len(self.spread)
        walks = [(*rest[: self.first], *(0,) * count, *rest[self.first :])]
        alike = empty
        for i in self.indices:
            sizes = i.shape if type(i) is np.ndarray else i._aval().shape
            if 0 in self.spread:
                sizes = self.spread
            own = (*(1,) * (self.first + count - len(sizes)), *sizes, *(1,) * (len(rest) - self.first))
            alike = alike and own == self.shape
            steps = zip(own, contiguous_strides(own), self.shape, strict=True)
            walks.append(tuple(0 if n == 1 and m != 1 else s for n, s, m in steps))
        order = iteration_order(self.shape, walks)
        if alike or order == list(range(len(order))):
            return None
        return strides_in_order(self.shape, order, least=0 if empty else 1)


def _known(x: Tensor) -> np.ndarray[Any, Any] | None:
    """Values that can be looked at without running anything."""
    if x._storage.buffer is not None:
        return np.array(x._host())
    value = value_of(x)
    if value.host is not None:
        return value.host
    if value.array is not None and value.aval.device is CPU and type(value).__name__ == "Value":
        return x._host()
    return None


def _mask_indices(mask: Tensor) -> tuple[np.ndarray[Any, Any], ...]:
    """Where a mask is set. Looking at values that are still pending is a synchronisation, and counted."""
    if mask._storage.buffer is None and value_of(mask).pending:
        counters.shape_syncs[user_line()] += 1
    return np.nonzero(mask._host())


def _tracked(x: Tensor) -> bool:
    return modes.level == GRAD and x.requires_grad


def _on_host(x: Tensor) -> bool:
    """Whether the contents are NumPy memory, and nothing would be recorded for autograd."""
    storage = x._storage
    if storage.buffer is None:
        value = storage.value
        assert value is not None
        if value.host is None or value.aval.device is not CPU:
            return False
    return not _tracked(x)


# ---- reading -------------------------------------------------------------------------------------------------------


def getitem(self: Tensor, index: Any) -> Tensor:
    """``self[index]``."""
    kind = type(index)
    if kind is int:
        return select_at(self, 0, index, 0)
    if kind is slice:
        return slice_at(self, 0, index, keep_whole=True)
    if index is None:
        return unsqueeze(self, 0)
    if index is Ellipsis:
        return alias(self)
    x, entries = take_apart(self, as_tuple(index))
    if not entries:
        return alias(x) if x is self else x
    return read_places(x, entries)


def read_places(x: Tensor, entries: Entries) -> Tensor:
    """A copy of the elements at index tensors."""
    aval = x._aval()
    places = Places(x, entries).check_bounds(aval.shape)
    if places.on_host and (_on_host(x) or (places.masked and _may_read(x))):
        if 0 in places.shape:
            found = np.empty(places.shape, aval.dtype.numpy)
        else:
            found = np.ascontiguousarray(x._host()[places.key(aval.ndim)])
        result = from_value(from_host(found.reshape(places.shape)))
        if modes.level == INFERENCE:
            result._inference = True
    else:
        result = run(_INDEX, (x, places.tensors(x), tuple(places.dims)))
    strides = places.strides(x)
    if strides is not None:
        result._storage.strides = result._strides = strides
    return result


def _may_read(x: Tensor) -> bool:
    """Masks have been looked at: then the rest may be, if it is on the CPU and outside autograd.

    The shape of the result differs from call to call, so a program of it would be compiled each time.
    """
    aval = x._aval()
    return aval.device is CPU and not _tracked(x) and type(value_of(x)).__name__ == "Value"


# ---- writing -------------------------------------------------------------------------------------------------------


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``."""
    if not isinstance(value, _VALUES):
        kind = type(value)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        raise TypeError(f"can't assign a {name} to a {legacy_name(self._aval())}")
    kind = type(index)
    if kind is int:
        copy_to(select_at(self, 0, index, 0), value)
    elif kind is slice:
        copy_to(slice_at(self, 0, index), value)
    elif index is None or index is True:
        copy_to(unsqueeze(self, 0), value)
    elif index is Ellipsis:
        copy_to(self, value)
    elif index is not False:
        x, entries = take_apart(self, as_tuple(index))
        if not entries:
            copy_to(x, value)
        else:
            write_places(x, entries, value)


def as_number(value: Any, kind: dtype) -> np.ndarray[Any, Any]:
    """A number as a 0-dim array of the dtype that it is written to.

    Raises:
        ValueError, RuntimeError: it does not fit.
    """
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        raise ValueError("Overflow when unpacking long long")
    if isinstance(value, np.generic):
        value = value.item()
    return filled((), value, kind)


def copy_to(target: Tensor, value: Any) -> None:
    """Write a number or a tensor, which broadcasts, to all of ``target``."""
    check_writable(target)
    aval = target._aval()
    if not isinstance(value, Tensor):
        number = as_number(value, aval.dtype)
        if not _tracked(target) and write_host(target, (), number):
            return
        write(target, run(_FILL, (target, number.item())))
    else:
        given = value._aval()
        if given.ndim > aval.ndim or (given.shape[:1] == (1,) and given.shape != aval.shape):
            value = _without_leading(value)
            given = value._aval()
            if given.ndim > aval.ndim:
                raise RuntimeError(
                    f"expand({legacy_name(given)}{{{list(given.shape)}}}, size={list(aval.shape)}): the number of "
                    f"sizes provided ({aval.ndim}) must be greater or equal to the number of dimensions in the tensor "
                    f"({given.ndim})"
                )
        if given.dtype.is_complex and not aval.dtype.is_complex:
            warn_of_lost_imaginary(stacklevel=4)
        if value._storage is target._storage and _overlap(target, value):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
                "memory location. Please clone() the tensor before performing the operation."
            )
        if given.ndim:
            overwrite(target, value)
        else:
            overwrite(target, value, _FILL)


def _without_leading(value: Tensor) -> Tensor:
    """A value without its leading dimensions of size 1."""
    shape = value._aval().shape
    first = 0
    while first < len(shape) and shape[first] == 1:
        first += 1
    return reshape(value, shape[first:]) if first else value


def _overlap(a: Tensor, b: Tensor) -> bool:
    """Whether two dense tensors of one storage share part of their memory, but not all of it."""
    spans = []
    for x in (a, b):
        shape, strides = x._aval().shape, strides_of(x)
        size = x._aval().size
        if not size or sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 1 != size:
            return False
        spans.append((x._offset, x._offset + size))
    (first, end), (other, other_end) = spans
    if spans[0] == spans[1]:
        return strides_of(a) != strides_of(b)
    return first < other_end and other < end


def write_host(target: Tensor, key: tuple[Any, ...], new: Any, *, add: bool = False) -> bool:
    """Write to memory on the host in place; ``False`` if the contents are not there."""
    storage = target._storage
    buffer = storage.buffer
    if buffer is not None:
        _put_host(_strided_host(target, buffer), key, new, add)
        storage.writes += 1
        own = target._own_version
        (storage if own is None else own).version += 1
        return True
    if storage.strides is not None or storage.value.host is None or storage.value.aval.device is not CPU:  # type: ignore[union-attr]
        return False
    aval = storage.value.aval  # type: ignore[union-attr]
    # Whether the memory is free to write to is told by reference counts, so nothing here may hold the value.
    memory = _own_memory(target, storage)
    _put_host(_strided_host(target, memory), key, new, add)
    own = target._own_version
    storage.write(from_host(memory, aval), count=own is None)
    if own is not None:
        own.version += 1
    return True


def _touch(x: Tensor) -> None:
    """Count a write that changes nothing."""
    (x._own_version or x._storage).version += 1


def _put_host(memory: np.ndarray[Any, Any], key: tuple[Any, ...], new: Any, add: bool) -> None:
    if not add:
        memory[key] = new
    elif memory.dtype == np.bool_:
        np.logical_or.at(memory, key, new)
    else:
        np.add.at(memory, key, new)


def write_places(x: Tensor, entries: Entries, value: Any, accumulate: bool = False) -> None:
    """Write a number or a tensor at index tensors."""
    aval = x._aval()
    number = None
    if not isinstance(value, Tensor):
        number = as_number(value, aval.dtype).item()
    elif value._aval().ndim > aval.ndim or value._aval().shape[:1] == (1,):
        value = _without_leading(value)
    check_writable(x)
    if len(entries) == 1 and isinstance(entries[0][1], Tensor) and not accumulate:
        dim, mask = entries[0]
        one = number is not None or value._aval().size == 1
        if one and _is_mask(mask._aval().dtype) and not (_on_host(x) and _known(mask) is not None):
            write(x, run(_MASK_PUT, (x, mask, value if number is None else number, dim)))
            return
    if not entries:
        raise RuntimeError("sym_strides() called on an undefined Tensor")
    places = Places(x, entries)
    if number is None:
        _check_value(value, aval, places, len(entries) == 1)
    places.check_bounds(aval.shape)
    tracked = _tracked(x) or (number is None and _tracked(value))
    if 0 in places.shape and not tracked:
        _touch(x)
        return
    if places.on_host and not tracked:
        new = number if number is not None else _known(value)
        if new is not None and write_host(x, places.key(aval.ndim), new, add=accumulate):
            return
    if number is None:
        given = value._aval()
        if given.device is not aval.device and given.ndim == 0:
            value = value.to(aval.device)
    source = value if number is None else number
    write(x, run(_INDEX_PUT, (x, source, places.tensors(x), tuple(places.dims), accumulate)))


def _check_value(value: Tensor, aval: Any, places: Places, alone: bool) -> None:
    given = value._aval()
    if given.dtype is not aval.dtype and not (places.masked and alone and given.size == 1):
        names = dtypes.scalar_type_name(aval.dtype), dtypes.scalar_type_name(given.dtype)
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {names[0]} for the destination and "
            f"{names[1]} for the source."
        )
    shape = places.shape
    if given.ndim > len(shape) or any(
        n not in (1, m) for n, m in zip(reversed(given.shape), reversed(shape), strict=False)
    ):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given.shape)} cannot be broadcast to indexing result of "
            f"shape {list(shape)}"
        )


def index_put_(self: Tensor, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """Write ``values``, which broadcast, at ``indices``, one tensor per leading dimension (``torch.index_put_``).

    Args:
        indices: index tensors or masks.
        values: of this tensor's dtype.
        accumulate: add to what is there; else values for one place overwrite each other.
    """
    write_places(self, _entries(self, indices, values, "index_put_"), values, bool(accumulate))
    return self


def index_put(input: Tensor, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``values`` written at ``indices`` (``torch.index_put``); see ``index_put_``."""
    result = input.clone()  # type: ignore[attr-defined]
    if _tracked(input) or _tracked(values):
        # One node instead of a copy and a write.
        entries = _entries(input, indices, values, "index_put")
        places = Places(input, entries)
        _check_value(values, input._aval(), places, len(entries) == 1)
        dims = tuple(places.check_bounds(input._aval().shape).dims)
        return run(_INDEX_PUT, (input, values, places.tensors(input), dims, bool(accumulate)))  # type: ignore[no-any-return]
    return index_put_(result, indices, values, accumulate)


def _entries(x: Tensor, indices: Any, values: Any, name: str) -> Entries:
    if not isinstance(indices, tuple | list):
        raise TypeError(
            f"{name}(): argument 'indices' (position 1) must be tuple of Tensors, not {type(indices).__name__}"
        )
    if not isinstance(values, Tensor):
        raise TypeError(f"{name}(): argument 'values' (position 2) must be Tensor, not {type(values).__name__}")
    entries: Entries = []
    dim, ndim = 0, x._aval().ndim
    for i, item in enumerate(indices):
        if not isinstance(item, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(item).__name__}")
        aval = item._aval()
        if _is_mask(aval.dtype):
            _check_mask(x._aval().shape, aval.shape, dim)
            entries.append((dim, item))
            dim += aval.ndim
        elif aval.dtype is dtypes.int64 or aval.dtype is dtypes.int32:
            entries.append((dim, item))
            dim += 1
        else:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if dim > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim} (got {dim})")
    return entries


# ---- protocols -----------------------------------------------------------------------------------------------------


def length(self: Tensor) -> int:
    """``len(self)``."""
    shape = self._aval().shape
    if not shape:
        raise TypeError("len() of a 0-d tensor")
    return shape[0]


def iterate(self: Tensor) -> Iterator[Tensor]:
    """Views of the slices along the first dimension."""
    shape = self._aval().shape
    if not shape:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))  # type: ignore[attr-defined, no-any-return]


def contains(self: Tensor, element: Any) -> bool:
    """Whether any element equals ``element``."""
    if not isinstance(element, Tensor | int | float | complex | np.number | np.bool_):
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
        )
    return bool((self == element).any().item())  # type: ignore[attr-defined]


def backwards(self: Tensor) -> Tensor:
    """The slices along the first dimension in reverse order, as a copy."""
    return self.flip(0) if self._aval().ndim else self  # type: ignore[attr-defined, no-any-return]


def _no_deletion(self: Tensor, index: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


for _special, _function in {
    "__getitem__": getitem, "__setitem__": setitem, "__delitem__": _no_deletion, "__len__": length, "__iter__": iterate,
    "__contains__": contains, "__reversed__": backwards, "index_put": index_put, "index_put_": index_put_,
}.items():  # fmt: skip
    setattr(Tensor, _special, _function)
