"""Activation functions: one number in, one number out (``glu`` and ``prelu`` apart).

Piecewise ones are ``jnp.where`` over PyTorch's conditions, so that values and gradients at corners are its
own.
"""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import kind, reject_kinds, scalar_type, wrap_dim
from jtorch.ops._gradients import slopes
from jtorch.ops._half import widened
from jtorch.ops._plain import chosen, number
from jtorch.ops._registry import register

__all__ = ["logsigmoid", "sigmoid", "softplus"]

#: Functions of floating numbers that keep the dtype, half types being computed in float32.
activation = partial(register, promote="default", promoted="input")


@register(
    "sigmoid",
    node="SigmoidBackward0",
    promote="float",
    saves="result",
    method=True,
    inplace=True,
    out=True,
    aliases="nn.functional.sigmoid special.expit",
)
def sigmoid(input: Array) -> Array:
    """``1 / (1 + exp(-input))``."""
    return lax.logistic(input)


@register(
    "tanh",
    node="TanhBackward0",
    promote="float",
    saves="result",
    method=True,
    inplace=True,
    out=True,
    aliases="nn.functional.tanh",
)
def tanh(input: Array) -> Array:
    """The hyperbolic tangent."""
    return jnp.tanh(input)


def check_clamped(name: str, input: Array) -> None:
    """Types that ``relu`` and ``hardtanh`` lack."""
    if kind(input) == "b":
        text = (
            "Boolean inputs not supported for relu"
            if name == "relu"
            else "Bool inputs not supported for hardtanh"
        )
        raise RuntimeError(text)
    if kind(input) == "c":
        raise NotImplementedError("clamp is not supported for complex types")


@activation(
    "relu", node="ReluBackward0", saves="result", method=True, inplace=True, aliases="nn.functional.relu"
)
def relu(input: Array) -> Array:
    """``max(input, 0)``; the gradient at 0 is 0."""
    check_clamped("relu", input)
    return chosen(lax.le(input, number(0, input)), 0, input)


@activation(
    "nn.functional.hardtanh", node="HardtanhBackward0", static="min_val max_val", saves="input", inplace=True
)
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """``input`` limited to [``min_val``, ``max_val``]; the gradient at both bounds is 0.

    Raises:
        ValueError: the bounds are in the wrong order.
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    check_clamped("hardtanh", input)
    if kind(input) == "i":
        min_val, max_val = int(min_val), int(max_val)
        if jnp.issubdtype(input.dtype, jnp.unsignedinteger) and min_val < 0:
            raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    low, high = (np.asarray(limit, input.dtype) for limit in (min_val, max_val))
    return jnp.where(input <= low, low, jnp.where(input >= high, high, input))


@activation("nn.functional.relu6", node="HardtanhBackward0", saves="input", inplace=True)
def relu6(input: Array) -> Array:
    """``input`` limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0)


@activation(
    "nn.functional.leaky_relu",
    node="LeakyReluBackward0",
    static="negative_slope",
    saves="input",
    inplace=True,
)
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """``input`` where positive, else ``negative_slope * input``."""
    reject_kinds("leaky_relu_cpu", "bic", input)
    return jnp.where(input > 0, input, input * negative_slope)


def exponential_linear(input: Array, scale: float, negative: float, inside: float) -> Array:
    """``scale * x`` above 0, ``negative * (exp(inside * x) - 1)`` from 0 downwards."""
    reject_kinds("elu_cpu", "bic", input)
    # The branch that is not taken must stay finite, or its gradient would be 0 * inf.
    below = jnp.where(input <= 0, input, jnp.zeros_like(input))
    return jnp.where(input <= 0, jnp.expm1(below * inside) * negative, input * scale)


@activation("nn.functional.elu", node="EluBackward0", static="alpha", saves="input", inplace=True)
def elu(input: Array, alpha: float = 1.0) -> Array:
    """``input`` where positive, else ``alpha * (exp(input) - 1)``."""
    return exponential_linear(input, 1.0, alpha, 1.0)


@activation(
    "selu", node="EluBackward0", saves="input", method=False, inplace=True, aliases="nn.functional.selu"
)
def selu(input: Array) -> Array:
    """The scaled ``elu`` that keeps mean 0 and variance 1 through deep networks.

    Reference: Klambauer et al., "Self-Normalizing Neural Networks", 2017, https://arxiv.org/abs/1706.02515
    """
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return exponential_linear(input, scale, alpha * scale, 1.0)


