"""Pooling into a given number of windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import kind, not_implemented
from jtorch.ops._half import widened
from jtorch.ops._pooling import positions
from jtorch.ops._pooling_windows import largest_along
from jtorch.ops._precision import precision
from jtorch.ops._registry import register

Sizes = int | None | Sequence[int | None]


def borders(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end of ``count`` windows that cover ``size`` elements evenly; they may overlap."""
    i = np.arange(count)
    return i * size // count, -((-(i + 1) * size) // count)


def sizes_of_result(name: str, input: Array, output_size: Sizes, ndim: int) -> tuple[int, ...]:
    """``output_size`` per dimension, ``None`` being the input's.

    Raises:
        RuntimeError, TypeError, ValueError: a wrong number of values.
    """
    if output_size is None and ndim == 1:
        raise TypeError(f"{name}(): argument 'output_size' (position 2) must be tuple of ints, not NoneType")
    if output_size is None:
        raise TypeError("object of type 'NoneType' has no len()")
    sizes = (output_size,) * ndim if isinstance(output_size, int) else tuple(output_size)
    if len(sizes) == ndim:
        return tuple(input.shape[i - ndim] if n is None else n for i, n in enumerate(sizes))
    if ndim == 1:
        raise RuntimeError(f"{name}() argument 'output_size' should contain one int (got {len(sizes)})")
    if "max" in name:
        raise RuntimeError(f"{name}(): internal error: output_size.size() must be {ndim}")
    raise RuntimeError(f"{name}: output_size must be {ndim}")


def check_adaptive(name: str, input: Array, output_size: Sizes, ndim: int) -> tuple[int, ...]:
    """The sizes of the result, for an input that is a sample or a batch with something in it."""
    shape, is_max = list(input.shape), "max" in name
    if ndim > 1 and isinstance(output_size, tuple | list) and len(output_size) >= input.ndim:
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    if input.ndim not in (ndim + 1, ndim + 2):
        if ndim == 1:
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' "
                f"(while checking arguments for {name})"
            )
        colon = ":" * is_max
        raise RuntimeError(f"{name}(): Expected {ndim + 1}D or {ndim + 2}D tensor, but got{colon} {shape}")
    sizes = sizes_of_result(name, input, output_size, ndim)
    # PyTorch looks at the channels too, except in averages of signals and images; signals count as images.
    if ndim == 1 and not is_max:
        name, shape, sizes = "adaptive_avg_pool2d", [*shape[:-1], 1, shape[-1]], (1, *sizes)
    elif ndim == 1:
        sizes = (1, *sizes)
    checked = range(len(shape) - ndim - (is_max or ndim == 3), len(shape))
    for axis in checked:
        if not shape[axis]:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has "
                "sizes "
                f"{shape} with dimension {axis} being empty"
            )
    if min(sizes) < 0:
        if is_max:
            whole = [*shape[:-ndim], *sizes]
            raise RuntimeError(f"Trying to create tensor with negative dimension {min(sizes)}: {whole}")
        shown = "{" + f"{sizes[0]}, {','.join(map(str, sizes[1:]))}" + "}"
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {shown}"
        )
    return sizes[-ndim:]


def is_mean(size: Any) -> bool:
    """Whether there is one window, everything."""
    return size == 1 or (isinstance(size, tuple) and all(n == 1 for n in size))


def last_node(name: str, ndim: int, ones: bool) -> Callable[[Sequence[Any], Mapping[str, Any]], str]:
    """One dimension is removed again at the end; averages of everything are PyTorch's ``mean``."""

    def node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
        size = static["output_size"]
        if ndim == 1:
            return "SqueezeBackward1"
        return "MeanBackward1" if ones and is_mean(size) else name

    return node


def kept_input(args: Mapping[str, Any]) -> str:
    """PyTorch's ``mean`` keeps nothing."""
    return "" if is_mean(args["output_size"]) else "input"


adaptive = partial(register, promote=None)


def adaptive_avg(name: str, ndim: int, input: Array, output_size: Sizes) -> Array:
    """Any of the adaptive average poolings, after its checks."""
    sizes = check_adaptive(name, input, output_size, ndim)
    if kind(input) != "f":
        raise not_implemented("adaptive_avg_pool3d_cpu" if ndim == 3 else "adaptive_avg_pool2d", input)
    x = widened(input)
    if all(n == 1 for n in sizes):
        return jnp.mean(x, tuple(range(input.ndim - ndim, input.ndim)), keepdims=True).astype(input.dtype)
    for i, count in enumerate(sizes):
        x = averaged(x, input.ndim - ndim + i, count)
    return x.astype(input.dtype)


