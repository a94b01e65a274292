"""What a restricted pickle may call: functions that build plain values and check every argument.

They carry PyTorch's names in files and take PyTorch's arguments. None runs anything that a file names.
"""

from __future__ import annotations

import codecs
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

from jtorch import dtypes
from jtorch.devices import device
from jtorch.dtypes import dtype
from jtorch.nn.parameter import Parameter
from jtorch.serialization._budget import Budget
from jtorch.serialization._current import current
from jtorch.serialization._loaded import LoadedStorage
from jtorch.serialization._locations import placer
from jtorch.serialization._names import BY_NAME, STORAGE_TYPES, register
from jtorch.tensor import Size, Tensor
from jtorch.tensor import _layout as layouts
from jtorch.tensor._arguments import make
from jtorch.tensor._core import from_value
from jtorch.tensor._legacy import CPU_TYPES, CUDA_TYPES
from jtorch.tensor._pickling import _ENGINE
from jtorch.tensor._storages import UntypedStorage
from jtorch.tensor._values import meta_value
from jtorch.trace import aval_of

__all__ = ["ALLOWED", "BUILDERS", "items_in", "set_attributes"]


def _refuse(what: str, got: Any) -> UnpicklingError:
    return UnpicklingError(f"{what}, but got {type(got).__name__}")


#: No tensor has more dimensions.
_MAX_DIMS = 64


def _ints(given: Any, what: str, limit: int = _MAX_DIMS) -> tuple[int, ...]:
    if isinstance(given, tuple | list) and len(given) > limit:
        raise UnpicklingError(f"Expected {what} to have at most {limit} entries")
    if not isinstance(given, tuple | list) or any(type(n) is not int or n < 0 for n in given):
        raise UnpicklingError(f"Expected {what} to be a tuple of non-negative ints")
    return tuple(given)


def _flag(given: Any) -> bool:
    if type(given) not in (bool, int):
        raise _refuse("Expected requires_grad to be a bool", given)
    return bool(given)


# ---- tensors


def _rebuild_tensor(storage: Any, storage_offset: Any, size: Any, stride: Any) -> Tensor:
    """A tensor on a storage of the file, of the storage's type."""
    return _on(storage, None, storage_offset, size, stride)


def _on(storage: Any, kind: dtype | None, offset: Any, size: Any, stride: Any) -> Tensor:
    if not isinstance(storage, LoadedStorage):
        raise _refuse("Expected a storage", storage)
    if type(offset) is not int or offset < 0:
        raise UnpicklingError("Expected storage_offset to be a non-negative int")
    sizes, strides = _ints(size, "size"), _ints(stride, "stride")
    return storage.tensor(storage.dtype if kind is None else kind, offset, sizes, strides)


def _charge_copy(tensor: Tensor, kind: dtype) -> None:
    """Account for a copy of a tensor, which may show one number of its storage many times."""
    current.charge(tensor.numel() * kind.itemsize)


def _finished(tensor: Tensor, requires_grad: Any, metadata: Any) -> Tensor:
    if metadata:
        if type(metadata) is not dict or not set(metadata) <= {"conj", "neg"}:
            raise _refuse("Expected metadata to name conj or neg", metadata)
        # Differs from PyTorch: conjugation and negation are carried out, not kept as a mark of a view.
        _charge_copy(tensor, tensor.dtype)
        if metadata.get("conj"):
            tensor = tensor.conj().resolve_conj().detach()
        if metadata.get("neg"):
            tensor = tensor.neg().detach()
    if _flag(requires_grad):
        tensor.requires_grad_()
    return tensor


