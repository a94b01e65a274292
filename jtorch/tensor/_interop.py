"""Tensors and other libraries' arrays: DLPack both ways, JAX arrays, and tensors as JAX pytrees.

Registered as a pytree, a tensor can be passed to and returned from ``jax.jit``, ``jax.vmap``, ``jax.grad``,
``jax.tree.map`` and optax. Its leaf is its array; inside a transform operations apply at once to tracers.
"""

from __future__ import annotations

import enum
import warnings
from typing import Any

import jax
import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU, META, as_device, default_device, device, device_of
from jtorch.dtypes import dtype, from_numpy_dtype
from jtorch.tensor._arguments import as_dtype, make
from jtorch.tensor._bridge import legacy_name
from jtorch.tensor._conversion import convert
from jtorch.tensor._core import Tensor, from_value, value_of
from jtorch.tensor._from_data import copy_of, from_numpy, frombuffer, new_from, on_buffer
from jtorch.tensor._of_jax import of_jax
from jtorch.tensor._storages import UntypedStorage, whole_of
from jtorch.trace import Aval, TracedValue, aval_of, computed, from_host
from jtorch.trace import from_jax as value_of_array

__all__ = ["asarray", "from_dlpack", "from_jax", "to_dlpack"]


class DLDeviceType(enum.IntEnum):
    """DLPack's numbers for kinds of devices."""

    kDLCPU = (1,)
    kDLCUDA = (2,)
    kDLCUDAHost = (3,)
    kDLOpenCL = (4,)
    kDLVulkan = (7,)
    kDLMetal = (8,)
    kDLVPI = (9,)
    kDLROCM = (10,)
    kDLROCMHost = (11,)
    kDLExtDev = (12,)
    kDLCUDAManaged = (13,)
    kDLOneAPI = (14,)
    kDLWebGPU = (15,)
    kDLHexagon = (16,)
    kDLMAIA = (17,)


# ---- JAX


def to_jax(self: Tensor) -> jax.Array:
    """The contents as a ``jax.Array``, without a copy where possible; inside a JAX transform, the tracer.

    JAX arrays never change: later in-place operations on the tensor leave this one as it is.
    """
    value = value_of(self)
    if value.aval.device is META:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    if type(value) is TracedValue:
        return value.array  # type: ignore[no-any-return]
    array = computed(value)
    value.pinned = True
    return array  # type: ignore[no-any-return]


def from_jax(array: jax.Array, device: Any = None) -> Tensor:
    """A tensor of a ``jax.Array`` or tracer, without a copy.

    Args:
        array: in-place operations on the tensor do not change it. If it is spread over several devices, the
            tensor's device is the first of them, and operations gather it there; inside of JAX's transforms
            it stays spread.
        device: where a tracer's value lives, which it does not tell; the default device if ``None``.

    Raises:
        TypeError: not a JAX array, or of a type that tensors do not have.
    """
    if not isinstance(array, jax.Array):
        raise TypeError(
            f"from_jax(): argument 'array' (position 1) must be jax.Array, not {type(array).__name__}"
        )
    from_numpy_dtype(array.dtype)
    result = of_jax(array, default_device() if device is None else as_device(device))
    if device is not None and result._aval().device is not as_device(device):
        return convert(result, as_device(device), None)
    return result


# ---- pytrees


class _Hole:
    """Stands for the storage of a tensor whose leaf is no array: JAX builds trees of placeholders, too.

    Shape and dtype of what ``jax.eval_shape`` gives are known.
    """

    __slots__ = ("leaf", "where")
    buffer = value = strides = None
    writes = version = 0

    def __init__(self, leaf: Any, where: device) -> None:
        self.leaf, self.where = leaf, where

    def aval(self) -> Aval:
        """Shape, dtype and device of the leaf.

        Raises:
            TypeError: it has none.
        """
        try:
            return aval_of(tuple(self.leaf.shape), from_numpy_dtype(self.leaf.dtype), self.where)
        except AttributeError:
            raise TypeError(f"this Tensor holds {self.leaf!r} in the place of an array") from None

    def read(self) -> Any:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"this Tensor holds {self.leaf!r} in the place of an array: it has no values")


def _flatten(tensor: Tensor) -> tuple[tuple[Any], Any]:
    storage: Any = tensor._storage
    if type(storage) is _Hole:
        return (storage.leaf,), tensor._tree
    # What was computed inside a transform has no history outside, so it is no leaf there either.
    return (to_jax(tensor),), (tensor._aval().device, tensor._requires and tensor._fn is None)


