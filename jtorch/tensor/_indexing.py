"""Indexing: ``x[...]`` to read and to write, in every form that PyTorch knows.

Integers, slices, ``None`` and ``...`` make views; index tensors and masks read with one gather and write with
one scatter. What is on the host and outside autograd is indexed there at once, by NumPy.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU
from jtorch.ops._registry import OPS
from jtorch.tensor._bridge import legacy_name
from jtorch.tensor._conversion import warn_of_lost_imaginary
from jtorch.tensor._core import Tensor, from_value, run, value_of, view
from jtorch.tensor._data import array_from_data
from jtorch.tensor._index_tensors import (
    Entries,
    Places,
    as_number,
    check_mask,
    check_value,
    is_mask,
    read_places,
    take_first,
    tracked,
    without_leading,
    write_host,
    write_places,
)  # fmt: skip
from jtorch.tensor._inplace import check_apart, check_writable, overwrite
from jtorch.tensor._of_jax import of_jax
from jtorch.tensor._storage import contiguous_strides
from jtorch.tensor._type_names import type_name
from jtorch.tensor._views import alias, unsqueeze, wrap_dim
from jtorch.tensor._writing import write
from jtorch.trace import TracedValue, from_host
from jtorch.trace._read_numbers import ReadNumber

__all__ = ["index_put", "index_put_"]

_INDEX_PUT, _FILL = OPS["_index_put"], OPS["_fill"]
_SCALARS = frozenset({int, bool, float})
_VALUES = (Tensor, int, float, complex, np.integer)


# ---- views


def select_at(x: Tensor, dim: int, index: int, place: int) -> Tensor:
    """The slice at ``index`` along ``dim``; ``place`` is the position of the index, for the error."""
    aval = x._aval()
    shape = aval.shape
    if not shape and index == 0:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
            "to convert a 0-dim tensor to a number"
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
        if not dim and aval.size:
            offset = x._offset + index * (aval.size // size)
            return view(x, "select", (index,), (0,), None, offset, parent_aval=aval)
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


def _in_varying(s: slice, size: Any) -> tuple[Any, Any, int]:
    """Begin, end and step of a slice of a dimension whose size varies (:func:`jtorch.export.export`)."""
    if (s.start or 0, s.stop, s.step or 1) != (0, None, 1):
        raise NotImplementedError(f"part of a dimension whose size varies ({size}): {s}")
    return 0, size, 1


def slice_at(x: Tensor, dim: int, s: slice, *, keep_whole: bool = False) -> Tensor:
    """A slice along ``dim``; ``x`` itself if it takes everything, unless ``keep_whole``."""
    shape = x._aval().shape
    if not shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    size = shape[dim if dim < len(shape) else wrap_dim(dim, len(shape))]
    start, stop, step = s.indices(size) if type(size) is int else _in_varying(s, size)
    if step <= 0:
        raise ValueError("step must be greater than zero")
    length = (stop - start + step - 1) // step if stop > start else 0
    if not keep_whole and step == 1 and length == size and not s.start and (s.stop is None or s.stop >= 0):
        return x
    strides = x._strides
    new = (*shape[:dim], length, *shape[dim + 1 :])
    if strides is None:
        strides = contiguous_strides(shape)
        if not dim and step == 1:
            return view(x, "slice", (start,), (0, length, 1), None, x._offset + start * strides[0])
    left = (*strides[:dim], strides[dim] * step, *strides[dim + 1 :])
    return view(
        x,
        "slice",
        (start,),
        (dim, length, step),
        None if left == contiguous_strides(new) else left,
        x._offset + start * strides[dim],
    )


# ---- taking an index apart


def as_tuple(index: Any) -> tuple[Any, ...]:
    """An index as a tuple; a list that holds slices, sequences or ``None`` counts as one."""
    if type(index) is tuple:
        return index
    if isinstance(index, Tensor | np.ndarray) or not _is_sequence(index):
        return (index,)
    if isinstance(index, tuple):
        return tuple(index)
    if type(index) is list and _SCALARS.issuperset(map(type, index)):
        return (index,)
    if len(index) < 32 and any(
        x is None or x is Ellipsis or isinstance(x, Tensor | slice) or _is_sequence(x) for x in index
    ):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in "
            "pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as "
            "tensor index, x[torch.tensor(seq)], which will result either in an error or a different result",
            UserWarning,
            stacklevel=4,
        )
        return tuple(index)
    return (index,)


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence | np.ndarray)


def _dims_taken(item: Any) -> int:
    """How many dimensions of the tensor an item consumes."""
    if item is None or item is Ellipsis or item is True or item is False:
        return 0
    if isinstance(item, Tensor):
        aval = item._aval()
        return aval.ndim if is_mask(aval.dtype) else 1
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
        if isinstance(item, Tensor) and is_mask(item._aval().dtype):
            check_mask(x._aval().shape, item._aval().shape, d)
    return x, entries


def _plain_item(item: Any) -> Any:
    """An item as an int, slice, ``None``, ``...``, bool or tensor."""
    if item is None or item is Ellipsis or isinstance(item, Tensor | bool | slice):
        return item
    if isinstance(item, int | np.integer):
        return int(item)
    if isinstance(item, jax.Array):
        traced = isinstance(item, jax.core.Tracer)
        return of_jax(item, CPU) if traced else from_value(from_host(np.asarray(item)))
    if _is_sequence(item):
        array = array_from_data(item, None)
        if array.dtype not in (np.bool_, np.uint8):
            array = array.astype(np.int64)
        return from_value(from_host(array))
    kind = type(item)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {name})"
    )


def _take_tensor(x: Tensor, dim: int, item: Tensor, place: int, entries: Entries) -> tuple[Tensor, int]:
    aval = item._aval()
    if not aval.ndim and aval.dtype.category <= dtypes.INT and type(value_of(item)) is not TracedValue:
        number = item.item()
        if not is_mask(aval.dtype):
            return select_at(x, dim, number, place), dim
        x = unsqueeze(x, dim)
        entries.append((dim, np.zeros(1 if number else 0, np.int64)))
        return x, dim + 1
    if is_mask(aval.dtype):
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


# ---- reading


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
    if kind is Tensor:
        aval = index._aval()
        if aval.dtype is dtypes.int64 and aval.ndim and self._aval().ndim:
            found = take_first(self, index)
            if found is not None:
                return found
    x, entries = take_apart(self, as_tuple(index))
    if not entries:
        return alias(x) if x is self else x
    return read_places(x, entries)


# ---- writing


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``."""
    if not isinstance(value, _VALUES):
        if isinstance(value, jax.Array):
            return setitem(self, index, of_jax(value, self._aval().device))
        kind = type(value)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        raise TypeError(f"can't assign a {name} to a {legacy_name(self._aval())}")
    if isinstance(value, complex):
        as_number(value, self._aval().dtype)  # refused before the index is looked at
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


