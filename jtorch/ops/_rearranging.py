"""The same elements in another order, or several times."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import kind, not_implemented, wrap_dim, wrap_dims
from jtorch.ops._registry import register

__all__ = [
    "flip",
    "fliplr",
    "flipud",
    "repeat",
    "repeat_interleave",
    "repeat_interleave_indices",
    "roll",
    "rot90",
    "tile",
]


@register(node="FlipBackward0", static="dims", promote=None, saves="", method=True, varargs="dims")
def flip(input: Array, dims: tuple[int, ...]) -> Array:
    """Reverse the order along each of ``dims``.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: a dim given twice.
    """
    places = wrap_dims(dims, max(input.ndim, 1), empty_is_all=False)
    return jnp.flip(input, places) if input.ndim else input


@register(node="FlipBackward0", promote=None, saves="", method=True)
def fliplr(input: Array) -> Array:
    """Reverse the order along the second dimension.

    Raises:
        RuntimeError: fewer than 2 dims.
    """
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return jnp.flip(input, 1)


@register(node="FlipBackward0", promote=None, saves="", method=True)
def flipud(input: Array) -> Array:
    """Reverse the order along the first dimension.

    Raises:
        RuntimeError: a 0-d tensor.
    """
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return jnp.flip(input, 0)


@register(node="RollBackward0", static="shifts dims", promote=None, saves="", method=True)
def roll(input: Array, shifts: int | tuple[int, ...], dims: int | tuple[int, ...] = ()) -> Array:
    """Shift along ``dims``, what leaves at one end entering at the other; without them along the flat tensor.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: as many shifts as dims are needed.
    """
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return jnp.roll(input.reshape(-1), shifts[0]).reshape(input.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if input.ndim == 0:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    axes = tuple(wrap_dim(d, input.ndim) for d in dims)
    return jnp.roll(input, shifts, axes) if input.size else input


@register(node="Rot90Backward0", static="k dims", promote=None, saves="", method=True)
def rot90(input: Array, k: int = 1, dims: tuple[int, ...] = (0, 1)) -> Array:
    """Turn by ``k`` times 90 degrees in the plane of two dims, from the first towards the second.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: fewer than 2 dims, or not two different ``dims``.
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    first, second = (wrap_dim(d, input.ndim) for d in dims)
    return jnp.rot90(input, k % 4, (first, second))


@register(
    node="RepeatBackward0",
    static="repeats",
    promote=None,
    saves="",
    function=False,
    method=True,
    varargs="repeats",
)
def repeat(input: Array, repeats: tuple[int, ...]) -> Array:
    """Copies of the tensor side by side, ``repeats[i]`` along dimension i.

    Raises:
        RuntimeError: fewer numbers than dims, negative ones.
    """
    if len(repeats) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    shape = (1,) * (len(repeats) - input.ndim) + input.shape
    target = [n * r for n, r in zip(shape, repeats, strict=True)]
    for size in target:
        if size < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {size}: {target}")
    return jnp.tile(input.reshape(shape), repeats)


@register(node="RepeatBackward0", static="dims", promote=None, saves="", method=True, varargs="dims")
def tile(input: Array, dims: tuple[int, ...]) -> Array:
    """Copies side by side like :meth:`Tensor.repeat`; missing leading ``dims`` are 1.

    Raises:
        RuntimeError: negative numbers.
    """
    return repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


@register(node="ViewBackward0", static="repeats dim output_size", promote=None, saves="", method=True)
def repeat_interleave(
    input: Array, repeats: int, dim: int | None = None, *, output_size: int | None = None
) -> Array:
    """Each slice along ``dim`` ``repeats`` times in a row; without ``dim`` each element of the flat tensor.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: a negative number, or another size than ``output_size``.
    """
    x, axis = (input.reshape(-1), 0) if dim is None else (input, wrap_dim(dim, input.ndim))
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    x = jnp.atleast_1d(x)
    if output_size is not None and output_size != x.shape[axis] * repeats:
        raise RuntimeError("repeat_interleave: Invalid output_size")
    return jnp.repeat(x, repeats, axis)


@register(
    "_repeat_interleave_indices", node=None, static="output_size", promote=None, function=False, host=True
)
def repeat_interleave_indices(repeats: np.ndarray, *, output_size: int | None = None) -> np.ndarray:
    """Each position i of the vector ``repeats``, ``repeats[i]`` times: the slices that an interleaving reads.

    Raises:
        RuntimeError: several dims, negative numbers, another sum than ``output_size``.
        NotImplementedError: numbers other than int64 and int32.
    """
    if repeats.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if kind(repeats) != "i":
        raise not_implemented("repeat_interleave_cpu", repeats)
    if (repeats < 0).any():
        raise RuntimeError("repeats can not be negative")
    if output_size is not None and output_size != repeats.sum():
        raise RuntimeError("allocated size does not match required size")
    return np.repeat(np.arange(repeats.size, dtype=repeats.dtype), repeats)
