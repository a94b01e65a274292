"""Pickles an object under PyTorch's names, with its storages left out for the file to hold apart."""

from __future__ import annotations

import io
import pickle
import warnings
from collections import OrderedDict
from types import FunctionType
from typing import Any, ClassVar

from jtorch.devices import META
from jtorch.dtypes import dtype
from jtorch.nn.parameter import Parameter
from jtorch.serialization._builders import (
    _get_layout,
    _rebuild_device_tensor_from_cpu_tensor,
    _rebuild_from_type_v2,
    _rebuild_meta_tensor_no_storage,
    _rebuild_parameter,
    _rebuild_parameter_with_state,
    _rebuild_tensor_v2,
    _rebuild_tensor_v3,
)
from jtorch.serialization._locations import location_tag
from jtorch.serialization._names import UNTYPED, StorageType, storage_type, torch_name
from jtorch.serialization._options import skips_data
from jtorch.tensor import Tensor
from jtorch.tensor import _layout as layouts
from jtorch.tensor._pickling import users_attributes
from jtorch.tensor._storage import Storage, strides_of
from jtorch.tensor._storages import TypedStorage, UntypedStorage

__all__ = ["Storages", "dumped"]

#: Types that are pickled as they are; asked first, since most objects are of them.
_PLAIN = frozenset({str, int, float, bool, type(None), tuple, list, dict, OrderedDict, bytes})


_OF_TENSORS: Any = Tensor.__reduce_ex__
#: Python's own pickler, which can be extended where the one in C cannot; typing does not know it.
_Base: Any = pickle._Pickler


class Storages:
    """The storages that a pickle refers to, in the order of their first mention.

    Attributes:
        cells: storage and the type that its elements are written as, by key.
    """

    def __init__(self, legacy: bool) -> None:
        self._more = (None,) if legacy else ()  # the old format has a place for views of storages
        self.cells: dict[str, tuple[Storage, dtype]] = {}
        self._keys: dict[int, str] = {}

    def reference(self, storage: TypedStorage | UntypedStorage) -> tuple[Any, ...]:
        """What the pickle says instead of the storage.

        Raises:
            RuntimeError: the same memory was mentioned with another type.
        """
        cell = storage.untyped()._cell
        typed = isinstance(storage, TypedStorage)
        kind = storage_type(storage.dtype) if isinstance(storage, TypedStorage) else UNTYPED
        key = self._keys.get(id(cell))
        if key is None:
            key = self._keys[id(cell)] = str(len(self._keys))
            self.cells[key] = cell, kind.dtype
        elif self.cells[key][1] is not kind.dtype and storage.nbytes():
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types"
            )
        size = storage.nbytes() // kind.dtype.itemsize if typed else storage.nbytes()
        return "storage", kind, key, location_tag(storage.untyped()), size, *self._more


def _no_hooks() -> OrderedDict[str, Any]:
    return OrderedDict()


def _parts(tensor: Tensor) -> tuple[Any, tuple[Any, ...]]:
    """Function and arguments that make a tensor of the same memory, type and strides."""
    aval = tensor._aval()
    kind, where = aval.dtype, aval.device
    shape, strides = tuple(aval.shape), tuple(strides_of(tensor))
    requires_grad = tensor.requires_grad
    if where is META:
        return _rebuild_meta_tensor_no_storage, (kind, shape, strides, requires_grad)
    if where.type in ("tpu", "xla"):
        if skips_data():
            raise RuntimeError(
                "Cannot serialize tensors on backends with no storage under skip_data context manager"
            )
        name = str(where).replace("tpu", "xla")
        return _rebuild_device_tensor_from_cpu_tensor, (tensor.detach().cpu(), kind, name, requires_grad)
    untyped = UntypedStorage._of(tensor._storage)
    place = tensor._offset, shape, strides, requires_grad, _no_hooks()
    if storage_type(kind) is UNTYPED:
        return _rebuild_tensor_v3, (untyped, *place, kind)
    return _rebuild_tensor_v2, (TypedStorage(wrap_storage=untyped, dtype=kind), *place)


def _reduced(tensor: Tensor) -> Any:
    _warn_of_hooks(tensor)
    state = users_attributes(tensor)
    if isinstance(tensor, Parameter) and type(tensor) is Parameter:
        data = tensor.detach()
        args = data, tensor.requires_grad, _no_hooks()
        return (_rebuild_parameter_with_state, (*args, state)) if state else (_rebuild_parameter, args)
    function, arguments = _parts(tensor)
    if type(tensor) is Tensor and not state:
        return function, arguments
    return _rebuild_from_type_v2, (function, type(tensor), arguments, state)


def _warn_of_hooks(tensor: Tensor) -> None:
    for hook in (tensor._hooks or {}).values():
        warnings.warn(
            f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can "
            "decorate the function with @torch.utils.hooks.unserializable_hook to suppress this warning",
            stacklevel=2,
        )


class _Torch:
    """What is added to a pickler."""

    storages: Storages
    #: Whether names can be written that Python would not find.
    named = False

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, TypedStorage | UntypedStorage):
            return self.storages.reference(obj)
        return None

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in _PLAIN:
            return NotImplemented
        if isinstance(obj, Tensor):
            if kind is Tensor or kind is Parameter or kind.__reduce_ex__ is _OF_TENSORS:
                return _reduced(obj)
        elif self.named and (kind is dtype or kind is StorageType):
            return obj.name
        elif kind is layouts.layout:
            return _get_layout, (str(obj),)
        elif kind is Storage:
            raise pickle.PicklingError("a tensor's storage can be saved as tensor.untyped_storage() only")
        return NotImplemented


class _NamedPickler(_Torch, _Base):  # type: ignore[misc]
    """Python's pickler, with names as PyTorch has them: the one in C looks every name up."""

    named = True

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module, found = torch_name(obj, name)
        if module.split(".")[0] != "torch":
            super().save_global(obj, name)
            return
        if self.proto >= 4:
            self.save(module)
            self.save(found)
            self.write(pickle.STACK_GLOBAL)
        elif "." in found and self.proto < 4:
            raise pickle.PicklingError(f"{module}.{found} needs pickle_protocol=4")
        else:
            self.write(pickle.GLOBAL + f"{module}\n{found}\n".encode())
        self.memoize(obj)

    dispatch: ClassVar[dict[type, Any]] = {**_Base.dispatch, FunctionType: save_global}


def dumped(obj: Any, pickle_module: Any, protocol: int, *, legacy: bool) -> tuple[bytes, Storages]:
    """An object's pickle and the storages that it refers to.

    Args:
        obj: what to save.
        pickle_module: ``pickle``, or a module with its interface. Only ``pickle`` writes PyTorch's names.
        protocol: of the pickle; ``weights_only`` reads 2.
        legacy: refer to storages as the format from before PyTorch 1.6 does.
    """
    if protocol > pickle.HIGHEST_PROTOCOL:
        raise ValueError(f"pickle protocol must be <= {pickle.HIGHEST_PROTOCOL}")
    buffer = io.BytesIO()
    made: Any = (
        _NamedPickler if pickle_module is pickle else type("_Pickler", (_Torch, pickle_module.Pickler), {})
    )
    pickler = made(buffer, protocol=protocol)
    pickler.storages = storages = Storages(legacy)
    pickler.dump(obj)
    return buffer.getvalue(), storages
