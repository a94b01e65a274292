"""Arguments of functions that make tensors, and the making itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU, META, accelerator_type, device
from jtorch.dispatch import GRAD, INFERENCE, modes
from jtorch.dtypes import FLOAT, INT, dtype
from jtorch.ops._checks import check_fits
from jtorch.ops._sizes import is_symbolic_dim
from jtorch.tensor._core import Tensor
from jtorch.tensor._inplace import resize_to
from jtorch.tensor._layout import strided
from jtorch.tensor._out_checks import check_memory
from jtorch.tensor._storage import Storage
from jtorch.tensor._values import meta_value, to_device
from jtorch.tensor._writing import write
from jtorch.trace import aval_of, from_host, from_jax

__all__ = [
    "as_dtype", "check_layout", "filled", "into", "make", "number_dtype", "number_of", "out_dtype",
    "size_from", "sizes_of",
]  # fmt: skip

_new = object.__new__


def as_dtype(given: Any, name: str) -> dtype:
    """A ``dtype=`` argument: a dtype, or Python's ``float``, ``int``, ``bool``, ``complex``.

    Raises:
        TypeError: something else.
    """
    if type(given) is dtype:
        return given
    found = _PYTHON_TYPES.get(given) if isinstance(given, type) else None
    if found is None:
        raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(given).__name__}")
    return found


_PYTHON_TYPES = {float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool_, complex: dtypes.complex128}


def sizes_of(args: Sequence[Any], name: str) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence.

    Raises:
        TypeError: something that is no size.
        RuntimeError: a negative size.
    """
    if len(args) == 1 and isinstance(args[0], tuple | list):
        sizes: Sequence[Any] = args[0]
    elif len(args) == 1 and type(args[0]) is int and args[0] >= 0:
        return (args[0],)
    else:
        sizes = args
        if not args:
            raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    result = []
    for i, n in enumerate(sizes):
        if type(n) is not int:
            n = size_from(n, i, sizes is args and len(args) == 1, name)
        result.append(n)
    for n in result:
        if n < 0:
            if name == "zeros":  # which PyTorch checks before it allocates
                raise RuntimeError("zeros: Dimension size must be non-negative.")
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {result}")
    return tuple(result)


def size_from(n: Any, place: int, alone: bool, name: str) -> int:
    if is_symbolic_dim(n):
        return n  # type: ignore[no-any-return]
    if isinstance(n, bool) and place:
        return int(n)  # PyTorch looks at the first size only
    if not isinstance(n, bool | str):
        try:
            return int(n.__index__())
        except (AttributeError, TypeError):
            pass
    if alone:
        raise TypeError(
            f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type(n).__name__}"
        )
    raise TypeError(
        f"{name}(): argument 'size' failed to unpack the object at pos {place + 1} with error \"type must "
        "be tuple of "
        f'ints,but got {type(n).__name__}"'
    )


def check_layout(layout: Any, pin_memory: Any, name: str) -> None:
    """``layout=`` and ``pin_memory=``: what a CPU without accelerators accepts, and strided tensors only."""
    if layout is not None and layout is not strided:
        raise NotImplementedError(f"{name}(): layout={layout} is not supported, tensors are strided")
    if pin_memory and accelerator_type() is None:
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory allocator is "
            "available on this system."
        )


def make(
    array: Any,
    where: device = CPU,
    requires_grad: bool = False,
    strides: tuple[int, ...] | None = None,
) -> Tensor:
    """A new tensor of an array that belongs to the engine from now on."""
    result = _new(Tensor)
    value = from_host(array) if array.__class__ is np.ndarray else from_jax(array, where)
    if where is not CPU:
        value = (
            meta_value(aval_of(array.shape, value.aval.dtype, META))
            if where is META
            else to_device(value, where)
        )
    storage = result._storage = _new(Storage)
    storage.value = value
    if strides is not None:
        storage.strides = result._strides = strides
    if requires_grad:
        if value.aval.dtype.category < FLOAT:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        result._requires = True
    if modes.level == INFERENCE:
        result._inference = True
    return result


