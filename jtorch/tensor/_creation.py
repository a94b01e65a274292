"""Creation functions: tensors from data, of constants, and ranges.

Everything is made on the host as a NumPy array; other devices receive a copy.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch import devices, dtypes
from jtorch.devices import CPU, META, as_device, device, platform_available
from jtorch.dispatch import INFERENCE, clear_plans, modes
from jtorch.dtypes import COMPLEX, FLOAT, INT, dtype, from_numpy_dtype
from jtorch.tensor._core import Tensor, from_value, meta_value, to_device, value_of, write
from jtorch.tensor._data import array_from_data
from jtorch.tensor._formats import format_strides, strides_in_order, strides_like
from jtorch.tensor._inplace import resize_to
from jtorch.tensor._layout import contiguous_format, memory_format, preserve_format, strided
from jtorch.tensor._storage import Storage, contiguous_strides
from jtorch.trace import aval_of, from_host

__all__ = [
    "arange",
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "get_default_device",
    "get_default_dtype",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "range",
    "scalar_tensor",
    "set_default_device",
    "set_default_dtype",
    "tensor",
    "zeros",
    "zeros_like",
]

_range = range
_new = object.__new__


# ---- arguments -----------------------------------------------------------------------------------------------------


def as_dtype(given: Any, name: str) -> dtype:
    """A ``dtype=`` argument: a dtype, or Python's ``float``, ``int``, ``bool``, ``complex``.

    Raises:
        TypeError: something else.
    """
    if type(given) is dtype:
        return given
    found = _PYTHON_TYPES.get(given) if isinstance(given, type) else None
    if found is None:
        raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(given).__name__}")
    return found


_PYTHON_TYPES = {float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool_, complex: dtypes.complex128}


def sizes_of(args: Sequence[Any], name: str) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence.

    Raises:
        TypeError: something that is no size.
        RuntimeError: a negative size.
    """
    if len(args) == 1 and isinstance(args[0], tuple | list):
        sizes: Sequence[Any] = args[0]
    else:
        sizes = args
        if not args:
            raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    result = []
    for i, n in enumerate(sizes):
        if type(n) is not int:
            n = _size(n, i, sizes is args and len(args) == 1, name)
        if n < 0:
            raise RuntimeError(f"{name}: Dimension size must be non-negative.")
        result.append(n)
    return tuple(result)


def _size(n: Any, place: int, alone: bool, name: str) -> int:
    if not isinstance(n, bool | str):
        try:
            return int(n.__index__())
        except (AttributeError, TypeError):
            pass
    if alone:
        raise TypeError(f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type(n).__name__}")
    raise TypeError(
        f"{name}(): argument 'size' failed to unpack the object at pos {place + 1} with error \"type must be tuple of "
        f'ints,but got {type(n).__name__}"'
    )


def check_layout(layout: Any, pin_memory: Any, name: str) -> None:
    """``layout=`` and ``pin_memory=``: what a CPU without accelerators accepts, and strided tensors only."""
    if layout is not None and layout is not strided:
        raise NotImplementedError(f"{name}(): layout={layout} is not supported, tensors are strided")
    if pin_memory and not any(platform_available(kind) for kind in ("cuda", "tpu", "mps")):
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory allocator is available on "
            "this system."
        )


def make(
    array: np.ndarray[Any, Any],
    where: device = CPU,
    requires_grad: bool = False,
    strides: tuple[int, ...] | None = None,
) -> Tensor:
    """A new tensor of an array that belongs to the engine from now on."""
    result = _new(Tensor)
    value = from_host(array)
    if where is not CPU:
        value = meta_value(aval_of(array.shape, value.aval.dtype, META)) if where is META else to_device(value, where)
    storage = result._storage = Storage(value)
    if strides is not None:
        storage.strides = result._strides = strides
    if requires_grad:
        if value.aval.dtype.category < FLOAT:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        result._requires = True
    if modes.level == INFERENCE:
        result._inference = True
    return result


