"""Finite differences, powers of a vector, and norms held below a bound."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import kind, scalar_type, wrap_dim, wrap_dims
from jtorch.ops._registry import register

__all__ = ["diff", "gradient", "gradient_at", "linalg_vander", "vander"]


@register(
    node="SubBackward0", static="n dim", promote="default", opmath=False, saves="", method=True, out=True
)
def diff(
    input: Array, n: int = 1, dim: int = -1, prepend: Array | None = None, append: Array | None = None
) -> Array:
    """Differences of neighbours along ``dim``, ``n`` times over; of bool whether they differ.

    Args:
        input: at least 1 dim.
        n: how often.
        dim: the dimension.
        prepend: what is put before ``input`` along ``dim``.
        append: what is put after it.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: a 0-d input, a negative ``n``, a ``prepend`` or ``append`` that does not fit.
    """
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    dim = wrap_dim(dim, input.ndim)
    for x in (prepend, append):
        check_neighbour(input, x, dim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    x = jnp.concatenate([part for part in (prepend, input, append) if part is not None], dim)
    for _ in range(min(n, x.shape[dim])):
        after, before = _shifted(x, dim, 1, None), _shifted(x, dim, None, -1)
        x = after ^ before if kind(x) == "b" else after - before
    return x


def check_neighbour(input: Array, x: Array | None, dim: int) -> None:
    """What ``diff`` puts before or after ``input`` has its sizes but for ``dim``."""
    if x is None:
        return
    if x.ndim != input.ndim:
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    for axis, (n, m) in enumerate(zip(input.shape, x.shape, strict=True)):
        if axis != dim and n != m:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along "
                f"the differencing dimension; input.size({axis}) = {n}, but got tensor.size({axis}) = {m}"
            )


def _shifted(x: Array, dim: int, start: int | None, stop: int | None) -> Array:
    return x[(slice(None),) * dim + (slice(start, stop),)]


def check_gradient(input: Array, spacing: Any, dim: Any, edge_order: int) -> tuple[int, ...]:
    """Arguments of ``gradient``; returns the dimensions to differentiate along, in the order given."""
    listed = isinstance(spacing, tuple)
    if dim is not None:
        many = dim if isinstance(dim, tuple) else (dim,)
        if listed and len(spacing) != len(many):
            raise RuntimeError(
                "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim "
                "arguments "
                f"to have the same length, but got a spacing argument of length {len(spacing)} and a dim "
                f"argument of length {len(many)}."
            )
        wrap_dims(many, input.ndim)
        axes = tuple(wrap_dim(d, input.ndim) for d in many)
    else:
        if listed and len(spacing) != input.ndim:
            raise RuntimeError(
                "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
                f"'self.dim() = {input.ndim}', since dim argument was not given, but got a list of length "
                f"{len(spacing)}"
            )
        axes = tuple(range(input.ndim))
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    for axis in axes:
        if input.shape[axis] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return axes


def _weights(coordinates: Array, edge_order: int) -> tuple[Array, ...]:
    """Coefficients of the differences at uneven coordinates: three per inner point, and at both ends."""
    h = jnp.diff(coordinates)
    a, b = h[:-1], h[1:]
    inner = (-b / (a * (a + b)), (b - a) / (a * b), a / (b * (a + b)))
    if edge_order == 1:
        return (*inner, jnp.stack([-1 / h[0], 1 / h[0]]), jnp.stack([-1 / h[-1], 1 / h[-1]]))
    p, q = h[0], h[1]
    first = jnp.stack([-(2 * p + q) / (p * (p + q)), (p + q) / (p * q), -p / (q * (p + q))])
    p, q = h[-2], h[-1]
    last = jnp.stack([q / (p * (p + q)), -(p + q) / (p * q), (2 * q + p) / (q * (p + q))])
    return (*inner, first, last)


def _derivative(input: Array, axis: int, coordinates: Array, edge_order: int) -> Array:
    """Second-order central differences inside, one-sided ones of ``edge_order`` at the ends."""
    x = jnp.moveaxis(input, axis, -1)
    before, here, after, first, last = _weights(coordinates, edge_order)
    inner = before * x[..., :-2] + here * x[..., 1:-1] + after * x[..., 2:]
    n = edge_order + 1
    start = jnp.sum(first * x[..., :n], -1, keepdims=True)
    stop = jnp.sum(last * x[..., -n:], -1, keepdims=True)
    return jnp.moveaxis(jnp.concatenate([start, inner, stop], -1), -1, axis)


def _floating(input: Array) -> Array:
    return input.astype(jnp.float32) if kind(input) in "bi" else input


@register(node="CatBackward0", static="spacing dim edge_order", promote=None, saves="")
def gradient(
    input: Array, *, spacing: Any = None, dim: int | tuple[int, ...] | None = None, edge_order: int = 1
) -> tuple[Array, ...]:
    """Derivatives along dimensions, estimated from neighbours: second-order accurate inside.

    Args:
        input: values of the function on a grid.
        spacing: distance of neighbours, one number for all or one per dimension; 1 by default.
        dim: the dimensions; all by default.
        edge_order: order of the one-sided estimate at both ends, 1 or 2.

    Returns:
        One tensor of the shape of ``input`` per dimension.

    Raises:
        IndexError: a dimension out of range.
        RuntimeError: arguments that do not fit together, sizes of ``edge_order`` or less.
    """
    spacing = 1 if spacing is None else spacing
    axes = check_gradient(input, spacing, dim, edge_order)
    steps = spacing if isinstance(spacing, tuple) else (spacing,) * len(axes)
    x = _floating(input)
    real = jnp.zeros((), x.dtype).real.dtype
    return tuple(
        _derivative(x, axis, jnp.arange(x.shape[axis]).astype(real) * jnp.asarray(step, real), edge_order)
        for axis, step in zip(axes, steps, strict=True)
    )


@register("gradient.coordinates", node="CatBackward0", static="dim edge_order", lists="spacing", promote=None)
def gradient_at(
    input: Array, *, spacing: tuple[Array, ...], dim: int | tuple[int, ...] | None = None, edge_order: int = 1
) -> tuple[Array, ...]:
    """:func:`gradient` on an uneven grid, given by the vector of its coordinates along each dimension.

    Raises:
        IndexError: a dimension out of range.
        RuntimeError: arguments that do not fit together, sizes of ``edge_order`` or less.
    """
    axes = check_gradient(input, spacing, dim, edge_order)
    for c in spacing:
        if c.ndim != 1:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, but got an element "
                f"with {c.ndim} dimensions!"
            )
    x = _floating(input)
    return tuple(
        _derivative(x, axis, c.astype(x.dtype), edge_order) for axis, c in zip(axes, spacing, strict=True)
    )


def _powers(x: Array, n: int) -> Array:
    """``x ** 0``, ``x ** 1``, ... along a new last dim of size ``n``, as running products."""
    if n == 0:
        return jnp.zeros((*x.shape, 0), x.dtype)
    factors = jnp.broadcast_to(x[..., None], (*x.shape, n - 1))
    ones = jnp.ones((*x.shape, 1), x.dtype)
    return jnp.cumprod(jnp.concatenate([ones, factors], -1), -1, dtype=x.dtype)


@register(node="FlipBackward0", static="N increasing", promote=None)
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """Vandermonde matrix: row i holds the powers of ``x[i]``, the highest first unless ``increasing``.

    Raises:
        RuntimeError: other than 1 dim, a negative ``N``.
    """
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    powers = _powers(x.astype(jnp.int64) if kind(x) in "bi" else x, n)
    return powers if increasing else powers[:, ::-1]


@register("linalg.vander", node="CumprodBackward0", static="N", promote=None)
def linalg_vander(x: Array, *, N: int | None = None) -> Array:
    """Vandermonde matrices of batches of vectors: entry (i, j) is ``x[i] ** j``.

    Raises:
        RuntimeError: bool, an ``N`` (or size) below 2.
    """
    if kind(x) == "b" or x.dtype in (jnp.float16, jnp.bfloat16):
        raise RuntimeError(
            f"linalg.vander supports floating point, complex, and integer tensors, but got {scalar_type(x)}"
        )
    x = jnp.atleast_1d(x)
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError("N must be greater than 1.")
    return _powers(x.astype(jnp.int64) if kind(x) == "i" else x, n)
