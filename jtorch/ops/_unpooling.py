"""The way back from max pooling: values go where their indices say, zeros everywhere else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import VALUE_CHECKS, kind, not_implemented, scalar_type
from jtorch.ops._pooling_windows import Sizes
from jtorch.ops._registry import register

UNPOOL = "kernel_size stride padding output_size"


def unpooled_size(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
    ndim: int,
) -> tuple[int, ...]:
    """Spatial sizes of the result: given, or those whose pooling without margins gives the input's.

    Raises:
        ValueError: given sizes that no pooling with this kernel would turn into the input's.
    """
    kernel, pad = per_dimension(kernel_size, ndim), per_dimension(padding, ndim)
    steps = kernel if stride is None else per_dimension(stride, ndim)
    sizes, n = input.shape, len(kernel)
    # Lengths that do not agree are Python's to notice, as in PyTorch.
    default = [(sizes[d - n] - 1) * steps[d] + kernel[d] - 2 * pad[d] for d in range(n)]
    if output_size is None:
        return checked_sizes(default)
    given = tuple(output_size)
    if len(given) == n + 2:
        given = given[2:]
    if len(given) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a "
            "length of "
            f"'{len(given)}'"
        )
    for i, (d, s) in enumerate(zip(default, steps, strict=False)):
        if not d - s < given[i] < d + s:
            raise ValueError(f'invalid output_size "{given}" (dim {i} must be between {d - s} and {d + s})')
    return checked_sizes(given)


def per_dimension(value: Any, ndim: int) -> Sequence[Any]:
    """A sequence as it is, anything else once per dimension."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * ndim


def checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes, none of which is negative."""
    for i, n in enumerate(sizes):
        if not n >= 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, but got "
                f"output_size[{i}]={n}"
            )
    return tuple(sizes)


def max_unpool(name: str, ndim: int, input: Array, indices: Array, sizes: tuple[int, ...]) -> Array:
    """Any of the unpoolings, after its checks."""
    if indices.dtype != jnp.int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {scalar_type(indices)}"
            if ndim < 3
            else "elements in indices should be type int64"
        )
    if input.ndim not in (ndim + 1, ndim + 2):
        n, given = max(ndim, 2), input.ndim + (ndim == 1)
        raise RuntimeError(
            f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, "
            f"but got a tensor with {given} dimensions."
        )
    if input.shape != indices.shape:
        line = [1] * (ndim == 1)  # PyTorch takes signals for images of one column
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({[*input.shape, *line]}) but got indices tensor with shape: {[*indices.shape, *line]}"
        )
    for axis in range(input.ndim - ndim - (input.ndim == ndim + 2), input.ndim):
        if axis > 0 and not input.shape[axis]:
            raise RuntimeError(
                f"max_unpooling{max(ndim, 2)}d_forward_out_cpu(): Expected input to have non-zero size for "
                "non-batch "
                f"dimensions, but got {[*input.shape, *[1] * (ndim == 1)]} with dimension {axis} being empty."
            )
    if kind(input) != "f":
        raise not_implemented(f"max_unpool{max(ndim, 2)}d", input)
    lead, points = input.shape[:-ndim], math.prod(sizes)
    values = input.reshape(math.prod(lead), -1) if input.size else input.reshape(math.prod(lead), 0)
    places = indices.reshape(values.shape)
    return placed(values, places, points).reshape(*lead, *sizes)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def placed(values: Array, places: Array, size: int) -> Array:
    """Rows of ``values`` at their ``places`` among zeros; even those overwritten have a gradient."""
    rows = jnp.arange(values.shape[0])[:, None]
    return jnp.zeros((values.shape[0], size), values.dtype).at[rows, places].set(values, mode="drop")


@placed.defjvp
def _placed_jvp(size: int, primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    (values, places), (dvalues, _) = primals, tangents
    rows = jnp.arange(values.shape[0])[:, None]
    added = jnp.zeros((values.shape[0], size), values.dtype).at[rows, places].add(dvalues, mode="drop")
    return placed(values, places, size), added


def check_places(values: np.ndarray[Any, Any], arguments: Mapping[str, Any], ndim: int) -> None:
    """Indices lie within the result."""
    a = arguments
    sizes = unpooled_size(a["input"], a["kernel_size"], a["stride"], a["padding"], a["output_size"], ndim)
    points = math.prod(sizes)
    outside = values[(values < 0) | (values >= points)]
    if outside.size and points:
        shown = "x".join(map(str, [*sizes, *[1] * (ndim == 1)]))
        raise RuntimeError(
            f"Found an invalid max index: {outside.flat[0]} (output volumes are of size {shown})"
        )


for _ndim in (1, 2, 3):
    VALUE_CHECKS[f"nn.functional.max_unpool{_ndim}d"] = {"indices": partial(check_places, ndim=_ndim)}


def check_lengths(ndim: int, sizes: Sequence[int], stride: Any, padding: Any) -> None:
    """PyTorch takes signals for images of one column, and looks at steps and margins of volumes only.

    Raises:
        RuntimeError: more or fewer numbers than dimensions.
    """
    wanted, axes = ("three", "depth, height, width") if ndim == 3 else ("two", "height, width")
    if len(sizes) != ndim:
        raise RuntimeError(
            f"There should be exactly {wanted} elements ({axes}) in output_size, but got "
            f"{len(sizes) + (ndim == 1)} elements."
        )
    if ndim < 3:
        return
    steps = per_dimension(stride, ndim)
    for what, values in (("stride", steps), ("padding", per_dimension(padding, ndim))):
        if len(values) != ndim:
            raise RuntimeError(
                f"There should be exactly {wanted} elements ({axes}) in {what}, but got: {len(values)} "
                "elements."
            )
    if min(steps) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {[*steps]}")


def unpool(name: str, ndim: int, *arguments: Any) -> Array:
    """Sizes, then values."""
    input, indices, kernel_size, stride, padding, output_size = arguments
    sizes = unpooled_size(input, kernel_size, stride, padding, output_size, ndim)
    check_lengths(ndim, sizes, kernel_size if stride is None else stride, padding)
    return max_unpool(name, ndim, input, indices, sizes)


@register("nn.functional.max_unpool1d", node="SqueezeBackward1", static=UNPOOL, promote=None, saves="indices")
def max_unpool1d(
    input: Array,
    indices: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """The inverse of ``max_pool1d`` but for what lost: that becomes 0.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        indices: where each value goes, as ``max_pool1d`` returns it; others than those of the result are
            dropped.
        kernel_size: of the pooling.
        stride: of the pooling; ``kernel_size`` by default.
        padding: of the pooling.
        output_size: spatial sizes of the result, with or without batch and channels, where several are
            possible.

    Raises:
        ValueError: an ``output_size`` that is not possible.
        RuntimeError: shapes or dtypes that do not agree.
    """
    return unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


@register(
    "nn.functional.max_unpool2d", node="MaxUnpool2DBackward0", static=UNPOOL, promote=None, saves="indices"
)
def max_unpool2d(
    input: Array,
    indices: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """The inverse of ``max_pool2d`` but for what lost; see :func:`max_unpool1d`."""
    return unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


@register(
    "nn.functional.max_unpool3d", node="MaxUnpool3DBackward0", static=UNPOOL, promote=None, saves="indices"
)
def max_unpool3d(
    input: Array,
    indices: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """The inverse of ``max_pool3d`` but for what lost; see :func:`max_unpool1d`."""
    return unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
