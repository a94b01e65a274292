"""Arrays from what users call data: numbers, nested sequences, arrays, and mixes of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.dtypes import COMPLEX, FLOAT, INT, dtype, from_numpy_dtype, promote_types
from jtorch.tensor._core import Tensor
from jtorch.trace import TracedValue, leave_session

__all__ = ["array_from_data"]

#: Nesting depth after which PyTorch gives up, as it must with a string, whose items are strings.
_MAX_DIMS = 128
_INT64 = np.dtype(np.int64)
_PLAIN = frozenset({int, float, bool, complex})


def array_from_data(data: Any, d: dtype | None) -> np.ndarray[Any, Any]:
    """A new array that nobody else sees.

    Args:
        data: a number, nested sequences of numbers, a NumPy array or scalar.
        d: the dtype; ``None``: PyTorch's inference.

    Raises:
        TypeError, ValueError, RuntimeError: with PyTorch's texts.
    """
    kind = type(data)
    if kind is list or kind is tuple:
        return _from_sequence(data, d)
    if kind in _PLAIN:
        return _converted(data, (), d or _scalar_dtype(data, kind), {kind})
    if isinstance(data, np.ndarray):
        return _from_array(data, d)
    if isinstance(data, np.generic):
        if d is not None:
            _check_integer(data, d)
        return _from_array(np.asarray(data), d)
    if isinstance(data, str | bytes):
        raise TypeError(f"new(): invalid data type '{kind.__name__}'")
    if isinstance(data, int | float | complex):
        return _converted(data, (), d or _infer([data]), {kind})
    if hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        return _from_array(np.asarray(data), d)
    if _is_sequence(data):
        return _from_sequence(list(data), d)
    raise RuntimeError(f"Could not infer dtype of {kind.__name__}") if d is None else _not_a_number(data, d)


def _is_sequence(x: Any) -> bool:
    if not hasattr(x, "__getitem__") or not hasattr(x, "__len__") or isinstance(x, dict | set | bytes):
        return False
    return getattr(x, "ndim", 1) != 0  # an array of JAX without dimensions


def _from_array(data: np.ndarray[Any, Any], d: dtype | None) -> np.ndarray[Any, Any]:
    if not data.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between "
            "byte orders is currently not supported."
        )
    leave_session("makes a tensor of a NumPy array, whose contents may change from call to call")
    own = from_numpy_dtype(data.dtype)
    if d is None or d is own:
        return np.array(data, order="C", copy=True, subok=False)
    if own.is_complex and not d.is_complex:
        data = data.real if d.category else data != 0
    with np.errstate(all="ignore"):
        return data.astype(d.numpy, order="C")


def _scalar_dtype(x: Any, kind: type) -> dtype:
    if kind is float:
        return dtypes.get_default_dtype()
    if kind is int:
        return dtypes.int64
    return dtypes.bool_ if kind is bool else dtypes.get_default_dtype().to_complex()


def _from_sequence(data: Sequence[Any], d: dtype | None) -> np.ndarray[Any, Any]:
    shape = _shape(data)
    kinds: set[type] = set()
    if not _collect(data, shape, 0, kinds):
        data, kinds = _plain(data, shape, 0), set()
        _collect(data, shape, 0, kinds)
    if not kinds:
        return np.empty(shape, (d or dtypes.get_default_dtype()).numpy)
    if kinds <= _PLAIN:
        return _converted(data, shape, d or _common(kinds), kinds)
    return _from_mixed(data, shape, d, kinds)


def _shape(data: Any) -> tuple[int, ...]:
    """Sizes by the first item of each level."""
    sizes: list[int] = []
    while isinstance(data, list | tuple) or (not isinstance(data, Tensor) and _is_sequence(data)):
        if isinstance(data, np.ndarray):
            if not data.ndim:
                break
            return (*sizes, *data.shape)
        if isinstance(data, np.generic):
            break
        sizes.append(len(data))
        if len(sizes) > _MAX_DIMS:
            if isinstance(data, list | tuple):
                raise TypeError("new(): self-referential lists are incompatible")
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
        if not sizes[-1]:
            break
        data = data[0]
    return tuple(sizes)


def _collect(data: Any, shape: tuple[int, ...], depth: int, kinds: set[type]) -> bool:
    """Gather the types of all items; ``False`` if something else than lists and tuples is nested.

    Raises:
        ValueError, TypeError: the nesting is ragged.
    """
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    if depth == len(shape) - 1:
        kinds.update(map(type, data))
        return True
    for item in data:
        if type(item) is not list and type(item) is not tuple:
            return False
        if not _collect(item, shape, depth + 1, kinds):
            return False
    return True


def _plain(data: Any, shape: tuple[int, ...], depth: int) -> list[Any]:
    """Nested lists of whatever sequences ``data`` is made of."""
    if not isinstance(data, list | tuple):
        if not _is_sequence(data) or (isinstance(data, Tensor | np.ndarray | np.generic) and not data.ndim):
            _infer([data])
            raise TypeError("not a sequence")
        data = [data[i] for i in range(len(data))]
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    if depth == len(shape) - 1:
        return list(data)
    if depth == 0 and type(data[0]) is np.ndarray:
        warnings.warn(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting "
            "the list to a single numpy.ndarray with numpy.array() before converting to a tensor.",
            UserWarning,
            stacklevel=5,
        )
    return [_plain(x, shape, depth + 1) for x in data]


def _common(kinds: set[type]) -> dtype:
    if complex in kinds:
        return dtypes.get_default_dtype().to_complex()
    if float in kinds:
        return dtypes.get_default_dtype()
    return dtypes.int64 if int in kinds else dtypes.bool_


def _items(data: Any, depth: int) -> list[Any]:
    for _ in range(depth - 1):
        data = [x for row in data for x in row]
    return list(data)


def _infer(items: Sequence[Any]) -> dtype:
    """The common dtype of single items.

    Raises:
        TypeError, RuntimeError: an item that is no number.
    """
    found: dtype | None = None
    for x in items:
        if isinstance(x, np.generic | np.ndarray):
            d = from_numpy_dtype(x.dtype)
        elif isinstance(x, float):
            d = dtypes.get_default_dtype()
        elif isinstance(x, bool):
            d = dtypes.bool_
        elif isinstance(x, int):
            d = dtypes.int64
        elif isinstance(x, complex):
            d = dtypes.get_default_dtype().to_complex()
        elif isinstance(x, Tensor):
            d = x._aval().dtype
        elif isinstance(x, str | bytes):
            raise TypeError(f"new(): invalid data type '{type(x).__name__}'")
        elif hasattr(x, "__array__"):
            d = from_numpy_dtype(np.asarray(x).dtype)
        elif isinstance(x, list | tuple):
            try:
                d = _infer(x) if x else dtypes.get_default_dtype()
            except RecursionError:
                raise TypeError("new(): self-referential lists are incompatible") from None
        else:
            raise RuntimeError(f"Could not infer dtype of {type(x).__name__}")
        found = d if found is None else promote_types(found, d)
    assert found is not None
    return found


def _from_mixed(
    data: Sequence[Any], shape: tuple[int, ...], d: dtype | None, kinds: set[type]
) -> np.ndarray[Any, Any]:
    """Items other than plain Python numbers."""
    items = _items(data, len(shape))
    if d is None:
        samples = {type(x): x for x in items}
        if all(issubclass(k, np.generic) or k in _PLAIN for k in samples):
            d = _infer(list(samples.values()))
        else:
            d = _infer(items)
    numbers = [_number(x, d) for x in items]
    return _converted(numbers, (len(items),), d, set(map(type, numbers))).reshape(shape)


def _number(x: Any, d: dtype) -> Any:
    if isinstance(x, Tensor):
        own = x._aval().dtype
        if d.category <= INT and (x._aval().size != 1 or own.category > INT):
            raise TypeError("only integer tensors of a single element can be converted to an index")
        if x._aval().size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        if type(x._storage.value) is TracedValue:
            return x.item()
        return x._host().item() if not x._aval().ndim else x._host().reshape(()).item()
    if isinstance(x, np.generic):
        _check_integer(x, d)
        return x.item()
    if isinstance(x, bool | int | float | complex):
        return x
    if hasattr(x, "__array__"):
        array = np.asarray(x)
        if array.size == 1:
            return array.item()
    raise _not_a_number(x, d)


def _check_integer(x: np.generic, d: dtype) -> None:
    """Refuse scalars of NumPy that Python does not take for integers, where the dtype needs one."""
    truth = d.category < INT and x.dtype == bool
    if d.category <= INT and not truth and not isinstance(x, np.integer | float):
        raise _not_a_number(x, d)


def _not_a_number(x: Any, d: dtype) -> TypeError:
    name = type(x).__name__
    if isinstance(x, np.generic):
        name = f"numpy.{name}"
    if d.category <= INT:
        return TypeError(f"'{name}' object cannot be interpreted as an integer")
    return TypeError(f"must be real number, not {name}")


def _converted(data: Any, shape: tuple[int, ...], d: dtype, kinds: set[type]) -> np.ndarray[Any, Any]:
    """Numbers as an array of a dtype, with the checks that PyTorch makes of each."""
    if complex in kinds and d.category in (INT, FLOAT):
        raise _not_a_number(1j, d)
    to = d.numpy
    if d.category == COMPLEX or d is dtypes.float64 or d.category == 0:
        return np.array(data, dtype=to)
    if d.category == FLOAT:
        with np.errstate(all="ignore"):
            array = np.array(data, dtype=np.float32)
            return array if to == np.float32 else array.astype(to)
    try:
        # A uint8 of -1 wraps, so narrow types are checked by hand.
        array = np.array(data, dtype=to if d.itemsize == 8 else _INT64)
    except (OverflowError, ValueError):
        if float not in kinds:
            if d.itemsize == 8 and not d.is_signed:
                return np.array([x % (1 << 64) for x in _flat(data, len(shape))], np.uint64).reshape(shape)
            raise ValueError("Overflow when unpacking long long") from None
        raise RuntimeError(f"value cannot be converted to type {d.name} without overflow") from None
    if d.itemsize < 8:
        info = np.iinfo(to)
        low = info.min if d.is_signed else -info.max
        if array.size and (array.min() < low or array.max() > info.max):
            raise RuntimeError(f"value cannot be converted to type {d.name} without overflow")
        return array.astype(to)
    return array


def _flat(data: Any, depth: int) -> list[Any]:
    return [data] if not depth else _items(data, depth)
