"""Index tensors and masks: ``x[i, :, mask]`` reads with one gather and writes with one scatter.

What is on the host and outside autograd is read and written there at once, by NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU
from jtorch.dispatch import GRAD, INFERENCE, modes
from jtorch.dtypes import dtype
from jtorch.errors import warn_user
from jtorch.ops._registry import OPS
from jtorch.tensor._arguments import filled
from jtorch.tensor._core import Tensor, from_value, read_for_shape, run, value_of
from jtorch.tensor._formats import iteration_order, strides_in_order
from jtorch.tensor._host_memory import strided_host
from jtorch.tensor._inplace import check_writable
from jtorch.tensor._storage import contiguous_strides, strides_of
from jtorch.tensor._value_checks import known_values
from jtorch.tensor._values import to_device
from jtorch.tensor._views import as_strided, reshape
from jtorch.tensor._writing import _own_memory, repeats, write  # fmt: skip
from jtorch.trace import TracedValue, from_host

__all__ = [
    "Entries", "Places", "as_number", "check_mask", "check_value", "is_mask", "read_places", "take_first",
    "tracked", "without_leading", "write_host", "write_places",
]  # fmt: skip

_INDEX, _INDEX_PUT, _MASK_PUT = (OPS[n] for n in ("_index", "_index_put", "_mask_put"))

#: Index tensors by the dimension that each applies to; a mask stands at the first of those it covers.
Entries = list[tuple[int, Any]]


def is_mask(kind: dtype) -> bool:
    return kind is dtypes.bool_ or kind is dtypes.uint8


def check_mask(shape: tuple[int, ...], mask: tuple[int, ...], dim: int) -> None:
    for j, n in enumerate(mask):
        if dim + j >= len(shape):
            raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
        if n != shape[dim + j]:
            raise IndexError(
                f"The shape of the mask {list(mask)} at index {j} does not match the shape of the indexed "
                f"tensor {list(shape)} at index {dim + j}"
            )


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
                if is_mask(aval.dtype):
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
        """PyTorch's error for the first place out of bounds; it numbers dimensions by the indices given."""
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
        """Strides of what is read, if it is not row-major: dimensions keep the order of memory of ``x``."""
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
    """Values that can be looked at without running anything, and kept."""
    found = known_values(x)
    return np.array(found) if found is not None and x._storage.buffer is not None else found


def _mask_indices(mask: Tensor) -> tuple[np.ndarray[Any, Any], ...]:
    """Where a mask is set. Looking at values that are still pending is a synchronisation, and counted."""
    return np.nonzero(read_for_shape(mask))


def tracked(x: Tensor) -> bool:
    return (modes.level == GRAD and x._tracked) or modes.duals is not None


def _on_host(x: Tensor) -> bool:
    """Whether the contents are NumPy memory, and nothing would be recorded for autograd."""
    storage = x._storage
    if storage.buffer is None:
        value = storage.value
        assert value is not None
        if value.host is None or value.aval.device is not CPU:
            return False
    return not tracked(x)


def take_first(x: Tensor, index: Tensor) -> Tensor | None:
    """``x[index]`` of one int64 tensor, the common case, if both are on the host; else ``None``."""
    if x._strides is not None or not _on_host(x):
        return None
    known = _known(index)
    if known is None:
        return None
    try:
        found = x._host().take(known, 0)
    except IndexError:
        return None  # the general way has the error's text
    if not found.size:
        return None
    result = from_value(from_host(found))
    if modes.level == INFERENCE:
        result._inference = True
    return result


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
    return aval.device is CPU and not tracked(x) and type(value_of(x)) is not TracedValue


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


def without_leading(value: Tensor) -> Tensor:
    """A value without its leading dimensions of size 1."""
    shape = value._aval().shape
    first = 0
    while first < len(shape) and shape[first] == 1:
        first += 1
    return reshape(value, shape[first:]) if first else value


