"""Copies and pickles of tensors, which share memory with each other where the originals do."""

from __future__ import annotations

import copy
import copyreg
from collections import OrderedDict
from typing import Any

import numpy as np

from jtorch.devices import META, as_device, device, platform_available
from jtorch.dtypes import dtype
from jtorch.tensor._arguments import make
from jtorch.tensor._core import Tensor
from jtorch.tensor._storage import Storage, strides_of
from jtorch.tensor._storages import copied_once, dense_strides, device_of, dtype_of, whole_of
from jtorch.tensor._values import meta_value, to_device
from jtorch.tensor._views import as_strided
from jtorch.trace import Value, aval_of, from_host

__all__: list[str] = []

#: What the engine keeps in a tensor's dictionary; anything else there is the user's.
_ENGINE = frozenset(name for name in vars(Tensor) if name.startswith("_") and not name.startswith("__")) | {
    "_storage",
}


def users_attributes(self: Tensor) -> dict[str, Any]:
    """What the user has set on a tensor."""
    return {name: x for name, x in vars(self).items() if name not in _ENGINE}


def deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """A copy with memory of its own; tensors that share memory keep sharing it among their copies.

    Raises:
        RuntimeError: the tensor has a history.
    """
    found = memo.get(id(self))
    if found is not None:
        return found  # type: ignore[no-any-return]
    if self.grad_fn is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
            "the moment.  If you were attempting to deepcopy a module, this may be because of a "
            "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    gaps = self._storage.strides is not None and dense_strides(self._storage) is None
    result = object.__new__(type(self))
    memo[id(self)] = result
    result._storage = copied_once(self._storage, memo)
    if not gaps:
        for name in ("_view", "_strides", "_offset"):
            if name in self.__dict__:
                setattr(result, name, getattr(self, name))
    elif self._view is not None:
        made = make(np.array(self._host(), order="C"))
        result._storage = made._storage
    result._requires = self._requires
    if self._grad is not None:
        result._grad = copy.deepcopy(self._grad, memo)
    for name, x in users_attributes(self).items():
        setattr(result, name, copy.deepcopy(x, memo))
    return result


def shallow_copy(self: Tensor) -> Tensor:
    """Another leaf on the same memory."""
    result = self.detach()
    if type(self) is not Tensor:
        result.__class__ = type(self)
    result._requires = self.requires_grad
    result.__dict__.update(users_attributes(self))
    return result  # type: ignore[no-any-return]


def _storage_state(cell: Storage) -> Any:
    """How a storage is pickled, once however many tensors view it: bytes, shape, dtype, layout, device."""
    where = device_of(cell)
    if where is META:
        assert cell.value is not None
        return _meta_storage, (cell.value.aval.shape, cell.value.aval.dtype)
    array = np.array(cell.host(), order="C")
    content = array.reshape(-1).view(np.uint8)
    return _restore_storage, (content, array.shape, dtype_of(cell), dense_strides(cell), str(where))


def _restore_storage(
    content: np.ndarray[Any, Any], shape: tuple[int, ...], kind: dtype, strides: Any, where: str
) -> Storage:
    target = device(where)
    value: Value = from_host(np.array(content.view(kind.numpy).reshape(shape), order="C"))
    if target.type != "cpu" and platform_available(target.type):
        value = to_device(value, as_device(target))
    made = Storage(value)
    made.strides = strides
    return made


def _meta_storage(shape: tuple[int, ...], kind: dtype) -> Storage:
    return Storage(meta_value(aval_of(shape, kind, META)))


copyreg.pickle(Storage, _storage_state)


def reduce_ex(self: Tensor, protocol: Any) -> Any:
    """How a tensor is pickled; tensors on one storage stay on one storage."""
    gaps = self._storage.strides is not None and dense_strides(self._storage) is None
    source = make(np.array(self._host(), order="C")) if gaps else self
    kind = self._aval().dtype
    whole = source._view is None
    place = None if whole else (kind, source._offset, source._aval().shape, strides_of(source))
    state = users_attributes(self)
    return _rebuild, (type(self), source._storage, place, self.requires_grad, state, OrderedDict())


def _rebuild(
    cls: type, cell: Storage, place: Any, requires_grad: bool, state: dict[str, Any], hooks: Any
) -> Tensor:
    tensor = whole_of(cell)
    if place is not None:
        kind, offset, size, stride = place
        if dtype_of(cell) is not kind:
            tensor = tensor.reshape(-1).view(kind)
        tensor = as_strided(tensor, size, stride, offset).detach()
    if cls is not Tensor:
        tensor.__class__ = cls
    if requires_grad:
        tensor._requires = True
    tensor.__dict__.update(state)
    return tensor


Tensor.__deepcopy__ = deepcopy  # type: ignore[attr-defined]
Tensor.__copy__ = shallow_copy  # type: ignore[attr-defined]
Tensor.__reduce_ex__ = reduce_ex  # type: ignore[assignment, method-assign]
