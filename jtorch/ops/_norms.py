"""The p-norm with PyTorch's choice of subgradients: the base of vector norms, distances and ``renorm``."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import kind, scalar_type, wrap_dim
from jtorch.ops._ranking import computed_once, extreme
from jtorch.ops._registry import register

__all__ = ["check_float", "p_norm", "renorm", "safe_sqrt", "sign"]


def sign(x: Array) -> Array:
    """X / abs(x), 0 at 0; constant for gradients of real numbers."""
    return jnp.sign(x)


@jax.custom_jvp
def safe_sqrt(x: Array) -> Array:
    """Square root with gradient 0 at 0."""
    return jnp.sqrt(x)


@safe_sqrt.defjvp
def _safe_sqrt_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    root = safe_sqrt(primals[0])
    zero = root == 0
    return root, jnp.where(zero, 0, tangents[0] / (2 * jnp.where(zero, 1, root)))


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def p_norm(x: Array, p: float, axes: tuple[int, ...]) -> Array:
    """(sum of abs(x) ** p) ** (1 / p) over ``axes``, which stay with size 1.

    Its limits: p = 0 counts what is not zero; p = inf and -inf are the largest and smallest absolute value.
    The gradient is 0 at 0, and shared evenly among equal extrema.
    """
    size = jnp.abs(x)
    reduce: dict[str, Any] = {"axis": axes, "keepdims": True}
    if p == 0:
        return jnp.sum(x != 0, **reduce).astype(size.dtype)
    if p == 1:
        return jnp.sum(size, **reduce)
    if p == 2:
        squares = x.real**2 + x.imag**2 if kind(x) == "c" else x * x
        return jnp.sqrt(jnp.sum(squares, **reduce))
    if math.isinf(p):
        return extreme(size, axes, p > 0, True)
    return jnp.sum(size**p, **reduce) ** (1 / p)


@p_norm.defjvp
def _p_norm_jvp(p: float, axes: tuple[int, ...], primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    x = computed_once(x) if math.isinf(p) else x
    norm = p_norm(x, p, axes)
    along = jnp.conj(_slope(x, norm, p, axes)) * dx
    return norm, jnp.sum(along.real if kind(x) == "c" else along, axis=axes, keepdims=True)


def _slope(x: Array, norm: Array, p: float, axes: tuple[int, ...]) -> Array:
    """Derivative of the norm by every element (for complex ones the direction of steepest ascent)."""
    zero = norm == 0
    positive = jnp.where(zero, 1, norm)
    if p == 0:
        return jnp.zeros_like(x)
    if p == 1:
        return sign(x)
    if p == 2:
        return jnp.where(zero, 0, x / positive)
    size = jnp.abs(x)
    if math.isinf(p):
        extreme = (size == norm) | (jnp.isnan(size) & jnp.isnan(norm))
        count = jnp.sum(extreme, axis=axes, keepdims=True).astype(norm.dtype)
        return jnp.where(extreme, sign(x) / jnp.maximum(count, 1), 0)
    scale = jnp.where(zero, 0, positive ** (1 - p))
    if p < 2:
        nothing = x == 0
        return jnp.where(nothing, 0, sign(x) * jnp.where(nothing, 1, size) ** (p - 1)) * scale
    return x * size ** (p - 2) * scale


@register(node="RenormBackward0", static="p dim maxnorm", promote=None, method=True, inplace=True, out=True)
def renorm(input: Array, p: float, dim: int, maxnorm: float) -> Array:
    """Shrink the slices along ``dim`` whose p-norm exceeds ``maxnorm`` to that norm; the others stay.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: fewer than 2 dims, a ``p`` that is not positive, a negative ``maxnorm``, integers.
    """
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    dim = wrap_dim(dim, input.ndim)
    check_float("linalg.vector_norm", input)
    x = input.astype(jnp.float32) if input.dtype in (jnp.float16, jnp.bfloat16) else input
    norm = p_norm(x, float(p), tuple(axis for axis in range(x.ndim) if axis != dim))
    # PyTorch's guard against dividing by zero.
    factor = jnp.where(norm > maxnorm, maxnorm / (norm + 1e-7), 1)
    return (x * factor).astype(input.dtype)


def check_float(op: str, x: Array) -> None:
    """Norms are of floating-point or complex numbers."""
    if kind(x) in "bi":
        raise RuntimeError(
            f"{op}: Expected a floating point or complex tensor as input. Got {scalar_type(x)}"
        )