def into(out: Tensor, array: np.ndarray[Any, Any], given: dtype | None = None) -> Tensor:
    """Store an array in an ``out=`` tensor, resizing that if needed."""
    aval = out._aval()
    if given is not None and given is not aval.dtype:
        names = dtypes.scalar_type_name(given), dtypes.scalar_type_name(aval.dtype)
        raise RuntimeError(f"dtype {names[0]} does not match dtype of out parameter ({names[1]})")
    if aval.shape != array.shape:
        resize_to(out, array.shape)
    with np.errstate(all="ignore"):
        new = make(array.astype(aval.dtype.numpy, copy=False), aval.device)
    write(out, new)
    return out


# ---- defaults ------------------------------------------------------------------------------------------------------


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats (``torch.get_default_dtype``)."""
    return dtypes.get_default_dtype()


def set_default_dtype(d: dtype) -> None:
    """Make tensors of Python floats have dtype ``d`` from now on.

    Raises:
        TypeError: not a floating dtype.
    """
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if d.category != FLOAT:
        raise TypeError("only floating-point types are supported as the default type")
    if d is not dtypes.get_default_dtype():
        dtypes.set_default_dtype_(d)
        clear_plans()


def get_default_device() -> device:
    """Where factory functions place tensors."""
    return devices.default_device()


def set_default_device(device: Any) -> None:
    """Place what factory functions make on ``device`` from now on; ``None`` means the CPU again."""
    devices.set_default_device(device)


# ---- from data -----------------------------------------------------------------------------------------------------


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
    return make(array_from_data(data, dtype), as_device(device), requires_grad)


def copy_of(data: Tensor, dtype: dtype | None, device: Any, requires_grad: bool) -> Tensor:
    """A new leaf with the values of a tensor."""
    aval = data._aval()
    where = aval.device if device is None else as_device(device)
    value = value_of(data)
    if dtype is not None and dtype is not aval.dtype:
        source = from_value(value)
        value = value_of(source.to(dtype))  # type: ignore[attr-defined]
    if where is not aval.device:
        value = to_device(value, where)
    result = from_value(value)
    if requires_grad:
        result.requires_grad_()  # type: ignore[attr-defined]
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
        return data.to(where, dtype or aval.dtype)  # type: ignore[attr-defined, no-any-return]
    where = as_device(device)
    if (
        isinstance(data, np.ndarray)
        and where is CPU
        and (dtype is None or data.dtype == dtype.numpy)
        and data.dtype.kind != "V"
    ):
        return from_numpy(data)
    return make(array_from_data(data, dtype), where)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """``obj`` as a tensor (``torch.asarray``).

    Args:
        obj: a tensor, an array, an object with DLPack or the buffer protocol, a number, nested sequences.
        dtype: of the result.
        device: of the result.
        copy: ``True``: always copy; ``False``: never, it is an error where one is needed; ``None``: where needed.
        requires_grad: of the result.
    """
    if dtype is not None:
        dtype = as_dtype(dtype, "asarray")
    source = _shared(obj, dtype)
    if source is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return make(array_from_data(obj, dtype), as_device(device), requires_grad)
    aval = source._aval()
    where = aval.device if device is None and isinstance(obj, Tensor) else as_device(device)
    other_type = dtype is not None and dtype is not aval.dtype
    if copy is False and where is not aval.device:
        raise ValueError(f"can't alias tensor with device '{aval.device}' into device '{where}'.")
    if copy is False and other_type:
        names = dtypes.scalar_type_name(aval.dtype), dtypes.scalar_type_name(dtype)
        raise ValueError(f"can't alias tensor with dtype '{names[0]}' into dtype '{names[1]}'.")
    if copy or other_type or where is not aval.device:
        if isinstance(obj, Tensor) and obj.requires_grad and requires_grad:
            result = source.to(where, dtype or aval.dtype, copy=True)  # type: ignore[attr-defined]
        else:
            return copy_of(source, dtype, where, requires_grad)
    else:
        result = source
        if source.requires_grad and not requires_grad:
            result = source.detach()  # type: ignore[attr-defined]
    if requires_grad and not result.requires_grad:
        result.requires_grad_()
    return result  # type: ignore[no-any-return]


def _shared(obj: Any, dtype: dtype | None) -> Tensor | None:
    """A tensor on the memory of ``obj``; ``None`` for plain data."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, np.ndarray):
        return from_numpy(obj)
    if isinstance(obj, np.generic):
        return make(np.array(obj))
    if hasattr(obj, "__dlpack__"):
        from jtorch.tensor._interop import from_dlpack

        return from_dlpack(obj)
    if isinstance(obj, bytes | bytearray | memoryview):
        return frombuffer(obj, dtype=dtype or dtypes.get_default_dtype())
    return None