def copy_to(target: Tensor, value: Any) -> None:
    """Write a number or a tensor, which broadcasts, to all of ``target``."""
    check_writable(target)
    aval = target._aval()
    if type(value) is ReadNumber and value.fits(aval.dtype):
        write(target, run(_FILL, (target, value)))
    elif not isinstance(value, Tensor):
        number = as_number(value, aval.dtype)
        if not tracked(target) and write_host(target, (), number):
            return
        write(target, run(_FILL, (target, number.item())))
    else:
        given = value._aval()
        if given.ndim > aval.ndim or (given.shape[:1] == (1,) and given.shape != aval.shape):
            value = without_leading(value)
            given = value._aval()
            if given.ndim > aval.ndim:
                raise RuntimeError(
                    f"expand({type_name(given)}{{{list(given.shape)}}}, size={list(aval.shape)}): the "
                    f"number of sizes provided ({aval.ndim}) must be greater or equal to the number of "
                    f"dimensions in the tensor ({given.ndim})"
                )
        if given.dtype.is_complex and not aval.dtype.is_complex:
            warn_of_lost_imaginary(stacklevel=4)
        same = given.shape == aval.shape  # what is broadcast is not checked, as in PyTorch
        if same and value._storage is target._storage:
            check_apart(target, value)
        if given.ndim or not aval.ndim:
            overwrite(target, value)
        else:
            overwrite(target, value, _FILL)


def index_put_(input: Tensor, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """Write ``values``, which broadcast, at ``indices``, one per leading dimension (``torch.index_put_``).

    Args:
        input: this tensor.
        indices: index tensors or masks.
        values: of this tensor's dtype.
        accumulate: add to what is there; else values for one place overwrite each other.
    """
    write_places(input, _entries(input, indices, values, "index_put_"), values, bool(accumulate))
    return input


def index_put(input: Tensor, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``values`` written at ``indices`` (``torch.index_put``), as ``index_put_``."""
    result = input.clone()
    if tracked(input) or tracked(values):
        # One node instead of a copy and a write.
        entries = _entries(input, indices, values, "index_put")
        places = Places(input, entries)
        check_value(values, input._aval(), places, len(entries) == 1 and not accumulate)
        dims = tuple(places.check_bounds(input._aval().shape).dims)
        return run(_INDEX_PUT, (input, values, places.tensors(input), dims, bool(accumulate)))  # type: ignore[no-any-return]
    return index_put_(result, indices, values, accumulate)


def _entries(x: Tensor, indices: Any, values: Any, name: str) -> Entries:
    if not isinstance(indices, tuple | list):
        raise TypeError(
            f"{name}(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    if not isinstance(values, Tensor):
        raise TypeError(
            f"{name}(): argument 'values' (position 2) must be Tensor, not {type(values).__name__}"
        )
    entries: Entries = []
    dim, ndim = 0, x._aval().ndim
    for i, item in enumerate(indices):
        if not isinstance(item, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(item).__name__}")
        aval = item._aval()
        if is_mask(aval.dtype):
            check_mask(x._aval().shape, aval.shape, dim)
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


# ---- protocols


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
    return iter(self.unbind(0))


def contains(self: Tensor, element: Any) -> bool:
    """Whether any element equals ``element``."""
    if not isinstance(element, Tensor | int | float | complex | np.number | np.bool_):
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
        )
    return bool((self == element).any().item())


def backwards(self: Tensor) -> Tensor:
    """The slices along the first dimension in reverse order, as a copy."""
    return self.flip(0) if self._aval().ndim else self


def _no_deletion(self: Tensor, index: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


for _special, _function in {
    "__getitem__": getitem, "__setitem__": setitem, "__delitem__": _no_deletion, "__len__": length,
    "__iter__": iterate, "__contains__": contains, "__reversed__": backwards, "index_put": index_put,
    "index_put_": index_put_,
}.items():  # fmt: skip
    setattr(Tensor, _special, _function)
