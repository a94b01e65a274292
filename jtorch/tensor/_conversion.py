"""Between tensors and the outside: numbers, NumPy, text, other dtypes and devices."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch import devices, dtypes
from jtorch.devices import CPU, META, accelerator_type, as_device, default_device, device
from jtorch.dispatch import GRAD, INFERENCE, modes, result_dtype
from jtorch.dtypes import dtype
from jtorch.errors import warn_user
from jtorch.ops._registry import OPS
from jtorch.tape import Node, node_class
from jtorch.tensor import _derive as _derive  # gives tensors their operators
from jtorch.tensor._arguments import as_dtype, make
from jtorch.tensor._core import Tensor, from_value, host_contents, run, value_of
from jtorch.tensor._data import array_from_data
from jtorch.tensor._formats import format_strides, strides_like
from jtorch.tensor._inplace import can_cast as dtype_fits
from jtorch.tensor._layout import layout, memory_format, preserve_format
from jtorch.tensor._printing import format_spec, tensor_str
from jtorch.tensor._storage import strides_of
from jtorch.tensor._values import meta_value, outside, to_device
from jtorch.tensor._views import is_contiguous
from jtorch.trace import TracedValue, Value, aval_of, from_host, host_array, session

__all__ = [
    "can_cast",
    "get_device",
    "is_complex",
    "is_conj",
    "is_distributed",
    "is_floating_point",
    "is_inference",
    "is_neg",
    "is_nonzero",
    "is_signed",
    "is_tensor",
    "promote_types",
    "resolve_conj",
    "resolve_neg",
    "result_type",
]

_TO_COPY = OPS["_to_copy"]


# ---- numbers


def item(self: Tensor) -> Any:
    """The only element as a Python number.

    Raises:
        RuntimeError: there is not exactly one element.
    """
    value = self._read()
    aval = value.aval
    if aval.size != 1:
        raise RuntimeError(f"a Tensor with {aval.size} elements cannot be converted to Scalar")
    if aval.device is META:
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")
    known = outside(value)
    if modes.mapped and type(known) is TracedValue:
        raise RuntimeError(_ITEM_IN_VMAP)
    found = _read_later(value) if known is value else None
    return host_array(known).item() if found is None else found


def _read_later(value: Value) -> Any:
    """While a function is recorded, what stands for a number that its own code reads.

    The library's code asks for the number itself.
    """
    recording = session()
    if recording is None or sys._getframe(2).f_globals.get("__name__", "").partition(".")[0] == "jtorch":
        return None
    return recording.read(value)


_ITEM_IN_VMAP = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a "
    "Tensor, please try to rewrite what you're doing with other operations. If error is occurring somewhere "
    "inside PyTorch internals, please file a bug report."
)
_DECISION_IN_VMAP = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't "
    "support that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
)


def tolist(self: Tensor) -> Any:
    """The elements as nested lists of Python numbers; a 0-dim tensor as a number."""
    aval = self._aval()
    if aval.device is META:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    if not aval.ndim:
        found = _read_later(self._read())
        if found is not None:
            return found
    if type(self._storage.value) is TracedValue:
        known = outside(self._read())
        if modes.mapped and type(known) is TracedValue:
            raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")
        return host_array(known).tolist()
    return self._host().tolist()


def _single(self: Tensor) -> Any:
    if self._aval().size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return item(self)


def _real(self: Tensor, kind: str) -> Any:
    number = _single(self)
    if type(number) is complex:
        if number.imag:
            raise RuntimeError(f"value cannot be converted to type {kind} without overflow")
        return number.real
    return number


_warned: list[bool] = []


def _warn_of_history(self: Tensor) -> None:
    if not _warned and modes.level == GRAD and self.requires_grad:
        _warned.append(True)
        warn_user(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
            "Consider using tensor.detach() first."
        )


def _float(self: Tensor) -> float:
    _warn_of_history(self)
    return float(_real(self, "double"))


def _int(self: Tensor) -> int:
    return int(_real(self, "int64_t"))


def _complex(self: Tensor) -> complex:
    _warn_of_history(self)
    return complex(_single(self))


def _bool(self: Tensor) -> bool:
    size = self._aval().size
    if size != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'more than one value' if size else 'no values'} is ambiguous"
        )
    if modes.mapped and type(outside(self._read())) is TracedValue:
        raise RuntimeError(_DECISION_IN_VMAP)
    recording = session()
    if recording is not None and type(self._read()) is not TracedValue:
        decided = recording.decide(self._read())
        if decided is not None:
            return decided  # type: ignore[no-any-return]
    return bool(item(self))


def _index(self: Tensor) -> int:
    aval = self._aval()
    if aval.size != 1 or aval.dtype.category > dtypes.INT:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(item(self))


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero (``torch.is_nonzero``)."""
    return _bool(_tensor(input, "is_nonzero"))