def _rebuild_tensor_v2(
    storage: Any,
    storage_offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:
    """A tensor on a storage of the file, of the storage's type."""
    return _finished(_on(storage, None, storage_offset, size, stride), requires_grad, metadata)


def _rebuild_tensor_v3(
    storage: Any,
    storage_offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    backward_hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    """A tensor on a storage of the file, of a type of its own."""
    if type(dtype) is not dtypes.dtype:
        raise _refuse("Expected a dtype", dtype)
    return _finished(_on(storage, dtype, storage_offset, size, stride), requires_grad, metadata)


def _tensor(data: Any) -> Tensor:
    if not isinstance(data, Tensor):
        raise _refuse("Expected a tensor", data)
    return data


def _rebuild_parameter(data: Any, requires_grad: Any, backward_hooks: Any) -> Tensor:
    """A parameter with the memory of a tensor."""
    return Parameter(_tensor(data), _flag(requires_grad))


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, backward_hooks: Any, state: Any) -> Tensor:
    """A parameter with attributes of the user's."""
    made = Parameter(_tensor(data), _flag(requires_grad))
    set_attributes(made, state)
    return made


def _rebuild_meta_tensor_no_storage(dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    """A tensor of the meta device."""
    if type(dtype) is not dtypes.dtype:
        raise _refuse("Expected a dtype", dtype)
    sizes, strides = _ints(size, "size"), _ints(stride, "stride")
    if len(sizes) != len(strides):
        raise UnpicklingError("Expected size and stride to be of one length")
    made = from_value(meta_value(aval_of(sizes, dtype, device("meta"))))
    return _finished(made, requires_grad, None)


def _rebuild_device_tensor_from_cpu_tensor(data: Any, dtype: Any, device: Any, requires_grad: Any) -> Tensor:
    """A tensor of a device whose storages are not written (XLA's), from a copy on the CPU."""
    if type(dtype) is not dtypes.dtype or type(device) is not str:
        raise UnpicklingError("Expected a dtype and the name of a device")
    where, _ = placer(current.map_location)(UntypedStorage(0), device)
    _charge_copy(_tensor(data), dtype)
    return _finished(_tensor(data).to(where, dtype), requires_grad, None)


def set_attributes(tensor: Tensor, state: Any) -> None:
    """Give a tensor attributes of the user's; none that mean something to the engine or to Tensor itself.

    Raises:
        UnpicklingError: such attributes, or something else than a dictionary.
    """
    slots = None
    if type(state) is tuple and len(state) == 2:
        state, slots = state
    for part in (state, slots):
        if part is None:
            continue
        if type(part) not in (dict, OrderedDict):
            raise _refuse("Expected a dictionary of attributes", part)
        for name, value in part.items():
            if (
                type(name) is not str
                or name in _ENGINE
                or name.startswith("__")
                or hasattr(type(tensor), name)
            ):
                raise UnpicklingError(f"Can not set attribute {name!r} of a tensor")
            tensor.__dict__[name] = value


def _rebuild_from_type_v2(func: Any, new_type: Any, args: Any, state: Any) -> Tensor:
    """A tensor with attributes of the user's, or of a subclass of the user's."""
    if type(args) is not tuple or not any(func is known for known in _TENSOR_BUILDERS):
        raise UnpicklingError("Expected a function that rebuilds a tensor, and its arguments")
    if not (isinstance(new_type, type) and issubclass(new_type, Tensor)):
        raise _refuse("Expected a class of tensors", new_type)
    made: Tensor = func(*args)
    if type(made) is not new_type:
        made = made.as_subclass(new_type)
    if hasattr(new_type, "__setstate__"):
        made.__setstate__(state)
    else:
        set_attributes(made, state)
    return made


def _unsupported(kind: str) -> Callable[..., Any]:
    def refuse(*args: Any) -> Any:
        raise NotImplementedError(
            f"the file holds {kind} tensors, which jtorch does not have; convert them to dense tensors in "
            "PyTorch before saving"
        )

    return refuse


def _get_layout(name: Any) -> Any:
    """A layout by its printed form, ``torch.strided``."""
    found = getattr(layouts, name.removeprefix("torch."), None) if type(name) is str else None
    if not isinstance(found, layouts.layout):
        raise _refuse("Expected the name of a layout", name)
    return found


_TENSOR_BUILDERS = [
    _rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3, _rebuild_parameter,
    _rebuild_parameter_with_state, _rebuild_meta_tensor_no_storage, _rebuild_device_tensor_from_cpu_tensor,
]  # fmt: skip

# ---- plain values


def _filled(container: Any, args: tuple[Any, ...], budget: Budget) -> Any:
    """A dictionary with the pairs that are its constructor's only argument, or a set with the items.

    Raises:
        UnpicklingError: other arguments, or keys that are not allowed.
    """
    budget.charge(_EMPTY_BYTES)
    if not args:
        return container
    (given,) = args
    is_set = type(container) is set
    if not is_set and type(given) in (dict, OrderedDict):
        given = list(given.items())
    if type(given) not in ((list, tuple, set) if is_set else (list, tuple)):
        raise _refuse("Expected the items of a container as a list", given)
    budget.charge(_ITEM_BYTES * len(given))
    for pair in () if is_set else given:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise _refuse("Expected a pair of key and value", pair)
    budget.fill(container, ((item, None) for item in given) if is_set else given)
    return container


def _ordered(args: tuple[Any, ...], budget: Budget) -> Any:
    return _filled(OrderedDict(), args, budget)


def _counter(args: tuple[Any, ...], budget: Budget) -> Any:
    return _filled(Counter(), args, budget)


def _set(args: tuple[Any, ...], budget: Budget) -> Any:
    return _filled(set(), args, budget)


def _bytearray(args: tuple[Any, ...], budget: Budget) -> Any:
    if not args:
        return bytearray()
    data = _encode(args, budget) if type(args[0]) is str else args[0]
    if type(data) not in (bytes, bytearray):
        raise _refuse("Expected the bytes of a bytearray", data)
    budget.charge(len(data))
    return bytearray(data)


def _encode(args: tuple[Any, ...], budget: Budget) -> Any:
    text, name = args if len(args) == 2 else (*args, "latin1")
    # Compared, not looked up: the registry of codecs imports modules.
    if type(text) is not str or name not in ("latin1", "latin-1", "iso-8859-1", "utf-8", "utf8"):
        raise UnpicklingError("Can only encode strings as latin1 or utf-8")
    budget.charge(len(text))
    return text.encode(name)


def _complex(args: tuple[Any, ...], budget: Budget) -> Any:
    if len(args) > 2 or any(type(x) not in (float, int) for x in args):
        raise UnpicklingError("Expected the parts of a complex number")
    return complex(*args)


def _size(args: tuple[Any, ...], budget: Budget) -> Any:
    (given,) = args or ((),)
    return Size(_ints(given, "a size"))


def _device(args: tuple[Any, ...], budget: Budget) -> Any:
    if not (1 <= len(args) <= 2) or type(args[0]) is not str or any(type(x) is not int for x in args[1:]):
        raise UnpicklingError("Expected the name of a device")
    return device(*args)


def _parameter(args: tuple[Any, ...], budget: Budget) -> Any:
    if not 1 <= len(args) <= 2:
        raise UnpicklingError("Expected a tensor and requires_grad")
    budget.charge(_TENSOR_BYTES)
    return _rebuild_parameter(args[0], args[1] if len(args) == 2 else True, None)


def _empty_tensor(args: tuple[Any, ...], budget: Budget) -> Any:
    if args:
        raise UnpicklingError("Can only create an empty tensor")
    budget.charge(_TENSOR_BYTES)
    return make(dtypes.float32.numpy.type(0).reshape(1)[:0].copy())


#: An estimate of a tensor's objects, and of those of the view that it may be.
_TENSOR_BYTES = 4096
#: An estimate of an item's place in a container, and of the time that it takes to check it.
_ITEM_BYTES = 500
#: An estimate of a container without items.
_EMPTY_BYTES = 200


def items_in(state: Any) -> int:
    """Number of attributes in a state, which is a dictionary or a pair of them."""
    parts = state if isinstance(state, tuple) and len(state) <= 8 else (state,)
    return sum(len(part) for part in parts if isinstance(part, dict))


def _counted(function: Callable[..., Any]) -> Callable[[tuple[Any, ...], Budget], Any]:
    def build(args: tuple[Any, ...], budget: Budget) -> Any:
        budget.charge(_TENSOR_BYTES + _ITEM_BYTES * sum(map(items_in, args[:8])))
        return function(*args)

    return build


for _name in (
    "_rebuild_sparse_tensor",
    "_rebuild_qtensor",
    "_rebuild_nested_tensor",
    "_rebuild_wrapper_subclass",
):
    _kind = {"q": "quantized", "s": "sparse", "n": "nested", "w": "wrapper"}[_name[9]]
    register("torch._utils", _name, _unsupported(_kind))
for _function in _TENSOR_BUILDERS:
    register("torch._utils", _function.__name__, _function)
register("torch._tensor", "_rebuild_from_type_v2", _rebuild_from_type_v2)
register("torch.serialization", "_get_layout", _get_layout)
register("torch.nn.parameter", "Parameter", Parameter)

#: What files may name without being asked for, by name.
ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "_codecs.encode": codecs.encode,
    "builtins.bytearray": bytearray,
    "builtins.set": set,
    "builtins.complex": complex,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.Size": Size,
    "torch.Tensor": Tensor,
    "torch.device": device,
    **{f"torch.{d.name}": d for d in dtypes.ALL},
    **{f"torch.{name}": t for name, t in CPU_TYPES.items()},
    **{f"torch.cuda.{name}": t for name, t in CUDA_TYPES.items()},
    **{f"torch.{name}": t for name, t in STORAGE_TYPES.items()},
    **{f"torch.cuda.{name}": t for name, t in STORAGE_TYPES.items()},
    "torch.storage.UntypedStorage": STORAGE_TYPES["UntypedStorage"],
    **{name: obj for name, obj in BY_NAME.items() if name.startswith(("torch._utils.", "torch._tensor."))},
    "torch.serialization._get_layout": _get_layout,
}

#: How a call of one of them is carried out. What is not here is a value and cannot be called.
BUILDERS: dict[Any, Callable[[tuple[Any, ...], Budget], Any]] = {
    OrderedDict: _ordered,
    Counter: _counter,
    codecs.encode: _encode,
    bytearray: _bytearray,
    set: _set,
    complex: _complex,
    Parameter: _parameter,
    Size: _size,
    Tensor: _empty_tensor,
    device: _device,
    **{obj: _counted(obj) for name, obj in ALLOWED.items() if "._rebuild" in name},
    _get_layout: _counted(_get_layout),
}
