"""View operations and, for each, the operation that writes through it (``put``).

A view is a pure function of its base; ``<view>_put`` returns the base with the viewed part replaced. Starts
of slices are operands, so a loop over positions is one program.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jtorch.dtypes import dtype
from jtorch.ops._registry import register
from jtorch.ops._written_parts import apart, computed, written


def _named(shapes: Any, statics: dict[str, Any]) -> str:
    name: str = statics["node"]
    return name


@register("_view.reshape", node=_named, static="shape node", promote=None, saves="", function=False)
def view_reshape(input: Array, shape: tuple[int, ...], node: str) -> Array:
    """The same elements in row-major order under another shape."""
    return input.reshape(shape)


@register("_put.reshape", node="CopySlices", static="shape node", promote=None, saves="", function=False)
def put_reshape(base: Array, new: Array, shape: tuple[int, ...], node: str) -> Array:
    """The base whose reshaped view is ``new``."""
    return new.reshape(base.shape)


@register("_view.permute", node=_named, static="dims node", promote=None, saves="", function=False)
def view_permute(input: Array, dims: tuple[int, ...], node: str) -> Array:
    """Dimensions in another order."""
    return jnp.transpose(input, dims)


@register("_put.permute", node="CopySlices", static="dims node", promote=None, saves="", function=False)
def put_permute(base: Array, new: Array, dims: tuple[int, ...], node: str) -> Array:
    """The base whose permuted view is ``new``."""
    inverse = [0] * len(dims)
    for i, d in enumerate(dims):
        inverse[d] = i
    return jnp.transpose(new, inverse)


def _window(input: Array, start: Array, dim: int, span: int) -> Array:
    return lax.dynamic_slice_in_dim(apart(input), start, span, dim)


@register(
    "_view.slice",
    raw="start",
    node="SliceBackward0",
    static="dim length step",
    promote=None,
    saves="",
    function=False,
)
def view_slice(input: Array, start: Array, dim: int, length: int, step: int) -> Array:
    """``length`` elements along ``dim`` from ``start``, ``step`` apart."""
    if not length:
        return lax.slice_in_dim(input, 0, 0, axis=dim)
    window = _window(input, start, dim, (length - 1) * step + 1)
    return window if step == 1 else lax.slice_in_dim(window, 0, None, step, axis=dim)


@register(
    "_put.slice",
    raw="start",
    node="CopySlices",
    static="dim length step",
    promote=None,
    saves="",
    function=False,
)
def put_slice(base: Array, new: Array, start: Array, dim: int, length: int, step: int) -> Array:
    """The base with that slice replaced."""
    if not length:
        return base
    if step != 1:
        window = _window(base, start, dim, (length - 1) * step + 1)
        at = (slice(None),) * dim + (slice(None, None, step),)
        new = window.at[at].set(new)
    return written(lax.dynamic_update_slice_in_dim(base, computed(new, start), start, dim))


@register(
    "_view.part", node="SliceBackward0", static="dim start length", promote=None, saves="", function=False
)
def view_part(input: Array, dim: int, start: int, length: int) -> Array:
    """``length`` elements along ``dim`` from ``start``, which is part of the program."""
    return lax.slice_in_dim(input, start, start + length, axis=dim)


@register("_put.part", node="CopySlices", static="dim start length", promote=None, saves="", function=False)
def put_part(base: Array, new: Array, dim: int, start: int, length: int) -> Array:
    """The base with that part replaced."""
    return written(lax.dynamic_update_slice_in_dim(base, new, start, dim))


@register(
    "_view.select", raw="index", node="SelectBackward0", static="dim", promote=None, saves="", function=False
)
def view_select(input: Array, index: Array, dim: int) -> Array:
    """The slice at ``index`` along ``dim``, without that dimension."""
    return lax.squeeze(_window(input, index, dim, 1), (dim,))


@register("_put.select", raw="index", node="CopySlices", static="dim", promote=None, saves="", function=False)
def put_select(base: Array, new: Array, index: Array, dim: int) -> Array:
    """The base with that slice replaced."""
    return written(
        lax.dynamic_update_slice_in_dim(base, jnp.expand_dims(computed(new, index), dim), index, dim)
    )


@register("_view.split", node=_named, static="sizes dim node", promote=None, saves="", function=False)
def view_split(input: Array, sizes: tuple[int, ...], dim: int, node: str) -> tuple[Array, ...]:
    """Pieces of the given sizes along ``dim``."""
    return tuple(lax.split(input, sizes, dim))


@register("_view.unbind", node="UnbindBackward0", static="dim", promote=None, saves="", function=False)
def view_unbind(input: Array, dim: int) -> tuple[Array, ...]:
    """All slices along ``dim``."""
    return tuple(lax.squeeze(x, (dim,)) for x in lax.split(input, (1,) * input.shape[dim], dim))


@register("_view.expand", node=_named, static="shape node", promote=None, saves="", function=False)
def view_expand(input: Array, shape: tuple[int, ...], node: str) -> Array:
    """Dimensions of size 1, and new leading ones, repeated without memory."""
    return jnp.broadcast_to(input, shape)


@register("_put.expand", node="CopySlices", static="shape node", promote=None, saves="", function=False)
def put_expand(base: Array, new: Array, shape: tuple[int, ...], node: str) -> Array:
    """The base whose expanded view is ``new``, equal wherever that shows one element of the base."""
    new = new[(0,) * (new.ndim - base.ndim)]
    return new[tuple(slice(n) for n in base.shape)]


@register(
    "_view.diagonal",
    node="DiagonalBackward0",
    static="offset dim1 dim2",
    promote=None,
    saves="",
    function=False,
)
def view_diagonal(input: Array, offset: int, dim1: int, dim2: int) -> Array:
    """A diagonal of the planes of two dimensions, as the last dimension."""
    return jnp.diagonal(input, offset, dim1, dim2)


@register(
    "_put.diagonal", node="CopySlices", static="offset dim1 dim2", promote=None, saves="", function=False
)
def put_diagonal(base: Array, new: Array, offset: int, dim1: int, dim2: int) -> Array:
    """The base with that diagonal replaced."""
    moved = jnp.moveaxis(base, (dim1, dim2), (-2, -1))
    steps = jnp.arange(new.shape[-1])
    rows, columns = steps + max(-offset, 0), steps + max(offset, 0)
    return jnp.moveaxis(written(moved.at[..., rows, columns].set(new)), (-2, -1), (dim1, dim2))


@register(
    "_view.unfold", node="UnfoldBackward0", static="dim size step", promote=None, saves="", function=False
)
def view_unfold(input: Array, dim: int, size: int, step: int) -> Array:
    """Windows of ``size`` elements along ``dim``, ``step`` apart, as a new last dimension."""
    if not input.ndim:
        return input.reshape((1,))[:size]
    count = (input.shape[dim] - size) // step + 1
    if not size:
        return jnp.zeros((*input.shape[:dim], count, *input.shape[dim + 1 :], 0), input.dtype)
    index = step * jnp.arange(count)[:, None] + jnp.arange(size)
    windows = jnp.take(input, index, axis=dim, mode="clip")
    return jnp.moveaxis(windows, dim + 1, -1)


@register("_put.unfold", node="CopySlices", static="dim size step", promote=None, saves="", function=False)
def put_unfold(base: Array, new: Array, dim: int, size: int, step: int) -> Array:
    """The base with those windows replaced; where they overlap, one of them stays."""
    if not size:
        return base
    if not base.ndim:
        return new.reshape(())
    index = step * jnp.arange(new.shape[dim])[:, None] + jnp.arange(size)
    at = (slice(None),) * dim + (index,)
    return written(base.at[at].set(jnp.moveaxis(new, -1, dim + 1)))


def strided_index(size: tuple[int, ...], stride: tuple[int, ...], offset: Any) -> Array:
    """Position in memory of every element of a strided view."""
    index = jnp.asarray(offset, jnp.int64).reshape((1,) * len(size))
    for d, (n, s) in enumerate(zip(size, stride, strict=True)):
        steps = s * jnp.arange(n, dtype=jnp.int64)
        index = index + steps.reshape((n,) + (1,) * (len(size) - d - 1))
    return jnp.broadcast_to(index, size)


def _memory(base: Array, layout: tuple[int, ...] | None) -> tuple[Array, list[int]]:
    """Elements in order of memory, and the order of dimensions that this is."""
    order = list(range(base.ndim))
    if layout is not None:
        order.sort(key=lambda d: -layout[d])
    return jnp.transpose(base, order).reshape(-1), order


@register(
    "_view.as_strided",
    raw="offset",
    node="AsStridedBackward0",
    static="size stride layout",
    promote=None,
    saves="",
    function=False,
)
def view_as_strided(
    input: Array,
    offset: Array,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    layout: tuple[int, ...] | None,
) -> Array:
    """Elements ``offset + sum(index * stride)`` of the memory, in the order of ``layout`` (row-major)."""
    memory, _ = _memory(input, layout)
    return memory[strided_index(size, stride, offset)]


@register(
    "_put.as_strided",
    raw="offset",
    node="CopySlices",
    static="size stride layout",
    promote=None,
    saves="",
    function=False,
)
def put_as_strided(
    base: Array,
    new: Array,
    offset: Array,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    layout: tuple[int, ...] | None,
) -> Array:
    """The base with those elements replaced."""
    memory, order = _memory(base, layout)
    memory = written(memory.at[strided_index(size, stride, offset)].set(new))
    inverse = [0] * len(order)
    for i, d in enumerate(order):
        inverse[d] = i
    return jnp.transpose(memory.reshape([base.shape[d] for d in order]), inverse)


@register(
    "_view.geometry", raw="own offset", node="AsStridedBackward0", static="total own_stride size stride",
    promote=None, saves="", function=False,
)  # fmt: skip
def view_geometry(
    input: Array,
    own: Array,
    offset: Array,
    total: int,
    own_stride: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
) -> Array:
    """``as_strided`` of a tensor that is itself a strided view, from ``own``, of ``total`` elements."""
    memory = jnp.zeros(total, input.dtype).at[strided_index(input.shape, own_stride, own)].set(input)
    return memory[strided_index(size, stride, offset)]


@register("_view.bitcast", node=None, static="dtype", promote=None, function=False)
def view_bitcast(input: Array, dtype: dtype) -> Array:
    """The same bytes read as another type; the last dimension shrinks or grows with the element size."""
    return _bitcast(input, dtype.numpy)


@register("_put.bitcast", node=None, static="dtype", promote=None, function=False)
def put_bitcast(base: Array, new: Array, dtype: dtype) -> Array:
    """The base whose bytes, read as ``dtype``, are ``new``."""
    return _bitcast(new, base.dtype)


def _bitcast(x: Array, to: Any) -> Array:
    if x.dtype == to:
        return x
    if x.dtype == jnp.bool_:
        x = x.astype(jnp.uint8)
    if to == jnp.bool_:
        return _bitcast(x, jnp.dtype(jnp.uint8)).astype(jnp.bool_)
    if not x.ndim:
        return _bitcast(x.reshape(1), to).reshape(())
    *sizes, last = x.shape
    old, new = x.dtype.itemsize, to.itemsize
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        return _bitcast(jnp.stack([x.real, x.imag], -1).reshape(*sizes, 2 * last), to)
    if jnp.issubdtype(to, jnp.complexfloating):
        pairs = _bitcast(x, jnp.dtype(jnp.float32 if new == 8 else jnp.float64))
        pairs = pairs.reshape(*sizes, last * old // new, 2)
        return lax.complex(pairs[..., 0], pairs[..., 1])
    if old == new:
        return lax.bitcast_convert_type(x, to)
    if old > new:
        return lax.bitcast_convert_type(x, to).reshape(*sizes, last * old // new)
    ratio = new // old
    return lax.bitcast_convert_type(x.reshape(*sizes, last // ratio, ratio), to)


@register("_view.view_as_real", node="ViewAsRealBackward0", promote=None, saves="", function=False)
def view_view_as_real(input: Array) -> Array:
    """Complex numbers as pairs, a new last dimension of size 2."""
    return jnp.stack([input.real, input.imag], -1)


@register("_put.view_as_real", node="CopySlices", promote=None, saves="", function=False)
def put_view_as_real(base: Array, new: Array) -> Array:
    """The base whose pairs are ``new``."""
    return lax.complex(new[..., 0], new[..., 1])


@register("_view.view_as_complex", node="ViewAsComplexBackward0", promote=None, saves="", function=False)
def view_view_as_complex(input: Array) -> Array:
    """Pairs along the last dimension as complex numbers."""
    return lax.complex(input[..., 0], input[..., 1])


@register("_put.view_as_complex", node="CopySlices", promote=None, saves="", function=False)
def put_view_as_complex(base: Array, new: Array) -> Array:
    """The base whose complex view is ``new``."""
    return jnp.stack([new.real, new.imag], -1)


@register("_view.alias", node="AliasBackward0", promote=None, saves="", function=False)
def view_alias(input: Array) -> Array:
    """All of it."""
    return input


@register("_put.alias", node="CopySlices", promote=None, saves="", function=False)
def put_alias(base: Array, new: Array) -> Array:
    """All of it replaced."""
    return new


@register(
    "_barrier", node="BarrierBackward0", promote=None, raw="zero", saves="", lists="inputs", function=False
)
def barrier(inputs: tuple[Array, ...], zero: Array) -> tuple[Array, ...]:
    """The inputs, which XLA may not merge with equal computations elsewhere, nor read before all are known.

    XLA on the CPU drops optimisation barriers before it merges computations. There the inputs pass through a
    selection that XLA cannot decide, as it does not know that ``zero`` is 0.
    """
    inputs = tuple(lax.optimization_barrier(inputs))
    unknown = zero
    for x in inputs:
        if x.size:
            unknown = unknown + zero * (x[(0,) * x.ndim] != 0).astype(zero.dtype)
    return tuple(jnp.where(unknown == 0, x, jnp.zeros_like(x)) for x in inputs)
