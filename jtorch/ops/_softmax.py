"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch import dtypes
from jtorch.ops._checks import kind, not_implemented, wrap_dim
from jtorch.ops._half import widened
from jtorch.ops._plain import number, total
from jtorch.ops._registry import register

__all__ = ["log_softmax", "softmax"]


def implicit_dim(ndim: int) -> int:
    """The dimension that PyTorch takes where ``dim`` is not given."""
    return 0 if ndim in (0, 1, 3) else 1


def normalized(name: str, function: Any, input: Array, dim: int, dtype: dtypes.dtype | None) -> Array:
    """``function`` along ``dim``, in float32 for half types, rounded once."""
    if dtype is not None:
        input = input.astype(dtype.numpy)
    axis = wrap_dim(dim, input.ndim)
    if kind(input) != "f":
        last = "lastdim_" if axis == max(input.ndim - 1, 0) else ""
        raise not_implemented(f"{name}_{last}kernel_impl", input)
    if not input.size:
        return input
    x = widened(input)
    return function(x if x.ndim else x[None], axis).reshape(input.shape).astype(input.dtype)


@register(
    "softmax",
    node="SoftmaxBackward0",
    static="dim dtype",
    promote=None,
    saves="result",
    method=True,
    out=True,
    aliases="special.softmax",
)
def softmax(input: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """``exp(input)``, divided by its sum along ``dim``.

    Args:
        input: floating, unless ``dtype`` is given.
        dim: the dimension that sums to 1.
        dtype: to convert ``input`` to before.
    """
    return normalized("softmax", jax.nn.softmax, input, dim, dtype)


@register(
    "log_softmax",
    node="LogSoftmaxBackward0",
    static="dim dtype",
    promote=None,
    saves="result",
    method=True,
    out=True,
    aliases="special.log_softmax",
)
def log_softmax(input: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """The logarithm of :func:`softmax`, without underflow."""
    return normalized("log_softmax", logarithms, input, dim, dtype)


def logarithms(x: Array, axis: int) -> Array:
    """``jax.nn.log_softmax``, whose largest number is kept from the derivative where it is found."""
    largest = lax.reduce_max(lax.stop_gradient(x), (axis,))
    largest = lax.max(number(-np.inf, x), largest)
    shifted = lax.sub(x, lax.expand_dims(largest, (axis,)))
    return lax.sub(shifted, lax.log(total(lax.exp(shifted), (axis,), keepdims=True)))


@register("_safe_softmax", node="SafeSoftmaxBackward0", static="dim dtype", promote=None)
def safe_softmax(input: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """:func:`softmax` that gives zeros, not nan, where everything along ``dim`` is minus infinity."""
    empty = jnp.all(input == -jnp.inf, wrap_dim(dim, input.ndim) if input.ndim else None, keepdims=True)
    result = softmax(jnp.where(empty, 0, input), dim, dtype)
    return jnp.where(empty, jnp.zeros((), result.dtype), result)


@register(
    "_softmax_backward_data", node="SoftmaxBackwardDataBackward0", static="dim input_dtype", promote=None
)
def softmax_backward_data(grad_output: Array, output: Array, dim: int, input_dtype: dtypes.dtype) -> Array:
    """The gradient of :func:`softmax`'s input, from its result and the gradient of that."""
    wide = grad_output.astype(widened(output).dtype) * output
    along = wrap_dim(dim, output.ndim) if output.ndim else None
    result = wide - output * jnp.sum(wide, along, keepdims=True)
    return result.astype(input_dtype.numpy)


@register(
    "_log_softmax_backward_data",
    node="LogSoftmaxBackwardDataBackward0",
    static="dim input_dtype",
    promote=None,
)
def log_softmax_backward_data(
    grad_output: Array, output: Array, dim: int, input_dtype: dtypes.dtype
) -> Array:
    """The gradient of :func:`log_softmax`'s input, from its result and the gradient of that."""
    wide = grad_output.astype(widened(output).dtype)
    along = wrap_dim(dim, output.ndim) if output.ndim else None
    result = wide - jnp.exp(output) * jnp.sum(wide, along, keepdims=True)
    return result.astype(input_dtype.numpy)


@register(
    "nn.functional.softmax",
    node="SoftmaxBackward0",
    static="dim _stacklevel dtype",
    promote=None,
    saves="result",
)
def functional_softmax(
    input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: dtypes.dtype | None = None
) -> Array:
    """:func:`softmax`; without ``dim``, along 0 for 0-, 1- and 3-d inputs and else 1, with a warning."""
    return softmax(input, implicit_dim(input.ndim) if dim is None else dim, dtype)


@register(
    "nn.functional.log_softmax",
    node="LogSoftmaxBackward0",
    static="dim _stacklevel dtype",
    promote=None,
    saves="result",
)
def functional_log_softmax(
    input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: dtypes.dtype | None = None
) -> Array:
    """:func:`log_softmax`, ``dim`` being optional as for ``nn.functional.softmax``."""
    return log_softmax(input, implicit_dim(input.ndim) if dim is None else dim, dtype)


@register(
    "nn.functional.softmin",
    node="SoftmaxBackward0",
    static="dim _stacklevel dtype",
    promote=None,
    saves="result",
)
def softmin(
    input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: dtypes.dtype | None = None
) -> Array:
    """:func:`softmax` of ``-input``."""
    return softmax(-input, implicit_dim(input.ndim) if dim is None else dim, dtype)
