"""Tensors from data: copies of numbers, lists and arrays, and tensors on the memory of arrays and buffers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU, as_device, device
from jtorch.dispatch import INFERENCE, modes
from jtorch.dtypes import dtype, from_numpy_dtype
from jtorch.tensor._arguments import as_dtype, check_layout, filled, make
from jtorch.tensor._core import Tensor, from_value, value_of
from jtorch.tensor._data import array_from_data
from jtorch.tensor._formats import strides_like
from jtorch.tensor._of_jax import of_jax
from jtorch.tensor._storage import Storage, contiguous_strides
from jtorch.tensor._values import to_device
from jtorch.trace import now

__all__ = [
    "as_tensor",
    "copy_of",
    "from_file",
    "from_numpy",
    "frombuffer",
    "new_from",
    "on_buffer",
    "scalar_tensor",
    "tensor",
]

_new = object.__new__


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    names: Any = None,
) -> Tensor:
    """A tensor with a copy of ``data`` (``torch.tensor``).

    Args:
        data: a number, nested sequences of numbers, a NumPy array or scalar, a tensor.
        dtype: by default what the data suggests: int64, bool, the default dtype for Python floats.
        device: by default that of a tensor given as data, else the default device.
        requires_grad: record history of what is computed from it.
        pin_memory: accepted where there is an accelerator.
        names: dimension names are not supported.
    """
    check_layout(names, pin_memory, "tensor")
    if dtype is not None:
        dtype = as_dtype(dtype, "tensor")
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        return copy_of(data, dtype, device, requires_grad)
    return new_from(data, dtype, as_device(device), requires_grad)


#: What tensors are made of most of the time.
_USUAL = frozenset({list, tuple, float, int, bool, np.ndarray})


def new_from(data: Any, dtype: dtype | None, where: device, requires_grad: bool = False) -> Tensor:
    """A new tensor of numbers, sequences or an array, whose order of memory it keeps.

    Raises:
        TypeError, ValueError, RuntimeError: with PyTorch's texts.
    """
    if type(data) not in _USUAL and isinstance(data, jax.Array):
        return copy_of(of_jax(data, where), dtype, where, requires_grad)  # which nobody can write to
    strides = None
    if isinstance(data, np.ndarray) and not data.flags.c_contiguous:
        check_array(data)
        size = data.dtype.itemsize
        strides = strides_like(data.shape, tuple(s // size for s in data.strides))
    return make(array_from_data(data, dtype), where, requires_grad, strides)


def copy_of(data: Tensor, dtype: dtype | None, device: Any, requires_grad: bool) -> Tensor:
    """A new leaf with the values of a tensor."""
    aval = data._aval()
    where = aval.device if device is None else as_device(device)
    value = value_of(data)
    if dtype is not None and dtype is not aval.dtype:
        source = from_value(value)
        value = value_of(source.to(dtype))
    if where is not aval.device:
        value = to_device(value, where)
    result = from_value(value)
    result._storage.born = now()
    if data._strides is not None:
        result._storage.strides = result._strides = strides_like(aval.shape, data._strides)
    if requires_grad:
        result.requires_grad_()
    return result


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` as a tensor, sharing memory and history where possible (``torch.as_tensor``)."""
    if dtype is not None:
        dtype = as_dtype(dtype, "as_tensor")
    if isinstance(data, Tensor):
        aval = data._aval()
        where = aval.device if device is None else as_device(device)
        if (dtype is None or dtype is aval.dtype) and where is aval.device:
            return data
        return data.to(where, dtype or aval.dtype)  # type: ignore[no-any-return]
    if type(data) not in _USUAL and isinstance(data, jax.Array):
        found = of_jax(data, as_device(device))
        return as_tensor(found, dtype, found._aval().device if device is None else device)
    where = as_device(device)
    if (
        isinstance(data, np.ndarray)
        and where is CPU
        and (dtype is None or data.dtype == dtype.numpy)
        and data.dtype.kind != "V"
    ):
        return from_numpy(data)
    return new_from(data, dtype, where)


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares the array's memory: changes of one show in the other (``torch.from_numpy``).

    Raises:
        TypeError: not an array, or of a type that tensors do not have.
        ValueError: negative strides, foreign byte order, or strides that are no multiple of the item size.
    """
    if not isinstance(ndarray, np.ndarray):
        module = type(ndarray).__module__
        name = type(ndarray).__name__ if module == "builtins" else f"{module}.{type(ndarray).__name__}"
        raise TypeError(f"expected np.ndarray (got {name})")
    check_array(ndarray)
    from_numpy_dtype(ndarray.dtype)
    size = ndarray.dtype.itemsize
    strides = tuple(s // size for s in ndarray.strides)
    if not ndarray.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. "
            "This means writing to this tensor will result in undefined behavior. You may want to copy the "
            "array to protect its data or make it writable before converting it to a tensor. This type of "
            "warning will be suppressed for the rest of this program.",
            UserWarning,
            stacklevel=2,
        )
        if 0 not in strides:
            # Differs from PyTorch: the tensor has a copy, so writing to it cannot reach protected memory.
            ndarray = np.array(ndarray, order="K")
            strides = tuple(s // size for s in ndarray.strides)
    return on_buffer(ndarray, strides)


def check_array(array: np.ndarray[Any, Any]) -> None:
    """Layouts that a tensor can have."""
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between "
            "byte orders is currently not supported."
        )
    size = array.dtype.itemsize
    for s in array.strides:
        if s < 0:
            raise ValueError(
                "At least one stride in the given numpy array is negative, and tensors with negative "
                "strides are not currently supported. (You can probably work around this by making a copy "
                "of your array  with array.copy().) "
            )
        if size and s % size:
            raise ValueError(
                "given numpy array strides not a multiple of the element byte size. Copy the numpy array "
                "to reallocate the memory."
            )


def on_buffer(array: np.ndarray[Any, Any], strides: tuple[int, ...]) -> Tensor:
    """A tensor on memory that the user may hold and write to."""
    result = _new(Tensor)
    storage = result._storage = Storage(None)
    storage.buffer = array if type(array) is np.ndarray else np.asarray(array)
    if strides != contiguous_strides(array.shape):
        storage.strides = result._strides = strides
    if modes.level == INFERENCE:
        result._inference = True
    return result


def from_file(
    filename: str,
    shared: bool | None = None,
    size: int = 0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A vector on a file's contents, mapped into memory (``torch.from_file``).

    Args:
        filename: of the file.
        shared: changes go to the file, which is made or made longer if need be; else they stay in memory.
        size: number of elements.
        dtype: how to read the bytes; the default dtype by default.
        layout: strided only.
        device: where the tensor lives; on the CPU it shares the file's memory.
        pin_memory: accepted where there is an accelerator.
        requires_grad: of the result.

    Raises:
        RuntimeError: a file that cannot be opened, or is too short.
    """
    check_layout(layout, pin_memory, "from_file")
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "from_file")
    if not size:
        return make(np.zeros((0,), d.numpy), as_device(device), requires_grad)
    needed, path = size * d.itemsize, Path(filename)
    if shared and (not path.exists() or path.stat().st_size < needed):
        with path.open("ab") as file:
            file.truncate(needed)
    try:
        held = path.stat().st_size
    except OSError as error:
        raise RuntimeError(
            f"unable to open file <{filename}> in read-only mode: {error.strerror} ({error.errno})"
        ) from None
    if held < needed:
        raise RuntimeError(
            f"file <{filename}> size <{held}> is smaller than the required mapping size <{needed}>"
        )
    memory = np.memmap(path, np.uint8, "r+" if shared else "c", shape=(needed,))
    result = frombuffer(memory, dtype=d)
    if device is not None:
        result = result.to(device)
    return result.requires_grad_(requires_grad) if requires_grad else result


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A vector on the memory of an object with the buffer protocol (``torch.frombuffer``).

    Args:
        buffer: ``bytearray``, ``array.array``, ``memoryview``, ...
        dtype: how to read the bytes.
        count: number of elements; negative: all.
        offset: bytes to skip.
        requires_grad: of the result.
    """
    dtype = as_dtype(dtype, "frombuffer")
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, size = view.nbytes, dtype.itemsize
    if length == 0 or count == 0:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} "
            "bytes) minus 1"
        )
    if count > 0 and offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({length} bytes)"
        )
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of "
            f"element size ({size})"
        )
    if view.readonly:
        warnings.warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This "
            "means you can write to the underlying (supposedly non-writable) buffer using the tensor. You "
            "may want to copy the buffer to protect its data or make it writable before converting it to a "
            "tensor. This type of warning will be suppressed for the rest of this program.",
            UserWarning,
            stacklevel=2,
        )
    array = np.frombuffer(view, dtype.numpy, count, offset)
    if view.readonly:
        array = array.copy()
    result = on_buffer(array, (1,))
    if requires_grad:
        result.requires_grad_()
    return result


def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A 0-dim tensor of a number, of the default dtype unless given (``torch.scalar_tensor``)."""
    if not isinstance(s, int | float | complex | np.number | np.bool_):
        raise TypeError(f"scalar_tensor(): argument 's' (position 1) must be Number, not {type(s).__name__}")
    check_layout(layout, pin_memory, "scalar_tensor")
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "scalar_tensor")
    return make(filled((), s, d), as_device(device), requires_grad)
