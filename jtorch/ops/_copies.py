"""Copies and conversions."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from jtorch.dtypes import dtype
from jtorch.ops._plain import converted
from jtorch.ops._registry import register


@register("_clone", node="CloneBackward0", promote=None, saves="", function=False)
def clone(input: Array) -> Array:
    """The same values in memory of their own."""
    return jnp.asarray(input)


@register("_to_copy", node="ToCopyBackward0", static="dtype", promote=None, saves="", function=False)
def to_copy(input: Array, dtype: dtype) -> Array:
    """Values converted to another dtype.

    Complex numbers lose their imaginary part, floats are cut to integers.
    """
    if jnp.iscomplexobj(input) and not dtype.is_complex:
        if dtype.numpy == jnp.bool_:
            return input != 0
        input = input.real
    if jnp.issubdtype(input.dtype, jnp.floating) and jnp.issubdtype(dtype.numpy, jnp.integer):
        return _cut(input, dtype)
    return converted(input, dtype.numpy)


def _cut(input: Array, dtype: dtype) -> Array:
    """Floats as integers, as processors convert: out of range and nan give the least; narrow types wrap."""
    wide = jnp.int32 if (dtype.is_signed and dtype.itemsize <= 4) or dtype.itemsize == 1 else jnp.int64
    if input.dtype.itemsize < 4:
        input = input.astype(jnp.float32)
    least = jnp.iinfo(wide).min
    inside = jnp.abs(input) < -float(least)
    return jnp.where(inside, input, jnp.asarray(least, input.dtype)).astype(wide).astype(dtype.numpy)


@register("_fill.number", node="FillBackward2", promote=None, saves="", function=False)
def fill(input: Array, value: Array) -> Array:
    """A number in every place of ``input``."""
    return overwrite(input, value)


@register("_zero", node="ZeroBackward0", promote=None, saves="", function=False)
def zero(input: Array) -> Array:
    """Zeros like ``input``."""
    return jnp.zeros_like(input)


@register(
    "_drawn",
    node=lambda shapes, static: static["node"],
    static="node",
    promote=None,
    saves="",
    function=False,
)
def drawn(values: Array, first: Array | None, second: Array | None, node: str) -> Array:
    """Random numbers as they are: no gradient but zeros reaches the parameters they were drawn with."""
    return values


@register("_sum_to", node="SumBackward1", static="shape", promote=None, saves="", function=False)
def sum_to(input: Array, shape: tuple[int, ...]) -> Array:
    """Sums over the dimensions along which ``shape`` broadcasts to the input's."""
    extra = input.ndim - len(shape)
    dims = [d for d in range(input.ndim) if d < extra or shape[d - extra] != input.shape[d]]
    return jnp.sum(input, dims).reshape(shape)


@register("_overwrite", node="CopyBackwards", promote=None, saves="", function=False)
def overwrite(input: Array, src: Array) -> Array:
    """``src`` with the shape and dtype of ``input``, whose values do not matter."""
    extra = src.ndim - input.ndim
    if extra > 0:
        src = src.reshape(src.shape[extra:])
    if jnp.iscomplexobj(src) and not jnp.iscomplexobj(input):
        src = src != 0 if input.dtype == jnp.bool_ else src.real
    return jnp.broadcast_to(converted(src, input.dtype), input.shape)
