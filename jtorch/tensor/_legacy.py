"""Constructors and type names from before dtypes: ``Tensor(2, 3)``, ``FloatTensor``, ``Tensor.type()``."""

from __future__ import annotations

import builtins
import warnings
from typing import Any

import numpy as np

from jtorch import devices, dtypes
from jtorch.devices import CPU, as_device, device, platform_available
from jtorch.dtypes import FLOAT, dtype
from jtorch.tensor import _core
from jtorch.tensor._arguments import make, size_from
from jtorch.tensor._bridge import legacy_name
from jtorch.tensor._conversion import convert
from jtorch.tensor._core import Tensor
from jtorch.tensor._creation import set_default_dtype
from jtorch.tensor._data import array_from_data
from jtorch.tensor._layout import strided
from jtorch.tensor._size import Size
from jtorch.tensor._storages import C_TYPES, TypedStorage, UntypedStorage
from jtorch.tensor._views import alias

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
    "IntTensor", "LongTensor", "ShortTensor", "set_default_tensor_type", "typename",
]  # fmt: skip

_FORMS = (
    " * (*, torch.device device = None)\n{reason}"
    " * (torch.Storage storage)\n"
    " * (Tensor other)\n"
    " * (tuple of ints size, *, torch.device device = None)\n"
    " * (object data, *, torch.device device = None)\n"
)


def construct(
    args: tuple[Any, ...], kwargs: dict[str, Any], kind: dtype, where: device, any_dtype: bool
) -> Tensor:
    """What legacy constructors make.

    No arguments: an empty tensor; sizes: an uninitialised tensor; a tensor: another view of it; a storage:
    a view of that; other data: a tensor of it.

    Args:
        args: positional arguments.
        kwargs: ``device``, ``size``, ``data`` are known.
        kind: dtype of the result.
        where: device of the result.
        any_dtype: a tensor given may have another dtype.
    """
    _check_keywords(args, kwargs, where)
    if "size" in kwargs:
        args = (tuple(kwargs["size"]),)
        return _uninitialised(args[0], kind, where)
    if "data" in kwargs or "other" in kwargs:
        args = (kwargs.get("data", kwargs.get("other")),)
    if not args:
        return make(np.zeros((0,), kind.numpy), where)
    first = args[0]
    if len(args) > 1 or _is_size(first):
        if isinstance(first, list | tuple) and len(args) > 1:
            raise _no_form(args, kwargs)
        return _uninitialised(args, kind, where)
    if isinstance(first, Size):
        return _uninitialised(tuple(first), kind, where)
    if isinstance(first, Tensor):
        return _view_of(first, kind, where, any_dtype)
    if isinstance(first, UntypedStorage | TypedStorage):
        made = make(np.zeros((0,), kind.numpy), where)
        if isinstance(first, TypedStorage) and first.dtype is not kind:
            wanted, given = (dtypes.scalar_type_name(d) for d in (kind, first.dtype))
            raise RuntimeError(
                f"Expected a Storage of type {wanted} or an UntypedStorage, but got type {given} for "
                "argument 1 'storage'"
            )
        return made.set_(first)  # type: ignore[no-any-return]
    if isinstance(first, str | bytes):
        raise TypeError(f"new(): invalid data type '{builtins.type(first).__name__}'")
    sized = hasattr(first, "__len__") and not isinstance(first, set | frozenset)
    if not sized and not hasattr(first, "__array__"):
        raise TypeError(f"new(): data must be a sequence (got {builtins.type(first).__name__})")
    return make(array_from_data(first, kind), where)


def _is_size(x: Any) -> bool:
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def _uninitialised(sizes: tuple[Any, ...], kind: dtype, where: device) -> Tensor:
    shape = [n if builtins.type(n) is int else size_from(n, i, False, "new") for i, n in enumerate(sizes)]
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {shape}")
    return make(np.zeros(tuple(shape), kind.numpy), where)


def _check_keywords(args: tuple[Any, ...], kwargs: dict[str, Any], where: device) -> None:
    unknown = [k for k in kwargs if k not in ("device", "size", "data", "other")]
    if unknown:
        raise _no_form(args, kwargs, unknown)
    given = kwargs.get("device")
    if given is not None and as_device(given).type != where.type:
        raise RuntimeError(
            f"legacy constructor expects device type: {where.type} but device type: {as_device(given).type} "
            "was passed"
        )


