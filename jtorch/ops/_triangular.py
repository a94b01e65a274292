"""Triangular systems, and the solvers that start from a Cholesky or LU factorization."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._linalg_checks import check_floating, check_kernel, check_square
from jtorch.ops._matmul import product
from jtorch.ops._registry import register
from jtorch.ops._solving import adjoint, check_solve, lu_apply, with_common_batch

__all__ = ["cholesky_inverse", "cholesky_solve", "lu_solve", "solve_triangular", "triangular_solve"]


def substitute(
    a: Array, b: Array, upper: bool, left: bool = True, unit: bool = False, adjoint: bool = False
) -> Array:
    """Solve with a triangular matrix (or its conjugate transpose); all batch dims equal."""
    return lax.linalg.triangular_solve(
        a, b, left_side=left, lower=not upper, unit_diagonal=unit, transpose_a=adjoint, conjugate_a=adjoint
    )


@register(
    "linalg.solve_triangular",
    node="LinalgSolveTriangularBackward0",
    static="upper left unitriangular",
    promote=None,
    out=True,
    saves="A result",
)
def solve_triangular(
    A: Array,
    B: Array,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Array:
    """Solve A X = B (or X A = B without ``left``) for a triangular A, whose other triangle is not read.

    Args:
        A: shape ``(*, n, n)``.
        B: shape ``(*, n, k)`` (``(*, k, n)`` without ``left``); batch dims broadcast.
        upper: which triangle.
        left: side of the unknown's factor.
        unitriangular: take the diagonal for ones without reading it.

    Raises:
        RuntimeError: sizes that do not fit.
        NotImplementedError: integers and half precision.
    """
    op = "linalg.solve_triangular"
    check_square(op, A)
    if B.ndim < 2:
        raise RuntimeError(f"{op}: The input tensor B must have at least 2 dimensions.")
    n, (rows, columns) = A.shape[-1], B.shape[-2:]
    if n != (rows if left else columns):
        raise RuntimeError(
            f"{op}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B ({n}x{n} "
            "and "
            f"{rows}x{columns})"
        )
    check_kernel("triangular_solve_cpu", A)
    a, b = with_common_batch(A, B.astype(A.dtype))
    return substitute(a, b, upper, left, unitriangular)


@register(
    node="TriangularSolveBackward0",
    static="upper transpose unitriangular",
    promote=None,
    method=True,
    out=True,
    returns="triangular_solve solution cloned_coefficient",
    saves="b A solution",
)
def triangular_solve(
    b: Array,
    A: Array,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> tuple[Array, Array]:
    """Solve A X = b (A^T X = b with ``transpose``) for a triangular A; also returns A.

    Deprecated in PyTorch for ``torch.linalg.solve_triangular``.

    Raises:
        RuntimeError: sizes that do not fit.
        NotImplementedError: integers and half precision.
    """
    for name, x in (("b", b), ("A", A)):
        if x.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has {x.ndim} "
                "dimensions instead"
            )
    if A.shape[-1] == A.shape[-2] and A.shape[-1] != b.shape[-2]:
        check_sizes("triangular_solve", b, A)
    check_square("triangular_solve", A)
    check_kernel("triangular_solve_cpu", A)
    a, right = with_common_batch(A, b)
    solution = lax.linalg.triangular_solve(
        a, right, left_side=True, lower=not upper, transpose_a=transpose, unit_diagonal=unitriangular
    )
    return solution, a


def check_sizes(op: str, b: Array, a: Array) -> None:
    """The rows of b are as many as A's columns."""
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {op}: each A matrix is {a.shape[-1]} by {a.shape[-1]} but each "
            "b matrix "
            f"is {b.shape[-2]} by {b.shape[-1]}"
        )


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _solve_by_factor(factor: Array, b: Array, upper: bool) -> Array:
    """X with L L^H X = b (U^H U X = b if ``upper``)."""
    return substitute(factor, substitute(factor, b, upper, adjoint=upper), upper, adjoint=not upper)


