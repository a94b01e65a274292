"""Data types: PyTorch's names and rules over NumPy's (and ml_dtypes') representations.

A :class:`dtype` is a singleton; ``dtype.numpy`` is what arrays are stored as. The promotion lattice is
PyTorch's ("Tensor Attributes",
https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

__all__ = [
    "BOOL",
    "COMPLEX",
    "FLOAT",
    "INT",
    "category",
    "dtype",
    "finfo",
    "from_numpy_dtype",
    "get_default_dtype",
    "iinfo",
    "promote_types",
    "set_default_dtype_",
]

BOOL, INT, FLOAT, COMPLEX = range(4)


class dtype:
    """A tensor's element type, printed as PyTorch prints it (``torch.float32``).

    Attributes:
        name: PyTorch's name without the prefix.
        numpy: the NumPy type that stores it.
        itemsize: bytes per element.
        category: one of ``BOOL``, ``INT``, ``FLOAT``, ``COMPLEX``; promotion goes to the higher one.
    """

    __slots__ = (
        "__weakref__",
        "category",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "name",
        "numpy",
    )
    itemsize: int
    _by_name: ClassVar[dict[str, dtype]] = {}

    def __init__(self, name: str, numpy: Any, category: int) -> None:
        self.name, self.numpy, self.category = name, np.dtype(numpy), category
        self.itemsize = self.numpy.itemsize
        self.is_floating_point, self.is_complex = category == FLOAT, category == COMPLEX
        self.is_signed = category >= FLOAT or (category == INT and self.numpy.kind == "i")
        dtype._by_name[name] = self

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    @property
    def __numpy_dtype__(self) -> np.dtype[Any]:
        """For functions of NumPy (from 2.4 on) and JAX: ``jnp.zeros(2, torch.float32)``."""
        # Differs from PyTorch: NumPy refuses its dtypes.
        return self.numpy  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        return _dtype_named, (self.name,)

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: Any) -> dtype:
        return self

    def to_real(self) -> dtype:
        """The real type of a complex type's parts; itself otherwise."""
        return _TO_REAL.get(self, self)

    def to_complex(self) -> dtype:
        """The complex type whose parts have this type; itself if complex already.

        Raises:
            RuntimeError: there is none.
        """
        found = _TO_COMPLEX.get(self, self)
        if found.category < COMPLEX:
            raise RuntimeError(f"Unknown Complex ScalarType for {scalar_type_name(self)}")
        return found


def _dtype_named(name: str) -> dtype:
    return dtype._by_name[name]


bool_ = dtype("bool", np.bool_, BOOL)
uint8 = dtype("uint8", np.uint8, INT)
uint16 = dtype("uint16", np.uint16, INT)
uint32 = dtype("uint32", np.uint32, INT)
uint64 = dtype("uint64", np.uint64, INT)
int8 = dtype("int8", np.int8, INT)
int16 = dtype("int16", np.int16, INT)
int32 = dtype("int32", np.int32, INT)
int64 = dtype("int64", np.int64, INT)
float16 = dtype("float16", np.float16, FLOAT)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOAT)
float32 = dtype("float32", np.float32, FLOAT)
float64 = dtype("float64", np.float64, FLOAT)
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, FLOAT)
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, FLOAT)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, FLOAT)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, FLOAT)
float8_e8m0fnu = dtype("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, FLOAT)
complex64 = dtype("complex64", np.complex64, COMPLEX)
complex128 = dtype("complex128", np.complex128, COMPLEX)

ALL = tuple(dtype._by_name.values())
FLOAT8 = frozenset(d for d in ALL if d.name.startswith("float8"))
HALF = frozenset({float16, bfloat16})
_WIDE_UNSIGNED = frozenset({uint16, uint32, uint64})
#: Other names that PyTorch gives to the same types.
ALIASES = {
    "half": float16,
    "float": float32,
    "double": float64,
    "short": int16,
    "int": int32,
    "long": int64,
    "cfloat": complex64,
    "cdouble": complex128,
}
_TO_REAL = {complex64: float32, complex128: float64}
_TO_COMPLEX = {float16: complex64, bfloat16: complex64, float32: complex64, float64: complex128}
_FROM_NUMPY = {d.numpy: d for d in ALL}

_default_dtype = float32


def from_numpy_dtype(numpy_dtype: Any) -> dtype:
    """The dtype of a NumPy or JAX array.

    Raises:
        TypeError: NumPy types that no tensor has (strings, objects, dates, ...).
    """
    found = _FROM_NUMPY.get(numpy_dtype)
    if found is None:
        found = _FROM_NUMPY.get(np.dtype(numpy_dtype).newbyteorder("="))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type {np.dtype(numpy_dtype).type.__module__}."
            f"{np.dtype(numpy_dtype).type.__name__}. The only supported types are: float64, float32, "
            "float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and "
            "bool."
        )
    return found