def _no_form(args: tuple[Any, ...], kwargs: dict[str, Any], unknown: list[str] | None = None) -> TypeError:
    given = [builtins.type(a).__name__ for a in args]
    given += [f"{k}={_argument_name(x)}" for k, x in kwargs.items()]
    if unknown:
        reason = f"      didn't match because some of the keywords were incorrect: {', '.join(unknown)}\n"
    else:
        kinds = ", ".join(f"!{_argument_name(a)}!" for a in args)
        reason = f"      didn't match because some of the arguments have invalid types: ({kinds})\n"
    return TypeError(
        f"new() received an invalid combination of arguments - got ({', '.join(given)}), but expected one "
        "of:\n" + _FORMS.format(reason=reason)
    )


def _argument_name(x: Any) -> str:
    if isinstance(x, list | tuple):
        return f"{builtins.type(x).__name__} of [{', '.join(builtins.type(y).__name__ for y in x)}]"
    name = builtins.type(x).__name__
    return f"torch.{name}" if isinstance(x, dtype | device) else name


def _view_of(x: Tensor, kind: dtype, where: device, any_dtype: bool) -> Tensor:
    aval = x._aval()
    if not any_dtype and (aval.dtype is not kind or aval.device.type != where.type):
        raise TypeError(f"expected {_options(kind, where)} (got {_options(aval.dtype, aval.device)})")
    return alias(x)


def _options(kind: dtype, where: device) -> str:
    return (
        f"TensorOptions(dtype={C_TYPES.get(kind.name, kind.name)}, device={where}, layout=Strided, "
        "requires_grad=false (default), pinned_memory=false (default), memory_format=(nullopt))"
    )


def new_tensor_object(cls: builtins.type, *args: Any, **kwargs: Any) -> Tensor:
    """``Tensor(...)``: see the class."""
    where = devices.default_device()
    result = construct(args, kwargs, dtypes.get_default_dtype(), where, any_dtype=True)
    if cls is not Tensor:
        _core.notice(cls)
        result.__class__ = cls
    return result


def new(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """What this tensor's legacy type constructs: ``x.new(2, 3)``, ``x.new([1, 2])``."""
    aval = self._aval()
    return construct(args, kwargs, aval.dtype, aval.device, any_dtype=False)


# ---- types


class tensortype(builtins.type):
    """Class of the legacy types: ``isinstance(x, FloatTensor)`` asks for the dtype and device of a tensor."""

    dtype: dtypes.dtype
    _kind: str

    def __instancecheck__(cls, instance: Any) -> bool:
        if not isinstance(instance, Tensor):
            return False
        aval = instance._aval()
        return aval.dtype is cls.dtype and aval.device.type == cls._kind

    @property
    def is_cuda(cls) -> bool:
        """Whether its tensors live on a CUDA device."""
        return cls._kind == "cuda"

    @property
    def layout(cls) -> Any:
        """Always ``torch.strided``."""
        return strided

    @property
    def is_sparse(cls) -> bool:
        """Always false."""
        return False

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__name__}'>"


def _make_type(kind: dtype, where: str) -> tensortype:
    name = legacy_name_of(kind)
    module = "torch" if where == "cpu" else f"torch.{where}"

    def make_one(cls: tensortype, *args: Any, **kwargs: Any) -> Tensor:
        if where != "cpu" and not platform_available(where):
            raise TypeError(
                f"type {module}.{name} not available. Torch not compiled with {where.upper()} enabled."
            )
        return construct(args, kwargs, kind, as_device(where), any_dtype=False)

    place = "the CPU" if where == "cpu" else f"a {where} device"
    attributes = {
        "__new__": make_one,
        "__module__": module,
        "__doc__": f"Tensors of dtype {kind.name} on {place}, by their old name.",
        "dtype": kind,
        "_kind": where,
    }
    return tensortype(name, (), attributes)


def legacy_name_of(kind: dtype) -> str:
    """``FloatTensor``."""
    return f"{dtypes.scalar_type_name(kind)}Tensor"


