"""Functions of several tensors, or of one in several forms, that are composed of views and ops."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any

from jtorch.ops._checks import check_broadcast
from jtorch.ops._combining import check_grid
from jtorch.ops._contractions import rearrangement
from jtorch.ops._registry import OPS
from jtorch.tensor._core import Tensor, run
from jtorch.tensor._derive import bind, derived
from jtorch.tensor._inplace import fill_, write_out
from jtorch.tensor._named_results import named_result
from jtorch.tensor._out_checks import check_memory, check_out_dtype
from jtorch.tensor._size import Size
from jtorch.tensor._views import diagonal, expand, movedim, permute, unsqueeze, view_shape

__all__: list[str] = []


def _install(function: Callable[..., Any], method: bool = False, name: str = "") -> None:
    name = name or function.__name__
    function.__name__ = function.__qualname__ = name
    function.__module__ = "jtorch"
    derived[""][name] = function
    if method:
        setattr(Tensor, name, function)


def _listed(tensors: tuple[Any, ...]) -> Sequence[Tensor]:
    """``f(a, b)`` and ``f([a, b])``."""
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        found: Sequence[Tensor] = tensors[0]
        return found
    return tensors


# --- views ---


def _at_least(tensors: tuple[Any, ...], one: Callable[[Tensor], Tensor]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return one(tensors[0])
    return tuple(one(x) for x in _listed(tensors))


def _with_dims_1(x: Tensor) -> Tensor:
    return x if x.ndim else view_shape(x, (1,))


def _with_dims_2(x: Tensor) -> Tensor:
    return unsqueeze(x, 0) if x.ndim == 1 else x if x.ndim else view_shape(x, (1, 1))


def _with_dims_3(x: Tensor) -> Tensor:
    if x.ndim == 0:
        return view_shape(x, (1, 1, 1))
    if x.ndim == 1:
        return unsqueeze(unsqueeze(x, 0), -1)
    return unsqueeze(x, -1) if x.ndim == 2 else x


def atleast_1d(*tensors: Any) -> Any:
    """Numbers as vectors of one element, anything else as it is; a tuple for several."""
    return _at_least(tensors, _with_dims_1)


def atleast_2d(*tensors: Any) -> Any:
    """Numbers and vectors as matrices of one row, anything else as it is; a tuple for several."""
    return _at_least(tensors, _with_dims_2)


def atleast_3d(*tensors: Any) -> Any:
    """Numbers, vectors (1, n, 1) and matrices (n, m, 1) with three dims; a tuple for several."""
    return _at_least(tensors, _with_dims_3)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Views of the tensors, expanded to the shape that they broadcast to (``torch.broadcast_tensors``).

    Raises:
        RuntimeError: shapes that do not broadcast.
    """
    given = _listed(tensors)
    shape = check_broadcast(*(x._aval() for x in given))
    return tuple(x if tuple(x.shape) == shape else expand(x, shape) for x in given)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of the grid over some vectors: one view per vector, which varies along its own dimension.

    Args:
        tensors: n vectors (or numbers) of one dtype.
        indexing: ``"ij"`` (also without it): dimension i is vector i's; ``"xy"``: the first two are swapped.

    Returns:
        n tensors with n dims, expanded without memory of their own.

    Raises:
        RuntimeError: no tensors, other shapes, several dtypes, another ``indexing``.
    """
    given = _listed(tensors)
    for i, x in enumerate(given):
        if not isinstance(x, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
    check_grid(given, "ij" if indexing is None else indexing)
    places = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        places[:2] = 1, 0
    shape = [0] * len(given)
    for x, d in zip(given, places, strict=True):
        shape[d] = x._aval().size
    lone = [[-1 if i == d else 1 for i in range(len(given))] for d in places]
    return tuple(expand(view_shape(x, tuple(n)), tuple(shape)) for x, n in zip(given, lone, strict=True))


for _function in (atleast_1d, atleast_2d, atleast_3d, broadcast_tensors, meshgrid):
    _install(_function)


# --- several forms ---


def _equation(args: Sequence[Any]) -> tuple[str, list[Tensor]]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as an equation and operands."""

    def letters(labels: Any) -> str:
        out = ""
        for x in labels:
            if x is Ellipsis:
                out += "..."
            elif 0 <= x < 52:
                out += (string.ascii_uppercase + string.ascii_lowercase)[x]
            else:
                raise ValueError(
                    "einsum(): subscript in subscript list is not within the valid range [0, 52)"
                )
        return out

    operands = list(args[: len(args) // 2 * 2 : 2])
    equation = ",".join(letters(x) for x in args[1 : len(args) // 2 * 2 : 2])
    return equation + ("->" + letters(args[-1]) if len(args) % 2 else ""), operands


def einsum(*args: Any) -> Tensor:
    """Sum of products in Einstein's notation: ``einsum("ij,jk->ik", a, b)``.

    Args:
        args: an equation and the operands, or each operand followed by the numbers of its dims, and the
            result's.

    Raises:
        ValueError: nothing to sum.
        RuntimeError: an equation that is malformed or does not fit the operands, dtypes that differ.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand "
            "and its "
            "subscripts list"
        )
    if isinstance(args[0], Tensor):
        equation, operands = _equation(args)
    else:
        equation, operands = args[0], list(_listed(args[1:]))
    if len(operands) == 1 and isinstance(operands[0], Tensor):
        moves = rearrangement(equation, operands[0])
        if moves is not None:
            return _rearranged(operands[0], *moves)
    result: Tensor = run(OPS["einsum"], (equation, operands))
    return result


def _rearranged(x: Tensor, diagonals: Sequence[tuple[int, int]], order: Sequence[int]) -> Tensor:
    for a, b in diagonals:
        x = movedim(diagonal(x, 0, a, b), -1, a)
    return permute(x, order)


_install(einsum)


def gradient(
    input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Derivatives along dimensions, estimated from neighbours: second-order accurate inside.

    Args:
        input: values of the function on a grid.
        spacing: distance of neighbours, one number for all or one per dimension; or coordinates per
            dimension.
        dim: the dimensions; all by default.
        edge_order: order of the one-sided estimate at both ends, 1 or 2.

    Returns:
        One tensor of the shape of ``input`` per dimension.

    Raises:
        IndexError: a dimension out of range.
        RuntimeError: arguments that do not fit together, sizes of ``edge_order`` or less.
    """
    if isinstance(spacing, list | tuple) and spacing and isinstance(spacing[0], Tensor):
        for x in spacing:
            if x.device is not input.device:
                raise RuntimeError(
                    "torch.gradient expected each tensor to be on the same device, but got devices "
                    f"{input.device} and {x.device}!"
                )
        return tuple(run(OPS["gradient.coordinates"], (input, spacing, dim, edge_order)))
    if isinstance(spacing, Tensor):
        spacing = spacing.item()
    return tuple(run(OPS["gradient"], (input, spacing, dim, edge_order)))


_install(gradient)


def repeat_interleave(
    input: Any = None, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each slice along ``dim`` several times in a row; without ``dim`` each element of the flat tensor.

    Args:
        input: any tensor; without ``repeats``, the numbers themselves, for which positions are repeated.
        repeats: how often: a number for all, or int64 or int32, one per slice.
        dim: the dimension.
        output_size: their sum, which spares looking at ``repeats``.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: negative numbers, or sizes that do not fit.
    """
    indices = OPS["_repeat_interleave_indices"]
    if input is None:
        input, repeats = repeats, None
    if repeats is None:
        result: Tensor = run(indices, (input, output_size))
        return result
    if not isinstance(repeats, Tensor):
        op = OPS["repeat_interleave"]
        result = run(op, bind(op, (input, repeats, dim), {"output_size": output_size}))
        return result
    x = input.reshape(-1) if dim is None else input
    axis = 0 if dim is None else dim
    if repeats.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    size = x.shape[axis] if x.ndim else 1
    if repeats.ndim == 1 and repeats.numel() != 1 and repeats.numel() != size:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{repeats.numel()} and input.size({axis}) = {size}"
        )
    if repeats.numel() != size:
        repeats = expand(repeats.reshape(1), (size,))
    return x.index_select(axis, run(indices, (repeats, output_size)))  # type: ignore[no-any-return]


_install(repeat_interleave, method=True)


def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where the bool ``mask`` is set, as a vector; mask and input broadcast.

    Raises:
        RuntimeError: another mask type, sizes that do not broadcast.
    """
    if mask._aval().dtype.name != "bool":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    x, chosen = broadcast_tensors(input, mask)
    places = run(OPS["nonzero"], (chosen.reshape(-1), False)).reshape(-1)
    result: Tensor = run(OPS["_masked_select"], (x, chosen, places))
    if out is None:
        return result
    check_memory("masked_select", out, result._aval().shape, (input, mask))
    check_out_dtype(OPS["_masked_select"], out, result)
    return write_out(out, result, "masked_select")


_install(masked_select, method=True)


def histogramdd(
    input: Tensor, bins: Any, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Any:
    """Counts of points per cell of a grid over their coordinates, and the grid's edges.

    Args:
        input: points, shape ``(*, n)``, float32 or float64.
        bins: numbers of bins, one for all or one per coordinate; or the edges per coordinate, as tensors.
        range: lower and upper edge per coordinate, flat; the extremes of the points by default.
        weight: what each point counts, shape ``(*)``.
        density: divide by the total and the cells' sizes.

    Returns:
        ``hist``, and ``bin_edges``: a tuple of vectors.

    Raises:
        RuntimeError: shapes, types or limits that do not go together.
    """
    if isinstance(bins, list | tuple) and bins and isinstance(bins[0], Tensor):
        hist, *edges = run(OPS["_histogramdd.edges"], (input, bins, weight, density))
    else:
        dims = input.shape[-1] if input.ndim else 1
        counts = (int(bins),) * dims if isinstance(bins, int) else tuple(bins)
        limits = None if range is None else tuple(range)
        hist, *edges = run(OPS["_histogramdd.counts"], (input, counts, limits, weight, density))
    return named_result("histogramdd hist bin_edges")((hist, tuple(edges)))


_install(histogramdd)


def chunk_cat(tensors: Sequence[Tensor], dim: int, num_chunks: int, *, out: Tensor | None = None) -> Tensor:
    """Pieces of tensors along ``dim``, those of equal number joined and flat (``torch._chunk_cat``).

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: tensors that do not go together.
    """
    result: Tensor = run(OPS["_chunk_cat"], (tensors, dim, num_chunks))
    return result if out is None else write_out(out, result, "_chunk_cat")


def unsafe_masked_index(input: Tensor, mask: Tensor, indices: Sequence[Tensor | None], fill: float) -> Tensor:
    """``input[indices]`` where the mask is set, ``fill`` elsewhere, whatever the indices are there."""
    places: list[Any] = []
    for axis, index in enumerate(indices):
        size = input.shape[axis]
        places.append(slice(None) if index is None else index.clamp(-size, size - 1))
    result: Tensor = input[tuple(places)].masked_fill(~mask, fill)
    return result


def unsafe_masked_index_put_accumulate(
    input: Tensor, mask: Tensor, indices: Sequence[Tensor | None], values: Tensor
) -> Tensor:
    """``values`` added to a copy of ``input`` at ``indices`` where the mask is set, whatever they are."""
    places: list[Any] = []
    for axis, index in enumerate(indices):
        size = input.shape[axis]
        places.append(None if index is None else index.clamp(-size, size - 1))
    result: Tensor = input.index_put(places, values.masked_fill(~mask, 0), accumulate=True)
    return result


_install(chunk_cat, name="_chunk_cat")
_install(unsafe_masked_index, name="_unsafe_masked_index")
_install(unsafe_masked_index_put_accumulate, name="_unsafe_masked_index_put_accumulate")
derived[""]["_segment_reduce"] = derived[""]["segment_reduce"]


def fill(input: Tensor, value: Any) -> Tensor:
    """A copy of ``input`` with every element set to a number or a 0-dim tensor (``torch.fill``)."""
    result: Tensor = fill_(input.clone(), value)
    return result


_install(fill)


# --- shapes ---


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that shapes (or single sizes) broadcast to (``torch.broadcast_shapes``).

    Raises:
        RuntimeError: sizes that do not go together.
        ValueError: a negative size.
    """
    out: list[int] = []
    for place, given in enumerate(shapes):
        shape = (given,) if isinstance(given, int) else tuple(given)
        if any(n < 0 for n in shape):
            raise ValueError("Attempting to broadcast a dimension with negative length!")
        out = [1] * (len(shape) - len(out)) + out
        for axis in range(-1, -1 - len(shape), -1):
            n = shape[axis]
            if n != 1 and out[axis] not in (1, n):
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {n} at {axis}! Mismatching argument at "
                    "index "
                    f"{place} had {shape}; but expected shape should be broadcastable to {out}"
                )
            out[axis] = n if out[axis] == 1 else out[axis]
    return Size(out)


_install(broadcast_shapes)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Coordinates in a tensor of some shape of positions in its flat form (``torch.unravel_index``).

    Raises:
        TypeError: indices or sizes that are no integers.
        ValueError: a negative size.
    """
    if not isinstance(indices, Tensor):
        raise TypeError(f"expected 'indices' to be an integer tensor, but got {type(indices)}")
    if indices.is_floating_point() or indices.is_complex() or indices._aval().dtype.name == "bool":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    for n in sizes:
        if not isinstance(n, int):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(n)}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    places, rest = [], indices
    for n in reversed(sizes):
        places.append(rest % n)
        rest = rest // n
    return tuple(reversed(places))


_install(unravel_index)
