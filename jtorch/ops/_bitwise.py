"""Logic on truth values and bits, and what else only integers have."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import check_broadcast, reject_kinds
from jtorch.ops._registry import register

logical = partial(register, node=None, promote=None, saves="", method=True, inplace=True, out=True)
bitwise = partial(
    register, node=None, promote="default", opmath=False, saves="", method=True, inplace=True, out=True
)


@logical("logical_and", numbers="")
def logical_and(input: Array, other: Array) -> Array:
    """Where both are true, that is not 0; boolean."""
    check_broadcast(input, other)
    return jnp.logical_and(input, other)


@logical("logical_or", numbers="")
def logical_or(input: Array, other: Array) -> Array:
    """Where either is true, that is not 0; boolean."""
    check_broadcast(input, other)
    return jnp.logical_or(input, other)


@logical("logical_xor", numbers="")
def logical_xor(input: Array, other: Array) -> Array:
    """Where exactly one is true, that is not 0; boolean."""
    check_broadcast(input, other)
    return jnp.logical_xor(input, other)


@logical("logical_not")
def logical_not(input: Array) -> Array:
    """Where ``input`` is 0; boolean."""
    return input == 0


@bitwise("bitwise_and", numbers="input other", operators="__and__ __rand__ __iand__")
def bitwise_and(input: Array, other: Array) -> Array:
    """The bits set in both, or the logical and of booleans.

    Raises:
        NotImplementedError: floating and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("bitwise_and_cpu", "fc", input)
    return input & other


@bitwise("bitwise_or", numbers="input other", operators="__or__ __ror__ __ior__")
def bitwise_or(input: Array, other: Array) -> Array:
    """The bits set in either, or the logical or of booleans.

    Raises:
        NotImplementedError: floating and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("bitwise_or_cpu", "fc", input)
    return input | other


@bitwise("bitwise_xor", numbers="input other", operators="__xor__ __rxor__ __ixor__")
def bitwise_xor(input: Array, other: Array) -> Array:
    """The bits set in exactly one, or the logical exclusive or of booleans.

    Raises:
        NotImplementedError: floating and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("bitwise_xor_cpu", "fc", input)
    return input ^ other


@bitwise("bitwise_not")
def bitwise_not(input: Array) -> Array:
    """All bits flipped, or the logical not of booleans.

    Raises:
        NotImplementedError: floating and complex numbers.
    """
    reject_kinds("bitwise_not_cpu", "fc", input)
    return ~input


@bitwise("bitwise_left_shift", numbers="input other", operators="__lshift__ __rlshift__ __ilshift__")
def bitwise_left_shift(input: Array, other: Array) -> Array:
    """``input * 2**other`` without overflow; 0 for a shift that is negative or not below the width.

    Raises:
        NotImplementedError: anything but integers.
    """
    check_broadcast(input, other)
    reject_kinds("lshift_cpu", "bfc", input)
    return lax.shift_left(*jnp.broadcast_arrays(input, other))


@bitwise("bitwise_right_shift", numbers="input other", operators="__rshift__ __rrshift__ __irshift__")
def bitwise_right_shift(input: Array, other: Array) -> Array:
    """``floor(input / 2**other)``; only the sign is left by a shift that is negative or not below the width.

    Raises:
        NotImplementedError: anything but integers.
    """
    check_broadcast(input, other)
    reject_kinds("rshift_cpu", "bfc", input)
    input, other = jnp.broadcast_arrays(input, other)
    signed = jnp.issubdtype(input.dtype, jnp.signedinteger)
    return lax.shift_right_arithmetic(input, other) if signed else lax.shift_right_logical(input, other)


@bitwise("gcd", numbers="")
def gcd(input: Array, other: Array) -> Array:
    """The greatest common divisor, not negative.

    Raises:
        NotImplementedError: anything but integers.
    """
    check_broadcast(input, other)
    reject_kinds("gcd_cpu", "bfc", input)
    return jnp.gcd(input, other)


@bitwise("lcm", numbers="")
def lcm(input: Array, other: Array) -> Array:
    """The least common multiple, not negative; 0 if either is 0.

    Raises:
        NotImplementedError: anything but integers.
    """
    check_broadcast(input, other)
    reject_kinds("lcm_cpu", "bfc", input)
    return jnp.lcm(input, other)