def averaged(x: Array, axis: int, count: int) -> Array:
    """The means of ``count`` windows along ``axis``."""
    size = x.shape[axis]
    if size == count:
        return x
    if count and size % count == 0:
        return jnp.mean(x.reshape(*x.shape[:axis], count, size // count, *x.shape[axis + 1 :]), axis + 1)
    begin, end = borders(size, count)
    place = np.arange(size)
    inside = (place >= begin[:, None]) & (place < end[:, None])
    means = jnp.asarray(inside / np.maximum(end - begin, 1)[:, None], x.dtype)
    return jnp.moveaxis(jnp.tensordot(x, means, ((axis,), (1,)), precision=precision()), -1, axis)


@adaptive(
    "adaptive_avg_pool1d",
    node=last_node("", 1, False),
    static="output_size",
    saves="",
    watches=kept_input,
    aliases="nn.functional.adaptive_avg_pool1d",
)
def adaptive_avg_pool1d(input: Array, output_size: Sizes) -> Array:
    """The means of ``output_size`` windows that cover a signal, ``(N, C, L)`` or ``(C, L)``, evenly.

    Args:
        input: floating.
        output_size: number of windows; window i of n begins at ``floor(i * L / n)``, ends at ``ceil((i + 1)
            * L / n)``.

    Raises:
        RuntimeError: other shapes, or an empty signal.
    """
    return adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


@adaptive(
    "nn.functional.adaptive_avg_pool2d",
    node=last_node("AdaptiveAvgPool2DBackward0", 2, True),
    static="output_size",
    saves="",
    watches=kept_input,
)
def adaptive_avg_pool2d(input: Array, output_size: Sizes) -> Array:
    """The means of a grid of windows over images (``None`` keeps a size): :func:`adaptive_avg_pool1d`."""
    return adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


@adaptive(
    "nn.functional.adaptive_avg_pool3d",
    node=last_node("AdaptiveAvgPool3DBackward0", 3, True),
    static="output_size",
    saves="",
    watches=kept_input,
)
def adaptive_avg_pool3d(input: Array, output_size: Sizes) -> Array:
    """The means of a grid of windows over volumes (``None`` keeps a size): :func:`adaptive_avg_pool1d`."""
    return adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_max(name: str, ndim: int, input: Array, output_size: Sizes, return_indices: bool) -> Any:
    """Any of the adaptive max poolings, after its checks."""
    sizes = check_adaptive(name, input, output_size, ndim)
    if kind(input) != "f":
        raise not_implemented("adaptive_max_pool3d_cpu" if ndim == 3 else "adaptive_max_pool2d", input)
    first = input.ndim - ndim
    value, index = input, jnp.zeros((1,) * input.ndim, jnp.int64)
    for i in reversed(range(ndim)):
        axis = first + i
        begin, end = borders(input.shape[axis], sizes[i])
        step = math.prod(input.shape[axis + 1 :])
        shape = [1] * input.ndim
        shape[axis] = sizes[i]
        pairs = []
        # Shorter windows repeat their last element, which never beats itself.
        for j in range(int((end - begin).max(initial=1))):
            place = np.minimum(begin + j, end - 1)
            inner = index if index.shape[axis] == 1 else jnp.take(index, place, axis)
            pairs.append((jnp.take(value, place, axis), inner + jnp.asarray(place * step).reshape(shape)))
        value, index = largest_along(pairs)
        index = jnp.broadcast_to(index, value.shape)
    return (value, index) if return_indices else value


@adaptive(
    "nn.functional.adaptive_max_pool1d",
    node=last_node("", 1, False),
    static="output_size return_indices",
    watches=positions,
)
def adaptive_max_pool1d(input: Array, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest values of ``output_size`` windows that cover a signal, ``(N, C, L)`` or ``(C, L)``, evenly.

    Args:
        input: real.
        output_size: number of windows; see ``adaptive_avg_pool1d``.
        return_indices: return the positions, too (int64, in the flattened spatial dimensions).

    Raises:
        RuntimeError: other shapes, or an empty signal.
    """
    return adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


@adaptive(
    "nn.functional.adaptive_max_pool2d",
    node="AdaptiveMaxPool2DBackward0",
    static="output_size return_indices",
    watches=positions,
)
def adaptive_max_pool2d(input: Array, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest values of a grid of windows over images; see :func:`adaptive_max_pool1d`."""
    return adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


@adaptive(
    "nn.functional.adaptive_max_pool3d",
    node="AdaptiveMaxPool3DBackward0",
    static="output_size return_indices",
    watches=positions,
)
def adaptive_max_pool3d(input: Array, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest values of a grid of windows over volumes; see :func:`adaptive_max_pool1d`."""
    return adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)