@activation(
    "celu",
    node="CeluBackward0",
    static="alpha",
    saves="input",
    inplace=True,
    aliases="nn.functional.celu",
)
def celu(input: Array, alpha: float = 1.0) -> Array:
    """``input`` where positive, else ``alpha * (exp(input / alpha) - 1)``.

    Raises:
        RuntimeError: ``alpha`` is 0.
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return exponential_linear(input, 1.0, alpha, 1.0 / alpha)


@activation("nn.functional.gelu", node="GeluBackward0", static="approximate", saves="input", out=True)
def gelu(input: Array, *, approximate: str = "none") -> Array:
    """``input`` times the normal distribution function of ``input``.

    Args:
        input: floating.
        approximate: ``"tanh"`` for the approximation by a hyperbolic tangent.

    Raises:
        RuntimeError: another ``approximate``.

    Reference: Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1606.08415
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    reject_kinds("GeluKernelImpl", "bic", input)
    if approximate == "tanh":
        return jax.nn.gelu(input, approximate=True)
    # As PyTorch computes it, and half the time of jax.nn.gelu's complement of the error function.
    half, root = number(0.5, input), number(math.sqrt(0.5), input)
    return lax.mul(lax.mul(input, half), lax.add(number(1, input), lax.erf(lax.mul(input, root))))


@activation("nn.functional.silu", node="SiluBackward0", saves="input", inplace=True)
def silu(input: Array) -> Array:
    """``input * sigmoid(input)``."""
    reject_kinds("silu_cpu", "bi", input)
    return input * lax.logistic(input)


@activation("nn.functional.mish", node="MishBackward0", saves="input", inplace=True)
def mish(input: Array) -> Array:
    """``input * tanh(softplus(input))``."""
    reject_kinds("mish_cpu", "bic", input)
    return input * jnp.tanh(jax.nn.softplus(input))


@activation("nn.functional.hardswish", node="HardswishBackward0", saves="input", inplace=True)
def hardswish(input: Array) -> Array:
    """``input * relu6(input + 3) / 6``."""
    reject_kinds("hardswish_cpu", "bic", input)
    return hardswish_of_floats(input)


@slopes(lambda result, x: jnp.where(x <= -3, 0, jnp.where(x < 3, x / 3 + 0.5, 1)))
def hardswish_of_floats(x: Array) -> Array:
    """-0.0 below -3, nan for minus infinity, as the product gives them."""
    return jnp.where(x <= -3, x * 0, jnp.where(x >= 3, x, x * (x + 3) / 6))


@activation("nn.functional.hardsigmoid", node="HardsigmoidBackward0", saves="input", inplace=True)
def hardsigmoid(input: Array) -> Array:
    """``relu6(input + 3) / 6``."""
    reject_kinds("hardsigmoid_cpu", "bic", input)
    inner = (input + 3) / 6
    return jnp.where(input <= -3, jnp.zeros_like(input), jnp.where(input >= 3, jnp.ones_like(input), inner))


@activation(
    "hardshrink",
    node="HardshrinkBackward0",
    static="lambd",
    saves="input",
    method=True,
    out=True,
    aliases="nn.functional.hardshrink",
)
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """``input`` outside of [``-lambd``, ``lambd``], else 0."""
    reject_kinds("hardshrink_cpu", "bic", input)
    return jnp.where((input >= -lambd) & (input <= lambd), jnp.zeros_like(input), input)


@activation("nn.functional.softshrink", node="SoftshrinkBackward0", static="lambd", saves="input", out=True)
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """``input`` moved towards 0 by ``lambd``, and 0 where it is nearer than that.

    Raises:
        RuntimeError: ``lambd`` is negative or too large for the dtype.
    """
    reject_kinds("softshrink_check", "bic", input)
    largest = float(jnp.finfo(input.dtype).max)
    if not 0 <= lambd <= largest:
        raise RuntimeError(
            f"lambda must be in range [0, {largest:g}] for input dtype {scalar_type(input)}, but found "
            f"{lambd:g}"
        )
    return jnp.where(
        input > lambd, input - lambd, jnp.where(input < -lambd, input + lambd, jnp.zeros_like(input) * input)
    )


