"""QR factorization and products of Householder reflections."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import kind, scalar_type
from jtorch.ops._linalg_checks import check_floating, check_kernel, check_matrix
from jtorch.ops._matmul import product
from jtorch.ops._registry import register
from jtorch.ops._solving import adjoint

__all__ = ["geqrf", "householder_product", "old_qr", "ormqr", "qr"]


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def factors(a: Array, complete: bool) -> tuple[Array, Array]:
    """Q and R of A = Q R, reduced or complete."""
    q, r = jnp.linalg.qr(a, mode="complete" if complete else "reduced")
    return q, r


@factors.defjvp
def _factors_jvp(complete: bool, primals: Any, tangents: Any) -> tuple[Any, Any]:
    # Q^H dQ = W is skew. With A = [A1 A2], A1 square (or all of a tall A) and A1 = Q R1:
    # X = Q^H dA1 / R1 = W + dR1 / R1, where the last term is upper triangular.
    (a,), (da,) = primals, tangents
    rows, columns = a.shape[-2:]
    if complete and rows > columns:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
        )
    q, r = factors(a, complete)
    k = min(rows, columns)
    scaled = lax.linalg.triangular_solve(r[..., :k], da[..., :k])
    x = product(adjoint(q), scaled)
    lower = jnp.tril(x, -1)
    skew = lower - adjoint(lower)
    if kind(a) == "c":
        skew = skew + 1j * jnp.eye(k, dtype=a.dtype) * jnp.imag(x)
    dq = scaled - product(q, x - skew)
    dr = jnp.triu(product(adjoint(q), da) - product(skew, r))
    return (q, r), (dq, dr)


def check_qr(a: Array, mode: str) -> None:
    """Shapes, types and the mode of a QR factorization."""
    if mode not in ("reduced", "r", "complete"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or "
            "'complete'"
        )
    check_matrix("linalg.qr", a)
    check_floating("linalg.qr", a)
    check_kernel("geqrf_cpu", a)


def _qr(a: Array, mode: str) -> tuple[Array, Array]:
    check_qr(a, mode)
    if mode == "r":
        return jnp.zeros((0,), a.dtype), _only_r(a)
    return factors(a, mode == "complete")


@jax.custom_jvp
def _only_r(a: Array) -> Array:
    return jnp.linalg.qr(a, mode="r")


@_only_r.defjvp
def _only_r_jvp(primals: Any, tangents: Any) -> Any:
    raise RuntimeError(
        "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
        "linalg.qr(A, "
        "mode='reduced') if you are going to differentiate through linalg.qr."
    )


@register(
    "linalg.qr",
    node="LinalgQrBackward0",
    static="mode",
    promote=None,
    out=True,
    returns="linalg_qr Q R",
    saves="Q R",
)
def qr(A: Array, mode: str = "reduced") -> tuple[Array, Array]:
    """Factors of A = Q R: columns that are orthonormal, and an upper triangle.

    Args:
        A: shape ``(*, m, n)``.
        mode: ``"reduced"``: Q ``(*, m, k)`` and R ``(*, k, n)`` with k = min(m, n); ``"complete"``: k = m;
            ``"r"``: only R, Q is empty.

    Raises:
        RuntimeError: fewer than 2 dims, another ``mode``, integers.
        NotImplementedError: half precision.
    """
    return _qr(A, mode)


@register(
    "qr",
    node="LinalgQrBackward0",
    static="some",
    promote=None,
    method=True,
    out=True,
    returns="qr Q R",
    saves="Q R",
)
def old_qr(input: Array, some: bool = True) -> tuple[Array, Array]:
    """The older name of ``torch.linalg.qr``; without ``some`` complete."""
    return _qr(input, "reduced" if some else "complete")


@register(node=None, promote=None, method=True, out=True, returns="geqrf a tau")
def geqrf(input: Array) -> tuple[Array, Array]:
    """QR factorization in LAPACK's packed form: R above, reflections below the diagonal; and their scales.

    Raises:
        RuntimeError: fewer than 2 dims.
        NotImplementedError: integers and half precision.
    """
    check_matrix("torch.geqrf", input, "input")
    check_kernel("geqrf_cpu", input)
    packed, tau = jnp.linalg.qr(input, mode="raw")
    return jnp.swapaxes(packed, -1, -2), tau


def _reflections(vectors: Array, count: int) -> Array:
    """The vectors of ``count`` reflections as columns, with the ones and zeros that LAPACK does not store."""
    rows = vectors.shape[-2]
    return jnp.tril(vectors[..., :count], -1) + jnp.eye(rows, count, dtype=vectors.dtype)


def reflected(vectors: Array, tau: Array, x: Array, forward: bool) -> Array:
    """The reflections I - tau v v^H applied to ``x``, one after another: the first one first, or the last."""

    def step(x: Array, one: tuple[Array, Array]) -> tuple[Array, None]:
        v, scale = one
        along = product(jnp.conj(v)[..., None, :], x)
        return x - scale[..., None, None] * v[..., :, None] * along, None

    columns = jnp.moveaxis(_reflections(vectors, tau.shape[-1]), -1, 0)
    out, _ = lax.scan(step, x, (columns, jnp.moveaxis(tau, -1, 0)), reverse=not forward)
    return out


def check_reflections(op: str, input: Array, tau: Array) -> None:
    """Shapes and types of packed reflections."""
    if input.ndim < 2:
        raise RuntimeError(f"{op}: input must have at least 2 dimensions.")
    if input.shape[-2] < input.shape[-1]:
        raise RuntimeError(f"{op}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if input.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{op}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if input.ndim - 1 != tau.ndim:
        raise RuntimeError(
            f"{op}: Expected tau to have one dimension less than input, but got tau.ndim equal to "
            f"{tau.ndim} and "
            f"input.ndim is equal to {input.ndim}"
        )
    if tau.shape[:-1] != input.shape[:-2]:
        raise RuntimeError(
            f"{op}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}"
        )
    if tau.dtype != input.dtype:
        raise RuntimeError(
            f"{op}: tau dtype {scalar_type(tau)} does not match input dtype {scalar_type(input)}"
        )


@register(
    "linalg.householder_product",
    node="LinalgHouseholderProductBackward0",
    promote=None,
    watches="result",
    out=True,
    aliases="orgqr",
    method="orgqr",
)
def householder_product(A: Array, tau: Array) -> Array:
    """First columns of the product of the reflections that ``torch.geqrf`` packs below the diagonal.

    Args:
        A: shape ``(*, m, n)``, m at least n.
        tau: shape ``(*, k)``, k at most n.

    Returns:
        Shape ``(*, m, n)``.

    Raises:
        RuntimeError: sizes or types that do not fit.
        NotImplementedError: integers and half precision.
    """
    check_reflections("torch.linalg.householder_product", A, tau)
    check_kernel("orgqr_cpu", A)
    start = jnp.broadcast_to(jnp.eye(A.shape[-2], A.shape[-1], dtype=A.dtype), A.shape)
    return reflected(A, tau, start, forward=False)


@register(
    node="OrmqrBackward0", static="left transpose", promote=None, watches="result", method=True, out=True
)
def ormqr(input: Array, tau: Array, other: Array, left: bool = True, transpose: bool = False) -> Array:
    """Product of ``other`` with the whole orthogonal matrix of the reflections in ``input``.

    Args:
        input: reflections as ``torch.geqrf`` packs them, shape ``(*, mn, k)``.
        tau: shape ``(*, k)``.
        other: shape ``(*, m, n)``.
        left: Q @ other, else other @ Q.
        transpose: Q^H instead of Q.

    Raises:
        RuntimeError: sizes or types that do not fit.
        NotImplementedError: integers and half precision.
    """
    check_ormqr(input, tau, other, left)
    check_kernel("ormqr_cpu", input)
    turned = other if left else adjoint(other)
    # Q = H1 H2 ... Hk; without `left`, (other Q)^H = Q^H other^H. Q^H applies the first reflection first.
    backwards = transpose == left
    scales = jnp.conj(tau) if backwards else tau
    out = reflected(input, scales, turned, forward=backwards)
    return out if left else adjoint(out)


def check_ormqr(input: Array, tau: Array, other: Array, left: bool) -> None:
    """Shapes and types of ``ormqr``."""
    if input.ndim < 2:
        raise RuntimeError("torch.ormqr: input must have at least 2 dimensions.")
    if other.ndim < 2:
        raise RuntimeError("torch.ormqr: other must have at least 2 dimensions.")
    size = -2 if left else -1
    if other.shape[size] != input.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{size}] must be equal to input.shape[-2]")
    if tau.shape[-1] != min(other.shape[size], input.shape[-1]):
        raise RuntimeError(
            f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{size}], input.shape[-1])"
        )
    for name, x, y in (("tau", input, tau), ("other", input, other)):
        if x.ndim - (name == "tau") != y.ndim:
            less = "one dimension less than" if name == "tau" else "the same number of dimensions as"
            raise RuntimeError(
                f"torch.ormqr: Expected {name} to have {less} input, but got {name}.ndim equal to {y.ndim} "
                "and "
                f"input.ndim is equal to {x.ndim}"
            )
        if x.dtype != y.dtype:
            raise RuntimeError(
                f"torch.ormqr: Expected input and {name} to have the same dtype, but input has dtype"
                f"{scalar_type(x)} and {name} has dtype {scalar_type(y)}"
            )