def from_numpy(ndarray: np.ndarray[Any, Any]) -> Tensor:
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
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means "
            "writing to this tensor will result in undefined behavior. You may want to copy the array to protect its "
            "data or make it writable before converting it to a tensor. This type of warning will be suppressed for "
            "the rest of this program.",
            UserWarning,
            stacklevel=2,
        )
        if 0 not in strides:
            # Differs from PyTorch: the tensor has a copy, so that writing to it cannot reach protected memory.
            ndarray = np.array(ndarray, order="K")
            strides = tuple(s // size for s in ndarray.strides)
    return on_buffer(ndarray, strides)


def check_array(array: np.ndarray[Any, Any]) -> None:
    """Layouts that a tensor can have."""
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    size = array.dtype.itemsize
    for s in array.strides:
        if s < 0:
            raise ValueError(
                "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
                "currently supported. (You can probably work around this by making a copy of your array  with "
                "array.copy().) "
            )
        if size and s % size:
            raise ValueError(
                "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate "
                "the memory."
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
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) minus 1"
        )
    if count > 0 and offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be greater than "
            f"actual buffer length ({length} bytes)"
        )
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of element size "
            f"({size})"
        )
    if view.readonly:
        warnings.warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can "
            "write to the underlying (supposedly non-writable) buffer using the tensor. You may want to copy the buffer "
            "to protect its data or make it writable before converting it to a tensor. This type of warning will be "
            "suppressed for the rest of this program.",
            UserWarning,
            stacklevel=2,
        )
    array = np.frombuffer(view, dtype.numpy, count, offset)
    if view.readonly:
        array = array.copy()
    result = on_buffer(array, (1,))
    if requires_grad:
        result.requires_grad_()  # type: ignore[attr-defined]
    return result


def scalar_tensor(
    s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False
) -> Tensor:
    """A 0-dim tensor of a number, of the default dtype unless given (``torch.scalar_tensor``)."""
    if not isinstance(s, int | float | complex | np.number | np.bool_):
        raise TypeError(f"scalar_tensor(): argument 's' (position 1) must be Number, not {type(s).__name__}")
    check_layout(layout, pin_memory, "scalar_tensor")
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "scalar_tensor")
    return make(filled((), s, d), as_device(device), requires_grad)


# ---- constants -----------------------------------------------------------------------------------------------------