def write_host(target: Tensor, key: tuple[Any, ...], new: Any, *, add: bool = False) -> bool:
    """Write to memory on the host in place; ``False`` if the contents are not there."""
    storage = target._storage
    buffer = storage.buffer
    if buffer is not None:
        _put_host(strided_host(target, buffer), key, new, add)
        storage.writes += 1
        own = target._own_version
        (storage if own is None else own).version += 1
        return True
    if storage.strides is not None or storage.value.host is None or storage.value.aval.device is not CPU:  # type: ignore[union-attr]
        return False
    aval = storage.value.aval  # type: ignore[union-attr]
    # Whether the memory is free to write to is told by reference counts, so nothing here may hold the value.
    memory = _own_memory(target, storage)
    _put_host(strided_host(target, memory), key, new, add)
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
        value = without_leading(value)
    one = number is not None or value._aval().size == 1
    if x._strides is not None and 0 in x._strides and one and len(entries) == 1 and not accumulate:
        mask = entries[0][1]
        if isinstance(mask, Tensor) and mask.dtype is dtypes.bool_ and mask.shape == aval.shape:
            # which takes expanded tensors
            x.masked_fill_(mask, value.reshape(()) if number is None else number)
            return
    if x._view is not None and repeats(x):
        _write_repeating(x, entries, value, accumulate, number)
    else:
        _write_places(x, entries, value, accumulate, number)


def _write_places(x: Tensor, entries: Entries, value: Any, accumulate: bool, number: Any) -> None:
    aval = x._aval()
    one = number is not None or value._aval().size == 1
    check_writable(x)
    if len(entries) == 1 and isinstance(entries[0][1], Tensor) and not accumulate:
        dim, mask = entries[0]
        if one and is_mask(mask._aval().dtype) and not (_on_host(x) and _known(mask) is not None):
            write(x, run(_MASK_PUT, (x, mask, value if number is None else number, dim)))
            return
    if not entries:
        raise RuntimeError("sym_strides() called on an undefined Tensor")
    places = Places(x, entries)
    if number is None:
        check_value(value, aval, places, len(entries) == 1 and not accumulate)
    places.check_bounds(aval.shape)
    recorded = tracked(x) or (number is None and tracked(value))
    if 0 in places.shape and not recorded:
        _touch(x)
        return
    if places.on_host and not recorded:
        new = number if number is not None else _known(value)
        if new is not None and write_host(x, places.key(aval.ndim), new, add=accumulate):
            return
    if number is None:
        given = value._aval()
        if given.device is not aval.device and given.ndim == 0:
            value = value.to(aval.device)
    source = value if number is None else number
    write(x, run(_INDEX_PUT, (x, source, places.tensors(x), tuple(places.dims), accumulate)))


def _write_repeating(x: Tensor, entries: Entries, value: Any, accumulate: bool, number: Any) -> None:
    """Write to a view that may show one element of memory at several places: to the memory itself."""
    aval, strides = x._aval(), strides_of(x)
    if any(s == 0 and n > 1 for s, n in zip(strides, aval.shape, strict=True)):
        warn_user(
            "Use of index_put_ on expanded tensors is deprecated. Please clone() the tensor before "
            "performing this operation. This also applies to advanced indexing e.g. tensor[indices] = tensor",
            UserWarning,
        )
    place = np.full(aval.shape, x._offset)
    for d, (n, s) in enumerate(zip(aval.shape, strides, strict=True)):
        place += s * np.arange(n).reshape((n,) + (1,) * (len(strides) - d - 1))
    at = read_places(from_value(from_host(place)), entries)
    count = x._storage.aval().nbytes // aval.dtype.itemsize
    _write_places(as_strided(x, (count,), (1,), 0), [(0, at)], value, accumulate, number)


def check_value(value: Tensor, aval: Any, places: Places, alone: bool) -> None:
    given = value._aval()
    shape = places.shape
    if given.ndim > len(shape) or any(
        n not in (1, m) for n, m in zip(reversed(given.shape), reversed(shape), strict=False)
    ):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given.shape)} cannot be broadcast to indexing "
            f"result of shape {list(shape)}"
        )
    if given.dtype is not aval.dtype and not (places.masked and alone and given.size == 1):
        names = dtypes.scalar_type_name(aval.dtype), dtypes.scalar_type_name(given.dtype)
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {names[0]} for the "
            f"destination and {names[1]} for the source."
        )
