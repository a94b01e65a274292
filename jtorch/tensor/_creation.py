"""Creation functions: constants of every form, the defaults they follow, and the ``new_*`` methods.

Everything is made on the host as a NumPy array; other devices receive a copy.
"""

from __future__ import annotations

import builtins
import warnings
from typing import Any

import numpy as np

from jtorch import devices, dtypes
from jtorch.devices import META, as_device, device
from jtorch.dispatch import clear_plans
from jtorch.dtypes import FLOAT, dtype
from jtorch.tensor._arguments import (
    as_dtype,
    check_layout,
    filled,
    into,
    make,
    number_dtype,
    number_of,
    out_dtype,
    sizes_of,
)
from jtorch.tensor._core import Tensor
from jtorch.tensor._formats import format_strides, strides_in_order, strides_like
from jtorch.tensor._forms import Called
from jtorch.tensor._from_data import (
    as_tensor,
    copy_of,
    from_file,
    from_numpy,
    frombuffer,
    new_from,
    scalar_tensor,
    tensor,
)
from jtorch.tensor._layout import contiguous_format, memory_format, preserve_format
from jtorch.tensor._ranges import arange, linspace, logspace, range
from jtorch.tensor._storage import contiguous_strides
from jtorch.trace._read_numbers import ReadNumber

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "from_file",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "get_default_device",
    "get_default_dtype",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "range",
    "scalar_tensor",
    "set_default_device",
    "set_default_dtype",
    "tensor",
    "zeros",
    "zeros_like",
]


# ---- defaults


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats (``torch.get_default_dtype``)."""
    return dtypes.get_default_dtype()


def set_default_dtype(d: dtype) -> None:
    """Make tensors of Python floats have dtype ``d`` from now on.

    Raises:
        TypeError: not a floating dtype.
    """
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if d.category != FLOAT:
        raise TypeError("only floating-point types are supported as the default type")
    if d is not dtypes.get_default_dtype():
        dtypes.set_default_dtype_(d)
        clear_plans()


def get_default_device() -> device:
    """Where factory functions place tensors."""
    return devices.default_device()


def set_default_device(device: Any) -> None:
    """Place what factory functions make on ``device`` from now on; ``None`` means the CPU again."""
    devices.set_default_device(device)


# ---- constants


_CALLED = {name: Called("", name) for name in ("empty", "ones", "zeros")}


def _constant(
    name: str, zero: bool, args: tuple[Any, ...], size: Any, out: Any, dtype: Any, layout: Any, device: Any,
    pin_memory: bool, requires_grad: bool, format: memory_format | None,
) -> Tensor:  # fmt: skip
    try:
        shape = sizes_of(args if size is None else (size,), name)
        if layout is not None or pin_memory:
            check_layout(layout, pin_memory, name)
        d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, name)
        if out is not None:
            array = (np.zeros if zero else np.ones)(shape, out_dtype(name, out).numpy)
            given = None if dtype is None else d
            return into(out, array, given, requires_grad=requires_grad, uniform=True)
        strides = None if format is None else format_strides(shape, format)
        where = as_device(device)
        if where is META:
            return _on_meta(shape, d, requires_grad, strides)
        return make(_blank(zero, shape, d), where, requires_grad, strides)
    except Exception:
        named = {"size": size, "out": out, "dtype": dtype, "layout": layout, "device": device}
        refusal = _CALLED[name].refusal(args, {k: x for k, x in named.items() if x is not None})
        if refusal is None:
            raise
        raise refusal from None


def _blank(zero: bool, shape: tuple[int, ...], d: dtype) -> Any:
    try:
        return (np.zeros if zero else np.ones)(shape, d.numpy)
    except TypeError:
        return filled(shape, int(not zero), d)  # of a size that varies


def _on_meta(
    shape: tuple[int, ...], d: dtype, requires_grad: bool, strides: tuple[int, ...] | None
) -> Tensor:
    return make(np.broadcast_to(np.zeros((), d.numpy), shape), META, requires_grad, strides)


def zeros(
    *args: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros; sizes one by one or as one sequence (``torch.zeros``)."""
    return _constant("zeros", True, args, size, out, dtype, layout, device, pin_memory, requires_grad, None)


