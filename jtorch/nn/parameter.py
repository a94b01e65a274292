"""Parameters and buffers: tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from typing import Any

from jtorch.errors import type_name
from jtorch.tensor import Tensor
from jtorch.tensor._creation import empty
from jtorch.tensor._leaks import in_transform, mark_inside
from jtorch.tensor._overrides import disabled_torch_function

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]

_VIEW = ("_view", "_strides", "_offset", "_own_version")


def _sharing(cls: Any, data: Tensor) -> Any:
    """A leaf of class ``cls`` on the memory of ``data``."""
    made = object.__new__(cls)
    made._storage = data._storage
    if data._inference:
        made._inference = True
    if data._view is not None or data._strides is not None:
        for name in _VIEW:
            setattr(made, name, getattr(data, name))
    return made


def _default() -> Tensor:
    return empty(0)


class _ParameterMeta(type(Tensor)):  # type: ignore[misc]
    """Tensors of other classes count as parameters once they are marked so."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a module trains: assigned as an attribute it joins ``module.parameters()``.

    Args:
        data: the tensor whose memory it shares; empty if ``None``.
        requires_grad: whether gradients are computed for it.
    """

    __torch_function__ = disabled_torch_function

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = _default()
        if type(data) is Tensor or type(data) is Parameter:
            if type(requires_grad) is not bool:
                raise TypeError(
                    "_make_subclass(): argument 'require_grad' (position 3) must be bool, not "
                    + type_name(type(requires_grad))
                )
            made = _sharing(cls, data)
            if requires_grad:
                if not (made.is_floating_point() or made.is_complex()):
                    raise RuntimeError(
                        "Only Tensors of floating point and complex dtype can require gradients"
                    )
                made.requires_grad_(True)
            if in_transform():
                mark_inside(made)
            return made
        made = data.detach().requires_grad_(requires_grad)
        if type(made) is not type(data) and not isinstance(made, type(data)):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() "
                "returns "
                f"an instance of the same type, but return type {type(made).__name__} was found instead. To "
                "use the "
                "type as a Parameter, please correct the detach() semantics defined by its "
                "__torch_dispatch__() "
                "implementation."
            )
        made._is_param = True
        if in_transform():
            mark_inside(made)
        return made

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = type(self)(self.data.clone(), self.requires_grad)
            _copy_attributes(self, found, memo)
            memo[id(self)] = found
        return found

    def __reduce_ex__(self, protocol: Any) -> Any:
        data = object.__new__(Tensor)
        data.__dict__.update(_sharing(Tensor, self).__dict__)
        return _rebuild_parameter, (data, self.requires_grad, OrderedDict(), _own_attributes(self))

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return "Parameter containing:\n" + super().__repr__(tensor_contents=tensor_contents)  # type: ignore[call-arg]


def _own_attributes(tensor: Tensor) -> dict[str, Any]:
    """What the user stored on a tensor object."""
    return {k: v for k, v in tensor.__dict__.items() if k not in _ENGINE}


#: Attributes that belong to the engine.
_ENGINE = frozenset(name for name in Tensor.__dict__ if name.startswith("_")) | {"_storage"}


def _copy_attributes(source: Tensor, target: Tensor, memo: dict[int, Any]) -> None:
    for name, value in _own_attributes(source).items():
        setattr(target, name, deepcopy(value, memo))


def _rebuild_parameter(
    data: Tensor, requires_grad: bool, hooks: Any, attributes: dict[str, Any] | None = None
) -> Any:
    made = Parameter(data, requires_grad)
    if attributes:
        made.__dict__.update(attributes)
    return made


class _BufferMeta(type(Tensor)):  # type: ignore[misc]
    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that is part of a module's state but not trained, such as running statistics.

    Args:
        data: the tensor whose memory it shares.
        persistent: whether ``state_dict`` contains it.
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = _default()
        made = data.detach().requires_grad_(data.requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made


class UninitializedTensorMixin:
    """A tensor of a lazy module before its shape is known: only its device and dtype can be asked for."""

    cls_to_become: Any = None
    __torch_function__ = disabled_torch_function

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of this shape, not initialised."""
        made = empty(
            shape,
            device=self.data.device if device is None else device,  # type: ignore[has-type]
            dtype=self.data.dtype if dtype is None else dtype,  # type: ignore[has-type]
        )
        self.data = made
        self.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call "
            "`forward` "
            "to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the "
            "parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad,)

    def __getattribute__(self, name: str) -> Any:
        if name in _FORBIDDEN:
            raise _unusable(self, f"<method '{name}' of 'torch._C.TensorBase' objects>")
        return super().__getattribute__(name)

    def __len__(self) -> int:
        raise _unusable(self, f"<function Tensor.__len__ at {id(Tensor.__len__):#x}>")

    def __getitem__(self, index: Any) -> Any:
        raise _unusable(self, "<slot wrapper '__getitem__' of 'torch._C.TensorBase' objects>")

    def __add__(self, other: Any) -> Any:
        raise _unusable(self, "<method 'add' of 'torch._C.TensorBase' objects>")

    def __mul__(self, other: Any) -> Any:
        raise _unusable(self, "<method 'mul' of 'torch._C.TensorBase' objects>")


def _unusable(waiting: Any, function: str) -> ValueError:
    kind = next(c.__name__ for c in type(waiting).__mro__ if c.__name__.startswith("Uninitialized"))
    return ValueError(
        f"Attempted to use an uninitialized parameter in {function}. This error happens when you are using a "
        f"`LazyModule` or explicitly manipulating `torch.nn.parameter.{kind}` objects. When using "
        "LazyModules Call `forward` with a dummy batch to initialize the parameters before calling torch "
        "functions"
    )


#: Methods that make no sense without a shape.
_FORBIDDEN = frozenset(
    {
        *(
            "dim",
            "ndim",
            "numel",
            "stride",
            "view",
            "reshape",
            "clone",
            "T",
            "mT",
            "numpy",
            "item",
            "tolist",
        ),
        *("requires_grad_", "add", "sub", "mul", "div", "matmul", "mm", "sum", "mean", "norm"),
        *("add_", "sub_", "mul_", "div_", "copy_", "fill_", "zero_", "normal_", "uniform_"),
    }
)


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[metaclass, misc]
    """A parameter whose shape is not known yet; see :class:`UninitializedTensorMixin`."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        made = _sharing(cls, empty(0, device=device, dtype=dtype, requires_grad=requires_grad))
        made._requires = bool(requires_grad)
        return made

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return found


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose shape is not known yet; see :class:`UninitializedTensorMixin`."""

    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        made = _sharing(cls, empty(0, device=device, dtype=dtype))
        made.persistent = persistent
        made._is_buffer = True
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def to(self, *args: Any, **kwargs: Any) -> Any:
        made = _sharing(type(self), Tensor.to(self, *args, **kwargs))  # type: ignore[attr-defined]
        made.__dict__.update(_own_attributes(self))
        return made


def _converting(name: str) -> Any:
    def method(self: UninitializedBuffer) -> Any:
        return self.to(getattr(Tensor, name)(self).dtype)

    method.__name__ = name
    method.__qualname__ = f"UninitializedBuffer.{name}"
    method.__doc__ = f"The buffer after :meth:`Tensor.{name}`: it still waits for its shape."
    return method


for _name in ("half", "float", "double", "bfloat16", "cpu"):
    setattr(UninitializedBuffer, _name, _converting(_name))


def is_lazy(param: Any) -> bool:
    """Whether a tensor waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)
