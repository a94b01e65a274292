"""Products of vectors along a dimension, and distances of all pairs."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, ShapeDtypeStruct

from jtorch.ops._checks import check_broadcast, kind, not_implemented, scalar_type, wrap_dim
from jtorch.ops._matmul import product
from jtorch.ops._norms import check_float, p_norm, safe_sqrt
from jtorch.ops._plain import larger
from jtorch.ops._registry import register

__all__ = ["cdist", "cross", "linalg_cross", "vecdot"]

_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


def check_cdist(x1: Array, x2: Array, p: float, mode: str) -> None:
    """Shapes, types and options of ``cdist``."""
    if mode not in _MODES:
        raise ValueError(f"{mode} is not a valid value for compute_mode")
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    for name, x in (("X1", x1), ("X2", x2)):
        if kind(x) != "f":
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {scalar_type(x)}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if x1.dtype != x2.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(x1)} but found {scalar_type(x2)}")
    check_broadcast(*(ShapeDtypeStruct(x.shape[:-2], x.dtype) for x in (x1, x2)))


@register(node="CdistBackward0", static="p compute_mode", promote=None, saves="x1 x2 result")
def cdist(
    x1: Array, x2: Array, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Array:
    """p-norm distance of every row of ``x1`` from every row of ``x2``, per batch.

    Args:
        x1: shape ``(*, P, M)``, floating.
        x2: shape ``(*, R, M)``, same dtype; batch dims broadcast.
        p: of the norm, 0 to inf.
        compute_mode: whether Euclidean distances come from a matrix product, which is faster for many rows
            and less exact for close ones: always, never, or (the default) for more than 25 rows.

    Returns:
        Shape ``(*, P, R)``.

    Raises:
        RuntimeError: fewer than 2 dims, sizes or types that do not fit, a negative ``p``.
        ValueError: an unknown ``compute_mode``.
    """
    check_cdist(x1, x2, p, compute_mode)
    many = compute_mode == _MODES[1] or (compute_mode == _MODES[0] and max(x1.shape[-2], x2.shape[-2]) > 25)
    if p == 2 and many:
        squares = [jnp.sum(x * x, -1) for x in (x1, x2)]
        crossed = product(x1, jnp.swapaxes(x2, -1, -2))
        return safe_sqrt(larger(squares[0][..., :, None] + squares[1][..., None, :] - 2 * crossed, 0))
    return p_norm(x1[..., :, None, :] - x2[..., None, :, :], float(p), (-1,))[..., 0]


def check_cross(input: Array, other: Array, dim: int) -> int:
    """Dims and sizes of the operands of a cross product; returns ``dim`` from the front."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = wrap_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and "
            f"{other.shape[axis]}"
        )
    return axis


@register("linalg.cross", node="LinalgCrossBackward0", static="dim", promote=None, out=True)
def linalg_cross(input: Array, other: Array, *, dim: int = -1) -> Array:
    """Cross product of vectors of 3 elements along ``dim``; the other dims broadcast.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: numbers of dims, sizes or types that do not fit.
        NotImplementedError: bool.
    """
    axis = check_cross(input, other, dim)
    check_broadcast(input, other)
    if input.dtype != other.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(other)}")
    if kind(input) == "b":
        raise not_implemented("cross", input)
    a, b = jnp.moveaxis(input, axis, -1), jnp.moveaxis(other, axis, -1)
    x = a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]]
    return jnp.moveaxis(x, -1, axis)


@register(node="LinalgCrossBackward0", static="dim", promote=None, method=True, out=True)
def cross(input: Array, other: Array, dim: int | None = None) -> Array:
    """Cross product along ``dim``, by default the first dimension of size 3 (see ``torch.linalg.cross``).

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: no dimension of size 3; numbers of dims, sizes or types that do not fit.
    """
    if dim is None:
        if 3 not in input.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = input.shape.index(3)
    return linalg_cross(input, other, dim=dim)


@register("linalg.vecdot", node="SumBackward1", static="dim", promote=None, out=True)
def vecdot(x: Array, y: Array, *, dim: int = -1) -> Array:
    """Sums of ``conj(x) * y`` along ``dim``; the other dims broadcast.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: sizes that do not broadcast, types that differ or are integers.
    """
    check_float("linalg.vecdot", x)
    if x.dtype != y.dtype:
        raise RuntimeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type "
            f"{scalar_type(x)} and y of type {scalar_type(y)} instead"
        )
    shape = check_broadcast(x, y)
    return jnp.sum(jnp.conj(x) * y, wrap_dim(dim, len(shape))) if shape else jnp.conj(x) * y