def ones(
    *args: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones; sizes one by one or as one sequence (``torch.ones``)."""
    return _constant("ones", False, args, size, out, dtype, layout, device, pin_memory, requires_grad, None)


def empty(
    *args: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = contiguous_format,
) -> Tensor:  # fmt: skip
    """A tensor whose contents do not matter; they are zeros (``torch.empty``)."""
    return _constant(
        "empty", True, args, size, out, dtype, layout, device, pin_memory, requires_grad, memory_format
    )


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """One number everywhere; its type decides the dtype unless given (``torch.full``)."""
    if not isinstance(size, tuple | list):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    shape = sizes_of((size,), "full")
    check_layout(layout, pin_memory, "full")
    number = number_of(fill_value, "full", "fill_value", 2)
    if out is not None:
        given = None if dtype is None else as_dtype(dtype, "full")
        array = filled(shape, number, out_dtype("full", out))
        return into(out, array, given, requires_grad=requires_grad, uniform=True)
    d = number_dtype(number) if dtype is None else as_dtype(dtype, "full")
    where = as_device(device)
    if where is META:
        return _on_meta(shape, d, requires_grad, None)
    if type(number) is ReadNumber and number.fits(d):
        made = make(filled(shape, 0, d), where)
        return made.fill_(number).requires_grad_(requires_grad)  # type: ignore[no-any-return]
    return make(filled(shape, number, d), where, requires_grad)


def _like(
    name: str, input: Any, number: Any, dtype: Any, layout: Any, device: Any, pin_memory: bool,
    requires_grad: bool, format: Any,
) -> Tensor:  # fmt: skip
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    check_layout(layout, pin_memory, name)
    aval = input._aval()
    d = aval.dtype if dtype is None else as_dtype(dtype, name)
    where = aval.device if device is None else as_device(device)
    if format is None or format is preserve_format:
        strides = None if input._strides is None else strides_like(aval.shape, input._strides)
    else:
        strides = format_strides(aval.shape, format)
    if where is META:
        return _on_meta(aval.shape, d, requires_grad, strides)
    if type(number) is ReadNumber and number.fits(d):
        made = make(np.zeros(aval.shape, d.numpy), where, False, strides)
        return made.fill_(number).requires_grad_(requires_grad)  # type: ignore[no-any-return]
    array = filled(aval.shape, 0, d) if number is None else filled(aval.shape, number, d)
    return make(array, where, requires_grad, strides)


def zeros_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = preserve_format,
) -> Tensor:  # fmt: skip
    """Zeros with the shape, dtype and device of ``input`` (``torch.zeros_like``)."""
    return _like("zeros_like", input, None, dtype, layout, device, pin_memory, requires_grad, memory_format)


def ones_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = preserve_format,
) -> Tensor:  # fmt: skip
    """Ones with the shape, dtype and device of ``input`` (``torch.ones_like``)."""
    return _like("ones_like", input, 1, dtype, layout, device, pin_memory, requires_grad, memory_format)


def empty_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = preserve_format,
) -> Tensor:  # fmt: skip
    """A tensor like ``input`` whose contents do not matter (``torch.empty_like``)."""
    return _like("empty_like", input, None, dtype, layout, device, pin_memory, requires_grad, memory_format)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = preserve_format,
) -> Tensor:  # fmt: skip
    """One number everywhere, with the shape, dtype and device of ``input`` (``torch.full_like``)."""
    number = number_of(fill_value, "full_like", "fill_value", 2)
    return _like("full_like", input, number, dtype, layout, device, pin_memory, requires_grad, memory_format)


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of given strides whose contents do not matter (``torch.empty_strided``)."""
    shape, strides = sizes_of((tuple(size),), "empty_strided"), tuple(int(s) for s in stride)
    if len(shape) != len(strides):
        raise RuntimeError(
            "empty_strided: dimensionality of sizes must match dimensionality of strides: "
            f"got {len(shape)} and {len(strides)}"
        )
    check_layout(layout, pin_memory, "empty_strided")
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "empty_strided")
    where = as_device(device)
    order = sorted(builtins.range(len(shape)), key=lambda i: (-strides[i], i))
    if strides == contiguous_strides(shape):
        kept = None
    elif strides == strides_in_order(shape, order):
        kept = strides
    else:
        # Gaps or overlaps: a view of memory that is large enough.
        held = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if all(shape) else 0
        memory = make(np.zeros((held,), d.numpy), where)
        view = memory.as_strided(shape, strides).detach()
        if requires_grad:
            view.requires_grad_()
        return view  # type: ignore[no-any-return]
    if where is META:
        return _on_meta(shape, d, requires_grad, kept)
    return make(np.zeros(shape, d.numpy), where, requires_grad, kept)


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor whose dimensions lie in memory in this order, outermost first (``torch.empty_permuted``)."""
    shape, order = sizes_of((tuple(size),), "empty_permuted"), [int(d) for d in physical_layout]
    if len(order) != len(shape):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) "
            f"= {len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    for d in order:
        if not 0 <= d < len(shape):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {d} at "
                f"index {order.index(d)}).  NB: negative dims not currently supported; file an issue if you "
                "want it."
            )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    strides = strides_in_order(shape, order)
    return empty_strided(
        shape,
        strides,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
        pin_memory=pin_memory,
    )


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal, zeros elsewhere (``torch.eye``)."""
    for i, (parameter, x) in enumerate((("n", n), ("m", m))):
        if x is not None and not isinstance(x, int | np.integer | Tensor):
            raise TypeError(
                f"eye(): argument '{parameter}' (position {i + 1}) must be int, not {type(x).__name__}"
            )
    rows, columns = int(n), int(n if m is None else m)
    for parameter, count in (("n", rows), ("m", columns)):
        if count < 0:
            raise RuntimeError(f"{parameter} must be greater or equal to 0, got {count}")
    check_layout(layout, pin_memory, "eye")
    if out is not None:
        given = None if dtype is None else as_dtype(dtype, "eye")
        array = np.eye(rows, columns, dtype=out_dtype("eye", out).numpy)
        return into(out, array, given, requires_grad=requires_grad, uniform=True)
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "eye")
    return make(np.eye(rows, columns).astype(d.numpy), as_device(device), requires_grad)