#: Names in the text of C++'s checked conversion of numbers.
_C_NAMES = {
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int",
    "int64": "int64_t",
    "float16": "at::Half",
    "bfloat16": "at::BFloat16",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def filled(shape: tuple[int, ...], number: Any, d: dtype) -> np.ndarray[Any, Any]:
    """An array of one number, converted as C++ does with a check of its range.

    Raises:
        RuntimeError: the number does not fit the type.
    """
    if type(number) in (float, int) and d.numpy.kind == "f" and -65504 <= number <= 65504:
        return np.full(shape, number, d.numpy)
    if not fits(number, d):
        raise RuntimeError(f"value cannot be converted to type {_C_NAMES.get(d.name, d.name)} without overflow")
    if d.category == INT:
        wrapped = int(number) % (1 << (8 * d.itemsize))
        return np.full(shape, wrapped, f"u{d.itemsize}").view(d.numpy)
    with np.errstate(all="ignore"):
        return np.full(shape, np.asarray(number, np.complex128 if d.is_complex else np.float64).astype(d.numpy))


def fits(number: Any, d: dtype) -> bool:
    """Whether a number converts to a type without overflow; negative numbers wrap in unsigned types."""
    if isinstance(number, complex | np.complexfloating):
        if d.category < COMPLEX and number.imag:
            return d.category == 0
        if d.is_complex:
            return fits(number.real, d.to_real()) and fits(number.imag, d.to_real())
        number = number.real
    if d.category == 0:
        return True
    if d.category >= FLOAT:
        number = float(number)
        if d.itemsize < 4:
            return True  # narrow types take what is too large as infinite
        return not math.isfinite(number) or abs(number) <= dtypes.finfo(d).max
    if isinstance(number, float | np.floating) and not math.isfinite(number):
        return False
    info = dtypes.iinfo(d)
    low = info.min if info.min else -info.max
    return bool(low <= int(number) <= info.max)


def _constant(
    name: str, zero: bool, args: tuple[Any, ...], size: Any, out: Any, dtype: Any, layout: Any, device: Any,
    pin_memory: bool, requires_grad: bool, format: memory_format | None,
) -> Tensor:  # fmt: skip
    shape = sizes_of(args if size is None else (size,), name)
    if layout is not None or pin_memory:
        check_layout(layout, pin_memory, name)
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, name)
    if out is not None:
        array = (np.zeros if zero else np.ones)(shape, out._aval().dtype.numpy)
        return into(out, array, None if dtype is None else d)
    strides = None if format is None else format_strides(shape, format)
    where = as_device(device)
    if where is META:
        return _on_meta(shape, d, requires_grad, strides)
    return make((np.zeros if zero else np.ones)(shape, d.numpy), where, requires_grad, strides)


def _on_meta(shape: tuple[int, ...], d: dtype, requires_grad: bool, strides: tuple[int, ...] | None) -> Tensor:
    return make(np.broadcast_to(np.zeros((), d.numpy), shape), META, requires_grad, strides)


def zeros(
    *args: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros; sizes one by one or as one sequence (``torch.zeros``)."""
    return _constant("zeros", True, args, size, out, dtype, layout, device, pin_memory, requires_grad, None)


def ones(
    *args: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones; sizes one by one or as one sequence (``torch.ones``)."""
    return _constant("ones", False, args, size, out, dtype, layout, device, pin_memory, requires_grad, None)


def empty(
    *args: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = contiguous_format,
) -> Tensor:  # fmt: skip
    """A tensor whose contents do not matter; they are zeros (``torch.empty``)."""
    return _constant(
        "empty", True, args, size, out, dtype, layout, device, pin_memory, requires_grad, memory_format
    )


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """One number everywhere; its type decides the dtype unless given (``torch.full``)."""
    if not isinstance(size, tuple | list):
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    shape = sizes_of((size,), "full")
    check_layout(layout, pin_memory, "full")
    number = number_of(fill_value, "full", "fill_value", 2)
    if out is not None:
        return into(out, filled(shape, number, out._aval().dtype))
    d = _number_dtype(number) if dtype is None else as_dtype(dtype, "full")
    where = as_device(device)
    if where is META:
        return _on_meta(shape, d, requires_grad, None)
    return make(filled(shape, number, d), where, requires_grad)


def number_of(x: Any, name: str, parameter: str, position: int) -> Any:
    """A Python number given as such, as a NumPy scalar or as a 0-dim tensor."""
    if isinstance(x, Tensor) and not x._aval().ndim:
        return x._host().item()
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, int | float | complex):
        return x
    raise TypeError(
        f"{name}(): argument '{parameter}' (position {position}) must be Number, not {type(x).__name__}"
    )


