"""Python functions applied element by element, and tensors as instances of subclasses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.devices import CPU
from jtorch.tensor import _core
from jtorch.tensor._arguments import make
from jtorch.tensor._core import Tensor
from jtorch.tensor._data import array_from_data
from jtorch.tensor._inplace import check_writable, overwrite
from jtorch.tensor._methods import method
from jtorch.tensor._views import alias, expand

__all__: list[str] = []


def _elementwise(name: str, self: Tensor, others: tuple[Tensor, ...], function: Callable[..., Any]) -> Tensor:
    aval = self._aval()
    if self.requires_grad:
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
        )
    if aval.device is not CPU:
        raise TypeError(f"{name} is only implemented on CPU tensors")
    columns = [
        np.asarray(x._host()).reshape(-1).tolist() for x in (self, *(expand(x, aval.shape) for x in others))
    ]
    made = [function(*row) for row in zip(*columns, strict=True)]
    check_writable(self)
    return overwrite(self, make(array_from_data(made, aval.dtype).reshape(aval.shape)))


@method
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by what a Python function makes of it; slow, on the CPU only."""
    return _elementwise("apply_", self, (), callable)


@method
def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element by a Python function of it and of one of ``tensor``; slow, on the CPU only."""
    return _elementwise("map_", self, (tensor,), callable)


@method
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replace each element by a Python function of it and of those of ``x`` and ``y``; as :meth:`map_`."""
    return _elementwise("map2_", self, (x, y), callable)


@method
def as_subclass(self: Tensor, cls: Any) -> Any:
    """This tensor's memory and history as an instance of a subclass of :class:`Tensor`."""
    if not isinstance(cls, type):
        raise TypeError(f"cls must be a type (got {type(cls).__name__})")
    _core.notice(cls)
    result = alias(self)
    result.__class__ = cls
    return result


def _make_subclass(cls: Any, data: Tensor, require_grad: bool = False) -> Any:
    """An instance of a subclass on the memory of ``data``, outside its history."""
    _core.notice(cls)
    result = data.detach()
    result.__class__ = cls
    if require_grad:
        result.requires_grad_(True)
    return result


@method
def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: Any = None) -> Tensor:
    """This tensor, which is dense, with another dtype if one is given."""
    return self if dtype is None else self.to(dtype)


@method
def record_stream(self: Tensor, stream: Any) -> None:
    """Do nothing: XLA orders the uses of memory."""


Tensor._make_subclass = staticmethod(_make_subclass)  # type: ignore[attr-defined]
Tensor.const_data_ptr = lambda self: self.data_ptr()  # type: ignore[attr-defined]
Tensor.__nonzero__ = lambda self: bool(self)  # type: ignore[attr-defined]
Tensor.__long__ = lambda self: int(self)  # type: ignore[attr-defined]
Tensor.name = None  # type: ignore[attr-defined]
