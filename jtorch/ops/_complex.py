"""Complex numbers from and to their parts."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import check_broadcast, kind, scalar_type
from jtorch.ops._registry import register


def check_parts(first: str, real: Array, second: str, imag: Array) -> None:
    floating = jnp.float16, jnp.float32, jnp.float64
    if real.dtype not in floating or imag.dtype not in floating:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{scalar_type(real)} and {scalar_type(imag)}"
        )
    if real.dtype != imag.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {scalar_type(real)} but got scalar type {scalar_type(imag)} "
            "for second argument"
        )
    if real.dtype == jnp.float16:
        raise NotImplementedError(
            f"'{first}' and '{second}' of float16 need complex32, which jtorch does not have"
        )
    check_broadcast(real, imag)


@register(
    "complex",
    numbers="",
    node="ComplexBackward0",
    promote=None,
    saves="",
    watches="real@real imag@imag",
    out=True,
)
def complex_(real: Array, imag: Array) -> Array:
    """``real + i * imag``.

    Raises:
        RuntimeError: types that differ, or are neither float32 nor float64.
    """
    check_parts("real", real, "imag", imag)
    return lax.complex(*jnp.broadcast_arrays(real, imag))


@register("polar", numbers="", node="PolarBackward0", promote=None, out=True, saves="result")
def polar(abs: Array, angle: Array) -> Array:
    """The number of modulus ``abs`` at ``angle`` radians from the positive real axis.

    Raises:
        RuntimeError: types that differ, or are neither float32 nor float64.
    """
    check_parts("abs", abs, "angle", angle)
    # Differs from PyTorch: at a negative modulus the gradient is right, where PyTorch's has the wrong sign.
    return lax.complex(abs * jnp.cos(angle), abs * jnp.sin(angle))


@register("conj", node="ConjBackward0", promote=None, saves="", method=True)
def conj(input: Array) -> Array:
    """The complex conjugate; real numbers stay as they are."""
    return jnp.conj(input) if kind(input) == "c" else input


@register(
    "conj_physical", node="ConjPhysicalBackward0", promote=None, saves="", method=True, inplace=True, out=True
)
def conj_physical(input: Array) -> Array:
    """:func:`conj`, a new tensor in PyTorch where that is a view."""
    return conj(input)


@register("resolve_conj", node="AliasBackward0", promote=None, saves="", method=True)
def resolve_conj(input: Array) -> Array:
    """``input``: no tensor is lazily conjugated here."""
    return input


@register("resolve_neg", node="AliasBackward0", promote=None, saves="", method=True)
def resolve_neg(input: Array) -> Array:
    """``input``: no tensor is lazily negated here."""
    return input


@register("angle", node="AngleBackward0", promote="float", method=True, out=True)
def angle(input: Array) -> Array:
    """The angle from the positive real axis, in (-pi, pi]; pi below and 0 above 0 for real numbers.

    The gradient at 0 is 0.
    """
    if kind(input) != "c":
        number = lax.stop_gradient(input)
        return jnp.where(jnp.isnan(number), number, jnp.where(number < 0, jnp.pi, 0.0)).astype(input.dtype)
    real, imag = jnp.real(input), jnp.imag(input)
    zero = input == 0
    fixed = lax.stop_gradient(lax.atan2(imag, real))
    return jnp.where(zero, fixed, lax.atan2(imag, jnp.where(zero, jnp.ones_like(real), real)))