def _tensor(x: Any, name: str) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    return x


# ---- NumPy


def numpy(self: Tensor, *, force: bool = False) -> np.ndarray[Any, Any]:
    """The contents as a NumPy array that shares memory with this tensor: changes of one show in the other.

    Args:
        self: this tensor.
        force: detach and copy to the CPU first, where that is needed.

    Raises:
        RuntimeError: the tensor requires grad.
        TypeError: it is not on the CPU, or NumPy has no such type.
    """
    aval = self._aval()
    if force:
        self = _as_numpy_can(self)
    elif self.requires_grad:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    elif aval.device is not CPU:
        raise TypeError(
            f"can't convert {aval.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )
    if aval.dtype.numpy.isbuiltin != 1:
        raise TypeError(f"Got unsupported ScalarType {dtypes.scalar_type_name(aval.dtype)}")
    self._storage.expose()
    return self._host()


def _as_numpy_can(self: Tensor) -> Tensor:
    detached = self.detach()
    return detached.cpu()  # type: ignore[no-any-return]


def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    array = numpy(self)
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        return array.astype(dtype)
    return array.copy() if copy else array


def __array_wrap__(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
    """NumPy functions of tensors return tensors."""
    array = np.asarray(array)
    return from_value(from_host(np.array(array, order="C")))


# ---- dtypes and devices


class _Transfer(Node):
    """History of a copy from one device to another: gradients travel back."""

    __slots__ = ("source", "source_dtype")

    def __init__(self, edge: Any, source: device) -> None:
        super().__init__((edge,), 1)
        self.source = source

    def backward(self, gradients: Any, keep_graph: bool, create_graph: bool) -> Any:
        """The gradient on the device of the operand."""
        gradient = gradients[0]
        if isinstance(gradient, Value):
            return [to_device(gradient, self.source)]
        return [gradient.to(self.source)]


_TRANSFER = node_class("ToCopyBackward0", _Transfer)


def moved(x: Tensor, where: device) -> Tensor:
    """A copy on another device, with history."""
    value = value_of(x)
    if value.aval.device is META and where is not META:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    result = from_value(to_device(value, where))
    if modes.level == GRAD:
        edge = x._edge()
        if edge is not None:
            result._fn = _TRANSFER(edge, value.aval.device)
    elif modes.level > GRAD and x._inference:
        result._inference = True
    tangent = None if modes.duals is None else modes.duals.of(x)
    if tangent is not None:
        modes.duals.give(result, moved(tangent, where))
    return result


def cast(x: Tensor, d: dtype) -> Tensor:
    """A copy of another dtype, with history; what is on the host and untracked is converted there at once."""
    host = host_contents(x) if modes.duals is None else None
    if host is None and not (modes.level == GRAD and x._tracked) and modes.duals is None:
        host = _readable(x)
    if host is not None:
        result = from_value(from_host(cast_array(host, d), aval_of(host.shape, d, CPU)))
        if modes.level > GRAD + 1:
            result._inference = True
        return result
    made: Tensor = run(_TO_COPY, (x, d))
    return made


def _readable(x: Tensor) -> np.ndarray[Any, Any] | None:
    """Contents that lie on the host and nowhere else, to be read at once."""
    value = x._storage.value
    if value is None:
        return x._host()
    if value.host is None or value.array is not None or type(value) is TracedValue:
        return None
    return None if x._storage.strides is not None and x._view is not None else x._host()


def cast_array(array: np.ndarray[Any, Any], d: dtype) -> np.ndarray[Any, Any]:
    """A C-ordered copy of another dtype, converted as C does."""
    if array.dtype.kind == "c" and not d.is_complex:
        array = array.real if d.category else array != 0
    if array.dtype.kind in "biu":
        return array.astype(d.numpy, order="C")  # nothing that NumPy would warn of
    with np.errstate(all="ignore"):
        if array.dtype.kind == "f" and d.category == dtypes.INT and d.itemsize < 4:
            # Through int32, as C++ compilers do; out of range the low bits are kept.
            return array.astype(np.int32, order="C").astype(d.numpy)
        return array.astype(d.numpy, order="C")


def warn_of_lost_imaginary(stacklevel: int) -> None:
    """Real numbers are made of complex ones."""
    warnings.warn(
        "Casting complex values to real discards the imaginary part", UserWarning, stacklevel=stacklevel
    )


def convert(
    self: Tensor,
    where: device | None,
    d: dtype | None,
    copy: bool = False,
    format: memory_format | None = None,
) -> Tensor:
    """What all conversions come down to; returns ``self`` if nothing has to change."""
    aval = self._aval()
    recast = d is not None and d is not aval.dtype
    move = where is not None and where is not aval.device
    keep = format is None or format is preserve_format
    if not (recast or move or copy) and (keep or self.is_contiguous(memory_format=format)):
        return self
    result = self
    if recast:
        assert d is not None
        if aval.dtype.is_complex and not d.is_complex and d.category:
            warn_of_lost_imaginary(stacklevel=4)
        if move and where is META:
            return _to_meta(self, d)
        result = cast(self, d)
    if move:
        assert where is not None
        result = _to_meta(result, result._aval().dtype) if where is META else moved(result, where)
    if result is self:
        return self.clone(memory_format=format)  # type: ignore[no-any-return]
    if keep:
        strides = None if self._strides is None else strides_like(aval.shape, self._strides)
    else:
        strides = format_strides(aval.shape, format)
    if strides is not None or not keep:
        result._storage.strides = result._strides = strides
    return result


def _to_meta(x: Tensor, d: dtype) -> Tensor:
    return from_value(meta_value(aval_of(x._aval().shape, d, META)))


_TO_FORMS = (
    " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = "
    "False, *, torch.memory_format memory_format = None)\n * (torch.dtype dtype, bool non_blocking = "
    "False, bool copy = False, *, torch.memory_format memory_format = None)\n * (Tensor tensor, bool "
    "non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n"
)


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """This tensor with another dtype or device: ``to(dtype)``, ``to(device, dtype)``, ``to(other)``.

    ``non_blocking`` and ``copy`` follow by position; ``copy=True`` copies even if nothing changes,
    ``memory_format`` chooses the order of memory of the copy. Gradients flow through.
    """
    if len(args) == 1 and not kwargs:
        target = args[0]
        if type(target) is dtype:
            return self if self._aval().dtype is target else convert(self, None, target)
    where, d, rest = None, None, list(args)
    if rest:
        target = rest.pop(0)
        if isinstance(target, Tensor):
            other = target._aval()
            where, d = other.device, other.dtype
        elif _is_dtype(target):
            d = as_dtype(target, "to")
        else:
            if not isinstance(target, str | int | device | None):
                raise _no_such_form(args, kwargs)
            where = None if target is None else as_device(target)
            if rest and not isinstance(rest[0], bool):
                if rest[0] is not None and not _is_dtype(rest[0]):
                    raise _no_such_form(args, kwargs)
                d = None if rest[0] is None else as_dtype(rest[0], "to")
                rest.pop(0)
    if len(rest) > 2 or not all(isinstance(flag, bool) for flag in rest):
        raise _no_such_form(args, kwargs)
    copy = kwargs.pop("copy", False) if len(rest) < 2 else rest[1]
    kwargs.pop("non_blocking", None)
    format = kwargs.pop("memory_format", None)
    if "device" in kwargs:
        target = kwargs.pop("device")
        where = None if target is None else as_device(target)
    if "dtype" in kwargs:
        target = kwargs["dtype"]
        if target is not None and not _is_dtype(target):
            raise _no_such_form(args, kwargs)
        d = d if kwargs.pop("dtype") is None else as_dtype(target, "to")
    if "tensor" in kwargs:
        other = kwargs.pop("tensor")._aval()
        where, d = other.device, other.dtype
    if kwargs:
        raise _no_such_form(args, kwargs)
    return convert(self, where, d, copy, format)


def _is_dtype(x: Any) -> bool:
    return isinstance(x, dtype) or (isinstance(x, type) and x in (float, int, bool, complex))


def _no_such_form(args: Any, kwargs: Any) -> TypeError:
    names = [_kind(a) for a in args] + [f"{key}={_kind(x)}" for key, x in kwargs.items()]
    tail = ", " if kwargs and not args else ""
    return TypeError(
        f"to() received an invalid combination of arguments - got ({', '.join(names)}{tail}), but expected "
        "one of:\n" + _TO_FORMS
    )


def _kind(x: Any) -> str:
    name = type(x).__name__
    return f"torch.{name}" if isinstance(x, dtype | device | layout) else name


def cpu(self: Tensor, memory_format: Any = preserve_format) -> Tensor:
    """This tensor on the CPU."""
    return convert(self, CPU, None, False, memory_format)


def _on(kind: str) -> Callable[..., Tensor]:
    def function(
        self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = preserve_format
    ) -> Tensor:
        where = devices.device(kind) if device is None else device
        if isinstance(where, int):
            where = devices.device(kind, where)
        return convert(self, as_device(where), None, False, memory_format)

    function.__name__ = function.__qualname__ = kind
    function.__doc__ = f"This tensor on a {kind} device, the first by default."
    return function


def _caster(name: str, d: dtype) -> None:
    def function(self: Tensor, memory_format: Any = preserve_format) -> Tensor:
        if modes.at_once and memory_format is preserve_format and modes.level != INFERENCE:
            made: Tensor | None = _TO_COPY.quick((self, d))  # type: ignore[misc]
            if made is not None:
                return made
        return convert(self, None, d, False, memory_format)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``self.to(torch.{d.name})``."
    setattr(Tensor, name, function)


for _name, _dtype in (
    ("float", dtypes.float32), ("double", dtypes.float64), ("half", dtypes.float16),
    ("bfloat16", dtypes.bfloat16), ("int", dtypes.int32), ("long", dtypes.int64), ("short", dtypes.int16),
    ("char", dtypes.int8), ("byte", dtypes.uint8), ("bool", dtypes.bool_), ("cfloat", dtypes.complex64),
    ("cdouble", dtypes.complex128),
):  # fmt: skip
    _caster(_name, _dtype)


def type_as(self: Tensor, other: Any) -> Tensor:
    """This tensor with the dtype and on the device of ``other``."""
    if not isinstance(other, Tensor):
        kind = type(other).__name__
        raise TypeError(f"type_as(): argument 'other' (position 1) must be Tensor, not {kind}")
    aval = other._aval()
    return convert(self, aval.device, aval.dtype)


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """This tensor: transfers to accelerators need no pinned memory here.

    Raises:
        RuntimeError: there is no accelerator.
    """
    if accelerator_type() is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return self


# ---- what a tensor or dtype is


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor (``torch.is_tensor``)."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one (``torch.is_floating_point``)."""
    return _tensor(input, "is_floating_point")._aval().dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex (``torch.is_complex``)."""
    return _tensor(input, "is_complex")._aval().dtype.is_complex


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers (``torch.is_signed``)."""
    return _tensor(input, "is_signed")._aval().dtype.is_signed


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode (``torch.is_inference``)."""
    return input._inference


def is_conj(input: Tensor) -> bool:
    """Whether the conjugate bit is set: never, conjugates are computed (``torch.is_conj``)."""
    return False


def is_neg(input: Tensor) -> bool:
    """Whether the negative bit is set: never (``torch.is_neg``)."""
    return False


def is_distributed(input: Tensor) -> bool:
    """Whether the tensor is a part of a distributed one: never (``torch.is_distributed``)."""
    return False


def resolve_conj(input: Tensor) -> Tensor:
    """``input`` itself, as there is no conjugate bit (``torch.resolve_conj``)."""
    return input


def resolve_neg(input: Tensor) -> Tensor:
    """``input`` itself, as there is no negative bit (``torch.resolve_neg``)."""
    return input


def get_device(input: Tensor) -> int:
    """The index of the accelerator, -1 for the CPU (``torch.get_device``)."""
    index = input._aval().device.index
    return -1 if index is None else index


def _dtypes(name: str, **given: Any) -> None:
    for i, (parameter, x) in enumerate(given.items()):
        if not isinstance(x, dtype):
            raise TypeError(
                f"{name}(): argument '{parameter}' (position {i + 1}) must be torch.dtype, not "
                f"{type(x).__name__}"
            )


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether results of one dtype may be stored as another, of no lower category (``torch.can_cast``)."""
    _dtypes("can_cast", from_=from_, to=to)
    return dtype_fits(from_, to)


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that both convert to (``torch.promote_types``)."""
    _dtypes("promote_types", type1=type1, type2=type2)
    return dtypes.promote_types(type1, type2)


def result_type(tensor: Any, other: Any) -> dtype:
    """The dtype of arithmetic between tensors and numbers (``torch.result_type``)."""
    pair = [x.item() if isinstance(x, np.generic) else x for x in (tensor, other)]
    return result_dtype([x._aval() if isinstance(x, Tensor) else type(x) for x in pair])


def element_size(self: Tensor) -> int:
    """Bytes per element."""
    return self._aval().dtype.itemsize


def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """Dimensions in the order of memory, outermost first."""
    strides = strides_of(self)
    if is_contiguous(self):
        return tuple(range(len(strides)))
    return tuple(sorted(range(len(strides)), key=lambda d: -strides[d]))


# ---- text


def tensor_text(self: Tensor, tensor_contents: Any = None) -> str:
    """The tensor as PyTorch prints it."""
    if hasattr(self._storage, "leaf"):
        return f"tensor(<{self._storage.leaf!r}>)"  # JAX builds trees of placeholders
    aval = self._aval()
    fn = self.grad_fn
    meta = aval.device is META
    value = self._read()
    if type(value) is TracedValue:
        return f"tensor(<traced {aval!r}>)"
    default = dtypes.get_default_dtype()
    here = default_device()
    tangent = None if modes.duals is None else modes.duals.of(self)
    kind = type(self)
    plain = kind is Tensor or kind.__name__ == "Parameter"
    text = tensor_str(
        None if meta else self._host(),
        shape=aval.shape,
        dtype_name=aval.dtype.name,
        default_dtype_name=default.name,
        default_complex_name=default.to_complex().name,
        device_str=str(aval.device),
        is_default_device=aval.device is here or (aval.device.type == here.type == "cpu"),
        requires_grad=self.requires_grad,
        grad_fn_name=None if fn is None else type(fn).__name__,
        is_meta=meta,
        prefix="tensor(" if plain else f"{kind.__name__}(",
        tangent=None if tangent is None else str(tangent),
    )
    marked = "_is_param" in vars(self) or any(c.__name__ == "Parameter" for c in kind.__mro__)
    return f"Parameter({text})" if marked and not plain else text


def __format__(self: Tensor, format_spec_: str) -> str:
    plain = type(self) is Tensor and self._aval().ndim == 0 and self._aval().device is not META
    return format_spec(self, format_spec_, (lambda: item(self)) if plain else None)


_equal: Any = Tensor.__eq__


def __eq__(self: Tensor, other: Any) -> Any:
    result = _equal(self, other)
    if result is NotImplemented and isinstance(other, np.ndarray):
        return _equal(self, make(array_from_data(other, None)))
    return result


for _special, _function in {
    "__eq__": __eq__, "__float__": _float, "__int__": _int, "__complex__": _complex, "__bool__": _bool,
    "__index__": _index, "__array__": __array__, "__array_wrap__": __array_wrap__, "__format__": __format__,
    "__repr__": tensor_text,
}.items():  # fmt: skip
    setattr(Tensor, _special, _function)
for _function in (
    item, tolist, numpy, to, cpu, type_as, pin_memory, element_size, dim_order, is_floating_point, is_complex,
    is_signed, is_nonzero, is_inference, is_conj, is_neg, is_distributed, resolve_conj, resolve_neg,
    get_device,
):  # fmt: skip
    setattr(Tensor, _function.__name__, _function)
for _name in ("cuda", "mps", "xpu"):
    if _name in devices.PLATFORMS:
        setattr(Tensor, _name, _on(_name))
Tensor.__array_priority__ = 1000  # type: ignore[attr-defined]
Tensor.itemsize = property(element_size)  # type: ignore[attr-defined]
Tensor.nbytes = property(lambda self: self._aval().nbytes)  # type: ignore[attr-defined]
Tensor.is_pinned = lambda self, device=None: False  # type: ignore[attr-defined]
Tensor.dense_dim = lambda self: self._aval().ndim  # type: ignore[attr-defined]
Tensor.sparse_dim = lambda self: 0  # type: ignore[attr-defined]
