"""Systems of linear equations, inverses and determinants."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, ShapeDtypeStruct, lax

from jtorch.ops._checks import check_broadcast, kind, scalar_type
from jtorch.ops._linalg_checks import check_exact, check_floating, check_kernel, check_square
from jtorch.ops._matmul import product
from jtorch.ops._registry import register

__all__ = [
    "adjoint",
    "check_solve",
    "det",
    "inv_ex",
    "logdet",
    "lu_apply",
    "singular_at",
    "slogdet",
    "solve_ex",
    "solve_square",
    "tensorsolve_ex",
]


def adjoint(x: Array) -> Array:
    """Conjugate transpose of the matrices in the last two dims."""
    return jnp.conj(jnp.swapaxes(x, -1, -2))


def lu_apply(packed: Array, permutation: Array, b: Array, transposed: bool = False) -> Array:
    """Solve with the factors that ``lax.linalg.lu`` made, all batch dims equal; ``transposed``: with A^H."""
    solve = lax.linalg.triangular_solve
    if not transposed:
        b = jnp.take_along_axis(b, permutation[..., None], -2)
        b = solve(packed, b, left_side=True, lower=True, unit_diagonal=True)
        return solve(packed, b, left_side=True)
    options: dict[str, Any] = {"left_side": True, "transpose_a": True, "conjugate_a": True}
    b = solve(packed, b, **options)
    b = solve(packed, b, lower=True, unit_diagonal=True, **options)
    return jnp.take_along_axis(b, jnp.argsort(permutation, -1)[..., None], -2)


@jax.custom_jvp
def solve_square(a: Array, b: Array) -> Array:
    """X with A X = B; all batch dims equal."""
    packed, _, permutation = lax.linalg.lu(a)
    return lu_apply(packed, permutation, b)


@solve_square.defjvp
def _solve_square_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, b), (da, db) = primals, tangents
    x = solve_square(a, b)
    return x, solve_square(a, db - product(da, x))


def singular_at(a: Array) -> Array:
    """LAPACK's info: number (from 1) of the first zero on U's diagonal in A = P L U, 0 if there is none."""
    packed, _, _ = lax.linalg.lu(lax.stop_gradient(a))
    return first_zero(packed)


def first_zero(packed: Array) -> Array:
    """Number (from 1) of the first zero on the diagonal, 0 if there is none; int32."""
    zero = jnp.diagonal(packed, axis1=-2, axis2=-1) == 0
    if not zero.shape[-1]:
        return jnp.zeros(zero.shape[:-1], jnp.int32)
    return jnp.where(zero.any(-1), jnp.argmax(zero, -1) + 1, 0).astype(jnp.int32)


# --- determinants ---


@register(
    "linalg.det",
    node="LinalgDetBackward0",
    promote=None,
    out=True,
    aliases="det",
    method=True,
    saves="A result",
)
def det(A: Array) -> Array:
    """Determinants of square matrices.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square, integers.
        NotImplementedError: half precision.
    """
    check_square("linalg.det", A)
    check_floating("linalg.det", A)
    check_kernel("lu_cpu", A)
    return jnp.linalg.det(A) if A.shape[-1] else jnp.ones(A.shape[:-2], A.dtype)


def _sign_and_log(op: str, a: Array) -> tuple[Array, Array]:
    check_square(op, a)
    check_exact(op, a)
    sign, logabs = jnp.linalg.slogdet(a)
    return sign, logabs


@register(
    "linalg.slogdet",
    node="LinalgSlogdetBackward0",
    promote=None,
    out=True,
    returns="linalg_slogdet sign logabsdet",
    saves="A sign",
)
def slogdet(A: Array) -> tuple[Array, Array]:
    """Sign and logarithm of the absolute value of determinants: sign 0 and -inf where they vanish.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square, integers and half precision.
    """
    return _sign_and_log("linalg.slogdet", A)


@register(
    "slogdet",
    node="LinalgSlogdetBackward0",
    promote=None,
    method=True,
    returns="slogdet sign logabsdet",
    saves="input sign",
)
def old_slogdet(input: Array) -> tuple[Array, Array]:
    """The older name of ``torch.linalg.slogdet``."""
    return _sign_and_log("linalg.slogdet", input)


@register(node="WhereBackward0", promote=None, method=True)
def logdet(input: Array) -> Array:
    """Logarithms of determinants: nan for negative ones, -inf for 0.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square, integers and half precision.
    """
    sign, logabs = _sign_and_log("logdet", input)
    if kind(input) == "c":
        return jnp.log(sign) + logabs
    return jnp.where(sign < 0, jnp.nan, logabs)


# --- inverses ---


@register(
    "linalg.inv_ex",
    node="LinalgInvExBackward0",
    static="check_errors",
    promote=None,
    out=True,
    returns="linalg_inv_ex inverse info",
    saves="inverse",
)
def inv_ex(A: Array, *, check_errors: bool = False) -> tuple[Array, Array]:
    """Inverses of square matrices, and for each the number of the zero pivot that prevents it, or 0.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square, integers and half precision.
    """
    check_square("linalg.inv", A)
    check_exact("linalg.inv", A)
    eye = jnp.broadcast_to(jnp.eye(A.shape[-1], dtype=A.dtype), A.shape)
    return solve_square(A, eye), singular_at(A)


# --- equations ---


def check_solve(op: str, a: Array, b: Array, left: bool, name: str = "A") -> bool:
    """Shapes and types of A X = B; returns whether ``b`` holds vectors."""
    check_square(op, a)
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"{op}: Expected {name} and B to have the same dtype, but found {name} of type "
            f"{scalar_type(a)} and B of "
            f"type {scalar_type(b)} instead"
        )
    vector = is_vector(a, b)
    n, (rows, columns) = a.shape[-1], (b.shape[-1], 1) if vector else b.shape[-2:]
    if n != (rows if left else columns):
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{op}: Incompatible shapes of A and B for the equation {equation} ({n}x{n} and {rows}x{columns})"
        )
    return vector


def is_vector(a: Array, b: Array) -> bool:
    """PyTorch's rule: one vector, or a batch of them of exactly the batch shape of ``a``."""
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def with_common_batch(a: Array, b: Array) -> tuple[Array, Array]:
    """Two matrices (or batches) with the batch dims that theirs broadcast to."""
    batch = check_broadcast(*(ShapeDtypeStruct(x.shape[:-2], x.dtype) for x in (a, b)))
    return jnp.broadcast_to(a, batch + a.shape[-2:]), jnp.broadcast_to(b, batch + b.shape[-2:])


