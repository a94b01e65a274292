"""Writing to tensors: what in-place methods, ``out=`` and assignment come down to, and its rules."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from jtorch.devices import CPU
from jtorch.dispatch import GRAD, INFERENCE, modes
from jtorch.dtypes import INT, scalar_type_name
from jtorch.errors import no_such_form, warn_user
from jtorch.ops._checks import check_broadcast, check_fits, check_result_shape
from jtorch.ops._registry import OPS
from jtorch.tensor._core import Tensor, from_value, run, value_of
from jtorch.tensor._history import creation_error
from jtorch.tensor._storage import Storage, strides_of
from jtorch.tensor._type_names import type_name
from jtorch.tensor._values import to_device
from jtorch.tensor._view_history import seen_base
from jtorch.tensor._writing import write
from jtorch.trace import Aval, Value, aval_of, from_host
from jtorch.trace._read_numbers import ReadNumber

__all__ = ["assign", "can_cast", "check_apart", "check_writable", "copy_", "fill_", "write_out", "zero_"]

_CAST = OPS["_to_copy"]
_OVERWRITE, _FILL, _FILL_TENSOR, _ZERO = (OPS[n] for n in ("_overwrite", "_fill.number", "_fill", "_zero"))


def can_cast(source: Any, target: Any) -> bool:
    """Whether a result may be stored as another dtype: never of a lower category (``torch.can_cast``)."""
    if source.category > target.category:
        return False
    # Integers do not become booleans silently.
    return not (target.category == 0 and source.category > 0)


def check_writable(tensor: Tensor, *, uniform: bool = False) -> None:
    """Refuse in-place changes that autograd could not follow.

    Args:
        tensor: the target.
        uniform: every element gets the same value, so that elements may share memory.

    Raises:
        RuntimeError: a leaf (or a view of one) that requires grad, an inference tensor outside inference
            mode, one of several views made at once, or overlapping memory.
    """
    level = modes.level
    if tensor._inference and level != INFERENCE:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone "
            "to get a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 "
            "for more details."
        )
    if level == GRAD and tensor._tracked:
        base = seen_base(tensor)
        if base is not None:
            if tensor._creation:
                raise creation_error(tensor, indirect=False)
            if base.is_leaf:
                raise RuntimeError(
                    "a view of a leaf Variable that requires grad is being used in an in-place operation."
                )
        if tensor.grad_fn is None:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    strides = tensor._strides
    if strides is not None and not uniform and 0 in strides:
        shape = tensor._aval().shape
        if 0 not in shape and any(s == 0 and n > 1 for s, n in zip(strides, shape, strict=True)):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single "
                "memory location. Please clone() the tensor before performing the operation."
            )


def check_apart(target: Tensor, operand: Tensor) -> None:
    """Refuse to write to a tensor from another one that shares part of its memory.

    Raises:
        RuntimeError: both are dense and share memory, but not all of it in the same order.
    """
    spans = []
    strides = []
    for x in (target, operand):
        aval = x._aval()
        own = strides_of(x)
        size = aval.size
        if not size or sum((n - 1) * s for n, s in zip(aval.shape, own, strict=True)) + 1 != size:
            return
        spans.append((x._offset, x._offset + size))
        strides.append(own)
    (first, end), (other, other_end) = spans
    if (strides[0] != strides[1]) if spans[0] == spans[1] else (first < other_end and other < end):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )


def assign(tensor: Tensor, result: Tensor) -> Tensor:
    """Store an op's result in a tensor, as in-place methods do.

    Raises:
        RuntimeError: the shape differs, or the dtype would lose its category.
    """
    mine, new = tensor._aval(), result._aval()
    check_result_shape(mine.shape, new.shape)
    if mine.dtype is not new.dtype:
        if not can_cast(new.dtype, mine.dtype):
            raise RuntimeError(
                f"result type {scalar_type_name(new.dtype)} can't be cast to the desired output type "
                f"{scalar_type_name(mine.dtype)}"
            )
        result = run(_CAST, (result, mine.dtype))
    write(tensor, result)
    return tensor


def write_out(out: Tensor, result: Tensor, name: str) -> Tensor:
    """Store an op's result in its ``out=`` tensor, resizing that if needed.

    Raises:
        RuntimeError: ``out`` or an operand takes part in autograd, or the dtype would lose its category.
    """
    if modes.level == GRAD and (out._tracked or result._fn is not None):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one "
            "of the arguments requires grad."
        )
    if modes.duals is not None and (modes.duals.of(out) is not None or modes.duals.of(result) is not None):
        raise NotImplementedError(
            f"Trying to use forward AD with {name}_out that does not support it because it is an out= "
            "function"
        )
    mine, new = out._aval(), result._aval()
    if mine.dtype is not new.dtype and not can_cast(new.dtype, mine.dtype):
        raise RuntimeError(
            f"result type {scalar_type_name(new.dtype)} can't be cast to the desired output type "
            f"{scalar_type_name(mine.dtype)}"
        )
    if mine.device is not new.device:
        raise RuntimeError(f"Expected out tensor to have device {new.device}, but got {mine.device} instead")
    if mine.shape != new.shape:
        if mine.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(mine.shape)}, "
                f"which does not match the required output shape {list(new.shape)}. This behavior is "
                "deprecated, and in a future PyTorch release outputs will not be resized unless they have "
                "zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero "
                "elements with t.resize_(0).",
                UserWarning,
                stacklevel=3,
            )
        resize_to(out, new.shape)
    if mine.dtype is not new.dtype:
        result = run(_CAST, (result, mine.dtype))
    write(out, result)
    return out


def resize_to(tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Give a tensor new memory of another shape; its contents are zeros until written."""
    aval = tensor._aval()
    value = from_host(np.zeros(shape, aval.dtype.numpy))
    if aval.device is not CPU:
        value = to_device(value, aval.device)
    version = tensor._storage.version
    tensor._storage = Storage(value)
    tensor._storage.version = version
    tensor._view = tensor._strides = tensor._cached = tensor._abase = None
    tensor._offset = tensor._adepth = 0


