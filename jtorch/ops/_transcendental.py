"""Exponentials, logarithms, trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import math
from functools import partial

import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import check_broadcast, kind, reject_kinds
from jtorch.ops._gradients import slopes
from jtorch.ops._registry import register

#: Unary functions of floating and complex numbers, integers being taken as the default floating dtype.
unary = partial(register, numbers="", promote="float", method=True, inplace=True, out=True)


@unary("exp", node="ExpBackward0", saves="result")
def exp(input: Array) -> Array:
    """The exponential, e to the power ``input``."""
    return jnp.exp(input)


@unary("exp2", node="Exp2Backward0", saves="result", aliases="special.exp2")
def exp2(input: Array) -> Array:
    """2 to the power ``input``."""
    return jnp.exp2(input) if kind(input) != "c" else jnp.exp(input * math.log(2))


@unary("expm1", node="Expm1Backward0", saves="result", aliases="special.expm1")
def expm1(input: Array) -> Array:
    """``exp(input) - 1``, accurate near 0."""
    return jnp.expm1(input)


@unary("log", node="LogBackward0")
def log(input: Array) -> Array:
    """The natural logarithm."""
    return jnp.log(input)


@unary("log2", node="Log2Backward0")
def log2(input: Array) -> Array:
    """The logarithm to base 2."""
    return jnp.log2(input)


@unary("log10", node="Log10Backward0")
def log10(input: Array) -> Array:
    """The logarithm to base 10."""
    return jnp.log10(input)


@unary("log1p", node="Log1PBackward0", aliases="special.log1p")
def log1p(input: Array) -> Array:
    """``log(1 + input)``, accurate near 0."""
    return jnp.log1p(input)


@unary("sin", node="SinBackward0")
def sin(input: Array) -> Array:
    """The sine of an angle in radians."""
    return jnp.sin(input)


@unary("cos", node="CosBackward0")
def cos(input: Array) -> Array:
    """The cosine of an angle in radians."""
    return jnp.cos(input)


@unary("tan", node="TanBackward0", saves="result")
def tan(input: Array) -> Array:
    """The tangent of an angle in radians."""
    return jnp.tan(input)


@unary("asin", node="AsinBackward0", aliases="arcsin")
def asin(input: Array) -> Array:
    """The angle in [-pi/2, pi/2] whose sine is ``input``."""
    return jnp.arcsin(input)


@unary("acos", node="AcosBackward0", aliases="arccos")
def acos(input: Array) -> Array:
    """The angle in [0, pi] whose cosine is ``input``."""
    return jnp.arccos(input)


@unary("atan", node="AtanBackward0", aliases="arctan")
def atan(input: Array) -> Array:
    """The angle in (-pi/2, pi/2) whose tangent is ``input``."""
    return jnp.arctan(input)


@register(
    "atan2",
    numbers="",
    node="Atan2Backward0",
    promote="float",
    method=True,
    inplace=True,
    out=True,
    aliases="arctan2",
)
def atan2(input: Array, other: Array) -> Array:
    """The angle in (-pi, pi] of the point with y = ``input`` and x = ``other``.

    The gradient at the origin is 0.

    Raises:
        NotImplementedError: complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("atan2_cpu", "c", input)
    return angle_of_point(input, other)


def over_squared_radius(part: Array, y: Array, x: Array) -> Array:
    """``part / (x**2 + y**2)``, 0 at the origin."""
    squared = x * x + y * y
    return jnp.where(squared == 0, 0, part / jnp.where(squared == 0, 1, squared))


@slopes(
    lambda result, y, x: over_squared_radius(x, y, x),
    lambda result, y, x: -over_squared_radius(y, y, x),
)
def angle_of_point(y: Array, x: Array) -> Array:
    """``jnp.arctan2``, whose gradient at the origin PyTorch takes as 0."""
    return jnp.arctan2(y, x)


@unary("sinh", node="SinhBackward0")
def sinh(input: Array) -> Array:
    """The hyperbolic sine."""
    return jnp.sinh(input)


