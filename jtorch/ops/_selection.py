"""Choosing between values: where, clamping, element-wise extrema and replaced specials."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops import _plain as plain
from jtorch.ops._checks import check_broadcast, kind, reject_kinds, scalar_type
from jtorch.ops._gradients import slopes
from jtorch.ops._nodes import by_number
from jtorch.ops._registry import register

binary = partial(register, promote="default", opmath=False, method=True, out=True)


@register(
    "where",
    numbers="input other",
    node="WhereBackward0",
    promote="default",
    promoted="input other",
    opmath=False,
    saves="condition",
    out=True,
)
def where(condition: Array, input: Array, other: Array) -> Array:
    """``input`` where ``condition`` holds, ``other`` elsewhere; a branch not taken has gradient 0.

    Raises:
        RuntimeError: ``condition`` is neither boolean nor uint8.
    """
    if condition.dtype not in (jnp.bool_, jnp.uint8):
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            + scalar_type(condition)
        )
    check_broadcast(condition, input, other)
    return jnp.where(condition.astype(bool), input, other)


@slopes(lambda result, x, low: as_weight(x >= low, result), lambda result, x, low: as_weight(x < low, result))
def raised_to(input: Array, min: Array) -> Array:
    """The larger of both, nan if either is; at a tie the gradient belongs to ``input`` alone."""
    return plain.larger(input, min)


@slopes(
    lambda result, x, high: as_weight(x <= high, result), lambda result, x, high: as_weight(x > high, result)
)
def lowered_to(input: Array, max: Array) -> Array:
    """The smaller of both, nan if either is; at a tie the gradient belongs to ``input`` alone."""
    return plain.smaller(input, max)


def as_weight(chosen: Array, result: Array) -> Array:
    return chosen.astype(result.dtype)


def check_clamp(input: Array, min: Array | None, max: Array | None) -> None:
    if kind(input) == "c":
        raise NotImplementedError("clamp is not supported for complex types")
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    check_broadcast(input, min, max)
    reject_kinds("clamp_scalar_cpu", "b", input)


@register(
    "clamp",
    numbers="min max",
    node=lambda shapes, static: "ClampBackward1" if shapes[1] is shapes[2] is None else "ClampBackward0",
    promote="default",
    opmath=False,
    method=True,
    inplace=True,
    out=True,
    aliases="clip",
)
def clamp(input: Array, min: Array | None = None, max: Array | None = None) -> Array:
    """``input`` limited to [``min``, ``max``]; ``max`` wins where the bounds cross.

    The gradient passes to ``input`` inside the interval and on its bounds, outside to the bound.

    Raises:
        RuntimeError: no bound.
        NotImplementedError: complex numbers and booleans.
    """
    check_clamp(input, min, max)
    result = input if min is None else raised_to(input, min)
    result = result if max is None else lowered_to(result, max)
    return jnp.broadcast_to(
        result, jnp.broadcast_shapes(*(x.shape for x in (input, min, max) if x is not None))
    )


@register(
    "clamp_min",
    numbers="min",
    node=by_number("ClampMin", tensors=1, numbers={1: 0}),
    promote="default",
    opmath=False,
    method=True,
    inplace=True,
    out=True,
)
def clamp_min(input: Array, min: Array) -> Array:
    """``input``, at least ``min``; see :func:`clamp`.

    Raises:
        NotImplementedError: complex numbers.
    """
    check_broadcast(input, min)
    reject_kinds("maximum_cpu", "c", input)
    return raised_to(input, min)


@register(
    "clamp_max",
    numbers="max",
    node=by_number("ClampMax", tensors=1, numbers={1: 0}),
    promote="default",
    opmath=False,
    method=True,
    inplace=True,
    out=True,
)
def clamp_max(input: Array, max: Array) -> Array:
    """``input``, at most ``max``; see :func:`clamp`.

    Raises:
        NotImplementedError: complex numbers.
    """
    check_broadcast(input, max)
    reject_kinds("minimum_cpu", "c", input)
    return lowered_to(input, max)


def check_extremum(name: str, input: Array, other: Array) -> None:
    check_broadcast(input, other)
    if kind(input) == "c":
        raise RuntimeError(f"{name} not implemented for complex tensors.")


@binary("maximum", numbers="", node="MaximumBackward0")
def maximum(input: Array, other: Array) -> Array:
    """The larger of both, nan if either is nan; equal operands share the gradient.

    Raises:
        RuntimeError: complex numbers.
    """
    check_extremum("maximum", input, other)
    return larger(input, other)


def share(x: Array, y: Array, lost: Array) -> Array:
    """1/2 where both are equal, 0 where the operand lost, 1 elsewhere."""
    return jnp.where(x == y, 0.5, jnp.where(lost, 0.0, 1.0)).astype(x.dtype)


@slopes(lambda result, x, y: share(x, y, x < y), lambda result, x, y: share(x, y, x > y))
def larger(x: Array, y: Array) -> Array:
    """The larger of both; a tie is shared, and nan passes the gradient to both."""
    return plain.larger(x, y)


@slopes(lambda result, x, y: share(x, y, x > y), lambda result, x, y: share(x, y, x < y))
def smaller(x: Array, y: Array) -> Array:
    """The smaller of both; a tie is shared, and nan passes the gradient to both."""
    return plain.smaller(x, y)


@binary("minimum", numbers="", node="MinimumBackward0")
def minimum(input: Array, other: Array) -> Array:
    """The smaller of both, nan if either is nan; equal operands share the gradient.

    Raises:
        RuntimeError: complex numbers.
    """
    check_extremum("minimum", input, other)
    return smaller(input, other)


@binary("fmax", numbers="", node="FmaxBackward0")
def fmax(input: Array, other: Array) -> Array:
    """The larger of both, the other one if one is nan; ``input`` has the gradient of a tie.

    Raises:
        RuntimeError: complex numbers.
    """
    check_extremum("fmax", input, other)
    return jnp.where((input >= other) | jnp.isnan(other), input, other)


@binary("fmin", numbers="", node="FminBackward0")
def fmin(input: Array, other: Array) -> Array:
    """The smaller of both, the other one if one is nan; ``input`` has the gradient of a tie.

    Raises:
        RuntimeError: complex numbers.
    """
    check_extremum("fmin", input, other)
    return jnp.where((input <= other) | jnp.isnan(other), input, other)


@register(
    "nan_to_num",
    node="NanToNumBackward0",
    promote=None,
    method=True,
    inplace=True,
    out=True,
)
def nan_to_num(
    input: Array,
    nan: Array | None = None,
    posinf: Array | None = None,
    neginf: Array | None = None,
) -> Array:
    """Replace nan by ``nan`` (0), infinities by ``posinf`` and ``neginf`` (the finite limits of the type)."""
    if kind(input) in "bi":
        return input
    if kind(input) == "c":
        return lax.complex(*(nan_to_num(part(input), nan, posinf, neginf) for part in (jnp.real, jnp.imag)))
    limits = jnp.finfo(input.dtype)
    number, top, bottom = (
        jnp.asarray(default if value is None else value).astype(input.dtype)
        for value, default in ((nan, 0), (posinf, limits.max), (neginf, limits.min))
    )
    result = jnp.where(jnp.isneginf(input), bottom, input)
    return jnp.where(jnp.isnan(input), number, jnp.where(jnp.isposinf(input), top, result))