#: Functions that make their tensor anew, which autograd does not see, in place of ``out``.
_RESIZING = frozenset({"empty", "randn"})


def out_dtype(name: str, out: Any, *, aten: bool = True) -> dtype:
    """The dtype of an ``out=`` tensor that a function without tensors among its operands writes to.

    Raises:
        TypeError: no tensor.
        RuntimeError: it requires grad.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if out._tracked:
        if name in _RESIZING:
            raise RuntimeError("cannot resize variables that require grad")
        if modes.level == GRAD and (out.is_leaf or not aten):
            raise RuntimeError(
                f"{'aten::' * aten}{name}(): functions with out=... arguments don't support automatic "
                "differentiation, but one of the arguments requires grad."
            )
    return out._aval().dtype


def into(
    out: Tensor,
    array: np.ndarray[Any, Any] | Tensor,
    given: dtype | None = None,
    *,
    requires_grad: bool | None = None,
    uniform: bool = False,
) -> Tensor:
    """Store an array, or a tensor that is on its device, in an ``out=`` tensor, resizing that if needed.

    Args:
        out: a tensor.
        array: its new contents.
        given: the dtype that was asked for.
        requires_grad: what ``out`` does from now on; ``None``: as before.
        uniform: elements may share memory.

    Raises:
        RuntimeError: another dtype than ``given``, or memory that overlaps.
    """
    aval = out._aval()
    if given is not None and given is not aval.dtype:
        names = dtypes.scalar_type_name(given), dtypes.scalar_type_name(aval.dtype)
        raise RuntimeError(f"dtype {names[0]} does not match dtype of out parameter ({names[1]})")
    if not uniform:
        check_memory("", out, tuple(array.shape), ())
    if aval.shape != array.shape:
        resize_to(out, array.shape)
    if isinstance(array, Tensor):
        write(out, array if array._aval().dtype is aval.dtype else array.to(aval.dtype))
    else:
        with np.errstate(all="ignore"):
            new = make(array.astype(aval.dtype.numpy, copy=False), aval.device)
        write(out, new)
    if requires_grad is not None and out.is_leaf and out._requires is not requires_grad:
        out.requires_grad_(requires_grad)
    return out


def filled(shape: tuple[int, ...], number: Any, d: dtype) -> np.ndarray[Any, Any]:
    """An array of one number, converted as C++ does with a check of its range; of JAX, if its size varies.

    Raises:
        RuntimeError: the number does not fit the type.
    """
    try:
        return _filled(shape, number, d)
    except TypeError:
        if not any(map(is_symbolic_dim, shape)):
            raise
        return jnp.broadcast_to(_filled((), number, d), shape)  # type: ignore[return-value]


def _filled(shape: tuple[int, ...], number: Any, d: dtype) -> np.ndarray[Any, Any]:
    if type(number) in (float, int) and d.numpy.kind == "f" and -65504 <= number <= 65504:
        return np.full(shape, number, d.numpy)
    check_fits(number, d, narrow=math.prod(shape) == 1)
    if d.category < INT:
        return np.full(shape, bool(number))
    if d.category == INT:
        wrapped = int(number) % (1 << (8 * d.itemsize))
        return np.full(shape, wrapped, f"u{d.itemsize}").view(d.numpy)
    with np.errstate(all="ignore"):
        return np.full(
            shape, np.asarray(number, np.complex128 if d.is_complex else np.float64).astype(d.numpy)
        )


def number_of(x: Any, name: str, parameter: str, position: int) -> Any:
    """A Python number given as such, as a NumPy scalar or as a 0-dim tensor."""
    if isinstance(x, Tensor) and not x._aval().ndim:
        return x._host().item()
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, int | float | complex):
        return x
    raise TypeError(
        f"{name}(): argument '{parameter}' (position {position}) must be Number, not {type(x).__name__}"
    )


def number_dtype(number: Any) -> dtype:
    if isinstance(number, bool):
        return dtypes.bool_
    if isinstance(number, int):
        return dtypes.int64
    d = dtypes.get_default_dtype()
    return d.to_complex() if isinstance(number, complex) else d