@register("nn.functional.tanhshrink", node="SubBackward0", promote="float", saves="intermediate")
def tanhshrink(input: Array) -> Array:
    """``input - tanh(input)``."""
    return input - jnp.tanh(input)


@activation(
    "nn.functional.softplus", node="SoftplusBackward0", static="beta threshold", saves="input", out=True
)
def softplus(input: Array, beta: float = 1, threshold: float = 20) -> Array:
    """``log(1 + exp(beta * input)) / beta``, and ``input`` itself where ``beta * input > threshold``."""
    reject_kinds("softplus_cpu", "bic", input)
    linear = input * beta > threshold
    inside = jnp.where(linear, jnp.zeros_like(input), input)
    return jnp.where(linear, input, jnp.log1p(jnp.exp(inside * beta)) / beta)


@register("nn.functional.softsign", node="DivBackward0", promote="float", promoted="input")
def softsign(input: Array) -> Array:
    """``input / (1 + abs(input))``."""
    return input / (1 + jnp.abs(input))


@activation("nn.functional.logsigmoid", node="LogSigmoidBackward0", saves="input", out=True)
def logsigmoid(input: Array) -> Array:
    """``log(sigmoid(input))`` without underflow."""
    reject_kinds("log_sigmoid_cpu", "bic", input)
    return jax.nn.log_sigmoid(input)


@activation(
    "threshold",
    node="ThresholdBackward0",
    static="threshold value",
    saves="input",
    inplace=True,
    out=True,
    aliases="nn.functional.threshold",
)
def threshold(input: Array, threshold: float, value: float) -> Array:
    """``input`` above ``threshold``, else ``value``."""
    reject_kinds("threshold_cpu", "bc", input)
    if kind(input) == "i":
        threshold, value = int(threshold), int(value)
    return jnp.where(input <= threshold, jnp.asarray(value, input.dtype), input)


@activation("nn.functional.glu", node="GluBackward0", static="dim", saves="input", out=True)
def glu(input: Array, dim: int = -1) -> Array:
    """The first half of ``input`` along ``dim`` times the sigmoid of the second half.

    Raises:
        RuntimeError: a 0-d input, or an odd size.
    """
    reject_kinds("glu_cpu", "bic", input)
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    axis = wrap_dim(dim, input.ndim)
    if input.shape[axis] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {axis} is size {input.shape[axis]}"
        )
    left, right = jnp.split(input, 2, axis)
    return left * lax.logistic(right)


def check_prelu(input: Array, weight: Array) -> None:
    """One slope, or one per channel (dimension 1; 1 channel where there is none)."""
    if input.dtype != weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {scalar_type(input)} and {scalar_type(weight)}"
        )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.size != 1:
        if not input.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.size != channels:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. "
                f"Found parameter numbers = {weight.size} and channel size = {channels}."
            )
    reject_kinds("prelu_cpu", "bic", input)


@register(
    "prelu",
    node="PreluKernelBackward0",
    promote=None,
    method=True,
    aliases="nn.functional.prelu",
)
def prelu(input: Array, weight: Array) -> Array:
    """``input`` where positive, else ``weight * input``, with one slope in all or one per channel.

    Args:
        input: shape ``(N, C, *)``, or any with one slope.
        weight: 0-d, ``(1,)`` or ``(C,)``, of the dtype of ``input``.

    Raises:
        RuntimeError: dtypes that differ, or slopes that do not match the channels.
    """
    check_prelu(input, weight)
    dtype, input, weight = input.dtype, widened(input), widened(weight)
    if weight.size == 1:
        slope = weight.reshape(())
    elif input.ndim > 1:
        slope = weight.reshape(-1, *(1,) * (input.ndim - 2))
    else:
        slope = weight
    return jnp.where(input > 0, input, input * slope).astype(dtype)


@activation(
    "rrelu_with_noise", node="RreluWithNoiseBackward0", numbers="noise", function=False, saves="input noise"
)
def rrelu_with_noise(input: Array, noise: Array) -> Array:
    """``input`` where positive, else ``noise * input``; ``noise`` holds slopes drawn by the caller."""
    reject_kinds("leaky_relu_cpu", "bic", input)
    return jnp.where(input > 0, input, input * noise)
