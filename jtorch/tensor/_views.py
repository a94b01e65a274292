"""View functions: each works out shape, strides and offset as PyTorch reports them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_index
from typing import Any

from jtorch import dtypes
from jtorch.dispatch import GRAD, modes
from jtorch.dtypes import INT, dtype
from jtorch.ops._registry import OPS
from jtorch.ops._sizes import InconclusiveDimensionOperation, size_from
from jtorch.tensor._core import Tensor, apply, plan_for, run, value_of, view
from jtorch.tensor._history import MADE_WITH_OTHERS
from jtorch.tensor._size import Size
from jtorch.tensor._storage import Version, contiguous_strides, strides_of
from jtorch.tensor._type_names import type_name
from jtorch.tensor._view_history import view_fn

__all__ = [
    "alias", "as_strided", "diagonal", "expand", "flatten", "imag", "movedim", "narrow", "permute", "real",
    "reshape", "select", "slice_dim", "split", "squeeze", "t", "transpose", "unbind",
    "unflatten", "unfold", "unsqueeze", "view_as", "view_as_complex", "view_as_real", "view_dtype",
    "view_shape", "wrap_dim",
]  # fmt: skip


def wrap_dim(dim: Any, ndim: int, *, scalar: bool = True) -> int:
    """A dimension counted from the end, or not, as one from the start.

    Raises:
        IndexError: there is no such dimension. 0-dim tensors have dimension 0 if ``scalar``.
    """
    if type(dim) is not int:
        dim = as_index(dim)
    count = max(ndim, 1) if scalar else ndim
    if -count <= dim < count:
        return int(dim % count) if count else 0
    if not ndim and not scalar:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    raise IndexError(
        f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})"
    )


def sizes_from(args: Sequence[Any]) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence, as a tuple of ints."""
    if len(args) == 1 and isinstance(args[0], tuple | list):
        args = args[0]
    return tuple(n if type(n) is int else size_from(n) for n in args)