def _number_dtype(number: Any) -> dtype:
    if isinstance(number, bool):
        return dtypes.bool_
    if isinstance(number, int):
        return dtypes.int64
    d = dtypes.get_default_dtype()
    return d.to_complex() if isinstance(number, complex) else d


def _like(
    name: str, input: Any, number: Any, dtype: Any, layout: Any, device: Any, pin_memory: bool, requires_grad: bool,
    format: Any,
) -> Tensor:  # fmt: skip
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    check_layout(layout, pin_memory, name)
    aval = input._aval()
    d = aval.dtype if dtype is None else as_dtype(dtype, name)
    where = aval.device if device is None else as_device(device)
    if format is None or format is preserve_format:
        strides = None if input._strides is None else strides_like(aval.shape, input._strides)
    else:
        strides = format_strides(aval.shape, format)
    if where is META:
        return _on_meta(aval.shape, d, requires_grad, strides)
    array = np.zeros(aval.shape, d.numpy) if number is None else filled(aval.shape, number, d)
    return make(array, where, requires_grad, strides)


def zeros_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = preserve_format,
) -> Tensor:  # fmt: skip
    """Zeros with the shape, dtype and device of ``input`` (``torch.zeros_like``)."""
    return _like("zeros_like", input, None, dtype, layout, device, pin_memory, requires_grad, memory_format)


def ones_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = preserve_format,
) -> Tensor:  # fmt: skip
    """Ones with the shape, dtype and device of ``input`` (``torch.ones_like``)."""
    return _like("ones_like", input, 1, dtype, layout, device, pin_memory, requires_grad, memory_format)


def empty_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = preserve_format,
) -> Tensor:  # fmt: skip
    """A tensor like ``input`` whose contents do not matter (``torch.empty_like``)."""
    return _like("empty_like", input, None, dtype, layout, device, pin_memory, requires_grad, memory_format)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = preserve_format,
) -> Tensor:  # fmt: skip
    """One number everywhere, with the shape, dtype and device of ``input`` (``torch.full_like``)."""
    number = number_of(fill_value, "full_like", "fill_value", 2)
    return _like("full_like", input, number, dtype, layout, device, pin_memory, requires_grad, memory_format)


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of given strides whose contents do not matter (``torch.empty_strided``)."""
    shape, strides = sizes_of((tuple(size),), "empty_strided"), tuple(int(s) for s in stride)
    if len(shape) != len(strides):
        raise RuntimeError(
            "empty_strided: dimensionality of sizes must match dimensionality of strides: "
            f"got {len(shape)} and {len(strides)}"
        )
    check_layout(layout, pin_memory, "empty_strided")
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "empty_strided")
    where = as_device(device)
    order = sorted(_range(len(shape)), key=lambda i: (-strides[i], i))
    if strides == contiguous_strides(shape):
        kept = None
    elif strides == strides_in_order(shape, order):
        kept = strides
    else:
        # Gaps or overlaps: a view of memory that is large enough.
        held = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if all(shape) else 0
        memory = make(np.zeros((held,), d.numpy), where)
        view = memory.as_strided(shape, strides).detach()  # type: ignore[attr-defined]
        if requires_grad:
            view.requires_grad_()
        return view  # type: ignore[no-any-return]
    if where is META:
        return _on_meta(shape, d, requires_grad, kept)
    return make(np.zeros(shape, d.numpy), where, requires_grad, kept)


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor whose dimensions lie in memory in the given order, outermost first (``torch.empty_permuted``)."""
    shape, order = sizes_of((tuple(size),), "empty_permuted"), [int(d) for d in physical_layout]
    if len(order) != len(shape):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    for d in order:
        if not 0 <= d < len(shape):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {d} at index "
                f"{order.index(d)}).  NB: negative dims not currently supported; file an issue if you want it."
            )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    strides = strides_in_order(shape, order)
    return empty_strided(
        shape, strides, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad, pin_memory=pin_memory
    )