def category(value: Any) -> int:
    """Category of a Python number."""
    if isinstance(value, bool | np.bool_):
        return BOOL
    if isinstance(value, int | np.integer):
        return INT
    if isinstance(value, float | np.floating):
        return FLOAT
    return COMPLEX


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats (``torch.get_default_dtype``)."""
    return _default_dtype


def set_default_dtype_(d: dtype) -> None:
    """Set the default without telling the plan caches; users call ``jtorch.set_default_dtype``."""
    global _default_dtype
    _default_dtype = d


_INT_RANK = {int8: 0, int16: 1, int32: 2, int64: 3}
_FLOAT_ORDER = [float16, float32, float64]


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest type that both convert to (``torch.promote_types``).

    Raises:
        RuntimeError: pairs without a common type (float8 with another type, uint16/32/64 with signed ones).
    """
    if a is b:
        return a
    found = _PROMOTED.get((a, b))
    if found is None:
        found = _PROMOTED[a, b] = _promote(a, b)
    return found


_PROMOTED: dict[tuple[dtype, dtype], dtype] = {}


def _promote(a: dtype, b: dtype) -> dtype:
    if a in FLOAT8 or b in FLOAT8:
        raise _no_promotion("Float8 Types", a, b)
    if (a in _WIDE_UNSIGNED and b.category != FLOAT) or (b in _WIDE_UNSIGNED and a.category != FLOAT):
        raise _no_promotion("uint16, uint32, uint64 types", a, b)
    if a.category > b.category:
        return _promote(b, a)
    if b.category == COMPLEX:
        real = _TO_COMPLEX.get(a, a) if a.category == FLOAT else a
        return complex128 if complex128 in (real, b) else complex64
    if b.category == FLOAT:
        if a.category < FLOAT:
            return b
        if a in HALF and b in HALF:
            return float32
        order = _FLOAT_ORDER
        rank_a = 0 if a is bfloat16 else order.index(a)
        rank_b = 0 if b is bfloat16 else order.index(b)
        return a if rank_a > rank_b else b
    if a.category == BOOL:
        return b
    return _promote_integers(a, b)


def _no_promotion(kinds: str, a: dtype, b: dtype) -> RuntimeError:
    return RuntimeError(
        f"Promotion for {kinds} is not supported, attempted to promote {scalar_type_name(a)} and "
        f"{scalar_type_name(b)}"
    )


def _promote_integers(a: dtype, b: dtype) -> dtype:
    if a.is_signed and b.is_signed:
        return a if _INT_RANK[a] > _INT_RANK[b] else b
    signed = a if a.is_signed else b
    return int16 if signed is int8 else signed


_SCALAR_NAMES = {
    "bool": "Bool",
    "uint8": "Byte",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "float32": "Float",
    "float64": "Double",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}


def scalar_type_name(d: dtype) -> str:
    """PyTorch's C++ name of a type, as its error texts have it (``Long``, ``ComplexFloat``)."""
    return _SCALAR_NAMES.get(d.name) or "F" + d.name[1:]


def _given(type: Any, name: str) -> dtype:
    """The dtype that machine limits are asked for; Python's types stand for theirs.

    Raises:
        TypeError: no dtype.
    """
    found = _OF_PYTHON.get(type) if type.__class__ is _Type else type
    if not isinstance(found, dtype):
        kind = type.__class__.__name__
        raise TypeError(f"{name}(): argument 'type' (position 1) must be torch.dtype, not {kind}")
    return found


_Type = type
_OF_PYTHON: dict[Any, dtype] = {float: float64, int: int64, bool: bool_, complex: complex128}


class finfo:
    """Machine limits of a floating type (``torch.finfo``); the default dtype if none is given."""

    def __init__(self, type: dtype | None = None) -> None:
        d = _default_dtype if type is None else _given(type, "finfo")
        if d.category < FLOAT:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        info: Any = ml_dtypes.finfo(d.to_real().numpy)
        self.bits = int(info.bits)
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = 10.0 ** -math.floor(info.nmant * math.log10(2))
        self.dtype = d.to_real().name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Machine limits of an integer type (``torch.iinfo``)."""

    def __init__(self, type: dtype) -> None:
        type = _given(type, "iinfo")
        if type.category >= FLOAT:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'"
            )
        if type.category == BOOL:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        info = np.iinfo(type.numpy)
        self.bits, self.max, self.min, self.dtype = int(info.bits), int(info.max), int(info.min), type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
