"""Attributes and view methods of tensors."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar
from weakref import ref

from jtorch import dtypes
from jtorch.devices import device
from jtorch.dispatch import modes
from jtorch.dtypes import dtype
from jtorch.errors import no_such_form
from jtorch.ops._registry import OPS
from jtorch.tensor import _views as views
from jtorch.tensor._core import Tensor, call, run
from jtorch.tensor._inplace import assign, check_writable, copy_, fill_, zero_
from jtorch.tensor._layout import strided
from jtorch.tensor._size import Size
from jtorch.tensor._storage import place_changes, strides_of
from jtorch.tensor._strides import pointwise_strides
from jtorch.tensor._view_history import seen_base
from jtorch.tensor._views import sizes_from, wrap_dim
from jtorch.trace import leave_session

__all__ = ["attribute", "matrices_turned", "method"]

F = TypeVar("F", bound=Callable[..., Any])


def method(function: F) -> F:
    """Make a function a method of :class:`Tensor` under its own name."""
    setattr(Tensor, function.__name__, function)
    return function


def attribute(function: F) -> F:
    """Make a function of a tensor a read-only attribute of :class:`Tensor` under its own name."""
    setattr(Tensor, function.__name__, property(function))
    return function


@attribute
def shape(self: Tensor) -> Size:
    """Sizes of the dimensions."""
    view = self._view
    if view is not None:
        return tuple.__new__(Size, view.aval.shape)
    value = self._storage.value
    return tuple.__new__(Size, (value.aval if value is not None else self._storage.aval()).shape)


@attribute
def ndim(self: Tensor) -> int:
    """Number of dimensions."""
    return self._aval().ndim


@attribute
def dtype_(self: Tensor) -> dtype:
    return self._aval().dtype


Tensor.dtype = Tensor.dtype_  # type: ignore[attr-defined]
del Tensor.dtype_  # type: ignore[attr-defined]


def _device(self: Tensor) -> device:
    """Where the contents live."""
    return self._aval().device


Tensor.device = property(_device)  # type: ignore[attr-defined]


@attribute
def layout(self: Tensor) -> Any:
    """Always ``torch.strided``."""
    return strided


@attribute
def is_cuda(self: Tensor) -> bool:
    """Whether the contents live on a CUDA device."""
    return self._aval().device.type == "cuda"


@attribute
def is_cpu(self: Tensor) -> bool:
    """Whether the contents live on the CPU."""
    return self._aval().device.type == "cpu"


@attribute
def is_meta(self: Tensor) -> bool:
    """Whether there are no contents, only shape and dtype."""
    return self._aval().device.type == "meta"


for _name in (
    "is_sparse",
    "is_quantized",
    "is_mkldnn",
    "is_nested",
    "is_sparse_csr",
    "is_xpu",
    "is_ipu",
    "is_maia",
    "is_mtia",
    "is_vulkan",
):
    setattr(Tensor, _name, False)


@attribute
def is_mps(self: Tensor) -> bool:
    """Whether the contents live on an Apple GPU."""
    return self._aval().device.type == "mps"


@attribute
def is_xla(self: Tensor) -> bool:
    """Whether the contents live on a TPU."""
    return self._aval().device.type in ("xla", "tpu")


@method
def size(self: Tensor, dim: int | None = None) -> Any:
    """All sizes, or the size of one dimension."""
    sizes = self._aval().shape
    return Size(sizes) if dim is None else sizes[wrap_dim(dim, len(sizes), scalar=False)]


@method
def dim(self: Tensor) -> int:
    """Number of dimensions."""
    return self._aval().ndim


Tensor.ndimension = dim  # type: ignore[attr-defined]


@method
def numel(self: Tensor) -> int:
    """Number of elements."""
    return self._aval().size


Tensor.nelement = numel  # type: ignore[attr-defined]


@method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Steps between neighbours of each dimension, in elements, or of one dimension."""
    strides = strides_of(self)
    return strides if dim is None else strides[wrap_dim(dim, len(strides), scalar=False)]


