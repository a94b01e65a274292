"""Arithmetic: sums, products, quotients, remainders, powers and what is built of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch import dtypes
from jtorch.ops._checks import check_broadcast, check_types, kind, not_implemented, reject_kinds, type_name
from jtorch.ops._gradients import slopes
from jtorch.ops._nodes import by_number
from jtorch.ops._quotient import quotient
from jtorch.ops._registry import register


def scaled(x: Array, alpha: Any) -> Array:
    """``alpha * x`` in the type of ``x``; ``x`` itself while ``alpha`` is the default 1.

    Raises:
        RuntimeError: an ``alpha`` of a higher kind than ``x``.
    """
    if not hasattr(alpha, "dtype"):
        return x
    if kind(alpha) in "fc" and kind(x) in "bi":
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if kind(alpha) == "c" and kind(x) != "c":
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")
    return x * alpha.astype(x.dtype)


@register(
    "add",
    numbers="input other alpha",
    node="AddBackward0",
    promote="default",
    promoted="input other",
    saves="",
    method=True,
    inplace=True,
    out=True,
    operators="__add__ __radd__ __iadd__",
)
def add(input: Array, other: Array, *, alpha: Array | int = 1) -> Array:
    """``input + alpha * other``; a logical or of booleans."""
    check_broadcast(input, other)
    return jnp.add(input, scaled(other, alpha))


def _is_bool(given: Any) -> bool:
    """Whether a tensor or number, as :func:`check_types` gives them, is boolean."""
    return given is bool or getattr(given, "dtype", None) is dtypes.bool_


def check_sub(input: Any, other: Any, alpha: Any = None) -> None:
    if _is_bool(input) and _is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. "
            "Use the `^` or `logical_xor()` operator instead."
        )
    if _is_bool(input) or _is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert "
            "a mask, use the `~` or `logical_not()` operator instead."
        )
    check_alpha(input, other, alpha)


def check_alpha(input: Any, other: Any, alpha: Any = None) -> None:
    if _is_bool(alpha) and not (_is_bool(input) and _is_bool(other)):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")


check_types("add", check_alpha)
check_types("sub rsub", check_sub)


@register(
    "sub",
    numbers="input other alpha",
    node="SubBackward0",
    promote="default",
    promoted="input other",
    saves="",
    method=True,
    inplace=True,
    out=True,
    operators="__sub__ __rsub__ __isub__",
    aliases="subtract",
)
def sub(input: Array, other: Array, *, alpha: Array | int = 1) -> Array:
    """``input - alpha * other``.

    Raises:
        RuntimeError: booleans.
    """
    check_broadcast(input, other)
    return input - scaled(other, alpha)


@register(
    "rsub",
    numbers="other alpha",
    node=by_number("Rsub", tensors=0, numbers={1: 1}),
    promote="default",
    promoted="input other",
    saves="",
)
def rsub(input: Array, other: Array, *, alpha: Array | int = 1) -> Array:
    """``other - alpha * input``, the reverse of :func:`sub`."""
    check_broadcast(input, other)
    return other - scaled(input, alpha)


@register(
    "mul",
    numbers="input other",
    node="MulBackward0",
    promote="default",
    method=True,
    inplace=True,
    out=True,
    operators="__mul__ __rmul__ __imul__",
    aliases="multiply",
)
def mul(input: Array, other: Array) -> Array:
    """``input * other``; a logical and of booleans."""
    check_broadcast(input, other)
    return input * other


@register(
    "div",
    numbers="input other",
    node="DivBackward0",
    promote="float",
    method=True,
    inplace=True,
    out=True,
    operators="__truediv__ __itruediv__ __div__ __idiv__",
    aliases="divide true_divide",
)
def div(input: Array, other: Array) -> Array:
    """``input / other``, integers in the default floating dtype. See ``div.mode`` for ``rounding_mode``."""
    check_broadcast(input, other)
    return quotient(input, other) if kind(input) == "f" else input / other


def check_rounding_mode(rounding_mode: str) -> None:
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )


@register(
    "div.mode",
    numbers="input other",
    node="DivBackward2",
    static="rounding_mode",
    promote="default",
    opmath=False,
    function=False,
    inplace=True,
    out=True,
)
def div_rounded(input: Array, other: Array, *, rounding_mode: str) -> Array:
    """The quotient rounded towards zero (``"trunc"``) or minus infinity (``"floor"``); integers stay such.

    Raises:
        RuntimeError: another ``rounding_mode``.
        NotImplementedError: booleans and complex numbers.
    """
    check_broadcast(input, other)
    check_rounding_mode(rounding_mode)
    reject_kinds(f"div_{rounding_mode}_cpu", "bc", input)
    if rounding_mode == "floor":
        wide = [
            x.astype(jnp.promote_types(x.dtype, jnp.float32)) if kind(x) == "f" else x for x in (input, other)
        ]
        return floor_quotient(*wide).astype(input.dtype)
    if kind(input) == "i":
        return lax.div(*jnp.broadcast_arrays(input, other))
    # PyTorch rounds the quotient to half precision before it cuts it off; XLA might keep float32 otherwise.
    limits = jnp.finfo(input.dtype)
    return jnp.trunc(lax.reduce_precision(input / other, limits.nexp, limits.nmant))


def floor_quotient(input: Array, other: Array) -> Array:
    """The floor of the exact quotient, with the sign of a zero and the infinities of C's division.

    Rounding ``input / other`` may land one too high; CPython derives the quotient from the exact remainder
    instead, and so does PyTorch.
    """
    if kind(input) == "i":
        # Differs from PyTorch: division of integers by 0 is no error unless the caller knows the divisor.
        return jnp.floor_divide(input, other)
    input, other = jnp.broadcast_arrays(lax.stop_gradient(input), lax.stop_gradient(other))
    quotient = input / other
    rest = lax.rem(input, other)
    whole = (input - rest) / other
    whole = jnp.where((rest != 0) & ((rest < 0) != (other < 0)), whole - 1, whole)
    floored = jnp.floor(whole)
    floored = jnp.where(whole - floored > 0.5, floored + 1, floored)
    zero = jnp.copysign(jnp.zeros_like(quotient), quotient)
    return jnp.where(other == 0, quotient, jnp.where(whole == 0, zero, floored))


@register(
    "floor_divide",
    numbers="input other",
    node=None,
    promote="default",
    saves="",
    method=True,
    inplace=True,
    out=True,
    operators="__floordiv__ __rfloordiv__ __ifloordiv__",
)
def floor_divide(input: Array, other: Array) -> Array:
    """The floor of the quotient, in the operands' common dtype.

    Raises:
        NotImplementedError: booleans and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("div_floor_cpu", "bc", input)
    return floor_quotient(input, other)