def _infer(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Fill in a -1."""
    known, unknown = 1, -1
    for i, n in enumerate(shape):
        if n == -1:
            if unknown >= 0:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n}")
        else:
            known *= n
    if unknown < 0:
        if known != size:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")
        return shape
    if known == 0:
        if size == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified "
                "dimension size -1 can be any value and is ambiguous"
            )
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")
    if size % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")
    return (*shape[:unknown], size // known, *shape[unknown + 1 :])


def _view_strides(
    old_shape: tuple[int, ...], old_strides: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Strides under which the same memory has another shape; ``None`` if there are none.

    Dimensions that lie gapless in each other form chunks; each chunk must split into whole new dimensions.
    """
    try:
        return _strides_of_view(old_shape, old_strides, shape)
    except InconclusiveDimensionOperation:
        return contiguous_strides(shape)  # of sizes that vary only the values count


def _strides_of_view(
    old_shape: tuple[int, ...], old_strides: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[int, ...] | None:
    size = 1
    for n in old_shape:
        size *= n
    if size == 0:
        return old_strides if old_shape == shape else contiguous_strides(shape)
    strides = [0] * len(shape)
    new = len(shape) - 1
    chunk = 1
    base = old_strides[-1] if old_strides else 1
    for d in range(len(old_shape) - 1, -1, -1):
        chunk *= old_shape[d]
        if d and (old_shape[d - 1] == 1 or old_strides[d - 1] == chunk * base):
            continue
        filled = 1
        while new >= 0 and (filled < chunk or shape[new] == 1):
            strides[new] = filled * base
            filled *= shape[new]
            new -= 1
        if filled != chunk:
            return None
        if d:
            chunk = 1
            base = old_strides[d - 1]
    if not old_shape:
        while new >= 0:
            strides[new] = 1
            new -= 1
    return tuple(strides) if new < 0 else None


def _row_major(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """``None`` for the strides that a fresh tensor of this shape has."""
    return None if strides == contiguous_strides(shape) else strides


def _reshaped(x: Tensor, shape: tuple[int, ...], strides: tuple[int, ...], node: str) -> Tensor:
    return view(x, "reshape", (), (shape, node), _row_major(shape, strides), x._offset)


def view_shape(x: Tensor, shape: tuple[int, ...], node: str = "ViewBackward0") -> Tensor:
    """``Tensor.view(*shape)``."""
    aval = x._aval()
    shape = _infer(shape, aval.size)
    if x._strides is None:
        return view(x, "reshape", (), (shape, node), None, x._offset)
    strides = _view_strides(aval.shape, x._strides, shape)
    if strides is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans "
            "across two contiguous subspaces). Use .reshape(...) instead."
        )
    return _reshaped(x, shape, strides, node)


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """A view if strides allow, else a copy (``torch.reshape``)."""
    aval = input._aval()
    sizes = _infer(sizes_from((shape,)), aval.size)
    if input._strides is None:
        return view(input, "reshape", (), (sizes, "ViewBackward0"), None, input._offset)
    strides = _view_strides(aval.shape, input._strides, sizes)
    if is_contiguous(input):
        return _reshaped(input, sizes, strides, "ViewBackward0")  # type: ignore[arg-type]
    if strides is None:
        copy: Tensor = run(OPS["_view.reshape"], (contiguous(input), sizes, "UnsafeViewBackward0"))
        return copy
    return _reshaped(input, sizes, strides, "ReshapeAliasBackward0")


def contiguous(x: Tensor) -> Tensor:
    """``x`` itself if it is row-major, else a copy that is."""
    if x._strides is None or is_contiguous(x):
        return x
    result: Tensor = run(OPS["_clone"], (x,))
    return result


def is_contiguous(x: Tensor) -> bool:
    """Row-major without gaps; strides of dimensions of size 1 do not matter."""
    if x._strides is None:
        return True
    shape = x._aval().shape
    if 0 in shape:
        return True
    step = 1
    for n, s in zip(reversed(shape), reversed(x._strides), strict=True):
        if n != 1 and s != step:
            return False
        step *= n
    return True


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """``view`` with the shape of another tensor."""
    return view_shape(x, other._aval().shape)


def alias(x: Tensor) -> Tensor:
    """All of ``x``, as a view."""
    return view(x, "alias", (), (), x._strides, x._offset)


def permute(input: Tensor, dims: Sequence[int], node: str = "PermuteBackward0") -> Tensor:
    """Dimensions in the given order (``torch.permute``)."""
    shape = input._aval().shape
    ndim = len(shape)
    dims = sizes_from((dims,))
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = "
            f"{len(dims)}"
        )
    order = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(order)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    strides = strides_of(input)
    shape = tuple(shape[d] for d in order)
    return view(
        input,
        "permute",
        (),
        (order, node),
        _row_major(shape, tuple(strides[d] for d in order)),
        input._offset,
    )


def transpose(input: Tensor, dim0: int, dim1: int, node: str = "TransposeBackward0") -> Tensor:
    """Two dimensions swapped (``torch.transpose``)."""
    ndim = input._aval().ndim
    a, b = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    if not ndim:
        return permute(input, (), node)
    order = list(range(ndim))
    order[a], order[b] = b, a
    return permute(input, order, node)


def t(input: Tensor) -> Tensor:
    """A matrix transposed; tensors of fewer dimensions as they are (``torch.t``)."""
    ndim = input._aval().ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return permute(input, (1, 0) if ndim == 2 else (0,) * ndim, "TBackward0")


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places, the rest in order (``torch.movedim``)."""
    ndim = input._aval().ndim
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    if len(sources) != len(targets):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source "
            f"({sources} dims) should contain the same number of dims as destination ({targets} dims)"
        )
    given = (("source", sources), ("destination", targets))
    sources = [wrap_dim(d, ndim) for d in sources]
    targets = [wrap_dim(d, ndim) for d in targets]
    for (name, dims), found in zip(given, (sources, targets), strict=True):
        if len(set(found)) != len(found):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    if not ndim:
        return alias(input)
    order = [-1] * ndim
    for s, d in zip(sources, targets, strict=True):
        order[d] = s
    rest = iter(d for d in range(ndim) if d not in sources)
    return permute(input, [next(rest) if d < 0 else d for d in order])


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dimension of size 1 (``torch.unsqueeze``)."""
    shape, strides = input._aval().shape, strides_of(input)
    d = wrap_dim(dim, len(shape) + 1)
    step = shape[d] * strides[d] if d < len(shape) else 1
    new_shape, new_strides = (*shape[:d], 1, *shape[d:]), (*strides[:d], step, *strides[d:])
    return _reshaped(input, new_shape, new_strides, "UnsqueezeBackward0")


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without dimensions of size 1: all of them, or those named (``torch.squeeze``)."""
    shape, strides = input._aval().shape, strides_of(input)
    ndim = len(shape)
    if dim is None:
        drop, node = {d for d in range(ndim) if shape[d] == 1}, "SqueezeBackward0"
    elif isinstance(dim, tuple | list):
        wrapped = [wrap_dim(d, ndim) for d in dim]
        drop, node = set(wrapped), "SqueezeBackward2"
        for i, d in enumerate(wrapped):
            if d in wrapped[:i]:
                raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
        drop = {d for d in drop if ndim and shape[d] == 1}
    else:
        d = wrap_dim(dim, ndim)
        drop, node = {d} if ndim and shape[d] == 1 else set(), "SqueezeBackward1"
    new_shape = tuple(n for d, n in enumerate(shape) if d not in drop)
    return _reshaped(input, new_shape, tuple(s for d, s in enumerate(strides) if d not in drop), node)


def expand(x: Tensor, sizes: tuple[int, ...], node: str = "ExpandBackward0") -> Tensor:
    """Dimensions of size 1 repeated without copying; -1 keeps a size."""
    shape, strides = x._aval().shape, strides_of(x)
    added = len(sizes) - len(shape)
    if added < 0:
        raise RuntimeError(
            f"expand({type_name(x._aval())}{{{list(shape)}}}, size={list(sizes)}): the number of sizes "
            f"provided ({len(sizes)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    new_shape, new_strides = list(sizes), [0] * len(sizes)
    for i in reversed(range(len(sizes))):  # the last dimension that does not fit is the one reported
        n = sizes[i]
        old = shape[i - added] if i >= added else 1
        step = strides[i - added] if i >= added else 0
        if n == -1:
            if i < added:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing "
                    f"dimension {i}"
                )
            n = old
        if n != old:
            if old != 1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) must match the existing size ({old}) at "
                    f"non-singleton dimension {i}.  Target sizes: {list(sizes)}.  Tensor sizes: {list(shape)}"
                )
            step = 0
        new_shape[i], new_strides[i] = n, step
    if any(n < 0 for n in new_shape):
        raise RuntimeError("numel: integer multiplication overflow")
    # A new leading dimension of size 1 gets the stride that it would have in memory.
    for i in range(added - 1, -1, -1):
        if new_shape[i] == 1:
            new_strides[i] = new_shape[i + 1] * new_strides[i + 1] if i + 1 < len(sizes) else 1
    final = tuple(new_shape)
    return view(x, "expand", (), (final, node), _row_major(final, tuple(new_strides)), x._offset)


#: Up to so many parts of a split, such as queries, keys and values, begin at places fixed in the program: XLA
#: compiles equal layers once then, and copies less. More are most likely the rounds of a loop, whose programs
#: are shared if they differ in numbers only.
FEW_PARTS = 4


def slice_dim(
    x: Tensor, dim: int, start: int, length: int, step: int = 1, fn: Any = None, *, fixed: bool = False
) -> Tensor:
    """``length`` elements along ``dim`` (valid, non-negative) from ``start``, ``step`` apart.

    ``fixed`` makes ``start`` part of the program; ``step`` is 1 then.
    """
    shape, strides = x._aval().shape, strides_of(x)
    if start == 0 and step == 1 and length == shape[dim]:
        offset = x._offset
    else:
        offset = x._offset + start * strides[dim]
    new_shape = (*shape[:dim], length, *shape[dim + 1 :])
    new_strides = (*strides[:dim], strides[dim] * step, *strides[dim + 1 :])
    seen = _row_major(new_shape, new_strides)
    if fixed:
        return view(x, "part", (), (dim, start, length), seen, offset, fn)
    return view(x, "slice", (start,), (dim, length, step), seen, offset, fn)


def select(input: Tensor, dim: int, index: int, *, fn: Any = None) -> Tensor:
    """One slice along a dimension, without that dimension (``torch.select``)."""
    shape, strides = input._aval().shape, strides_of(input)
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, len(shape))
    index = as_index(index)
    if not -shape[d] <= index < shape[d]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {d}"
        )
    index %= shape[d]
    new_shape, new_strides = shape[:d] + shape[d + 1 :], strides[:d] + strides[d + 1 :]
    return view(
        input,
        "select",
        (index,),
        (d,),
        _row_major(new_shape, new_strides),
        input._offset + index * strides[d],
        fn,
    )


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """``length`` elements along ``dim`` from ``start`` (``torch.narrow``)."""
    shape = input._aval().shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    d = wrap_dim(dim, len(shape))
    if isinstance(start, Tensor) and (start._aval().ndim or start._aval().dtype.category != INT):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start = int(start)
    if not -shape[d] <= start <= shape[d]:
        raise IndexError(
            f"start out of range (expected to be in range of [{-shape[d]}, {shape[d]}], but got {start})"
        )
    start = start + shape[d] if start < 0 else start
    if start + length > shape[d]:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({shape[d]}).")
    return slice_dim(input, d, start, length)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A diagonal of two dimensions, as the last one (``torch.diagonal``)."""
    shape, strides = input._aval().shape, strides_of(input)
    a, b = wrap_dim(dim1, len(shape), scalar=False), wrap_dim(dim2, len(shape), scalar=False)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if offset >= 0:
        length = max(min(shape[a], shape[b] - offset), 0)
    else:
        length = max(min(shape[a] + offset, shape[b]), 0)
    at = input._offset
    if length:
        at += offset * strides[b] if offset >= 0 else -offset * strides[a]
    keep = [d for d in range(len(shape)) if d not in (a, b)]
    new_shape = (*(shape[d] for d in keep), length)
    new_strides = (*(strides[d] for d in keep), strides[a] + strides[b])
    return view(input, "diagonal", (), (offset, a, b), _row_major(new_shape, new_strides), at)


def unfold(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows along a dimension (``Tensor.unfold``)."""
    shape, strides = x._aval().shape, strides_of(x)
    d = wrap_dim(dimension, len(shape))
    have = shape[d] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > have:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {have} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not shape:
        new_shape, new_strides = (size,), (1,)
    else:
        count = (have - size) // step + 1
        new_shape = (*shape[:d], count, *shape[d + 1 :], size)  # type: ignore[assignment]
        new_strides = (*strides[:d], strides[d] * step, *strides[d + 1 :], strides[d])  # type: ignore[assignment]
    return view(x, "unfold", (), (d, size, step), _row_major(new_shape, new_strides), x._offset)


def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """Any strided view of the storage (``torch.as_strided``)."""
    shape, strides = sizes_from((size,)), sizes_from((stride,))
    offset = input._offset if storage_offset is None else int(storage_offset)
    if len(shape) != len(strides):
        raise RuntimeError(
            f"mismatch in length of strides and shape (expected {len(shape)} strides but got {len(strides)})"
        )
    if any(s < 0 for s in strides):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: " + str(list(strides))
        )
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    base = _storage_tensor(input)
    aval = base._aval()
    itemsize = input._aval().dtype.itemsize
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if all(shape) else 0
    held = aval.size * aval.dtype.itemsize
    if all(shape) and (last + 1) * itemsize > held:
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {offset}, and "
            f"itemsize {itemsize} requiring a storage size of {(last + 1) * itemsize} are out of bounds for "
            f"storage of size {held}"
        )
    if base._aval().dtype is not input._aval().dtype:
        base = view_dtype(base, input._aval().dtype)
    layout = input._storage.strides
    result = view(base, "as_strided", (offset,), (shape, strides, layout), _row_major(shape, strides), offset)
    if base is not input:
        tangent = None if modes.duals is None else modes.duals.of(input)
        tracked = modes.level == GRAD and input._tracked
        if tracked or tangent is not None:
            # Derivatives are of the elements that the viewed tensor has, and no others of the storage.
            static = (held // itemsize, strides_of(input), shape, strides)
            plan = plan_for(OPS["_view.geometry"], (input._aval(), int, int, *static))
            numbers = (input._offset, offset)
            if tracked:
                result._fn = view_fn(plan, input._edge(), numbers)
            if tangent is not None:
                modes.duals.give(result, apply(plan, [tangent, *numbers])[0])
        if input._creation:
            result._creation = input._creation
    return result


def _storage_tensor(x: Tensor) -> Tensor:
    """The tensor that covers the whole storage, as the root of ``x``'s history where there is one."""
    base = x if x._abase is None else x._abase
    if base._view is None:
        return base
    whole = object.__new__(Tensor)
    whole._storage = x._storage
    whole._own_version = x._own_version
    if x._storage.strides is not None:
        whole._strides = x._storage.strides
    return whole


def view_dtype(x: Tensor, to: dtype) -> Tensor:
    """The same memory read as another dtype (``Tensor.view(dtype)``)."""
    aval, strides = x._aval(), strides_of(x)
    old, new = aval.dtype.itemsize, to.itemsize
    offset = x._offset
    shape = aval.shape
    if old != new:
        if not shape:
            raise RuntimeError(
                "self.dim() cannot be 0 to view "
                f"{_dtype_name(aval.dtype)} as {_dtype_name(to)} (different element sizes)"
            )
        if old > new:
            if strides[-1] != 1:
                raise RuntimeError(
                    f"self.stride(-1) must be 1 to view {_dtype_name(aval.dtype)} as {_dtype_name(to)} "
                    f"(different element sizes), but got {strides[-1]}"
                )
            ratio = old // new
            shape = (*shape[:-1], shape[-1] * ratio)
            strides = (*(s * ratio for s in strides[:-1]), 1)
            offset *= ratio
        else:
            ratio = new // old
            if shape[-1] % ratio:
                raise RuntimeError(
                    f"self.size(-1) must be divisible by {ratio} to view {_dtype_name(aval.dtype)} as "
                    f"{_dtype_name(to)} (different element sizes), but got {shape[-1]}"
                )
            if offset % ratio:
                raise RuntimeError(
                    f"self.storage_offset() must be divisible by {ratio} to view {_dtype_name(aval.dtype)} "
                    f"as {_dtype_name(to)} (different element sizes), but got {offset}"
                )
            if strides[-1] != 1:
                raise RuntimeError(
                    f"self.stride(-1) must be 1 to view {_dtype_name(aval.dtype)} as {_dtype_name(to)} "
                    f"(different element sizes), but got {strides[-1]}"
                )
            for d, s in enumerate(strides[:-1]):
                if s % ratio:
                    raise RuntimeError(
                        f"self.stride({d}) must be divisible by {ratio} to view {_dtype_name(aval.dtype)} as "
                        f"{_dtype_name(to)} (different element sizes), but got {s}"
                    )
            shape = (*shape[:-1], shape[-1] // ratio)
            strides = (*(s // ratio for s in strides[:-1]), 1)
            offset //= ratio
    return view(x, "bitcast", (), (to,), _row_major(shape, strides), offset)


def _dtype_name(d: dtype) -> str:
    return dtypes.scalar_type_name(d)


def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as pairs (``torch.view_as_real``)."""
    aval = input._aval()
    if not aval.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    strides = (*(2 * s for s in strides_of(input)), 1)
    return view(input, "view_as_real", (), (), _row_major((*aval.shape, 2), strides), 2 * input._offset)


def view_as_complex(input: Tensor) -> Tensor:
    """Pairs along the last dimension as complex numbers (``torch.view_as_complex``)."""
    aval, strides = input._aval(), strides_of(input)
    if aval.dtype.category != dtypes.FLOAT or aval.dtype is dtypes.bfloat16:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of "
            "scalar type: " + _dtype_name(aval.dtype)
        )
    if not aval.shape:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if aval.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if strides[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % 2 for s in strides[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    if input._offset % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")
    shape = aval.shape[:-1]
    halved = tuple(s // 2 for s in strides[:-1])
    return view(input, "view_as_complex", (), (), _row_major(shape, halved), input._offset // 2)


def real(input: Tensor) -> Tensor:
    """Real parts, a view of complex tensors (``torch.real``)."""
    if not input._aval().dtype.is_complex:
        return input
    return _part(input, 0)


def imag(input: Tensor) -> Tensor:
    """Imaginary parts, a view (``torch.imag``)."""
    if not input._aval().dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _part(input, 1)


def _part(x: Tensor, index: int) -> Tensor:
    return select(view_as_real(x), -1, index)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions ``start_dim`` to ``end_dim`` as one (``torch.flatten``)."""
    shape = input._aval().shape
    if type(start_dim) is bool or type(end_dim) is bool:
        name, place = ("start_dim", 1) if type(start_dim) is bool else ("end_dim", 2)
        raise TypeError(f"flatten(): argument '{name}' (position {place}) must be int, not bool")
    first, last = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return reshape(input, (1,))
    if first == last:
        return input
    merged = 1
    for n in shape[first : last + 1]:
        merged *= n
    return reshape(input, (*shape[:first], merged, *shape[last + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension as several (``torch.unflatten``)."""
    shape = input._aval().shape
    d = wrap_dim(dim, len(shape))
    sizes = sizes_from((sizes,))
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    known, unknown = 1, [i for i, n in enumerate(sizes) if n == -1]
    for n in sizes:
        known *= n if n != -1 else 1
    if len(unknown) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if (unknown and (known == 0 or shape[d] % known)) or (not unknown and known != shape[d]):
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]}) "
            "in the input tensor"
        )
    if unknown:
        sizes = tuple(shape[d] // known if n == -1 else n for n in sizes)
    return view_shape(input, (*shape[:d], *sizes, *shape[d + 1 :]))


def split(x: Tensor, split_size: Any, dim: int = 0, unsafe: str = "") -> tuple[Tensor, ...]:
    """Chunks of a size, or of given sizes, along a dimension (``torch.split``).

    ``unsafe="Unsafe"`` makes them tensors of their own for autograd, which may be changed in place; whoever
    does so must not use ``x`` any more, whose memory they share.
    """
    shape = x._aval().shape
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, len(shape))
    total = shape[d]
    if isinstance(split_size, int):
        if split_size < 0:
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={split_size}")
        if split_size == 0 and total:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {total}"
            )
        sizes = [min(split_size, total - at) for at in range(0, total, split_size or 1)] or [0]
    else:
        sizes = [int(n) for n in split_size]
        if sum(sizes) != total or any(n < 0 for n in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at "
                f"dimension {d}), but got split_sizes={sizes}"
            )
    op = unsafe + ("SplitBackward0" if isinstance(split_size, int) else "SplitWithSizesBackward0")
    node = _history_of_several(x, "_view.split", (tuple(sizes), d, op))
    parts = []
    at = 0
    for i, n in enumerate(sizes):
        parts.append(_part_of_several(slice_dim(x, d, at, n, fn=node, fixed=len(sizes) <= FEW_PARTS), i))
        at += n
    return tuple(map(_on_its_own, parts)) if unsafe else tuple(parts)


def _on_its_own(part: Tensor) -> Tensor:
    """The same memory and history as a tensor that is no view for autograd."""
    made: Tensor = object.__new__(Tensor)
    made._storage, made._view = part._storage, part._view
    made._strides, made._offset = part._strides, part._offset
    made._fn, made._nr, made._inference = part._fn, part._nr, part._inference
    made._own_version = Version()
    return made


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along a dimension (``torch.unbind``)."""
    shape = input._aval().shape
    if not shape:
        wrap_dim(dim, 0)
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = wrap_dim(dim, len(shape))
    node = _history_of_several(input, "_view.unbind", (d,)) if shape[d] else None
    return tuple(_part_of_several(select(input, d, i, fn=node), i) for i in range(shape[d]))


def _history_of_several(x: Tensor, name: str, static: tuple[Any, ...]) -> Any:
    """The node that views made at once share; ``None`` where no history is recorded."""
    if modes.level != GRAD or not x._tracked:
        return None
    return view_fn(plan_for(OPS[name], (x._aval(), *static)), x._edge(), ())


def _part_of_several(x: Tensor, nr: int) -> Tensor:
    if x._fn is not None:
        x._nr = nr
    # PyTorch forbids in-place changes with history of one of several views made at once.
    if modes.level == GRAD:
        x._creation = MADE_WITH_OTHERS
    return x


def size_of(x: Tensor) -> Size:
    return Size(x._aval().shape)


def materialize(x: Tensor) -> Any:
    return value_of(x)