# ---- new_*


def _of(self: Tensor, dtype: Any, device: Any) -> dict[str, Any]:
    aval = self._aval()
    return {
        "dtype": aval.dtype if dtype is None else dtype,
        "device": aval.device if device is None else device,
    }


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ``data`` with this tensor's dtype and device unless given."""
    check_layout(layout, pin_memory, "new_tensor")
    where = _of(self, dtype, device)
    d = as_dtype(where["dtype"], "new_tensor")
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than "
            "tensor.new_tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        return copy_of(data, d, where["device"], requires_grad)
    return new_from(data, d, as_device(where["device"]), requires_grad)


def new_zeros(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros with this tensor's dtype and device unless given."""
    shape = sizes_of(args if size is None else (size,), "new_zeros")
    return zeros(
        shape, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **_of(self, dtype, device)
    )


def new_ones(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones with this tensor's dtype and device unless given."""
    shape = sizes_of(args if size is None else (size,), "new_ones")
    return ones(
        shape, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **_of(self, dtype, device)
    )


def new_empty(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of this tensor's dtype and device unless given, whose contents do not matter."""
    shape = sizes_of(args if size is None else (size,), "new_empty")
    return empty(
        shape, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **_of(self, dtype, device)
    )


def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """One number everywhere, with this tensor's dtype and device unless given."""
    where = _of(self, dtype, device)
    return full(size, fill_value, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **where)


def new_empty_strided(
    self: Tensor, size: Any, stride: Any, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """:func:`empty_strided` with this tensor's dtype and device unless given."""
    where = _of(self, dtype, device)
    return empty_strided(
        size, stride, requires_grad=requires_grad, layout=layout, pin_memory=pin_memory, **where
    )


for _f in (new_tensor, new_zeros, new_ones, new_empty, new_full, new_empty_strided):
    setattr(Tensor, _f.__name__, _f)