def _unflattener(cls: type) -> Any:
    def unflatten(tree: Any, leaves: Any) -> Any:
        leaf = leaves[0]
        where, requires_grad = tree
        if isinstance(leaf, jax.Array):
            if not isinstance(leaf, jax.core.Tracer):
                where = device_of(leaf)
            made = from_value(value_of_array(leaf, where))
            made._requires = requires_grad and made._aval().dtype.category >= 2
        elif isinstance(leaf, np.ndarray):
            made = from_value(from_host(np.array(leaf, order="C")))
        elif isinstance(leaf, Tensor):
            return leaf  # what a function of leaves returned, or a block of a Jacobian
        else:
            made = object.__new__(Tensor)
            made._storage = _Hole(leaf, where)  # type: ignore[assignment]
            made._tree = tree  # type: ignore[attr-defined]
        if cls is not Tensor:
            made.__class__ = cls
        return made

    return unflatten


def _flatten_with_keys(tensor: Tensor) -> tuple[tuple[Any], Any]:
    (leaf,), about = _flatten(tensor)
    return ((_KEY, leaf),), about


#: How paths end: ``['0.weight'].data``.
_KEY = jax.tree_util.GetAttrKey("data")


def register_pytree(cls: type) -> None:
    """Let JAX take apart and rebuild tensors of a class."""
    jax.tree_util.register_pytree_with_keys(cls, _flatten_with_keys, _unflattener(cls), _flatten)


def register_pytrees(cls: type) -> None:
    """:func:`register_pytree` for a class and those derived from it."""
    register_pytree(cls)
    subclasses: list[type] = cls.__subclasses__()
    for subclass in subclasses:
        register_pytrees(subclass)


def _register_subclass(cls: Any, /, **kwargs: Any) -> None:
    super(Tensor, cls).__init_subclass__(**kwargs)
    register_pytree(cls)


# ---- DLPack


def _on_host(self: Tensor) -> bool:
    aval = self._aval()
    return aval.device is CPU and aval.dtype.numpy.isbuiltin == 1


def dlpack(
    self: Tensor,
    *,
    stream: Any = -1,
    max_version: Any = None,
    dl_device: Any = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of this tensor's memory, which both sides may write to on the CPU.

    Args:
        self: this tensor.
        stream: of the consumer, on accelerators.
        max_version: newest version of the protocol that the consumer knows.
        dl_device: where the consumer wants the memory.
        copy: whether to copy.

    Raises:
        BufferError: the tensor requires grad.
    """
    if self._tracked:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if _on_host(self):
        self._storage.expose()
        return self._host().__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)
    stream = None if stream == -1 else stream
    array: Any = to_jax(self)
    return array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def dlpack_device(self: Tensor) -> tuple[enum.IntEnum, int]:
    """Kind and index of this tensor's device in DLPack's terms."""
    if self._aval().device is CPU:
        return DLDeviceType.kDLCPU, 0
    array: Any = to_jax(self)
    kind, index = array.__dlpack_device__()
    return DLDeviceType(int(kind)), index


def cuda_array_interface(self: Tensor) -> dict[str, Any]:
    """The memory of a CUDA tensor in the terms of Numba and CuPy."""
    if self._aval().device.type != "cuda":
        raise AttributeError(
            f"Can't get __cuda_array_interface__ on non-CUDA tensor type: {legacy_name(self._aval())} If "
            "CUDA data is required use tensor.cuda() to copy tensor to device memory."
        )
    if self._tracked:
        raise RuntimeError(
            "Can't get __cuda_array_interface__ on Variable that requires grad. If gradients aren't "
            "required, use var.detach() to get Variable that doesn't require grad."
        )
    array: Any = to_jax(self)
    return array.__cuda_array_interface__  # type: ignore[no-any-return]


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of a tensor's memory (``torch.utils.dlpack.to_dlpack``)."""
    return dlpack(tensor)


class _Capsule:
    """A bare capsule as the object that consumers expect."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's array (``torch.from_dlpack``).

    Args:
        ext_tensor: an object with ``__dlpack__``, or a capsule of CPU memory.
        device: where the tensor shall be.
        copy: ``True``: copy; ``False``: never.

    Raises:
        RuntimeError: something else.
    """
    if isinstance(ext_tensor, jax.Array):
        result = from_jax(ext_tensor)
    elif type(ext_tensor).__name__ == "PyCapsule":
        result = _from_host(_Capsule(ext_tensor))
    elif not hasattr(ext_tensor, "__dlpack__"):
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only "
            "once, so you might have already constructed a tensor from it once."
        )
    elif int(ext_tensor.__dlpack_device__()[0]) == DLDeviceType.kDLCPU:
        result = _from_host(ext_tensor)
    else:
        result = from_jax(jax.dlpack.from_dlpack(ext_tensor))
    where = None if device is None else as_device(device)
    if where is not None and where is not result._aval().device and copy is False:
        raise ValueError(
            f"cannot move DLPack tensor from device {result._aval().device} to {where} without copying."
        )
    return convert(result, where, None, bool(copy))