@register(
    "remainder",
    numbers="input other",
    node=by_number("Remainder", tensors=1, numbers={1: 0}),
    promote="default",
    method=True,
    inplace=True,
    out=True,
    operators="__mod__ __rmod__ __imod__",
    saves="intermediate",
    watches="input@other other@other",
)
def remainder(input: Array, other: Array) -> Array:
    """The rest of ``input`` after whole multiples of ``other``, with the sign of ``other`` (Python's ``%``).

    Raises:
        NotImplementedError: booleans and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("remainder_cpu", "bc", input)
    return jnp.remainder(input, other)


@register(
    "fmod",
    numbers="other",
    node=by_number("Fmod", tensors=1, numbers={1: 0}),
    promote="default",
    method=True,
    inplace=True,
    out=True,
)
def fmod(input: Array, other: Array) -> Array:
    """The rest of ``input`` after whole multiples of ``other``, with the sign of ``input`` (C's ``fmod``).

    Raises:
        NotImplementedError: booleans and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("fmod_cpu", "bc", input)
    return lax.rem(*jnp.broadcast_arrays(input, other))


def is_number(x: Any) -> bool:
    """Whether an operand is part of the program: a Python number or a NumPy scalar."""
    return isinstance(x, bool | int | float | complex | np.generic)


def integer_power(input: Array, exponent: Array) -> Array:
    """``input ** exponent`` of integers, where a negative exponent leaves 0 of all bases but 1 and -1."""
    result = _whole_power(input, jnp.maximum(exponent, 0))
    if not jnp.issubdtype(exponent.dtype, jnp.signedinteger):
        return result
    odd = jnp.where(exponent % 2 == 0, jnp.ones_like(input), input)
    unit = jnp.where(input == 1, jnp.ones_like(input), jnp.where(input == -1, odd, jnp.zeros_like(input)))
    return jnp.where(exponent < 0, unit, result)


def _whole_power(base: Array, exponent: Array) -> Array:
    """``base ** exponent`` in the arithmetic of the type; JAX's reads the last 6 bits of an exponent only."""
    low = jnp.power(base, exponent & 63)

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        result, square, rest = state
        return jnp.where(rest & 1 == 1, result * square, result), square * square, rest >> 1

    start = low, lax.integer_pow(base, 64), exponent >> 6
    return lax.while_loop(lambda state: jnp.any(state[2] > 0), step, start)[0]


def power_of_number(input: Array, exponent: Any) -> Array:
    """``input ** exponent`` for an exponent that is part of the program; small whole ones are products."""
    if kind(input) in "bi":
        if exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        return lax.integer_pow(input, int(exponent)) if exponent else jnp.ones_like(input)
    if isinstance(exponent, complex | np.complexfloating):
        return power_of_tensors(input, jnp.asarray(exponent, input.dtype))
    if exponent == 0.5:
        return jnp.sqrt(input)
    if exponent in (1, 2, 3, 4):
        return _product(int(exponent))(input)
    if exponent in (-2, -1, 0):
        return lax.integer_pow(input, int(exponent)) if exponent else jnp.ones_like(input)
    return power_of_tensors(input, jnp.asarray(exponent, input.dtype))


@cache
def _product(exponent: int) -> Callable[[Array], Array]:
    """``x ** exponent`` whose derivatives have a history up to the last that is not 0, as PyTorch's have."""

    def slope(result: Array, x: Array) -> Array:
        if exponent == 0:
            return jnp.zeros_like(x)
        return exponent * _product(exponent - 1)(x)

    def power(x: Array) -> Array:
        # The power 0 is 1 to XLA, and depends on x to JAX.
        return lax.integer_pow(x, exponent) if exponent else lax.pow(x, jnp.zeros_like(x))

    return slopes(slope)(power)


def base_slope(result: Array, x: Array, y: Array) -> Array:
    """``y * x ** (y - 1)``, 0 for the exponent 0 whatever the base."""
    return jnp.where(y == 0, 0, y * power_of_tensors(x, jnp.where(y == 0, 1, y - 1)))


def exponent_slope(result: Array, x: Array, y: Array) -> Array:
    """``result * log(x)``, 0 at base 0 unless the exponent is negative."""
    flat = (x == 0) & (jnp.real(y) >= 0) & (jnp.imag(y) == 0 if kind(y) == "c" else True)
    return jnp.where(flat, 0, result * jnp.log(jnp.where(flat, 1, x)))


@slopes(base_slope, exponent_slope)
def power_of_tensors(x: Array, y: Array) -> Array:
    """``jnp.power`` of floating or complex numbers with PyTorch's slopes at 0."""
    result = jnp.power(x, y)
    # JAX goes by way of the logarithm, which 0 has not.
    return jnp.where((x == 0) & (jnp.real(y) > 0), 0, result) if kind(y) == "c" else result


def power(input: Any, exponent: Any) -> Array:
    """``input ** exponent`` of operands of one type, of which one may be a number in the program."""
    if is_number(exponent):
        return power_of_number(input, exponent)
    if is_number(input):
        input = jnp.asarray(input, exponent.dtype)
    if kind(input) == "i":
        return integer_power(*jnp.broadcast_arrays(input, exponent))
    return power_of_tensors(input, exponent)


def _power_watches(args: Mapping[str, Any]) -> str:
    """The gradient of an exponent that is a tensor reads the result."""
    return "result" if hasattr(args["exponent"], "shape") else ""


@register(
    "pow",
    numbers="input exponent",
    node=by_number("Pow", tensors=1, numbers={1: 0, 0: 2}),
    promote="default",
    baked="input exponent",
    method=True,
    inplace=True,
    out=True,
    operators="__pow__ __rpow__ __ipow__",
    watches=_power_watches,
)
def pow_(input: Array, exponent: Array) -> Array:
    """``input ** exponent``; a number is part of the program, so that small whole exponents become products.

    Raises:
        RuntimeError: integers to a negative number.
        NotImplementedError: booleans.
    """
    check_broadcast(input, exponent)
    reject_kinds("pow", "b", exponent if is_number(input) else input)
    return power(input, exponent)


@register(
    "float_power",
    numbers="input exponent",
    node=by_number("Pow", tensors=1, numbers={1: 0, 0: 2}),
    promote=None,
    baked="input exponent",
    method=True,
    inplace=True,
    out=True,
    saves="intermediate",
    watches=_power_watches,
)
def float_power(input: Array, exponent: Array) -> Array:
    """``input ** exponent`` in float64, or complex128 if either operand is complex."""
    check_broadcast(input, exponent)
    number = is_number(input), is_number(exponent)
    is_complex = any(
        isinstance(x, complex) if n else kind(x) == "c"
        for x, n in zip((input, exponent), number, strict=True)
    )
    dtype = jnp.complex128 if is_complex else jnp.float64
    return power(*(x if n else x.astype(dtype) for x, n in zip((input, exponent), number, strict=True)))


@register("square", numbers="", node="PowBackward0", promote="default", method=True, inplace=True, out=True)
def square(input: Array) -> Array:
    """``input * input``; int64 for booleans."""
    return power_of_number(input.astype(jnp.int64) if kind(input) == "b" else input, 2)


@register(
    "neg",
    node="NegBackward0",
    promote="default",
    saves="",
    method=True,
    inplace=True,
    out=True,
    operators="__neg__",
    aliases="negative",
)
def neg(input: Array) -> Array:
    """``-input``.

    Raises:
        RuntimeError: booleans.
    """
    if kind(input) == "b":
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    return -input


@register("positive", node="AliasBackward0", promote=None, saves="", method=True, operators="__pos__")
def positive(input: Array) -> Array:
    """``input`` itself.

    Raises:
        RuntimeError: booleans.
    """
    if kind(input) == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@register(
    "abs",
    node="AbsBackward0",
    promote="default",
    method=True,
    inplace=True,
    out=True,
    operators="__abs__",
    aliases="absolute",
)
def abs_(input: Array) -> Array:
    """The absolute value; of a complex number its modulus, which is real. The gradient at 0 is 0.

    Raises:
        NotImplementedError: booleans.
    """
    reject_kinds("abs_cpu", "b", input)
    if kind(input) == "c":
        return modulus(input)
    return jnp.abs(input) if kind(input) == "i" else abs_real(input)


@slopes(lambda result, x: real_sign(x))
def abs_real(x: Array) -> Array:
    """``jnp.abs``, whose slope at 0 is 0."""
    return jnp.abs(x)


@jax.custom_jvp
def modulus(z: Array) -> Array:
    """``jnp.abs`` of complex numbers, whose slope at 0 is 0."""
    return jnp.abs(z)


@modulus.defjvp
def modulus_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return modulus(primals[0]), jnp.real(jnp.conj(sgn(primals[0])) * tangents[0])


@register("sign", node="SignBackward0", promote=None, saves="", method=True, inplace=True, out=True)
def sign(input: Array) -> Array:
    """-1, 0 or 1; booleans stay as they are, and nan has sign 0 as in PyTorch.

    Raises:
        NotImplementedError: complex numbers.
    """
    if kind(input) == "c":
        raise NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use "
            "torch.sgn instead."
        )
    return real_sign(input)


