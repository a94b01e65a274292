"""Distances and similarities of vectors."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._arithmetic import sub
from jtorch.ops._checks import check_broadcast, kind, reject_kinds, scalar_type, wrap_dim
from jtorch.ops._ranking import extreme
from jtorch.ops._registry import register

__all__ = ["p_norm", "pairwise_distance"]


def p_norm(x: Array, p: float, axis: int, keepdim: bool = False) -> Array:
    """``sum(abs(x) ** p) ** (1 / p)`` along ``axis``; the gradient is 0 where the norm is 0.

    Args:
        x: floating or complex.
        p: any number; infinities give the largest and the smallest modulus, 0 counts what is not 0.
        axis: of ``x``.
        keepdim: keep ``axis`` with size 1.
    """
    # The slope of the modulus at 0, which JAX takes as 1 there, is 0.
    size = jnp.where(x == 0, 0, jnp.abs(x))
    if p == 0:
        return jnp.sum((size != 0).astype(size.dtype), axis, keepdims=keepdim)
    if p == 1:
        return jnp.sum(size, axis, keepdims=keepdim)
    if math.isinf(p):
        return extreme(size, (axis,), p > 0, keepdim)
    if p == 2:
        powers = jnp.real(x) ** 2 + jnp.imag(x) ** 2 if kind(x) == "c" else x * x
        return root_of(jnp.sum(powers, axis, keepdims=keepdim), 2)
    # 0 to a power below 1 has an infinite slope, which PyTorch takes as 0.
    zero = size == 0
    powers = jnp.where(zero, 0 if p > 0 else jnp.inf, jnp.where(zero, 1, size) ** p)
    return root_of(jnp.sum(powers, axis, keepdims=keepdim), p)


def root_of(total: Array, p: float) -> Array:
    """``total ** (1 / p)``, whose gradient at 0 is 0."""
    zero = total == 0
    safe = jnp.where(zero, 1, total)
    root = jnp.sqrt(safe) if p == 2 else safe ** (1 / p)
    return jnp.where(zero, 0 if p > 0 else jnp.inf, root)


@register(
    "pairwise_distance",
    node="NormBackward1",
    static="p eps keepdim",
    promote="default",
    aliases="nn.functional.pairwise_distance",
    saves="result",
)
def pairwise_distance(
    x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Array:
    """The norm of ``x1 - x2 + eps`` over the last dimension.

    Args:
        x1: shape ``(*, D)``.
        x2: broadcasts with ``x1``.
        p: which norm.
        eps: keeps the gradient finite where both are equal.
        keepdim: keep the last dimension with size 1.
    """
    check_broadcast(x1, x2)
    difference = sub(x1, x2)
    if kind(difference) in "bi" and isinstance(eps, float):
        difference = difference.astype(np.float32)
    difference = difference + eps
    if not difference.ndim:
        return p_norm(difference[None], p, 0, keepdim).reshape(())
    if not difference.shape[-1] and math.isinf(p):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {p} norm on the dimension {difference.ndim - 1}because "
            "this "
            "dimension is empty and the operation does not have an identity"
        )
    return p_norm(difference, p, difference.ndim - 1, keepdim)


@register(
    "cosine_similarity",
    node="SumBackward1",
    static="dim eps",
    promote="default",
    saves="intermediate",
    watches="x1@x1 x2@x2",
    aliases="nn.functional.cosine_similarity",
)
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """The cosine of the angle between ``x1`` and ``x2``, vectors along ``dim``.

    Args:
        x1: floating.
        x2: broadcasts with ``x1``.
        dim: of the broadcast shape.
        eps: the least norm that either is divided by.

    Raises:
        RuntimeError: integers or complex numbers; ``eps`` below 0.
    """
    if kind(x1) != "f":
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {scalar_type(x1)}"
        )
    check_broadcast(x1, x2)
    if not eps >= 0:
        raise RuntimeError(f"eps must be non-negative, got: {eps:g}")
    x1, x2 = jnp.broadcast_arrays(x1, x2)
    axis = wrap_dim(dim, x1.ndim)
    if not x1.ndim:
        return cosine(x1[None], x2[None], 0, eps)
    return cosine(x1, x2, axis, eps)


def cosine(x1: Array, x2: Array, axis: int, eps: float) -> Array:
    """The scalar product of both after division by their norms, which are ``eps`` at least."""

    def scaled(x: Array) -> Array:
        norm = p_norm(x, 2, axis, keepdim=True)
        # PyTorch raises the norm in place without telling autograd: the gradient passes.
        norm = jnp.where(norm < eps, eps + (norm - lax.stop_gradient(norm)), norm)
        return x / norm

    return jnp.sum(scaled(x1) * scaled(x2), axis)


@register(
    "pdist",
    node="PdistBackward0",
    static="p",
    promote=None,
    watches="result",
    aliases="nn.functional.pdist",
)
def pdist(input: Array, p: float = 2.0) -> Array:
    """Distances of all pairs of rows i < j, in the order of ``(0, 1), (0, 2), ..., (N - 2, N - 1)``.

    Args:
        input: shape ``(N, M)``, float32 or float64.
        p: which norm, not negative.

    Returns:
        Shape ``(N * (N - 1) / 2,)``.

    Raises:
        RuntimeError: other shapes or dtypes, or a negative ``p``.
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if kind(input) != "f":
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    if input.dtype not in (jnp.float32, jnp.float64):
        reject_kinds("pdist", "f", input)
    first, second = np.triu_indices(input.shape[0], 1)
    if not input.shape[1]:
        return jnp.zeros(first.shape, input.dtype)
    return p_norm(input[first] - input[second], p, 1)


@register(
    "nn.functional.normalize", node="DivBackward0", static="p dim eps", promote=None, opmath=True, out=True
)
def normalize(input: Array, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Array:
    """``input`` divided by its norm along ``dim``, or by ``eps`` where the norm is less.

    Args:
        input: floating or complex.
        p: which norm.
        dim: of the vectors.
        eps: least divisor.
    """
    if kind(input) in "bi":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {scalar_type(input)}"
        )
    axis = wrap_dim(dim, input.ndim)
    x = input if input.ndim else input[None]
    norm: Any = p_norm(x, p, axis, keepdim=True)
    return (x / jnp.where(norm < eps, eps, norm)).reshape(input.shape)
