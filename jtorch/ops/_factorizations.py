"""Cholesky, LU and LDL factorizations."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import scalar_type
from jtorch.ops._linalg_checks import check_floating, check_kernel, check_square
from jtorch.ops._registry import register
from jtorch.ops._solving import adjoint, first_zero
from jtorch.ops._triangular import permutation_of

__all__ = ["cholesky_ex", "lower_hermitian", "lu", "lu_factor_ex", "lu_unpack", "old_cholesky"]


@jax.custom_jvp
def lower_hermitian(a: Array) -> Array:
    """The Hermitian matrix with the lower triangle of ``a``; its gradient is spread over both triangles."""
    below = jnp.tril(a, -1)
    diagonal = jnp.diagonal(a, axis1=-2, axis2=-1).real.astype(a.dtype)
    return below + adjoint(below) + diagonal[..., None] * jnp.eye(a.shape[-1], dtype=a.dtype)


@lower_hermitian.defjvp
def _lower_hermitian_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a,), (da,) = primals, tangents
    return lower_hermitian(a), (da + adjoint(da)) / 2


def _factor(a: Array, upper: bool) -> Array:
    hermitian = lower_hermitian(adjoint(a) if upper else a)
    factor = lax.linalg.cholesky(hermitian, symmetrize_input=False)
    return adjoint(factor) if upper else factor


def indefinite_at(a: Array, factor: Array) -> Array:
    """LAPACK's info: order of the first leading minor that is not positive, 0 if there is none; int32."""
    n = a.shape[-1]
    if not a.size:
        return jnp.zeros(a.shape[:-2], jnp.int32)
    # JAX fills what it cannot factor with nan.
    failed = jnp.isnan(factor).any((-2, -1))

    def eliminate(a: Array) -> Array:
        def step(carry: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], None]:
            rest, found = carry
            pivot = rest[..., k, k].real
            found = jnp.where((found == 0) & ~(pivot > 0), k + 1, found)
            column = rest[..., :, k]
            outer = column[..., :, None] * jnp.conj(column)[..., None, :]
            return (rest - outer / jnp.where(pivot == 0, 1, pivot)[..., None, None], found), None

        start = (a, jnp.zeros(a.shape[:-2], jnp.int32))
        (_, found), _ = lax.scan(step, start, jnp.arange(n, dtype=jnp.int32))
        return found

    # Only after a failure is it worth finding out where.
    found = lax.cond(failed.any(), eliminate, lambda a: jnp.zeros(a.shape[:-2], jnp.int32), a)
    return jnp.where(failed, found, 0)


@register(
    "linalg.cholesky_ex",
    node="LinalgCholeskyExBackward0",
    static="upper check_errors",
    promote=None,
    out=True,
    returns="linalg_cholesky_ex L info",
    saves="L",
)
def cholesky_ex(A: Array, *, upper: bool = False, check_errors: bool = False) -> tuple[Array, Array]:
    """Cholesky factor L of A = L L^H (or U of U^H U), and the order of the minor that prevents it, or 0.

    Only one triangle of ``A`` is read: the lower, or the upper if ``upper``.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square, integers.
        NotImplementedError: half precision.
    """
    check_square("linalg.cholesky", A)
    check_floating("linalg.cholesky", A)
    check_kernel("cholesky_cpu", A)
    factor = _factor(A, upper)
    stopped = lax.stop_gradient(A)
    return factor, indefinite_at(adjoint(stopped) if upper else stopped, lax.stop_gradient(factor))


@register("_cholesky", node="CholeskyBackward0", static="upper", promote=None, function=False, saves="result")
def old_cholesky(input: Array, upper: bool = False) -> tuple[Array, Array]:
    """What ``torch.cholesky`` is made of: :func:`cholesky_ex` with other texts.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square.
        NotImplementedError: integers and half precision.
    """
    check_square("cholesky", input)
    check_kernel("cholesky_cpu", input)
    return cholesky_ex(input, upper=upper)


# --- LU ---


def check_lu(op: str, a: Array, pivot: bool) -> None:
    """Shapes, types and options of an LU factorization."""
    if a.ndim < 2:
        raise RuntimeError(
            f"{op}: Expected tensor with 2 or more dimensions. Got size: {list(a.shape)} instead"
        )
    check_kernel("lu_cpu", a)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")


@register(
    "linalg.lu_factor_ex",
    node="LinalgLuFactorExBackward0",
    static="pivot check_errors",
    promote=None,
    out=True,
    returns="linalg_lu_factor_ex LU pivots info",
    saves="LU pivots",
)
def lu_factor_ex(
    A: Array,
    *,
    pivot: bool = True,
    check_errors: bool = False,
) -> tuple[Array, Array, Array]:
    """LU factorization with row exchanges, packed in one matrix.

    Returns:
        Both factors (the ones of L's diagonal left out), the exchanges (int32, from 1), and per matrix the
        number of the first zero pivot, or 0.

    Raises:
        RuntimeError: fewer than 2 dims, ``pivot=False``.
        NotImplementedError: integers and half precision.
    """
    check_lu("torch.lu_factor", A, pivot)
    packed, pivots, _ = lax.linalg.lu(A)
    return packed, pivots + 1, first_zero(packed)


def _unpacked(packed: Array) -> tuple[Array, Array]:
    """L with its ones and U."""
    rows, columns = packed.shape[-2:]
    k = min(rows, columns)
    lower = jnp.tril(packed[..., :, :k], -1) + jnp.eye(rows, k, dtype=packed.dtype)
    return lower, jnp.triu(packed[..., :k, :])