def real_sign(input: Array) -> Array:
    if kind(input) == "b":
        return input
    if kind(input) == "i":
        return jnp.sign(input)
    return jnp.where(jnp.isnan(input), jnp.zeros_like(input), jnp.sign(input))


@register("sgn", node="SgnBackward0", promote=None, method=True, inplace=True, out=True, saves="input result")
def sgn(input: Array) -> Array:
    """The sign; of a complex number ``input / abs(input)``, and 0 at 0."""
    if kind(input) != "c":
        return real_sign(input)
    zero = input == 0
    safe = jnp.where(zero, jnp.ones_like(input), input)
    return jnp.where(zero, jnp.zeros_like(input), safe / jnp.abs(safe))


@register(
    "reciprocal",
    node="ReciprocalBackward0",
    promote="float",
    saves="result",
    method=True,
    inplace=True,
    out=True,
)
def reciprocal(input: Array) -> Array:
    """``1 / input``."""
    return _reciprocal(input)


@slopes(lambda result, x: -(result * result))
def _reciprocal(x: Array) -> Array:
    return 1 / x


@register("sqrt", node="SqrtBackward0", promote="float", saves="result", method=True, inplace=True, out=True)
def sqrt(input: Array) -> Array:
    """The square root; nan below 0."""
    return jnp.sqrt(input)


