"""Rounding and the parts of a number: whole and fraction, mantissa and exponent, sign."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import check_broadcast, kind, not_implemented, reject_kinds
from jtorch.ops._gradients import slopes
from jtorch.ops._nodes import by_number
from jtorch.ops._registry import register

rounding = partial(register, numbers="", promote=None, saves="", method=True, inplace=True, out=True)


def check_rounding(name: str, input: Array) -> None:
    if kind(input) == "c":
        raise NotImplementedError(f"{name} is not supported for complex inputs")
    reject_kinds(f"{name}_vml_cpu", "b", input)


@rounding("ceil", node="CeilBackward0")
def ceil(input: Array) -> Array:
    """The smallest whole number not below ``input``; integers stay as they are.

    Raises:
        NotImplementedError: booleans and complex numbers.
    """
    check_rounding("ceil", input)
    return input if kind(input) == "i" else jnp.ceil(input)


@rounding("floor", node="FloorBackward0")
def floor(input: Array) -> Array:
    """The largest whole number not above ``input``; integers stay as they are.

    Raises:
        NotImplementedError: booleans and complex numbers.
    """
    check_rounding("floor", input)
    return input if kind(input) == "i" else jnp.floor(input)


@rounding("trunc", node="TruncBackward0", aliases="fix")
def trunc(input: Array) -> Array:
    """``input`` without its fraction, rounded towards 0; integers stay as they are.

    Raises:
        NotImplementedError: booleans and complex numbers.
    """
    check_rounding("trunc", input)
    return input if kind(input) == "i" else jnp.trunc(input)


@rounding(
    "round",
    node=lambda shapes, static: f"RoundBackward{int(static['decimals'] != 0)}",
    static="decimals",
    opmath=True,
    aliases="special.round",
)
def round_(input: Array, *, decimals: int = 0) -> Array:
    """The nearest number with that many decimals; halves go to the even neighbour.

    Raises:
        NotImplementedError: booleans and complex numbers, and integers with ``decimals``.
    """
    reject_kinds("round_vml_cpu", "bc", input)
    if not decimals:
        return input if kind(input) == "i" else jnp.round(input)
    if kind(input) == "i":
        raise not_implemented("round_cpu", input)
    scale = 10.0 ** abs(decimals)
    return jnp.round(input * scale) / scale if decimals > 0 else jnp.round(input / scale) * scale


@rounding("frac", node="FracBackward0")
def frac(input: Array) -> Array:
    """``input - trunc(input)``.

    Raises:
        NotImplementedError: integers, booleans and complex numbers.
    """
    reject_kinds("frac_cpu", "bic", input)
    return input - jnp.trunc(input)


@register(
    "frexp",
    node="FrexpBackward0",
    promote=None,
    saves="exponent",
    method=True,
    out=True,
    returns="frexp mantissa exponent",
)
def frexp(input: Array) -> tuple[Array, Array]:
    """Mantissa in (-1, -1/2] or [1/2, 1) and int32 exponent, with ``input = mantissa * 2**exponent``.

    Raises:
        RuntimeError: anything but floating types.
    """
    if kind(input) != "f":
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    mantissa, exponent = frexp_real(input)
    # jnp.frexp leaves the exponent of 0, inf and nan open; C's is 0.
    special = ~jnp.isfinite(input) | (input == 0)
    return mantissa, jnp.where(special, 0, exponent).astype(jnp.int32)


@jax.custom_jvp
def frexp_real(input: Array) -> tuple[Array, Array]:
    """``jnp.frexp`` with the gradient of the mantissa, the exponent being constant."""
    mantissa, exponent = jnp.frexp(input)
    return mantissa.astype(input.dtype), exponent


@frexp_real.defjvp
def frexp_real_jvp(
    primals: tuple[Array], tangents: tuple[Array]
) -> tuple[tuple[Array, Array], tuple[Array, Any]]:
    mantissa, exponent = frexp_real(*primals)
    scaled = tangents[0] * jnp.exp2(-exponent.astype(tangents[0].dtype))
    return (mantissa, exponent), (scaled, np.zeros(exponent.shape, jax.dtypes.float0))


@register(
    "ldexp",
    numbers="",
    node="LdexpBackward0",
    promote="float",
    method=True,
    inplace=True,
    out=True,
    saves="intermediate",
    watches="other@input result",
)
def ldexp(input: Array, other: Array) -> Array:
    """``input * 2**other``."""
    check_broadcast(input, other)
    # Differs from PyTorch: the gradient is right for negative integer exponents, too, where PyTorch's is 0.
    return input * (jnp.exp2(other) if kind(other) != "c" else jnp.power(2, other))


@register(
    "copysign",
    numbers="other",
    node=by_number("Copysign", tensors=0, numbers={1: 1}),
    promote="float",
    method=True,
    inplace=True,
    out=True,
    saves="intermediate",
    watches="input@input result",
)
def copysign(input: Array, other: Array) -> Array:
    """The magnitude of ``input`` with the sign of ``other``; the gradient at 0 is 0.

    Raises:
        NotImplementedError: complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("copysign_cpu", "c", input)
    other = lax.stop_gradient(other)
    fixed = jnp.copysign(lax.stop_gradient(input), other)
    flip = jnp.where(jnp.signbit(input) == jnp.signbit(other), 1, -1).astype(input.dtype)
    return jnp.where((input == 0) | jnp.isnan(input), fixed, input * flip)


@register(
    "nextafter",
    numbers="",
    node="NextafterBackward0",
    promote="default",
    opmath=False,
    method=True,
    inplace=True,
    out=True,
)
def nextafter(input: Array, other: Array) -> Array:
    """The number next to ``input`` in the direction of ``other`` that its type can hold.

    Raises:
        NotImplementedError: integers, booleans and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("nextafter_cpu", "bic", input)
    return neighbour(input, other)


@slopes(lambda result, x, y: (x != y).astype(x.dtype), None)
def neighbour(x: Array, y: Array) -> Array:
    """``jnp.nextafter``, a step beside ``x``, which receives the gradient."""
    return jnp.nextafter(x, y)


@register("heaviside", numbers="", node=None, promote=None, saves="", method=True, inplace=True, out=True)
def heaviside(input: Array, values: Array) -> Array:
    """0 below 0, ``values`` at 0, 1 above.

    Raises:
        RuntimeError: complex numbers, or operands of different types.
    """
    if kind(input) == "c" or kind(values) == "c":
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    check_broadcast(input, values)
    return jnp.where(input == 0, values, (input > 0).astype(input.dtype))
