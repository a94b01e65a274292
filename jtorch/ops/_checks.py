"""Checks shared by the op families, with PyTorch's exception types and texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch import dtypes

__all__ = [
    "TYPE_CHECKS",
    "VALUE_CHECKS",
    "c_name",
    "check_broadcast",
    "check_expand",
    "check_fits",
    "check_result_shape",
    "check_types",
    "fits",
    "fitting",
    "kind",
    "not_implemented",
    "reject_kinds",
    "scalar_type",
    "type_name",
    "wrap_dim",
    "wrap_dims",
]


#: Checks of values: op -> operand -> ``check(values, arguments)``, which raises PyTorch's error. It is called
#: where the values are known when the op is (nothing has to run for it); ``arguments`` are the op's, by name:
#: those that are tensors have a ``shape``.
VALUE_CHECKS: dict[str, dict[str, Callable[[np.ndarray[Any, Any], Mapping[str, Any]], None]]] = {}

#: Checks of types as they were given, before promotion: op -> ``check(*operands)``; see :func:`check_types`.
TYPE_CHECKS: dict[str, Callable[..., None]] = {}


def check_types(names: str, check: Callable[..., None]) -> None:
    """State what is asked of the types of ops' operands, once for each op.

    Args:
        names: of ops, with spaces between them.
        check: called once per kind of call, before promotion, with the operands: one that is a tensor has a
            ``dtype``, a number is given by its type.
    """
    for name in names.split():
        assert name not in TYPE_CHECKS, f"{name} has a check of types; extend that one"
        TYPE_CHECKS[name] = check


def wrap_dim(dim: int, ndim: int) -> int:
    """Count a negative ``dim`` from the end; a 0-d tensor has one dimension for this purpose.

    Raises:
        IndexError: ``dim`` is outside ``[-ndim, ndim - 1]``.
    """
    size = ndim if ndim > 0 else 1
    if not -size <= dim < size:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})"
        )
    return dim + size if dim < 0 else dim


def wrap_dims(dim: int | Sequence[int] | None, ndim: int, empty_is_all: bool = True) -> tuple[int, ...]:
    """The axes that a reduction's ``dim`` means, increasing; none for a 0-d tensor.

    Args:
        dim: one dimension, several, or ``None`` for all.
        ndim: number of dimensions.
        empty_is_all: an empty sequence means all dimensions, too.

    Raises:
        IndexError: a dimension out of range.
        RuntimeError: a dimension given twice.
    """
    if dim is None or (empty_is_all and not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(ndim))
    axes = [wrap_dim(d, ndim) for d in ((dim,) if isinstance(dim, int) else dim)]
    for axis in axes:
        if axes.count(axis) > 1:
            raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    return tuple(sorted(axes)) if ndim else ()


def scalar_type(x: Any) -> str:
    """PyTorch's C++ name of an array's type (``Long``, ``ComplexFloat``)."""
    return dtypes.scalar_type_name(dtypes.from_numpy_dtype(x.dtype))


def type_name(x: Any) -> str:
    """PyTorch's C name of an array's type (``float``, ``long int``, ``c10::complex<float>``)."""
    return c_name(dtypes.from_numpy_dtype(x.dtype))


def c_name(d: dtypes.dtype) -> str:
    """PyTorch's C name of a type (``float``, ``long int``)."""
    return _C_NAMES.get(d.name, d.name)


_C_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "uint16": "short unsigned int",
    "uint32": "unsigned int",
    "uint64": "long unsigned int",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


#: Names in the text of C++'s checked conversion of numbers.
_NUMBER_NAMES = {
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "int64": "int64_t",
}


