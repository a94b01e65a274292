"""Sums, means, products, truth of all or any, and counts over dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jtorch import dtypes
from jtorch.ops._checks import kind, reject_kinds, scalar_type, wrap_dims
from jtorch.ops._copies import to_copy
from jtorch.ops._nodes import by_dim
from jtorch.ops._quotient import quotient
from jtorch.ops._registry import register

Dim = int | Sequence[int] | None


reduction = partial(
    register, numbers="", static="dim keepdim dtype", promote=None, saves="", method=True, out=True
)


def accumulated(input: Array, dtype: dtypes.dtype | None) -> Array:
    """The operand in the type that PyTorch sums in: ``dtype``, else int64 for integers and booleans."""
    if dtype is not None:
        return to_copy(input, dtype)
    return input.astype(jnp.int64) if kind(input) in "bi" else input


def _kept_type(x: Array) -> Any:
    """Narrow integers are to stay such; half types are left to JAX, which adds them up in float32."""
    return x.dtype if kind(x) in "bi" else None


@reduction("sum", node=by_dim("Sum"))
def sum_(input: Array, dim: Dim = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None) -> Array:
    """The sum over ``dim`` (one, several, all if ``None`` or empty); integers and booleans give int64."""
    x = accumulated(input, dtype)
    return jnp.sum(x, wrap_dims(dim, input.ndim), _kept_type(x), keepdims=keepdim)


@reduction("nansum", node="NansumBackward0", saves="input")
def nansum(
    input: Array, dim: Dim = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None
) -> Array:
    """:func:`sum_` with nan taken as 0.

    Raises:
        RuntimeError: complex numbers.
    """
    if kind(input) == "c":
        raise RuntimeError("nansum on CPU does not support complex inputs")
    zeroed = jnp.where(jnp.isnan(input), jnp.zeros_like(input), input)
    return sum_(zeroed, dim, keepdim, dtype=dtype)


def check_mean(input: Array, dtype: dtypes.dtype | None) -> None:
    if dtype is not None and dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            "mean(): could not infer output dtype. Optional dtype must be either a floating point or "
            "complex dtype. "
            f"Got: {dtypes.scalar_type_name(dtype)}"
        )
    if dtype is None and kind(input) in "bi":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            "complex dtype. "
            f"Got: {scalar_type(input)}"
        )


@reduction("mean", node=by_dim("Mean"))
def mean(input: Array, dim: Dim = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None) -> Array:
    """The mean over ``dim``, nan where it is over nothing.

    Raises:
        RuntimeError: integers or booleans without a floating ``dtype``.
    """
    check_mean(input, dtype)
    axes = wrap_dims(dim, input.ndim)
    x = accumulated(input, dtype)
    if kind(x) != "f" or x.dtype.itemsize < 4:
        return jnp.mean(x, axes, keepdims=keepdim)
    count = math.prod(input.shape[i] for i in axes)
    return quotient(jnp.sum(x, axes, keepdims=keepdim), jnp.asarray(count, x.dtype))


@reduction("nanmean", node="DivBackward0", saves="input")
def nanmean(
    input: Array, dim: Dim = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None
) -> Array:
    """The mean of what is not nan; nan where nothing is left.

    Raises:
        RuntimeError: integers, booleans and complex numbers.
    """
    if kind(input) in "bi":
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {scalar_type(input)}"
        )
    if kind(input) == "c":
        raise RuntimeError("nansum on CPU does not support complex inputs")
    x = accumulated(input, dtype)
    axes = wrap_dims(dim, input.ndim)
    missing = jnp.isnan(x)
    total = jnp.sum(jnp.where(missing, jnp.zeros_like(x), x), axes, keepdims=keepdim)
    return total / jnp.sum(~missing, axes, keepdims=keepdim).astype(total.dtype)


@reduction("prod", node=by_dim("Prod"), saves="input result")
def prod(
    input: Array, dim: int | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None
) -> Array:
    """The product over one dimension or all; integers and booleans give int64. The gradient is exact at 0."""
    x = accumulated(input, dtype)
    return jnp.prod(x, wrap_dims(dim, input.ndim), _kept_type(x), keepdims=keepdim)


def truth_type(input: Array) -> Any:
    """The type of ``all`` and ``any``: uint8 stays, for old scripts that used it as boolean."""
    return jnp.uint8 if input.dtype == jnp.uint8 else jnp.bool_


@register("all", node=None, static="dim keepdim", promote=None, saves="", method=True, out=True)
def all_(input: Array, dim: Dim = None, keepdim: bool = False) -> Array:
    """Whether all values over ``dim`` are true, that is not 0."""
    axes = wrap_dims(dim, input.ndim, empty_is_all=False)
    return jnp.all(input != 0, axes, keepdims=keepdim).astype(truth_type(input))


@register("any", node=None, static="dim keepdim", promote=None, saves="", method=True, out=True)
def any_(input: Array, dim: Dim = None, keepdim: bool = False) -> Array:
    """Whether any value over ``dim`` is true, that is not 0."""
    axes = wrap_dims(dim, input.ndim, empty_is_all=False)
    return jnp.any(input != 0, axes, keepdims=keepdim).astype(truth_type(input))


@register("count_nonzero", node=None, static="dim", promote=None, saves="", method=True)
def count_nonzero(input: Array, dim: Dim = None) -> Array:
    """How many values over ``dim`` are not 0, as int64."""
    return jnp.sum(input != 0, wrap_dims(dim, input.ndim), dtype=jnp.int64)


@register(
    "hash_tensor",
    node=None,
    numbers="",
    static="dim keepdim mode",
    promote=None,
    saves="",
    method=True,
    out=True,
)
def hash_tensor(input: Array, dim: Dim = (), keepdim: bool = False, mode: int = 0) -> Array:
    """The exclusive or of the values' bits over ``dim``, after conversion to float64 or int64, as uint64.

    Raises:
        RuntimeError: a ``mode`` other than 0, or everything of an empty input.
        IndexError: a dimension of size 0.
        NotImplementedError: complex numbers.
    """
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    axes = wrap_dims(dim, input.ndim)
    if input.size == 0 and dim in (None, ()):
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    for axis in axes:
        if input.shape[axis] == 0:
            raise IndexError(f"hash_tensor: Expected reduction dim {axis} to have non-zero size.")
    reject_kinds("xor_sum_cpu", "c", input)
    wide = input.astype(jnp.float64 if kind(input) == "f" else jnp.int64)
    bits = lax.bitcast_convert_type(wide, jnp.uint64)
    return jnp.bitwise_xor.reduce(bits, axis=axes, keepdims=keepdim) if axes else bits  # type: ignore[arg-type]