@register(
    "rsqrt", node="RsqrtBackward0", promote="float", saves="result", method=True, inplace=True, out=True
)
def rsqrt(input: Array) -> Array:
    """``1 / sqrt(input)``."""
    return lax.rsqrt(input)


@register(
    "addcmul",
    numbers="value",
    node="AddcmulBackward0",
    promote="default",
    promoted="input tensor1 tensor2",
    saves="tensor1 tensor2",
    method=True,
    inplace=True,
    out=True,
)
def addcmul(input: Array, tensor1: Array, tensor2: Array, *, value: Array | int = 1) -> Array:
    """``input + value * tensor1 * tensor2``.

    Raises:
        NotImplementedError: booleans.
    """
    check_broadcast(input, tensor1, tensor2)
    reject_kinds("addcmul_cpu_out", "b", input)
    return input + as_type_of(value, input) * tensor1 * tensor2


def as_type_of(value: Any, input: Array) -> Any:
    """A number operand in the type of ``input``; one left at its default is weak already."""
    return value.astype(input.dtype) if hasattr(value, "dtype") else value


def _check_addcdiv(input: Any, tensor1: Any, tensor2: Any, value: Any = None) -> None:
    if all(x.dtype.category < dtypes.FLOAT for x in (tensor1, tensor2) if hasattr(x, "dtype")):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will "
            "perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be "
            "implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer "
            "inputs and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv "
            "behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all dtypes."
        )