def copy_(input: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """Take over the values of ``other``, broadcast and converted to this tensor's shape, dtype and device."""
    if not isinstance(other, Tensor):
        if not isinstance(other, int | float | complex | np.generic):
            kind = type(other).__name__
            raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {kind}")
        _check_flag(non_blocking)
        check_writable(input)
        return overwrite(input, scalar(other, input), _FILL)
    _check_flag(non_blocking)
    check_writable(input)
    mine, given = input._aval(), other._aval()
    if other._storage is input._storage and other is not input:
        check_apart(input, other)
    if mine.shape != given.shape:
        check_result_shape(mine.shape, check_broadcast(mine, given))
    if given.dtype.is_complex and not mine.dtype.is_complex:
        warn_user("Casting complex values to real discards the imaginary part")
    return overwrite(input, other)


def _check_flag(non_blocking: Any) -> None:
    if non_blocking.__class__ is not bool:
        kind = type(non_blocking).__name__
        raise TypeError(f"copy_(): argument 'non_blocking' must be bool, not {kind}")


def overwrite(self: Tensor, src: Tensor, op: Any = _OVERWRITE) -> Tensor:
    """:func:`copy_` without its checks; ``op`` is what history calls it."""
    mine, given = self._aval(), src._aval()
    if given.device is not mine.device:
        source = from_value(to_device(value_of(src), mine.device))
        edge = src._edge()
        if edge is not None or modes.duals is not None:
            source = src.to(mine.device)
        src = source
        given = src._aval()
    if given.shape != mine.shape and not _expands(given.shape, mine.shape):
        raise RuntimeError(_expand_error(given, mine.shape))
    if (modes.level != GRAD or not (self._tracked or src._tracked)) and modes.duals is None:
        value = value_of(src)
        if value.host is not None and mine.device is CPU and (self._view is None or _on_host(self)):
            if given.dtype is mine.dtype and given.shape == mine.shape:
                new = value.host
            else:
                with np.errstate(all="ignore"):
                    new = np.array(
                        np.broadcast_to(_cast(value.host, mine.dtype.numpy), mine.shape), order="C"
                    )
            write(self, from_value(from_host(new, aval_of(mine.shape, mine.dtype, CPU))))
            return self
    write(self, run(op, (self,) if op is _ZERO else (self, src)))
    return self


def _cast(array: np.ndarray[Any, Any], to: Any) -> np.ndarray[Any, Any]:
    if array.dtype.kind == "c" and np.dtype(to).kind not in "cb":
        array = array.real
    return array.astype(to)


def _on_host(tensor: Tensor) -> bool:
    storage = tensor._storage
    return storage.buffer is not None or (storage.value is not None and storage.value.host is not None)


def _expands(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    if len(shape) > len(target):
        return all(n == 1 for n in shape[: len(shape) - len(target)]) and _expands(
            shape[len(shape) - len(target) :], target
        )
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(target), strict=False))


