"""Comparisons and tests of single values."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import check_broadcast, kind, reject_kinds, scalar_type
from jtorch.ops._registry import register

#: Comparisons of two operands of their common dtype; the result is boolean.
comparison = partial(
    register, node=None, promote="default", opmath=False, saves="", method=True, inplace=True, out=True
)


@comparison("eq", numbers="other", operators="__eq__")
def eq(input: Array, other: Array) -> Array:
    """``input == other``."""
    check_broadcast(input, other)
    return input == other


@comparison("ne", numbers="other", operators="__ne__", aliases="not_equal")
def ne(input: Array, other: Array) -> Array:
    """``input != other``."""
    check_broadcast(input, other)
    return input != other


@comparison("lt", numbers="other", operators="__lt__", aliases="less")
def lt(input: Array, other: Array) -> Array:
    """``input < other``.

    Raises:
        NotImplementedError: complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("lt_cpu", "c", input)
    return input < other


@comparison("le", numbers="other", operators="__le__", aliases="less_equal")
def le(input: Array, other: Array) -> Array:
    """``input <= other``.

    Raises:
        NotImplementedError: complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("le_cpu", "c", input)
    return input <= other


@comparison("gt", numbers="other", operators="__gt__", aliases="greater")
def gt(input: Array, other: Array) -> Array:
    """``input > other``.

    Raises:
        NotImplementedError: complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("gt_cpu", "c", input)
    return input > other


@comparison("ge", numbers="other", operators="__ge__", aliases="greater_equal")
def ge(input: Array, other: Array) -> Array:
    """``input >= other``.

    Raises:
        NotImplementedError: complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("ge_cpu", "c", input)
    return input >= other


@register(
    "isclose",
    numbers="rtol atol",
    node=None,
    promote=None,
    baked="rtol atol",
    saves="",
    static="equal_nan",
    method=True,
)
def isclose(
    input: Array,
    other: Array,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> Array:
    """Where ``abs(input - other) <= atol + rtol * abs(other)``; infinities are close to themselves only.

    Raises:
        RuntimeError: operands of different types, or negative tolerances.
    """
    check_isclose(input, other, rtol, atol)
    close = input == other
    if equal_nan and kind(input) in "fc":
        close = close | (jnp.isnan(input) & jnp.isnan(other))
    if kind(input) == "b":
        return close
    distance = jnp.abs(input - other)
    return close | (jnp.isfinite(distance) & (distance <= atol + jnp.abs(rtol * other)))


def check_isclose(input: Array, other: Array, rtol: float, atol: float) -> None:
    if input.dtype != other.dtype:
        raise RuntimeError(f"{scalar_type(input)} did not match {scalar_type(other)}")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance:g}")
    check_broadcast(input, other)


@register(
    "allclose",
    numbers="rtol atol",
    node=None,
    promote=None,
    baked="rtol atol",
    saves="",
    static="equal_nan",
    method=True,
)
def allclose(
    input: Array,
    other: Array,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> Array:
    """Whether :func:`isclose` holds everywhere, as a 0-d boolean."""
    return jnp.all(isclose(input, other, rtol, atol, equal_nan))


@register("equal", numbers="", node=None, promote="default", opmath=False, saves="", method=True)
def equal(input: Array, other: Array) -> Array:
    """Whether the shapes and all values are the same, as a 0-d boolean."""
    if input.shape != other.shape:
        return jnp.asarray(False)
    return jnp.all(input == other)


@register("isnan", node=None, promote=None, saves="", method=True)
def isnan(input: Array) -> Array:
    """Where ``input`` (or a part of a complex number) is not a number."""
    return jnp.isnan(input)


@register("isinf", node=None, promote=None, saves="", method=True)
def isinf(input: Array) -> Array:
    """Where ``input`` (or a part of a complex number) is infinite."""
    return jnp.isinf(input)


@register("isfinite", node=None, promote=None, saves="", method=True)
def isfinite(input: Array) -> Array:
    """Where ``input`` is neither infinite nor nan."""
    return jnp.isfinite(input)


@register("isposinf", node=None, promote=None, saves="", method=True, out=True)
def isposinf(input: Array) -> Array:
    """Where ``input`` is positive infinity.

    Raises:
        RuntimeError: complex numbers.
    """
    if kind(input) == "c":
        raise RuntimeError("isposinf does not support complex inputs.")
    return jnp.isposinf(input) if kind(input) == "f" else jnp.zeros(input.shape, bool)


@register("isneginf", node=None, promote=None, saves="", method=True, out=True)
def isneginf(input: Array) -> Array:
    """Where ``input`` is negative infinity.

    Raises:
        RuntimeError: complex numbers.
    """
    if kind(input) == "c":
        raise RuntimeError("isneginf does not support complex inputs.")
    return jnp.isneginf(input) if kind(input) == "f" else jnp.zeros(input.shape, bool)


@register("isreal", node=None, promote=None, saves="", method=True)
def isreal(input: Array) -> Array:
    """Where the imaginary part is 0."""
    return jnp.isreal(input)


@register("signbit", node=None, promote=None, saves="", method=True, out=True)
def signbit(input: Array) -> Array:
    """Where the sign bit is set: negative numbers, -0.0 among them.

    Raises:
        NotImplementedError: complex numbers.
    """
    if kind(input) == "c":
        raise NotImplementedError("signbit is not implemented for complex tensors.")
    return jnp.signbit(input) if kind(input) == "f" else input < jnp.zeros((), input.dtype)
