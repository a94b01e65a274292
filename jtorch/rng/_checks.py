"""Checks and casts that the samplers share, with PyTorch's exception types and texts."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from jtorch import dtypes
from jtorch.rng._layout import Array

__all__ = ["BFLOAT16", "CPP_NAMES", "DIGITS", "FLOATS", "INTEGERS", "cast", "not_implemented", "scalar_type"]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
#: Bits of significance, the leading one included.
DIGITS = {np.dtype(np.float16): 11, BFLOAT16: 8, np.dtype(np.float32): 24, np.dtype(np.float64): 53}
FLOATS = frozenset(DIGITS)
INTEGERS = frozenset(np.dtype(name) for name in ("uint8", "int8", "int16", "int32", "int64"))
#: The names of C++ that some texts have.
CPP_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "uint16": "short unsigned int",
    "uint32": "unsigned int",
    "uint64": "long unsigned int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def scalar_type(dtype: np.dtype[Any]) -> str:
    """PyTorch's C++ name of a type (``Long``)."""
    return dtypes.scalar_type_name(dtypes.from_numpy_dtype(dtype))


def not_implemented(kernel: str, dtype: np.dtype[Any]) -> NotImplementedError:
    """The error of a kernel that lacks a type."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(dtype)}'")


def cast(values: Array, dtype: np.dtype[Any]) -> Array:
    """Round to ``dtype``; to 16 bits by way of float32, as PyTorch does. Overflow is infinity."""
    if dtype == values.dtype:
        return values
    with np.errstate(over="ignore"):
        if dtype.itemsize == 2 and dtype in FLOATS:
            values = values.astype(np.float32)
        return values.astype(dtype)