@unary("cosh", node="CoshBackward0")
def cosh(input: Array) -> Array:
    """The hyperbolic cosine."""
    return jnp.cosh(input)


@unary("asinh", node="AsinhBackward0", aliases="arcsinh")
def asinh(input: Array) -> Array:
    """The inverse of :func:`sinh`."""
    return jnp.arcsinh(input)


@unary("acosh", node="AcoshBackward0", aliases="arccosh")
def acosh(input: Array) -> Array:
    """The non-negative inverse of :func:`cosh`; nan below 1."""
    return complex_acosh(input) if kind(input) == "c" else jnp.arccosh(input)


@slopes(lambda y, x: 1 / (jnp.sqrt(x - 1) * jnp.sqrt(x + 1)))
def complex_acosh(x: Array) -> Array:
    """``jnp.arccosh``, whose derivative in JAX has the other sign left of the imaginary axis."""
    return jnp.arccosh(x)


@unary("atanh", node="AtanhBackward0", aliases="arctanh")
def atanh(input: Array) -> Array:
    """The inverse of the hyperbolic tangent; nan outside [-1, 1]."""
    return jnp.arctanh(input)


@unary("deg2rad", node="Deg2RadBackward0", saves="")
def deg2rad(input: Array) -> Array:
    """Degrees to radians.

    Raises:
        RuntimeError: complex numbers.
    """
    if kind(input) == "c":
        raise RuntimeError("deg2rad is not supported for complex tensors.")
    return input * (math.pi / 180)


@unary("rad2deg", node="Rad2DegBackward0", saves="")
def rad2deg(input: Array) -> Array:
    """Radians to degrees.

    Raises:
        RuntimeError: complex numbers.
    """
    if kind(input) == "c":
        raise RuntimeError("rad2deg is not supported for complex tensors.")
    return input * (180 / math.pi)


@register("logaddexp", numbers="", node="LogaddexpBackward0", promote="default", method=True, out=True)
def logaddexp(input: Array, other: Array) -> Array:
    """``log(exp(input) + exp(other))`` without overflow.

    Raises:
        NotImplementedError: integers and booleans.
    """
    check_broadcast(input, other)
    reject_kinds("logaddexp_cpu", "bi", input)
    return log_of_sum(input, other) if kind(input) == "c" else logaddexp_real(input, other)


@slopes(
    lambda result, x, y: 1 / (1 + jnp.exp(y - x)),
    lambda result, x, y: 1 / (1 + jnp.exp(x - y)),
)
def logaddexp_real(x: Array, y: Array) -> Array:
    """``jnp.logaddexp``, with slopes that hold at infinity."""
    return jnp.logaddexp(x, y)


def log_of_sum(x: Array, y: Array) -> Array:
    """``log(exp(x) + exp(y))`` of complex numbers: the imaginary part stays near that of the larger term."""
    swap = jnp.real(y) > jnp.real(x)
    high, low = jnp.where(swap, y, x), jnp.where(swap, x, y)
    # Both real parts are the same infinity: that one stays.
    same = jnp.isinf(jnp.real(high)) & (jnp.real(high) == jnp.real(low))
    return jnp.where(same, high, high + jnp.log1p(jnp.exp(jnp.where(same, 0, low - high))))


@register("logaddexp2", numbers="", node="Logaddexp2Backward0", promote="default", method=True, out=True)
def logaddexp2(input: Array, other: Array) -> Array:
    """``log2(2**input + 2**other)`` without overflow.

    Raises:
        NotImplementedError: integers, booleans and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("logaddexp2_cpu", "bic", input)
    return logaddexp2_real(input, other)


@slopes(
    lambda result, x, y: 1 / (1 + jnp.exp2(y - x)),
    lambda result, x, y: 1 / (1 + jnp.exp2(x - y)),
)
def logaddexp2_real(x: Array, y: Array) -> Array:
    """``jnp.logaddexp2``, with slopes that hold at infinity."""
    return jnp.logaddexp2(x, y)