# ---- new_* ---------------------------------------------------------------------------------------------------------


def _of(self: Tensor, dtype: Any, device: Any) -> dict[str, Any]:
    aval = self._aval()
    return {"dtype": aval.dtype if dtype is None else dtype, "device": aval.device if device is None else device}


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ``data`` with this tensor's dtype and device unless given."""
    check_layout(layout, pin_memory, "new_tensor")
    where = _of(self, dtype, device)
    d = as_dtype(where["dtype"], "new_tensor")
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than tensor.new_tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        return copy_of(data, d, where["device"], requires_grad)
    return make(array_from_data(data, d), as_device(where["device"]), requires_grad)


def new_zeros(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros with this tensor's dtype and device unless given."""
    shape = sizes_of(args if size is None else (size,), "new_zeros")
    return zeros(shape, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **_of(self, dtype, device))


def new_ones(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones with this tensor's dtype and device unless given."""
    shape = sizes_of(args if size is None else (size,), "new_ones")
    return ones(shape, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **_of(self, dtype, device))


def new_empty(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of this tensor's dtype and device unless given, whose contents do not matter."""
    shape = sizes_of(args if size is None else (size,), "new_empty")
    return empty(shape, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **_of(self, dtype, device))


def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """One number everywhere, with this tensor's dtype and device unless given."""
    where = _of(self, dtype, device)
    return full(size, fill_value, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **where)


def new_empty_strided(
    self: Tensor, size: Any, stride: Any, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """:func:`empty_strided` with this tensor's dtype and device unless given."""
    where = _of(self, dtype, device)
    return empty_strided(size, stride, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **where)


# ---- ranges --------------------------------------------------------------------------------------------------------

#: Lanes of PyTorch's vectorised kernels (256-bit registers, two at a time); they decide the last bits of a range.
_LANES = {dtypes.float64: 4, dtypes.float32: 8, dtypes.float16: 16, dtypes.bfloat16: 16}

_ARANGE_FORMS = (
    " * (Number end, *, Tensor out = None, torch.dtype dtype = None, torch.layout layout = None, torch.device device = "
    "None, bool pin_memory = False, bool requires_grad = False)\n"
    " * (Number start, Number end, *, torch.dtype dtype = None, torch.layout layout = None, torch.device device = None, "
    "bool pin_memory = False, bool requires_grad = False)\n"
    " * (Number start, Number end, Number step = 1, *, Tensor out = None, torch.dtype dtype = None, torch.layout layout "
    "= None, torch.device device = None, bool pin_memory = False, bool requires_grad = False)\n"
)


def arange(
    *args: Any, start: Any = None, end: Any = None, step: Any = None, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from ``start`` (0) up to but without ``end``, ``step`` (1) apart (``torch.arange``).

    Raises:
        RuntimeError: a step of 0, or in the wrong direction.
    """
    names = ["end"] if len(args) == 1 and start is None else ["start", "end", "step"]
    given = {"start": start, "end": end, "step": step}
    if len(args) > 3 or any(given[n] is not None for n in names[: len(args)]) or (not args and end is None):
        kinds = ", ".join(type(a).__name__ for a in args)
        raise TypeError(
            "arange() received an invalid combination of arguments - got "
            f"({kinds}), but expected one of:\n{_ARANGE_FORMS}"
        )
    if len(args) == 1 and start is None and end is not None:
        names = ["start"]
    given.update(zip(names, args, strict=False))
    if given["end"] is None:
        raise TypeError('arange() missing 1 required positional arguments: "end"')
    low, high, by = (
        default if given[n] is None else number_of(given[n], "arange", n, i + (len(args) > 1))
        for i, (n, default) in enumerate((("start", 0), ("end", 0), ("step", 1)))
    )
    check_layout(layout, pin_memory, "arange")
    if dtype is not None:
        d = as_dtype(dtype, "arange")
    elif all(isinstance(x, int) for x in (low, high, by)):
        d = dtypes.int64
    else:
        d = dtypes.get_default_dtype()
    if out is not None:
        return into(out, _arange(low, high, by, out._aval().dtype))
    return make(_arange(low, high, by, d), as_device(device), requires_grad)


def _check_range(start: Any, end: Any, step: Any) -> None:
    if any(isinstance(x, complex) and x.imag for x in (start, end, step)):
        raise RuntimeError("value cannot be converted to type double without overflow")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (step > 0 and end < start) or (step < 0 and end > start):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def _arange(start: Any, end: Any, step: Any, d: dtype) -> np.ndarray[Any, Any]:
    _check_range(start, end, step)
    if d.category == dtypes.BOOL or d.is_complex or d in dtypes.FLOAT8:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{dtypes.scalar_type_name(d)}'")
    if d.category == INT:
        if d is dtypes.int64:
            first, by = int(start), int(step)
            if by == 0:
                raise RuntimeError("step must be nonzero")
            count = max(-((first - int(end)) // by), 0)
        else:
            first, by, count = int(start), int(step), math.ceil((end - start) / step)
        if by == 1:
            return np.arange(first, first + count, dtype=d.numpy)
        return (first + by * np.arange(count, dtype=np.int64)).astype(d.numpy)
    count = math.ceil((end - start) / step)
    lanes = _LANES[d]
    index = np.arange(count)
    wide: Any = np.longdouble if d is dtypes.float64 else np.float64
    narrow = d.numpy
    first, by = wide(start), wide(step)
    if d in dtypes.HALF:
        wide = np.float32
        first, by = wide(start), wide(step)
    # Each vector starts at its rounded first element; the rest after the last pair of vectors is computed one by one.
    whole = count // (2 * lanes) * (2 * lanes)
    head = index[:whole]
    vectors = (first + by * (head[::lanes]).astype(wide)).astype(narrow).astype(wide)
    body = (vectors[:, None] + by * np.arange(lanes).astype(wide)).reshape(-1)
    tail = first + by * index[whole:].astype(wide)
    return np.concatenate([body, tail]).astype(narrow)


def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from ``start`` up to and with ``end`` (``torch.range``, deprecated: see :func:`arange`)."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    low, high = number_of(start, "range", "start", 1), number_of(end, "range", "end", 2)
    by = number_of(step, "range", "step", 3)
    check_layout(layout, pin_memory, "range")
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "range")
    if out is not None:
        d = out._aval().dtype
    _check_range(low, high, by)
    count = math.floor((high - low) / by) + 1
    if d.category == INT:
        array = (int(low) + int(by) * np.arange(count)).astype(d.numpy)
    else:
        array = (low + by * np.arange(count).astype(np.float64)).astype(d.numpy)
    return into(out, array) if out is not None else make(array, as_device(device), requires_grad)


def _bounds(name: str, start: Any, end: Any, steps: Any) -> tuple[Any, Any, int]:
    tensors = [x for x in (start, end) if isinstance(x, Tensor)]
    if any(x._aval().ndim for x in tensors):
        dims = [x._aval().ndim if isinstance(x, Tensor) else 0 for x in (start, end)]
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got start with {dims[0]} dimension(s) and "
            f"end with {dims[1]} dimension(s)."
        )
    if steps is None or isinstance(steps, float | str | complex):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got "
            f"({', '.join(type(x).__name__ for x in (start, end, steps) if x is not None)}), but expected one of:\n"
            + "".join(
                f" * ({a} start, {b} end, int steps, *, Tensor out = None, torch.dtype dtype = None, torch.layout "
                "layout = None, torch.device device = None, bool pin_memory = False, bool requires_grad = False)\n"
                for a, b in (("Tensor", "Tensor"), ("Number", "Tensor"), ("Tensor", "Number"), ("Number", "Number"))
            )
        )
    count = int(steps)
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    return number_of(start, name, "start", 1), number_of(end, name, "end", 2), count


def _space_dtype(name: str, dtype: Any, out: Any, start: Any, end: Any) -> dtypes.dtype:
    if out is not None:
        found: dtypes.dtype = out._aval().dtype
        return found
    if dtype is not None:
        return as_dtype(dtype, name)
    d = dtypes.get_default_dtype()
    return d.to_complex() if isinstance(start, complex) or isinstance(end, complex) else d


def linspace(
    start: Any, end: Any, steps: Any = None, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers evenly spaced from ``start`` to ``end``, both included (``torch.linspace``)."""
    low, high, count = _bounds("linspace", start, end, steps)
    check_layout(layout, pin_memory, "linspace")
    d = _space_dtype("linspace", dtype, out, low, high)
    if d.category == dtypes.BOOL or d in dtypes.FLOAT8:
        raise NotImplementedError(f"\"linspace_cpu\" not implemented for '{dtypes.scalar_type_name(d)}'")
    array = _linspace(low, high, count, d)
    return into(out, array) if out is not None else make(array, as_device(device), requires_grad)


def _linspace(start: Any, end: Any, count: int, d: dtype) -> np.ndarray[Any, Any]:
    """Counted from both ends, with the step rounded to the type."""
    if count == 1:
        return filled((1,), start, d)
    index = np.arange(count)
    if d.category == INT:
        low, high, step_type = float(int(start)), float(int(end)), np.float64
        wide: Any = np.longdouble
    else:
        step_type = d.numpy.type
        low, high = filled((), start, d)[()], filled((), end, d)[()]
        # Real types: one rounding per element, as a fused multiply-add has; complex ones: as written.
        wide = d.numpy.type if d.is_complex else np.longdouble if d.itemsize == 8 else np.float64
    if not count:
        return np.empty((0,), d.numpy)
    step = wide(step_type(step_type(high - low) / step_type(count - 1)))
    half = count // 2
    up, down = index[:half].astype(wide), (count - 1 - index[half:]).astype(wide)
    both = np.concatenate([wide(low) + step * up, wide(high) - step * down])
    if d.category == INT:
        both = both.astype(np.float64)
    return both.astype(d.numpy)


def logspace(
    start: Any, end: Any, steps: Any = None, base: float = 10.0, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to evenly spaced powers (``torch.logspace``)."""
    low, high, count = _bounds("logspace", start, end, steps)
    check_layout(layout, pin_memory, "logspace")
    d = _space_dtype("logspace", dtype, out, low, high)
    if d.category == dtypes.BOOL or d in dtypes.FLOAT8:
        raise NotImplementedError(f"\"logspace_cpu\" not implemented for '{dtypes.scalar_type_name(d)}'")
    if count == 1:
        array = np.full((1,), base**low).astype(d.numpy)
    else:
        wide = np.complex128 if d.is_complex else np.float64
        powers = np.linspace(low, high, count, dtype=wide)
        array = np.power(wide(base), powers).astype(d.numpy)
    return into(out, array) if out is not None else make(array, as_device(device), requires_grad)


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal, zeros elsewhere (``torch.eye``)."""
    for i, (parameter, x) in enumerate((("n", n), ("m", m))):
        if x is not None and not isinstance(x, int | np.integer | Tensor):
            raise TypeError(f"eye(): argument '{parameter}' (position {i + 1}) must be int, not {type(x).__name__}")
    rows, columns = int(n), int(n if m is None else m)
    for parameter, count in (("n", rows), ("m", columns)):
        if count < 0:
            raise RuntimeError(f"{parameter} must be greater or equal to 0, got {count}")
    check_layout(layout, pin_memory, "eye")
    if out is not None:
        return into(out, np.eye(rows, columns, dtype=out._aval().dtype.numpy))
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "eye")
    return make(np.eye(rows, columns).astype(d.numpy), as_device(device), requires_grad)


for _f in (new_tensor, new_zeros, new_ones, new_empty, new_full, new_empty_strided):
    setattr(Tensor, _f.__name__, _f)