def _from_host(source: Any) -> Tensor:
    try:
        array = np.from_dlpack(source)
    except (RuntimeError, BufferError):
        if isinstance(source, _Capsule):
            raise
        # NumPy knows no bfloat16 and no float8; a BufferError of the producer itself comes again from here.
        return from_jax(jax.dlpack.from_dlpack(source))
    if not array.flags.writeable:
        return from_value(from_host(np.array(array, order="C")))
    size = array.itemsize
    return on_buffer(array, tuple(s // size for s in array.strides))


# ---- anything as a tensor


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """``obj`` as a tensor (``torch.asarray``).

    Args:
        obj: a tensor, an array, an object with DLPack or the buffer protocol, a number, nested sequences.
        dtype: of the result.
        device: of the result.
        copy: ``True``: always; ``False``: never, an error where one is needed; ``None``: where needed.
        requires_grad: of the result; by default that of ``obj``, which PyTorch warns of where it is true.
    """
    if dtype is not None:
        dtype = as_dtype(dtype, "asarray")
    if requires_grad is None:
        requires_grad = isinstance(obj, Tensor) and obj.requires_grad
        if requires_grad:
            warnings.warn(
                "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad instead of "
                "False. Pass requires_grad=False explicitly to get the old behavior and silence this "
                "warning.",
                UserWarning,
                stacklevel=2,
            )
    source = _shared(obj, dtype)
    if source is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return new_from(obj, dtype, as_device(device), requires_grad)
    aval = source._aval()
    where = aval.device if device is None and isinstance(obj, Tensor) else as_device(device)
    other_type = dtype is not None and dtype is not aval.dtype
    if copy is False and where is not aval.device:
        raise ValueError(f"can't alias tensor with device '{aval.device}' into device '{where}'.")
    if copy is False and other_type:
        names = dtypes.scalar_type_name(aval.dtype), dtypes.scalar_type_name(dtype)
        raise ValueError(f"can't alias tensor with dtype '{names[0]}' into dtype '{names[1]}'.")
    if copy or other_type or where is not aval.device:
        if isinstance(obj, Tensor) and obj.requires_grad and requires_grad:
            result = source.to(where, dtype or aval.dtype, copy=True)
        else:
            return copy_of(source, dtype, where, requires_grad)
    else:
        result = source
        if source.requires_grad and not requires_grad:
            result = source.detach()
    if requires_grad and not result.requires_grad:
        result.requires_grad_()
    return result  # type: ignore[no-any-return]


def _shared(obj: Any, dtype: dtype | None) -> Tensor | None:
    """A tensor on the memory of ``obj``; ``None`` for plain data."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, UntypedStorage):
        whole = whole_of(obj._cell)
        return whole if whole._aval().dtype is dtypes.uint8 else whole.reshape(-1).view(dtypes.uint8)
    if isinstance(obj, np.ndarray):
        return from_numpy(obj)
    if isinstance(obj, np.generic):
        return make(np.array(obj))
    if hasattr(obj, "__dlpack__"):
        return from_dlpack(obj)
    if isinstance(obj, bytes | bytearray | memoryview):
        return frombuffer(obj, dtype=dtype or dtypes.get_default_dtype())
    return None


register_pytrees(Tensor)
Tensor.__cuda_array_interface__ = property(cuda_array_interface)  # type: ignore[attr-defined]
# JAX's functions ask NumPy for the type of what they are given: `jnp.zeros_like(x)`, `lax.cond(x > 0, ...)`.
Tensor.__numpy_dtype__ = property(lambda self: self._aval().dtype.numpy)  # type: ignore[attr-defined]
for _name, _function in {
    "jax": to_jax, "__jax_array__": to_jax, "__dlpack__": dlpack, "__dlpack_device__": dlpack_device,
    "__init_subclass__": classmethod(_register_subclass),
}.items():  # fmt: skip
    setattr(Tensor, _name, _function)