@_solve_by_factor.defjvp
def _solve_by_factor_jvp(upper: bool, primals: Any, tangents: Any) -> tuple[Array, Array]:
    # PyTorch's gradient takes the factor for any matrix: it is not cut to the triangle.
    (factor, b), (dfactor, db) = primals, tangents
    x = _solve_by_factor(factor, b, upper)
    half = product(adjoint(dfactor), factor) if upper else product(dfactor, adjoint(factor))
    return x, _solve_by_factor(factor, db - product(half + adjoint(half), x), upper)


@register(
    node="CholeskySolveBackward0", static="upper", promote=None, method=True, out=True, saves="B L result"
)
def cholesky_solve(B: Array, L: Array, upper: bool = False) -> Array:
    """Solve A X = B for a positive definite A = L L^H (U^H U if ``upper``) given by its factor.

    Raises:
        RuntimeError: sizes that do not fit.
        NotImplementedError: integers and half precision.
    """
    for name, x in (("b", B), ("u", L)):
        if x.ndim < 2:
            raise RuntimeError(
                f"{name} should have at least 2 dimensions, but has {x.ndim} dimensions instead"
            )
    check_square("cholesky_solve", L)
    check_sizes("cholesky_solve", B, L)
    check_kernel("cholesky_solve_cpu", L)
    factor, b = with_common_batch(L, B)
    return _solve_by_factor(factor, b, upper)


@register(
    node="CholeskyInverseBackward0", static="upper", promote=None, method=True, out=True, saves="L result"
)
def cholesky_inverse(L: Array, upper: bool = False) -> Array:
    """Inverse of A = L L^H (U^H U if ``upper``) from its factor.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square.
        NotImplementedError: integers and half precision.
    """
    check_square("cholesky_inverse", L)
    check_kernel("cholesky_inverse_out_cpu", L)
    return _solve_by_factor(L, jnp.broadcast_to(jnp.eye(L.shape[-1], dtype=L.dtype), L.shape), upper)


def permutation_of(pivots: Array, rows: int) -> Array:
    """The order of rows that LAPACK's exchanges (from 1) lead to."""
    return lax.linalg.lu_pivots_to_permutation(pivots - 1, rows)


@register(
    "linalg.lu_solve",
    node="LinalgLuSolveBackward0",
    static="left adjoint",
    promote=None,
    saves="LU pivots result",
    watches="LU pivots",
    out=True,
)
def lu_solve(
    LU: Array,
    pivots: Array,
    B: Array,
    *,
    left: bool = True,
    adjoint: bool = False,
) -> Array:
    """Solve A X = B from the LU factorization of A that ``torch.linalg.lu_factor`` gives.

    Args:
        LU: packed factors, shape ``(*, n, n)``.
        pivots: int32, shape ``(*, n)``.
        B: shape ``(*, n, k)``; batch dims broadcast.
        left: side of the unknown's factor; ``False``: X A = B.
        adjoint: solve with the conjugate transpose of A.

    Raises:
        RuntimeError: sizes or types that do not fit.
        NotImplementedError: half precision.
    """
    check_floating("torch.linalg.lu_solve", LU)
    if pivots.dtype != np.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    check_square("torch.linalg.lu_solve", LU)
    if B.ndim > 1:
        check_solve("linalg.lu_solve", LU, B[..., None] if B.ndim < 2 else B, left, "LU")
    check_kernel("linalg.lu_solve_cpu", LU)
    packed, b = with_common_batch(LU, B)
    batch = b.shape[:-2]
    order = jnp.broadcast_to(permutation_of(pivots, LU.shape[-1]), (*batch, LU.shape[-1]))
    if left:
        return lu_apply(packed, order, b, adjoint)
    # X A = B is A^H X^H = B^H.
    turned = jnp.conj(jnp.swapaxes(b, -1, -2))
    return jnp.conj(jnp.swapaxes(lu_apply(packed, order, turned, not adjoint), -1, -2))


@register(
    "lu_solve",
    node="LinalgLuSolveBackward0",
    promote=None,
    saves="LU_data LU_pivots result",
    watches="LU_data LU_pivots",
    method=True,
    out=True,
)
def old_lu_solve(b: Array, LU_data: Array, LU_pivots: Array) -> Array:
    """The older name of ``torch.linalg.lu_solve``, with the right-hand side first."""
    return lu_solve(LU_data, LU_pivots, b)