@method
def storage_offset(self: Tensor) -> int:
    """Position of the first element in the storage, in elements."""
    leave_session("asks where a tensor begins in its memory")
    return self._offset


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether elements lie row-major without gaps, or in the order of ``memory_format``."""
    if memory_format is None or memory_format.name in ("contiguous_format", "preserve_format"):
        return views.is_contiguous(self)
    sizes, strides = self._aval().shape, strides_of(self)
    order = {"channels_last": (1, 3, 2, 0), "channels_last_3d": (1, 4, 3, 2, 0)}[memory_format.name]
    if len(sizes) != len(order):
        return False
    step = 1
    for d in order:
        if sizes[d] != 1 and strides[d] != step:
            return False
        step *= sizes[d]
    return True


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor if it is contiguous already, else a copy that is."""
    if memory_format is None or memory_format.name == "contiguous_format":
        return views.contiguous(self)
    if memory_format.name == "preserve_format":
        if views.is_contiguous(self):
            return self
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    if is_contiguous(self, memory_format):
        return self
    return clone(self, memory_format=memory_format)


@method
def clone(self: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy in memory of its own, through which gradients flow; dimensions keep their order of memory."""
    result: Tensor = run(OPS["_clone"], (self,))
    if memory_format is None or memory_format.name == "preserve_format":
        if self._strides is not None:
            sizes = self._aval().shape
            strides = pointwise_strides(sizes, ((sizes, self._strides),))
            if strides is not None:
                set_layout(result, strides)
    elif memory_format.name != "contiguous_format":
        set_layout(result, _format_strides(self._aval().shape, memory_format))
    return result


def _format_strides(sizes: tuple[int, ...], memory_format: Any) -> tuple[int, ...]:
    order = {"channels_last": (1, 3, 2, 0), "channels_last_3d": (1, 4, 3, 2, 0)}[memory_format.name]
    if len(sizes) != len(order):
        raise RuntimeError(f"required rank {len(order)} tensor to use {memory_format.name} format")
    strides = [0] * len(sizes)
    step = 1
    for d in order:
        strides[d] = step
        step *= max(sizes[d], 1)
    return tuple(strides)


def set_layout(tensor: Tensor, strides: tuple[int, ...]) -> None:
    """Declare in which order a fresh tensor's elements lie in memory."""
    if strides != views.contiguous_strides(tensor._aval().shape):  # type: ignore[attr-defined]
        tensor._storage.strides = tensor._strides = strides


def _sizes(name: str, parameter: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
    """Sizes or dimensions given one by one, as one sequence, or as one sequence by the parameter's name.

    Raises:
        TypeError: something that is no integer, or another name.
    """
    if kwargs:
        if args or len(kwargs) > 1 or parameter not in kwargs:
            unknown = next((key for key in kwargs if key != parameter), None)
            if unknown is None:
                raise TypeError(f"{name}() got multiple values for argument '{parameter}'")
            raise TypeError(f"{name}() got an unexpected keyword argument '{unknown}'")
        args = (kwargs[parameter],)
    elif not args:
        raise TypeError(f'{name}() missing 1 required positional arguments: "{parameter}"')
    try:
        return sizes_from(args)
    except TypeError:
        raise _no_size(name, parameter, args) from None


def _no_size(name: str, parameter: str, args: tuple[Any, ...]) -> TypeError:
    start = f"{name}(): argument '{parameter}'"
    if len(args) == 1 and not isinstance(args[0], tuple | list):
        return TypeError(f"{start} (position 1) must be tuple of ints, not {type(args[0]).__name__}")
    given = args[0] if len(args) == 1 else args
    at = next(i for i, n in enumerate(given) if not hasattr(n, "__index__"))
    kind = type(given[at]).__name__
    if not at:
        return TypeError(
            f"{start} (position 1) must be tuple of ints, but found element of type {kind} at pos 0"
        )
    return TypeError(
        f'{start} failed to unpack the object at pos {at + 1} with error "type must be tuple of ints,but got '
        f'{kind}"'
    )


@method
def view(self: Tensor, *args: Any, dtype: Any = None, **size: Any) -> Tensor:
    """The same memory under another shape (``size``), or read as another dtype."""
    if args and not size and dtype is None:
        first = args[0]
        if type(first) is not dtypes.dtype:
            try:
                sizes = sizes_from(args)
            except TypeError:
                if len(args) > 1 or isinstance(first, tuple | list):
                    raise _no_size("view", "size", args) from None
                raise _no_view(args) from None
            return views.view_shape(self, sizes)
        dtype = first
    if dtype is not None:
        return views.view_dtype(self, dtype)
    if not size:
        raise _no_view(args)
    return views.view_shape(self, _sizes("view", "size", args, size))


def _no_view(args: tuple[Any, ...]) -> TypeError:
    given = "".join(type(x).__name__ for x in args)
    wrong = f"!{given}!" if args else ""
    return no_such_form("view", given, ("torch.dtype dtype", "tuple of ints size"), wrong)


@method
def reshape(self: Tensor, *args: Any, **shape: Any) -> Tensor:
    """The same elements under another shape; a view where strides allow."""
    return views.reshape(self, _sizes("reshape", "shape", args, shape))


@method
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """:meth:`reshape` to the shape of ``other``."""
    return views.reshape(self, other._aval().shape)


@method
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """:meth:`view` with the shape of ``other``."""
    return views.view_as(self, other)


@method
def expand(self: Tensor, *sizes: Any, implicit: bool = False, **size: Any) -> Tensor:
    """Dimensions of size 1 repeated without copying; -1 keeps a size."""
    return views.expand(self, _sizes("expand", "size", sizes, size))


@method
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """:meth:`expand` to the shape of ``other``."""
    return views.expand(self, other._aval().shape)


@method
def permute(self: Tensor, *args: Any, **dims: Any) -> Tensor:
    """Dimensions in another order."""
    return views.permute(self, _sizes("permute", "dims", args, dims))


for _function in (
    views.transpose, views.t, views.movedim, views.unsqueeze, views.select, views.narrow, views.diagonal,
    views.unfold,
    views.as_strided, views.flatten, views.unbind,
):  # fmt: skip
    setattr(Tensor, _function.__name__, _function)
Tensor.swapdims = views.transpose  # type: ignore[attr-defined]


@method
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two dimensions swapped (``torch.swapaxes``)."""
    return views.transpose(input, axis0, axis1)


Tensor.moveaxis = views.movedim  # type: ignore[attr-defined]


@method
def squeeze(self: Tensor, *args: Any, **dim: Any) -> Tensor:
    """Without dimensions of size 1: all, or those given."""
    if dim:
        return views.squeeze(self, *args, **dim)
    if not args:
        return views.squeeze(self)
    return views.squeeze(self, args[0] if len(args) == 1 else args)


@method
def unflatten(self: Tensor, dim: int, sizes: Any) -> Tensor:
    """One dimension as several."""
    if not isinstance(sizes, tuple | list):
        raise TypeError(
            f"unflatten(): argument 'sizes' (position 2) must be tuple of ints, not {type(sizes).__name__}"
        )
    return views.unflatten(self, dim, sizes)


@method
def ravel(input: Tensor) -> Tensor:
    """One dimension; a view where strides allow."""
    return views.view_shape(views.contiguous(input), (-1,))


@method
def split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of a size, or of given sizes, along a dimension."""
    return views.split(self, split_size, dim)


@method
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most that many pieces of equal size along a dimension."""
    return chunks_of(input, chunks, dim)


def chunks_of(input: Tensor, chunks: int, dim: int, unsafe: str = "") -> tuple[Tensor, ...]:
    """:func:`chunk`; ``unsafe`` is that of :func:`jtorch.tensor._views.split`."""
    sizes = input._aval().shape
    if not sizes:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    d = wrap_dim(dim, len(sizes))
    each = -(-sizes[d] // chunks)
    if not each:
        return views.split(input, [0] * chunks, d, unsafe)
    return views.split(input, each, d, unsafe)


@method
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, **either: Any
) -> tuple[Tensor, ...]:
    """Pieces cut at indices, or so many of nearly equal size.

    The second argument may go by the names ``indices``, ``sections`` and ``tensor_indices_or_sections``.
    """
    if either:
        return tensor_split(input, dim=dim, **_with_either(either))
    sizes = input._aval().shape
    if not sizes:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    d = wrap_dim(dim, len(sizes))
    if isinstance(indices_or_sections, Tensor):
        found = indices_or_sections._aval().dtype
        if found is not dtypes.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{dtypes.scalar_type_name(found)}"
            )
        indices_or_sections = indices_or_sections.tolist()
    if not isinstance(indices_or_sections, int | list | tuple):
        forms = (
            "Tensor input, tuple of ints indices, int dim = 0",
            "Tensor input, Tensor tensor_indices_or_sections, int dim = 0",
            "Tensor input, int sections, int dim = 0",
        )
        raise no_such_form("tensor_split", f"Tensor, {type(indices_or_sections).__name__}", forms)
    return _cut(input, indices_or_sections, d)


def _cut(self: Tensor, indices_or_sections: Any, d: int) -> tuple[Tensor, ...]:
    total = self._aval().shape[d]
    if isinstance(indices_or_sections, int):
        if indices_or_sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {indices_or_sections}")
        if indices_or_sections >= 2**63:
            raise ValueError("Overflow when unpacking long long")
        short, extra = divmod(total, indices_or_sections)
        cuts = [i * short + min(i, extra) for i in range(1, indices_or_sections)]
    else:
        cuts = [int(i) for i in indices_or_sections]
    edges = [0, *(min(max(c + total if c < 0 else c, 0), total) for c in cuts), total]
    return tuple(views.slice_dim(self, d, a, max(b - a, 0)) for a, b in pairwise(edges))


def _split_along(name: str, dims: Callable[[int], int], least: int) -> None:
    def function(self: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        sizes = self._aval().shape
        if not isinstance(indices_or_sections, int | list | tuple):
            got = type(indices_or_sections).__name__
            forms = ("Tensor input, int sections", "Tensor input, tuple of ints indices")
            raise no_such_form(name, f"Tensor, {got}", forms, f"Tensor, !{got}!")
        if len(sizes) < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with "
                f"{len(sizes)} dimensions!"
            )
        d = dims(len(sizes))
        parts = indices_or_sections
        if isinstance(parts, int) and (parts == 0 or (parts > 0 and sizes[d] % parts)):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {d}, but the size of the dimension "
                f"{sizes[d]} is not divisible by the split_size {parts}!"
            )
        return _cut(self, parts, d)

    def split(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        return function(*args, **_with_either(kwargs))

    split.__name__ = split.__qualname__ = name
    split.__doc__ = "Pieces along a fixed dimension; see :meth:`tensor_split`."
    setattr(Tensor, name, split)


def _with_either(kwargs: dict[str, Any]) -> dict[str, Any]:
    """``indices=`` and ``sections=`` as the one parameter that takes both."""
    for either in ("indices", "sections", "tensor_indices_or_sections"):
        if either in kwargs:
            return {"indices_or_sections": kwargs.pop(either), **kwargs}
    return kwargs


_split_along("hsplit", lambda n: 0 if n == 1 else 1, 1)
_split_along("vsplit", lambda n: 0, 2)
_split_along("dsplit", lambda n: 2, 3)


@attribute
def T(self: Tensor) -> Tensor:
    """Dimensions in reverse order."""
    n = self._aval().ndim
    if not n:
        _warn_of_scalar("Tensor.T", "This function is the identity in these cases.")
    elif n != 2:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and "
            "it will throw an error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return views.permute(self, range_down(n)) if n != 2 else views.transpose(self, 0, 1, "PermuteBackward0")


def range_down(n: int) -> tuple[int, ...]:
    return tuple(range(n - 1, -1, -1))


@attribute
def mT(self: Tensor) -> Tensor:
    """The last two dimensions swapped."""
    return matrices_turned(self, "mT", "This function is the identity in these cases.")


def matrices_turned(x: Tensor, name: str, advice: str = "Consider using x.conj().") -> Tensor:
    """The last two dimensions swapped, for an attribute or function of that name.

    Raises:
        RuntimeError: a vector.
    """
    n = x._aval().ndim
    if not n:
        _warn_of_scalar(name if name.endswith(")") else f"Tensor.{name}", advice, stacklevel=4)
        return x
    if n == 1:
        raise RuntimeError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return views.transpose(x, -2, -1)


def _warn_of_scalar(name: str, advice: str, stacklevel: int = 3) -> None:
    warnings.warn(f"{name} is deprecated on 0-D tensors. {advice}", UserWarning, stacklevel=stacklevel)


@attribute
def H(self: Tensor) -> Tensor:
    """A matrix transposed and conjugated."""
    n = self._aval().ndim
    if n not in (0, 2):
        more = " For batches of matrices, consider using tensor.mH" if n > 2 else ""
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {n}-D tensor.{more}")
    if not n:
        _warn_of_scalar("Tensor.H", "Consider using x.conj().")
    turned = views.transpose(self, 0, 1) if n else self
    return call("conj", turned) if self._aval().dtype.is_complex else turned


@attribute
def mH(self: Tensor) -> Tensor:
    """The last two dimensions swapped, and conjugated."""
    turned = matrices_turned(self, "mH")
    return call("conj", turned) if self._aval().dtype.is_complex else turned


def _set_part(name: str, part: Callable[[Tensor], Tensor]) -> None:
    def assign_part(self: Tensor, value: Any) -> None:
        target = part(self)
        (copy_ if isinstance(value, Tensor) else fill_)(target, value)

    setattr(Tensor, name, property(part, assign_part, doc=part.__doc__))


_set_part("real", views.real)
_set_part("imag", views.imag)


@attribute
def _base(self: Tensor) -> Any:
    """The tensor that this one is a view of."""
    return seen_base(self)


@method
def _is_view(self: Tensor) -> bool:
    return seen_base(self) is not None


@method
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the sizes are equal."""
    return input._aval().shape == other._aval().shape


@method
def __invert__(self: Tensor) -> Tensor:
    """``~self``: all bits flipped, or the logical not of booleans."""
    if self._aval().dtype.category >= dtypes.FLOAT:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    inverted: Tensor = call("bitwise_not", self)
    return inverted


@method
def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """In-place form of :meth:`float_power`.

    Raises:
        RuntimeError: this tensor is neither of float64 nor, as the result may have to be, of complex128.
    """
    check_writable(self)
    result = call("float_power", self, exponent)
    mine, wanted = self._aval().dtype, result._aval().dtype
    if mine is not wanted:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {dtypes.scalar_type_name(mine)} but the operation's "
            f"result requires dtype {dtypes.scalar_type_name(wanted)}"
        )
    return assign(self, result)


# Views that change the tensor itself.


def _become(self: Tensor, viewed: Tensor) -> Tensor:
    for name in (
        "_view",
        "_strides",
        "_offset",
        "_fn",
        "_nr",
        "_abase",
        "_adepth",
        "_cached",
        "_cached_writes",
        "_seen",
    ):
        setattr(self, name, getattr(viewed, name))
    place_changes[0] += 1
    self._storage.version += 1
    return self


def _take_place(self: Tensor, viewed: Tensor, shared: bool) -> None:
    """Make a view of a base fit to become that base itself, of which there may be other views."""
    history = self._fn is not None
    viewed._abase, viewed._adepth = None, 0
    if self._requires and not history:
        if shared:
            self._turned = self  # their gradients would have to find their way back
    elif shared or (history and viewed._fn is None):
        # Views go on being views of what this tensor was until now.
        twin = object.__new__(Tensor)
        twin.__dict__.update(self.__dict__)
        twin.__dict__.pop("_retains", None)
        twin._stands_for = ref(self)
        self._turned = viewed._abase = twin
        viewed._adepth = 1


def _inplace_view(name: str, function: Callable[..., Tensor]) -> None:
    def changed(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_writable(self, uniform=True)
        viewed = function(self, *args, **kwargs)
        tangent = None if modes.duals is None else modes.duals.of(viewed)
        if viewed._abase is self:
            _take_place(self, viewed, shared=sys.getrefcount(self._storage) > 3)  # others than both of these
        if tangent is not None:
            modes.duals.give(self, tangent)
        return _become(self, viewed)

    changed.__name__ = changed.__qualname__ = name
    changed.__doc__ = f"In-place form of :meth:`{name[:-1]}`."
    setattr(Tensor, name, changed)


for _inplace_name, _of in (
    ("unsqueeze_", views.unsqueeze),
    ("squeeze_", squeeze),
    ("transpose_", views.transpose),
    ("swapaxes_", swapaxes),
    ("swapdims_", views.transpose),
    ("t_", views.t),
    ("as_strided_", views.as_strided),
):
    _inplace_view(_inplace_name, _of)

for _written in (copy_, fill_, zero_):
    setattr(Tensor, _written.__name__, _written)
