"""Approximate decompositions by random projections."""

from __future__ import annotations

from jtorch.dtypes import float32
from jtorch.tensor._core import Tensor, call
from jtorch.tensor._derive import derived
from jtorch.tensor._random import randn

__all__: list[str] = []


def _basis(a: Tensor, q: int, niter: int, mean: Tensor | None) -> Tensor:
    """Orthonormal columns that nearly span the range of ``a - mean``, by ``niter`` power iterations."""

    def project(x: Tensor, adjoint: bool) -> Tensor:
        y = (a.mH if adjoint else a) @ x
        if mean is not None:
            y = y - (mean.mH if adjoint else mean) @ x
        return y

    def orthonormal(x: Tensor) -> Tensor:
        q: Tensor = call("linalg.qr", x)[0]
        return q

    dtype = a.dtype if a.is_complex() or a.is_floating_point() else float32
    out = orthonormal(project(randn(a.shape[-1], q, dtype=dtype, device=a.device), False))
    for _ in range(niter):
        out = orthonormal(project(out, True))
        out = orthonormal(project(out, False))
    return out


def svd_lowrank(
    A: Tensor,
    q: int | None = 6,
    niter: int | None = 2,
    M: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The ``q`` largest singular values of A - M and their vectors, approximately: ``(U, S, V)``.

    Draws random numbers: the result depends on the generator's state.

    Args:
        A: shape ``(*, m, n)``.
        q: a little more than the rank that is expected.
        niter: power iterations.
        M: what is subtracted from ``A``; broadcasts.

    Reference: Halko et al., "Finding structure with randomness", 2009, algorithms 4.4 and 5.1,
    https://arxiv.org/abs/0909.4061
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    mean = None if M is None else M.expand(A.shape)
    wide = A.shape[-2] < A.shape[-1]
    a = A.mH if wide else A
    if wide and mean is not None:
        mean = mean.mH
    basis = _basis(a, q, niter, mean)
    small = basis.mH @ a
    if mean is not None:
        small = small - basis.mH @ mean
    u, s, vh = call("linalg.svd", small, False)
    u, v = basis @ u, vh.mH
    return (v, s, u) if wide else (u, s, v)


def pca_lowrank(
    A: Tensor,
    q: int | None = None,
    center: bool = True,
    niter: int = 2,
) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components of the rows of A, approximately: ``(U, S, V)``, the directions as columns of V.

    Draws random numbers: the result depends on the generator's state.

    Args:
        A: shape ``(*, m, n)``, m samples of n features.
        q: a little more than the rank that is expected; ``min(6, m, n)`` by default.
        center: subtract the mean of each feature first.
        niter: power iterations.

    Raises:
        ValueError: ``q`` or ``niter`` out of range.
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not (0 <= q <= min(m, n)):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if not center:
        return svd_lowrank(A, q, niter)
    return svd_lowrank(A - A.mean(-2, keepdim=True), q, niter)


for _function in (svd_lowrank, pca_lowrank):
    _function.__module__ = "jtorch"
    derived[""][_function.__name__] = _function
