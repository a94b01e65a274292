"""Singular values, eigenvalues and their vectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import kind, scalar_type
from jtorch.ops._factorizations import lower_hermitian
from jtorch.ops._linalg_checks import check_floating, check_kernel, check_matrix, check_square
from jtorch.ops._matmul import product
from jtorch.ops._registry import register
from jtorch.ops._solving import adjoint, solve_square

__all__ = [
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "hermitian_pair",
    "mirrored",
    "old_svd",
    "svd",
    "svdvals",
    "triplet",
]


# --- singular values ---


def triplet(a: Array, full_matrices: bool) -> tuple[Array, Array, Array]:
    """U, S and V^H with A = U S V^H."""
    if full_matrices and a.shape[-1] != a.shape[-2]:
        return _full_triplet(a)
    u, s, vh = jnp.linalg.svd(a, full_matrices=False)
    return u, s, vh


@jax.custom_jvp
def _full_triplet(a: Array) -> tuple[Array, Array, Array]:
    u, s, vh = jnp.linalg.svd(a, full_matrices=True)
    return u, s, vh


@_full_triplet.defjvp
def _full_triplet_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    # Nothing that is well-defined depends on the vectors beyond the first k: they have no derivative.
    u, s, vh = _full_triplet(*primals)
    _, (du, ds, dvh) = jax.jvp(lambda a: triplet(a, False), primals, tangents)
    du = jnp.concatenate([du, jnp.zeros((*u.shape[:-1], u.shape[-1] - du.shape[-1]), u.dtype)], -1)
    rest = jnp.zeros((*vh.shape[:-2], vh.shape[-2] - dvh.shape[-2], vh.shape[-1]), vh.dtype)
    return (u, s, vh), (du, ds, jnp.concatenate([dvh, rest], -2))


def check_svd(a: Array, driver: str | None = None) -> None:
    """Shapes, types and options of a singular value decomposition."""
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER "
            "backend."
        )
    check_matrix("linalg.svd", a)
    check_floating("linalg.svd", a)
    check_kernel("linalg_svd_cpu", a)


@register(
    "linalg.svd",
    node="LinalgSvdBackward0",
    static="full_matrices driver",
    promote=None,
    out=True,
    returns="linalg_svd U S Vh",
    saves="U S Vh",
)
def svd(
    A: Array,
    full_matrices: bool = True,
    *,
    driver: str | None = None,
) -> tuple[Array, Array, Array]:
    """Singular value decomposition A = U diag(S) V^H, values falling.

    Args:
        A: shape ``(*, m, n)``; k = min(m, n).
        full_matrices: U ``(*, m, m)`` and Vh ``(*, n, n)``, else U ``(*, m, k)`` and Vh ``(*, k, n)``.
        driver: of cuSOLVER, not on a CPU.

    Raises:
        RuntimeError: fewer than 2 dims, integers, a ``driver``.
        NotImplementedError: half precision.
    """
    check_svd(A, driver)
    return triplet(A, full_matrices)


@register(
    "svd",
    node="LinalgSvdBackward0",
    static="some compute_uv",
    promote=None,
    method=True,
    out=True,
    returns="svd U S V",
    saves="U S V",
)
def old_svd(input: Array, some: bool = True, compute_uv: bool = True) -> tuple[Array, Array, Array]:
    """The older form of ``torch.linalg.svd``, with V instead of V^H; zeros without ``compute_uv``."""
    check_svd(input)
    rows, columns = input.shape[-2:]
    if not compute_uv:
        batch = input.shape[:-2]
        u, v = (jnp.zeros((*batch, n, n), input.dtype) for n in (rows, columns))
        return u, _values(input), v
    u, s, vh = triplet(input, not some)
    return u, s, adjoint(vh)


def _values(a: Array) -> Array:
    return jnp.linalg.svd(a, compute_uv=False)


@register(
    "linalg.svdvals", node="LinalgSvdBackward0", static="driver", promote=None, out=True, saves="result"
)
def svdvals(A: Array, *, driver: str | None = None) -> Array:
    """Singular values, falling.

    Raises:
        RuntimeError: fewer than 2 dims, integers, a ``driver``.
        NotImplementedError: half precision.
    """
    check_svd(A, driver)
    return _values(A)


# --- eigenvalues of Hermitian matrices ---


def check_hermitian(a: Array, triangle: str) -> None:
    """Shapes, types and the triangle of a Hermitian eigenvalue problem."""
    check_square("linalg.eigh", a)
    if triangle.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {triangle}")
    check_kernel("linalg_eigh_cpu", a)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def mirrored(a: Array, triangle: str) -> Array:
    """The Hermitian matrix with one triangle of ``a``; gradients are those of a whole Hermitian ``a``."""
    return lower_hermitian(adjoint(a) if triangle.upper() == "U" else a)


@mirrored.defjvp
def _mirrored_jvp(triangle: str, primals: Any, tangents: Any) -> tuple[Array, Array]:
    # As PyTorch's, gradients are Hermitian themselves.
    return mirrored(primals[0], triangle), (tangents[0] + adjoint(tangents[0])) / 2


def hermitian_pair(a: Array, triangle: str = "L") -> tuple[Array, Array]:
    """Eigenvalues, rising, and orthonormal eigenvectors, from one triangle of the matrix."""
    # The matrix is whole, yet LAPACK's choice of signs depends on the triangle that it is told to read.
    lower = triangle.upper() == "L"
    vectors, values = lax.linalg.eigh(mirrored(a, triangle), lower=lower, symmetrize_input=False)
    return values, vectors


@register(
    "linalg.eigh",
    node="LinalgEighBackward0",
    static="UPLO",
    promote=None,
    out=True,
    returns="linalg_eigh eigenvalues eigenvectors",
    saves="eigenvalues eigenvectors",
)
def eigh(A: Array, UPLO: str = "L") -> tuple[Array, Array]:
    """Eigenvalues of Hermitian matrices, real and rising, and their eigenvectors as columns.

    Args:
        A: shape ``(*, n, n)``, of which one triangle is read.
        UPLO: which: ``"L"`` (lower) or ``"U"``.

    Raises:
        RuntimeError: matrices that are not square, another ``UPLO``.
        NotImplementedError: integers and half precision.
    """
    check_hermitian(A, UPLO)
    return hermitian_pair(A, UPLO)


@register(
    "linalg.eigvalsh", node="LinalgEighBackward0", static="UPLO", promote=None, out=True, saves="result"
)
def eigvalsh(A: Array, UPLO: str = "L") -> Array:
    """Eigenvalues of Hermitian matrices, real and rising (see ``torch.linalg.eigh``).

    Raises:
        RuntimeError: matrices that are not square, another ``UPLO``.
        NotImplementedError: integers and half precision.
    """
    check_hermitian(A, UPLO)
    return hermitian_pair(A, UPLO)[0]


# --- eigenvalues of any square matrix ---


@jax.custom_jvp
def pair(a: Array) -> tuple[Array, Array]:
    """Complex eigenvalues and eigenvectors of norm 1."""
    values, vectors = jnp.linalg.eig(a)
    return values, vectors


@pair.defjvp
def _pair_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    # A V = V L gives V^-1 dA V = dL + [V^-1 dV, L]; what changes the norm of a vector is taken out again.
    values, vectors = pair(*primals)
    mixed = solve_square(vectors, product(tangents[0].astype(vectors.dtype), vectors))
    gaps = values[..., None, :] - values[..., :, None]
    eye = jnp.eye(values.shape[-1], dtype=bool)
    mixing = jnp.where(eye, 0, mixed / jnp.where(eye, 1, gaps))
    turned = product(vectors, mixing)
    stretch = jnp.sum(jnp.conj(vectors) * turned, -2, keepdims=True).real
    return (values, vectors), (jnp.diagonal(mixed, axis1=-2, axis2=-1), turned - vectors * stretch)


def check_eig(op: str, a: Array) -> None:
    """Shapes and types of an eigenvalue problem."""
    check_square(op, a)
    if kind(a) in "bi":
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_type(a)}")
    check_kernel("linalg_eig_out_cpu", a)


@register(
    "linalg.eig",
    node="LinalgEigBackward0",
    promote=None,
    out=True,
    returns="linalg_eig eigenvalues eigenvectors",
    saves="eigenvalues eigenvectors",
)
def eig(A: Array) -> tuple[Array, Array]:
    """Eigenvalues of square matrices, complex and in no particular order, and eigenvectors of norm 1.

    Raises:
        RuntimeError: matrices that are not square, integers.
        NotImplementedError: half precision.
    """
    check_eig("linalg.eig", A)
    return pair(A)


@register("linalg.eigvals", node="LinalgEigBackward0", promote=None, out=True, saves="result")
def eigvals(A: Array) -> Array:
    """Eigenvalues of square matrices, complex and in no particular order.

    Raises:
        RuntimeError: matrices that are not square, integers.
        NotImplementedError: half precision.
    """
    check_eig("linalg.eigvals", A)
    return pair(A)[0]