def _expand_error(given: Aval, target: tuple[int, ...]) -> str:
    shape = given.shape
    shift = len(target) - len(shape)
    if shift < 0:
        return (
            f"The expanded size of the tensor ({target[-1] if target else 0}) must match the existing size "
            f"({shape[-1]}) at non-singleton dimension {len(target) - 1}.  Target sizes: {list(target)}.  "
            f"Tensor sizes: {list(shape)}"
            if target
            else f"expand({type_name(given)}{{{list(shape)}}}, size={list(target)}): the number of sizes "
            f"provided ({len(target)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    for d in range(len(target) - 1, shift - 1, -1):
        if shape[d - shift] not in (1, target[d]):
            return (
                f"The expanded size of the tensor ({target[d]}) must match the existing size "
                f"({shape[d - shift]}) at non-singleton dimension {d}.  Target sizes: {list(target)}.  "
                f"Tensor sizes: {list(shape)}"
            )
    raise AssertionError("shapes fit")


def fill_(input: Tensor, value: Any) -> Tensor:
    """Set every element to a number or a 0-dim tensor."""
    if isinstance(value, Tensor) and value._aval().ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value._aval().ndim} "
            "dimensions."
        )
    if not isinstance(value, Tensor | int | float | complex | np.generic):
        kind = type(value).__name__
        raise no_such_form("fill_", kind, ("Tensor value", "Number value"), f"!{kind}!")
    check_writable(input, uniform=not isinstance(value, Tensor))
    if isinstance(value, Tensor):
        return overwrite(input, value, _FILL_TENSOR)
    return overwrite(input, scalar(value, input), _FILL)


def scalar(number: Any, like: Tensor) -> Tensor:
    """A 0-dim tensor of ``like``'s dtype on the CPU.

    Raises:
        RuntimeError: the number does not fit the dtype.
    """
    aval = like._aval()
    d = aval.dtype
    if type(number) is ReadNumber and number.fits(d):
        read = number.operand(aval.device)
        if type(read) is Value:
            made: Tensor = run(OPS["_to_copy"], (from_value(read), d))
            return made
        number = read
    check_fits(number, d, narrow=aval.size == 1)
    if d.category == INT and number < 0 and not d.is_signed:
        number = int(number) % (1 << (8 * d.itemsize))
    with np.errstate(all="ignore"):
        array = np.asarray(number).astype(d.numpy)
    result = from_value(from_host(array))
    if like._aval().device is not CPU:
        result = from_value(to_device(value_of(result), like._aval().device))
    return result


def zero_(input: Tensor) -> Tensor:
    """Set every element to zero."""
    check_writable(input, uniform=True)
    return overwrite(input, scalar(0, input), _ZERO)