def fits(number: Any, d: dtypes.dtype, narrow: bool = True) -> bool:
    """Whether a number converts to a type without overflow; negative numbers wrap in unsigned types.

    Args:
        number: of Python or NumPy.
        d: the type.
        narrow: types of 8 and 16 bits take what is too large as infinite.
    """
    if isinstance(number, complex | np.complexfloating):
        if d.category < dtypes.COMPLEX and number.imag:
            return d.category == dtypes.BOOL
        if d.is_complex:
            return fits(number.real, d.to_real()) and fits(number.imag, d.to_real())
        number = number.real
    if d.category == dtypes.BOOL:
        return True
    if d.category >= dtypes.FLOAT:
        number = float(number)
        if d.itemsize < 4 and narrow:
            return True
        return not math.isfinite(number) or abs(number) <= dtypes.finfo(d).max
    if isinstance(number, float | np.floating) and not math.isfinite(number):
        return False
    info = dtypes.iinfo(d)
    low = info.min if info.min else -info.max
    return bool(low <= int(number) <= info.max)


def check_fits(number: Any, d: dtypes.dtype, narrow: bool = True) -> None:
    """A number converts to a type as C++ converts it with a check of its range.

    Raises:
        RuntimeError: it does not.
    """
    if not fits(number, d, narrow):
        name = _NUMBER_NAMES.get(d.name) or c_name(d)
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")


def fitting(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    """The check of a ``value`` to put into ``input``."""
    if not values.ndim:
        check_fits(values[()], arguments["input"].dtype, narrow=False)


def check_broadcast(*arrays: Any) -> tuple[int, ...]:
    """The shape that the arrays broadcast to (``None`` and numbers are skipped).

    Raises:
        RuntimeError: two sizes differ and neither is 1.
    """
    shape: tuple[int, ...] = ()
    for array in arrays:
        other = getattr(array, "shape", ())
        if other == shape or not other:
            continue
        ndim = max(len(shape), len(other))
        a, b = (1,) * (ndim - len(shape)) + shape, (1,) * (ndim - len(other)) + other
        for axis in reversed(range(ndim)):
            if a[axis] != b[axis] and a[axis] != 1 and b[axis] != 1:
                raise RuntimeError(
                    f"The size of tensor a ({a[axis]}) must match the size of tensor b ({b[axis]}) "
                    f"at non-singleton dimension {axis}"
                )
        shape = tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))
    return shape


def check_result_shape(shape: tuple[int, ...], result: tuple[int, ...]) -> None:
    """A result has the shape of what it is to be stored in.

    Raises:
        RuntimeError: it has another.
    """
    if shape != result:
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape {list(result)}"
        )


def not_implemented(kernel: str, x: Any) -> NotImplementedError:
    """PyTorch's error for a CPU kernel that lacks the type of ``x``."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(x)}'")


def reject_kinds(kernel: str, kinds: str, x: Any) -> None:
    """Raise :func:`not_implemented` if the type of ``x`` is of one of ``kinds`` (see :func:`kind`)."""
    if kind(x) in kinds:
        raise not_implemented(kernel, x)


def kind(x: Any) -> str:
    """``b``, ``i``, ``f`` or ``c``: the category of an array's type."""
    dtype = x.dtype
    if dtype == jnp.bool_:
        return "b"
    if jnp.issubdtype(dtype, jnp.integer):
        return "i"
    return "c" if jnp.issubdtype(dtype, jnp.complexfloating) else "f"


def check_expand(x: Any, size: Sequence[int]) -> None:
    """Check that ``x`` broadcasts to ``size``, with the texts of ``Tensor.expand``."""
    shape = tuple(x.shape)
    if len(shape) > len(size):
        raise RuntimeError(
            f"expand(torch.{scalar_type(x)}Tensor{{{list(shape)}}}, size={list(size)}): the number of sizes "
            f"provided ({len(size)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    offset = len(size) - len(shape)
    for axis in reversed(range(len(shape))):
        if shape[axis] != 1 and shape[axis] != size[axis + offset]:
            raise RuntimeError(
                f"The expanded size of the tensor ({size[axis + offset]}) must match the existing size "
                f"({shape[axis]}) at non-singleton dimension {axis + offset}.  Target sizes: {list(size)}.  "
                f"Tensor sizes: {list(shape)}"
            )
