"""The way back from max pooling: values go where their indices say, zeros everywhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import VALUE_CHECKS, kind, not_implemented, scalar_type
from jtorch.ops._pooling_windows import Sizes, repeated
from jtorch.ops._registry import register

UNPOOL = "kernel_size stride padding output_size"


def unpooled_size(
    name: str,
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
    kernel = repeated(kernel_size, ndim, None, f"{name}: kernel_size must have {ndim} elements")
    steps = repeated(stride, ndim, kernel, f"{name}: stride must have {ndim} elements")
    pad = repeated(padding, ndim, None, f"{name}: padding must have {ndim} elements")
    sizes = input.shape[-ndim:]
    default = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(sizes, steps, kernel, pad, strict=True)]
    if output_size is None:
        return checked_sizes(default)
    given = tuple(output_size)
    if len(given) == ndim + 2:
        given = given[2:]
    if len(given) != ndim:
        raise ValueError(
            f"output_size should be a sequence containing {ndim} or {ndim + 2} elements, but it has a "
            "length of "
            f"'{len(given)}'"
        )
    for i, (n, d, s) in enumerate(zip(given, default, steps, strict=True)):
        if not d - s < n < d + s:
            raise ValueError(f'invalid output_size "{given}" (dim {i} must be between {d - s} and {d + s})')
    return checked_sizes(given)


def checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes, none of which is negative."""
    for i, n in enumerate(sizes):
        if n < 0:
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
    sizes = unpooled_size(
        f"max_unpool{ndim}d", a["input"], a["kernel_size"], a["stride"], a["padding"], a["output_size"], ndim
    )
    outside = values[(values < 0) | (values >= math.prod(sizes))]
    if outside.size:
        shown = "x".join(map(str, [*sizes, *[1] * (ndim == 1)]))
        raise RuntimeError(
            f"Found an invalid max index: {outside.flat[0]} (output volumes are of size {shown})"
        )


for _ndim in (1, 2, 3):
    VALUE_CHECKS[f"nn.functional.max_unpool{_ndim}d"] = {"indices": partial(check_places, ndim=_ndim)}


def unpool(name: str, ndim: int, *arguments: Any) -> Array:
    """Sizes, then values."""
    input, indices, kernel_size, stride, padding, output_size = arguments
    sizes = unpooled_size(name, input, kernel_size, stride, padding, output_size, ndim)
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
