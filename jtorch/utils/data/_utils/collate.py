"""Making a batch of samples."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.tensor._creation import as_tensor, tensor
from jtorch.tensor._derive import derived
from jtorch.tensor._overrides import takes_part
from jtorch.trace import from_host

__all__ = ["collate", "default_collate", "default_convert"]

_stack = derived[""]["stack"]
np_str_obj_array_pattern = re.compile(r"[SaUO]")
#: For larger batches NumPy asks for huge pages, which is worth more.
JOINED_BYTES = 1 << 22
_UNKNOWN = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def default_convert(data: Any) -> Any:
    """NumPy arrays in nested containers as tensors; everything else as it is."""
    if isinstance(data, Tensor):
        return data
    if type(data).__module__ == "numpy" and not isinstance(data, str | bytes):
        if isinstance(data, np.ndarray) and np_str_obj_array_pattern.search(data.dtype.str) is not None:
            return data
        return as_tensor(data)
    if isinstance(data, Mapping):
        converted = {k: default_convert(v) for k, v in data.items()}
        return _like_mapping(data, converted)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [default_convert(d) for d in data])
    return data


def _like_mapping(original: Any, made: dict[Any, Any]) -> Any:
    try:
        if isinstance(original, MutableMapping):
            # Keeps what a subclass has besides its items.
            clone = copy.copy(original)
            clone.update(made)
            return clone
        return type(original)(made)
    except TypeError:
        return made


def _like_sequence(original: Any, made: list[Any]) -> Any:
    try:
        if isinstance(original, MutableSequence):
            clone = copy.copy(original)
            for i, x in enumerate(made):
                clone[i] = x
            return clone
        return type(original)(made)
    except TypeError:
        return made


def collate(batch: Sequence[Any], *, collate_fn_map: Mapping[Any, Callable[..., Any]] | None = None) -> Any:
    """:func:`default_collate` with a table of functions per element type."""
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        for known, function in collate_fn_map.items():
            if isinstance(first, known):
                return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        made = {k: collate([d[k] for d in batch], collate_fn_map=collate_fn_map) for k in first}
        return _like_mapping(first, made)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        columns = zip(*batch, strict=False)
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in columns))
    if isinstance(first, Sequence):
        size = len(first)
        if any(len(x) != size for x in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]  # type: ignore[assignment]
        return columns if isinstance(first, tuple) else _like_sequence(first, columns)  # type: ignore[arg-type]
    raise TypeError(_UNKNOWN.format(kind))


def collate_tensor_fn(batch: Sequence[Tensor], *, collate_fn_map: Any = None) -> Tensor:
    """Tensors of one shape stacked."""
    first: Any = batch[0]
    if takes_part(type(first)):
        return _stack(list(batch), 0)  # type: ignore[no-any-return]
    if first.device is CPU and not [
        t
        for t in batch
        if not isinstance(t, Tensor)
        or t._requires
        or t._fn is not None
        or (t._abase is not None and t.requires_grad)
    ]:
        arrays = [t._host() for t in batch]
        shape, kind = arrays[0].shape, arrays[0].dtype
        if not [a for a in arrays if a.shape != shape or a.dtype != kind]:
            return from_value(from_host(_stacked(arrays)))
    return _stack(list(batch), 0)  # type: ignore[no-any-return]


def _stacked(arrays: list[Any]) -> Any:
    """Arrays of one shape and dtype in a new first dimension."""
    first = arrays[0]
    whole = (len(arrays), *first.shape)
    if not first.ndim:
        return np.array(arrays)
    if len(arrays) * first.nbytes < JOINED_BYTES:
        # Python joins rows in two thirds of the time that NumPy takes.
        with contextlib.suppress(ValueError, BufferError):  # not row-major, or no type that Python knows
            return np.frombuffer(bytearray().join(arrays), first.dtype).reshape(whole)
    return np.concatenate(arrays).reshape(whole)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """NumPy arrays of one shape stacked to a tensor."""
    if np_str_obj_array_pattern.search(batch[0].dtype.str) is not None:
        raise TypeError(_UNKNOWN.format(batch[0].dtype))
    return collate([as_tensor(b) for b in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """NumPy numbers as a tensor."""
    return as_tensor(np.asarray(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Python floats as a float64 tensor."""
    return tensor(batch, dtype=dtypes.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Python ints (or bools) as a tensor."""
    return tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Strings stay a list."""
    return batch


default_collate_fn_map: dict[Any, Callable[..., Any]] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """A batch of samples: tensors, arrays and numbers stacked, containers element by element.

    Raises:
        TypeError: samples of another type.
        RuntimeError: sequences of different lengths, or tensors of different shapes.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
