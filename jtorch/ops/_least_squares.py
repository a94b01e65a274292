"""Pseudoinverses, ranks and least squares."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import kind, scalar_type
from jtorch.ops._linalg_checks import check_matrix, is_half
from jtorch.ops._matmul import product
from jtorch.ops._registry import register
from jtorch.ops._solving import adjoint, is_vector, with_common_batch
from jtorch.ops._spectra import check_hermitian, hermitian_pair, mirrored, triplet

__all__ = ["inverse_above", "lstsq", "matrix_rank", "pinv"]


def _sizes(a: Array, hermitian: bool) -> Array:
    """Singular values: of Hermitian matrices the absolute eigenvalues."""
    return jnp.abs(hermitian_pair(a)[0]) if hermitian else triplet(a, False)[1]


def threshold(a: Array, values: Array, atol: Any, rtol: Any) -> Array:
    """What singular values must exceed to count: max(atol, rtol * the largest), per matrix.

    By default rtol is max(m, n) times the machine epsilon, or 0 if ``atol`` is given (and positive).
    """
    real = values.dtype
    if rtol is None:
        default = float(jnp.finfo(real).eps) * max(a.shape[-2:])
        rtol = default if atol is None else jnp.where(jnp.asarray(atol) > 0, 0.0, default)
    atol = jnp.asarray(0.0 if atol is None else atol).astype(real)
    largest = values.max(-1) if values.shape[-1] else jnp.zeros(values.shape[:-1], real)
    return jnp.maximum(atol, jnp.asarray(rtol).astype(real) * largest)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def inverse_above(a: Array, limit: Array, hermitian: bool) -> Array:
    """Pseudoinverse that takes singular values up to ``limit`` for zero."""
    u, s, vh = triplet(mirrored(a, "L") if hermitian else a, False)
    large = s > limit[..., None]
    inverse = jnp.where(large, 1 / jnp.where(large, s, 1), 0)
    return product(adjoint(vh) * inverse[..., None, :], adjoint(u))


@inverse_above.defjvp
def _inverse_above_jvp(hermitian: bool, primals: Any, tangents: Any) -> tuple[Array, Array]:
    # Golub & Pereyra, "The differentiation of pseudo-inverses", 1973, https://doi.org/10.1137/0710036
    (a, limit), (da, _) = primals, tangents
    x = inverse_above(a, limit, hermitian)
    eye_rows, eye_columns = (jnp.eye(n, dtype=a.dtype) for n in a.shape[-2:])
    inner = -product(product(x, da), x)
    left = product(product(x, adjoint(x)), product(adjoint(da), eye_rows - product(a, x)))
    right = product(product(eye_columns - product(x, a), adjoint(da)), product(adjoint(x), x))
    return x, inner + left + right


def check_pinv(a: Array, hermitian: bool) -> None:
    """Shapes and types of a pseudoinverse."""
    if a.ndim < 2 or kind(a) in "bi" or is_half(a):
        raise RuntimeError(
            f"linalg.pinv({scalar_type(a)}{{{list(a.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, "
            "double, cfloat or cdouble types"
        )
    if hermitian:
        check_hermitian(a, "L")


@register(
    "linalg.pinv", node="LinalgPinvBackward0", static="hermitian", promote=None, out=True, saves="A result"
)
def pinv(A: Array, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Array:
    """Moore-Penrose pseudoinverse: shape ``(*, m, n)`` to ``(*, n, m)``.

    Args:
        A: matrices.
        atol: singular values up to it count as zero.
        rtol: the same, relative to the largest one; max(m, n) machine epsilons if neither is given.
        hermitian: take ``A`` for Hermitian, which is faster.

    Raises:
        RuntimeError: fewer than 2 dims, other types than float32, float64 and their complex ones.
    """
    check_pinv(A, hermitian)
    if 0 in A.shape:
        return jnp.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
    limit = threshold(A, _sizes(jax.lax.stop_gradient(A), hermitian), atol, rtol)
    a = jnp.broadcast_to(A, (*limit.shape, *A.shape[-2:]))
    return inverse_above(a, jax.lax.stop_gradient(limit), hermitian)


@register("linalg.matrix_rank", node=None, static="hermitian", promote=None, out=True)
def matrix_rank(A: Array, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Array:
    """Number of singular values above a limit, int64 (the limit is that of ``torch.linalg.pinv``).

    Raises:
        RuntimeError: fewer than 2 dims, other types than float32, float64 and their complex ones.
    """
    check_matrix("torch.linalg.matrix_rank", A, "input")
    if kind(A) in "bi" or is_half(A):
        raise RuntimeError("This function doesn't handle types other than float and double")
    if hermitian:
        check_hermitian(A, "L")
    if 0 in A.shape[-2:]:
        return jnp.zeros(A.shape[:-2], jnp.int64)
    values = _sizes(A, hermitian)
    return jnp.sum(values > threshold(A, values, atol, rtol)[..., None], -1, dtype=jnp.int64)


# --- least squares ---


def check_lstsq(a: Array, b: Array, driver: str) -> bool:
    """Shapes, types and the driver of least squares; returns whether ``b`` holds vectors."""
    op = "torch.linalg.lstsq"
    if a.ndim < 2:
        raise RuntimeError(f"{op}: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError(f"{op}: other must have at least 1 dimension.")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"{op}: Expected input and other to have the same dtype, but got input's dtype "
            f"{scalar_type(a)} and "
            f"other's dtype {scalar_type(b)}"
        )
    if kind(a) in "bi" or is_half(a):
        raise RuntimeError("This function doesn't handle types other than float and double")
    vector = is_vector(a, b)
    if a.shape[-2] != b.shape[-1 if vector else -2]:
        size = -1 if vector else -2
        raise RuntimeError(f"{op}: input.size(-2) should match other.size({size})")
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{op}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    return vector


@register(
    "linalg.lstsq",
    node="LinalgLstsqBackward0",
    static="driver",
    promote=None,
    out=True,
    returns="linalg_lstsq solution residuals rank singular_values",
    saves="A B solution",
)
def lstsq(
    A: Array,
    B: Array,
    rcond: Any = None,
    *,
    driver: str | None = None,
) -> tuple[Array, Array, Array, Array]:
    """X that makes the norm of A X - B smallest; of several such X the smallest one.

    Args:
        A: shape ``(*, m, n)``.
        B: shape ``(*, m, k)``, or vectors ``(*, m)``.
        rcond: singular values up to ``rcond`` times the largest count as zero; max(m, n) epsilons by default.
        driver: LAPACK's routine; here it decides which of the other results are given, not how X is computed.

    Returns:
        The solution; the squared norms of the residuals (if m > n, but not for ``"gelsy"``, the default);
        the ranks (not for ``"gels"``); the singular values (for ``"gelsd"`` and ``"gelss"``). What is not
        given is empty.

    Raises:
        RuntimeError: sizes, types or a driver that do not fit.
    """
    driver = "gelsy" if driver is None else driver
    vector = check_lstsq(A, B, driver)
    a, b = with_common_batch(A, B[..., None] if vector else B)
    values = _sizes(jax.lax.stop_gradient(a), False)
    limit = threshold(a, values, None, rcond)
    solution = product(inverse_above(a, jax.lax.stop_gradient(limit), False), b)
    nothing = jnp.zeros((0,), values.dtype)
    residuals, rank = nothing, jnp.zeros((0,), jnp.int64)
    if a.shape[-2] > a.shape[-1] and driver != "gelsy":
        # Differs from PyTorch: given also where a matrix lacks full rank, which only its values tell.
        residuals = jnp.sum(jnp.abs(product(a, solution) - b) ** 2, -2)
        residuals = residuals[..., 0] if vector else residuals
    if driver != "gels":
        rank = jnp.sum(values > limit[..., None], -1, dtype=jnp.int64)
    shown = values if driver in ("gelsd", "gelss") else nothing
    return solution[..., 0] if vector else solution, residuals, rank, shown