def _permutation_matrix(order: Array, dtype: Any) -> Array:
    """The matrix P that puts rows back, so that A = P L U."""
    rows = jnp.arange(order.shape[-1], dtype=order.dtype)
    return (rows[:, None] == order[..., None, :]).astype(dtype)


@register(
    "linalg.lu",
    node="LinalgLuBackward0",
    static="pivot",
    promote=None,
    out=True,
    returns="linalg_lu P L U",
    saves="P L U",
)
def lu(A: Array, *, pivot: bool = True) -> tuple[Array, Array, Array]:
    """Factors of A = P L U: a permutation, a lower triangle with ones on its diagonal, an upper triangle.

    Raises:
        RuntimeError: fewer than 2 dims, ``pivot=False``.
        NotImplementedError: integers and half precision.
    """
    check_lu("linalg.lu", A, pivot)
    packed, _, order = lax.linalg.lu(A)
    return (lax.stop_gradient(_permutation_matrix(order, A.dtype)), *_unpacked(packed))


@register(
    node="LuUnpackBackward0",
    static="unpack_data unpack_pivots",
    promote=None,
    saves="intermediate",
    out=True,
    returns="lu_unpack P L U",
)
def lu_unpack(
    LU_data: Array,
    LU_pivots: Array,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
) -> tuple[Array, Array, Array]:
    """P, L and U from the packed form of ``torch.linalg.lu_factor``; what is not wanted is empty.

    Raises:
        RuntimeError: pivots that are not int32 or do not fit.
    """
    if unpack_pivots and LU_pivots.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: "
            "this "
            "function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    empty = jnp.zeros((0,), LU_data.dtype)
    lower, upper = _unpacked(LU_data) if unpack_data else (empty, empty)
    if not unpack_pivots:
        return empty, lower, upper
    order = permutation_of(LU_pivots, LU_data.shape[-2])
    return lax.stop_gradient(_permutation_matrix(order, LU_data.dtype)), lower, upper


# --- LDL ---


def _lapack(prefix: str, routine: str, dtype: Any) -> Any:
    from scipy.linalg import lapack  # noqa: PLC0415

    letter = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}[np.dtype(dtype).name]
    return getattr(lapack, letter + prefix + routine)


@register(
    "linalg.ldl_factor_ex",
    node=None,
    static="hermitian check_errors",
    promote=None,
    out=True,
    host=True,
    returns="linalg_ldl_factor_ex LD pivots info",
)
def ldl_factor_ex(
    A: np.ndarray,
    *,
    hermitian: bool = False,
    check_errors: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors of a symmetric (or Hermitian) A = L D L^T, packed, with LAPACK's pivots and info; on the host.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square, integers.
        NotImplementedError: half precision.
    """
    check_square("torch.linalg.ldl_factor_ex", A)
    check_floating("torch.linalg.ldl_factor_ex", A)
    check_kernel("ldl_factor_kernel_cpu", A)
    n = A.shape[-1]
    routine = _lapack("he" if hermitian and np.iscomplexobj(A) else "sy", "trf", A.dtype)
    packed, pivots, info = (
        np.zeros_like(A),
        np.zeros(A.shape[:-1], np.int32),
        np.zeros(A.shape[:-2], np.int32),
    )
    for i in np.ndindex(A.shape[:-2]) if n else ():
        factor, pivots[i], info[i] = routine(A[i], lower=1)
        packed[i] = np.tril(factor)
    return packed, pivots, info


@register("linalg.ldl_solve", node=None, static="hermitian", promote=None, out=True, host=True)
def ldl_solve(
    LD: np.ndarray,
    pivots: np.ndarray,
    B: np.ndarray,
    *,
    hermitian: bool = False,
) -> np.ndarray:
    """Solve A X = B from the factors that ``torch.linalg.ldl_factor`` gives; on the host.

    Raises:
        RuntimeError: sizes or types that do not fit.
        NotImplementedError: half precision.
    """
    op = "torch.linalg.ldl_solve"
    check_floating(op, LD)
    check_square(op, LD)
    if B.ndim < 2:
        raise RuntimeError(
            f"{op}: Expected B to have at least 2 dimensions, but it has {B.ndim} dimensions instead"
        )
    if LD.shape[-1] != B.shape[-2]:
        raise RuntimeError(f"{op}: Expected B.shape[-2] to be equal to LD.shape[-1]")
    if LD.dtype != B.dtype:
        raise RuntimeError(
            f"{op}: Expected LD and B to have the same dtype, but found LD of type {scalar_type(LD)} and B "
            "of type "
            f"{scalar_type(B)} instead"
        )
    check_kernel("ldl_solve_kernel_cpu", LD)
    routine = _lapack("he" if hermitian and np.iscomplexobj(LD) else "sy", "trs", LD.dtype)
    batch = np.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    n, k = B.shape[-2:]
    out = np.zeros((*batch, n, k), B.dtype)
    packed = np.broadcast_to(LD, (*batch, n, n))
    exchanges = np.broadcast_to(pivots, (*batch, n))
    right = np.broadcast_to(B, (*batch, n, k))
    for i in np.ndindex(batch) if n and k else ():
        out[i] = routine(packed[i], exchanges[i], right[i], lower=1)[0]
    return out