@register(
    "linalg.solve_ex",
    node="LinalgSolveExBackward0",
    static="left check_errors",
    promote=None,
    out=True,
    returns="linalg_solve_ex result info",
    saves="A result",
)
def solve_ex(
    A: Array,
    B: Array,
    *,
    left: bool = True,
    check_errors: bool = False,
) -> tuple[Array, Array]:
    """Solve A X = B (or X A = B without ``left``), and tell for each A which pivot is zero, 0 for none.

    Args:
        A: shape ``(*, n, n)``.
        B: shape ``(*, n, k)``, or vectors ``(n,)`` or ``(*, n)`` with just the batch dims of ``A``; same
            dtype.
        left: side of the unknown's factor.
        check_errors: raise where a matrix is singular.

    Raises:
        RuntimeError: sizes or types that do not fit.
        NotImplementedError: half precision.
    """
    op = "linalg.solve"
    check_floating(op, A)
    vector = check_solve(op, A, B, left)
    check_kernel("lu_cpu", A)
    b = B[..., None] if vector else B
    a, b = with_common_batch(A, b)
    if left:
        x = solve_square(a, b)
    else:
        x = jnp.swapaxes(solve_square(jnp.swapaxes(a, -1, -2), jnp.swapaxes(b, -1, -2)), -1, -2)
    return x[..., 0] if vector else x, singular_at(A)


@register(
    "_tensorsolve",
    node="ViewBackward0",
    static="dims",
    promote=None,
    saves=lambda args: "A result" if args["dims"] is None else "result",
    function=False,
)
def tensorsolve_ex(A: Array, B: Array, dims: Any = None) -> tuple[Array, Array]:
    """X with ``tensordot(A, X, X.ndim) == B``, and the number of the zero pivot, or 0.

    Raises:
        RuntimeError: sizes or types that do not fit.
    """
    a = A
    if dims is not None:
        axes = [d % a.ndim for d in dims]
        a = jnp.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    rows, columns = math.prod(a.shape[: B.ndim]), math.prod(a.shape[B.ndim :])
    if math.prod(B.shape) != columns or rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {columns} != {math.prod(B.shape)}"
        )
    x, info = solve_ex(a.reshape(columns, columns), B.reshape(columns))
    return x.reshape(a.shape[B.ndim :]), info
