"""Checks shared by the op families, with PyTorch's exception types and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from jtorch import dtypes

__all__ = ["kind", "not_implemented", "reject_kinds", "scalar_type", "type_name", "wrap_dim", "wrap_dims"]


def wrap_dim(dim: int, ndim: int) -> int:
    """Count a negative ``dim`` from the end; a 0-d tensor has one dimension for this purpose.

    Raises:
        IndexError: ``dim`` is outside ``[-ndim, ndim - 1]``.
    """
    size = ndim if ndim > 0 else 1
    if not -size <= dim < size:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})")
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
    return _C_NAMES[dtypes.from_numpy_dtype(x.dtype).name]


_C_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def not_implemented(kernel: str, x: Any) -> NotImplementedError:
    """PyTorch's error for a CPU kernel that lacks the type of ``x``."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(x)}'")


def reject_kinds(kernel: str, kinds: str, *arrays: Any) -> None:
    """Raise :func:`not_implemented` if the first array's type is of one of ``kinds``.

    Args:
        kernel: the name in PyTorch's message.
        kinds: of ``b`` (bool), ``i`` (integers), ``f`` (floating), ``c`` (complex).
        arrays: operands, already of one type.
    """
    if kind(arrays[0]) in kinds:
        raise not_implemented(kernel, arrays[0])


def kind(x: Any) -> str:
    """``b``, ``i``, ``f`` or ``c``: the category of an array's type."""
    dtype = x.dtype
    if dtype == jnp.bool_:
        return "b"
    if jnp.issubdtype(dtype, jnp.integer):
        return "i"
    return "c" if jnp.issubdtype(dtype, jnp.complexfloating) else "f"