_KINDS = (
    dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16, dtypes.uint8, dtypes.int8, dtypes.int16,
    dtypes.int32, dtypes.int64, dtypes.bool_,
)  # fmt: skip

#: Types by name, for the CPU and below ``torch.cuda``.
CPU_TYPES = {legacy_name_of(d): _make_type(d, "cpu") for d in _KINDS}
CUDA_TYPES = {legacy_name_of(d): _make_type(d, "cuda") for d in _KINDS}

FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor = (
    CPU_TYPES[n] for n in ("FloatTensor", "DoubleTensor", "HalfTensor", "BFloat16Tensor")
)
ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, BoolTensor = (
    CPU_TYPES[n] for n in ("ByteTensor", "CharTensor", "ShortTensor", "IntTensor", "LongTensor", "BoolTensor")
)


def _named(name: str) -> tuple[dtype, device] | None:
    """Dtype and device of ``torch.cuda.FloatTensor``."""
    prefix, _, last = name.rpartition(".")
    if name == "torch.Tensor":
        return dtypes.get_default_dtype(), devices.default_device()
    if prefix == "torch" and last in CPU_TYPES:
        return CPU_TYPES[last].dtype, CPU
    if prefix == "torch.cuda" and last in CUDA_TYPES:
        return CUDA_TYPES[last].dtype, as_device("cuda")
    if prefix == "torch":
        kind = next((d for d in dtypes.ALL if legacy_name_of(d) == last), None)
        return None if kind is None else (kind, CPU)
    return None


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """The name of this tensor's type, or this tensor converted to another.

    Args:
        self: this tensor.
        dtype: a dtype, a legacy type or its name.
        non_blocking: accepted.
        kwargs: accepted.
    """
    if dtype is None:
        return legacy_name(self._aval())
    if isinstance(dtype, dtypes.dtype):
        return convert(self, None, dtype)
    if isinstance(dtype, tensortype):
        name = f"{dtype.__module__}.{dtype.__name__}"
    elif dtype is Tensor:
        name = "torch.Tensor"
    elif isinstance(dtype, str | builtins.type):
        name = dtype if isinstance(dtype, str) else dtype.__name__
    else:
        raise TypeError("dtype must be a type, str, or dtype object")
    found = _named(name)
    if found is None:
        raise ValueError(f"invalid type: '{name}'")
    return convert(self, found[1], found[0])


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype, and device, by a legacy type or its name (deprecated, as in PyTorch).

    Raises:
        TypeError: not the type of a floating dtype.
    """
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
            "torch.set_default_dtype() and torch.set_default_device() as alternatives.",
            UserWarning,
            stacklevel=2,
        )
    found = _named(t) if isinstance(t, str) else None
    if isinstance(t, tensortype):
        found = _named(f"{t.__module__}.{t.__name__}")
    if found is None:
        raise TypeError("invalid type object: only floating-point types are supported as the default type")
    kind, where = found
    if kind.category != FLOAT:
        raise TypeError("only floating-point types are supported as the default type")
    if where is not CPU and not platform_available(where.type):
        raise TypeError(
            f"type torch.{where.type}.{legacy_name_of(kind)} not available. Torch not compiled with "
            f"{where.type.upper()} enabled."
        )
    set_default_dtype(kind)
    devices.set_default_device(None if where is CPU else where)


_warned = False


def typename(obj: Any, /) -> str:
    """The name of an object's type, ``torch.FloatTensor`` for tensors (``torch.typename``)."""
    if isinstance(obj, Tensor):
        return legacy_name(obj._aval())
    cls = (
        obj
        if isinstance(obj, builtins.type) or (callable(obj) and hasattr(obj, "__qualname__"))
        else builtins.type(obj)
    )
    module = getattr(cls, "__module__", "")
    name: str = getattr(cls, "__qualname__", "")
    return name if module in ("", "builtins") else f"{module}.{name}"


Tensor.__new__ = staticmethod(new_tensor_object)  # type: ignore[method-assign, assignment]
Tensor.new = new  # type: ignore[attr-defined]
Tensor.type = type_  # type: ignore[attr-defined]
Tensor.__module__ = "jtorch"