check_types("addcdiv", _check_addcdiv)


@register(
    "addcdiv",
    numbers="value",
    node="AddcdivBackward0",
    promote="default",
    promoted="input tensor1 tensor2",
    saves="tensor1 tensor2",
    watches="tensor2",
    method=True,
    inplace=True,
    out=True,
)
def addcdiv(input: Array, tensor1: Array, tensor2: Array, *, value: Array | int = 1) -> Array:
    """``input + value * tensor1 / tensor2``.

    Raises:
        RuntimeError: integers.
    """
    check_broadcast(input, tensor1, tensor2)
    return input + as_type_of(value, input) * tensor1 / tensor2


@register(
    "lerp",
    numbers="weight",
    node=by_number("Lerp", tensors=1, numbers={2: 0}),
    promote=None,
    opmath=True,
    method=True,
    inplace=True,
    out=True,
)
def lerp(input: Array, end: Array, weight: Array) -> Array:
    """``input + weight * (end - input)``, exact at both ends: from weight 1/2 on, back from ``end``.

    Raises:
        RuntimeError: operands of different types.
        NotImplementedError: integers.
    """
    check_broadcast(input, end, weight)
    for name, x in (("end", end), ("weight", weight)):
        if x.dtype != input.dtype and (name == "end" or x.ndim):
            raise RuntimeError(f"expected dtype {type_name(input)} for `{name}` but got dtype {type_name(x)}")
    if kind(input) in "bi":
        raise not_implemented("lerp_kernel_tensor" if weight.ndim else "lerp_kernel_scalar", input)
    weight = weight.astype(input.dtype)
    span = end - input
    return jnp.where(jnp.abs(weight) < 0.5, input + weight * span, end - span * (1 - weight))


@register(
    "hypot",
    numbers="",
    node="HypotBackward0",
    promote="default",
    method=True,
    inplace=True,
    out=True,
    saves="intermediate",
    watches="input@input other@other result",
)
def hypot(input: Array, other: Array) -> Array:
    """``sqrt(input**2 + other**2)`` without overflow in the squares.

    Raises:
        NotImplementedError: integers, booleans and complex numbers.
    """
    check_broadcast(input, other)
    reject_kinds("hypot_cpu", "bic", input)
    return hypot_real(input, other)


@slopes(lambda result, x, y: x / result, lambda result, x, y: y / result)
def hypot_real(x: Array, y: Array) -> Array:
    """``jnp.hypot``, whose slopes at the origin are nan as in PyTorch."""
    return jnp.hypot(x, y)
