"""Singular values and eigenvalues: reconstruction, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3))
WIDE = RNG.normal(size=(2, 4))
SYMMETRIC = A + A.T
WEIGHT = RNG.normal(size=(3, 3))


@pytest.mark.parametrize("full", [False, True])
def test_svd_reconstructs(full):
    x = jtorch.from_numpy(WIDE)
    u, s, vh = jtorch.linalg.svd(x, full_matrices=full)
    np.testing.assert_allclose((u * s @ vh[:2]).numpy(), WIDE, atol=1e-12)
    assert vh.shape == ((4, 4) if full else (2, 4))
    v = jtorch.svd(x, some=not full).V
    np.testing.assert_allclose(v.numpy(), vh.mT.numpy())


def test_values_match_torch(compare):
    compare("linalg.svdvals", WIDE)
    compare("linalg.eigvalsh", A)
    compare("linalg.eigvalsh", A, "U")
    compare("linalg.eigvals", SYMMETRIC)


def test_gradients_that_do_not_depend_on_signs():
    # sum of s is the nuclear norm, with gradient U V^H; u s v^H is the matrix itself.
    x = jtorch.from_numpy(WIDE).requires_grad_()
    u, s, vh = jtorch.linalg.svd(x, full_matrices=True)
    s.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), (u @ vh[:2]).detach().numpy(), atol=1e-12)
    y = jtorch.from_numpy(SYMMETRIC).requires_grad_()
    values, vectors = jtorch.linalg.eigh(y)
    ((vectors * values) @ vectors.mT).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), np.full((3, 3), 1.0), atol=1e-10)


@pytest.mark.parametrize("triangle", ["L", "U"])
@pytest.mark.parametrize("matrix", [SYMMETRIC, A, A + 1j * WEIGHT], ids=["symmetric", "any", "complex"])
def test_gradients_of_eigh_are_hermitian(torch, matrix, triangle):
    def gradient(library):
        x = library.from_numpy(matrix.copy()).requires_grad_()
        values, vectors = library.linalg.eigh(x, UPLO=triangle)
        (values.sum() + (vectors.abs() * library.from_numpy(WEIGHT)).sum()).backward()
        return x.grad.numpy()

    mine = gradient(jtorch)
    np.testing.assert_allclose(mine, gradient(torch), atol=1e-10)
    np.testing.assert_allclose(mine, mine.conj().T, atol=1e-10)


def test_eig_reconstructs():
    values, vectors = jtorch.linalg.eig(jtorch.from_numpy(A))
    assert values.dtype is jtorch.complex128
    back = (vectors * values) @ jtorch.linalg.inv(vectors)
    np.testing.assert_allclose(back.numpy(), A, atol=1e-12)


def test_errors_are_torchs(same_error):
    same_error("linalg.svd", A[0])
    same_error("linalg.svd", A.astype(np.int64))
    same_error("linalg.svd", A, driver="gesvd")
    same_error("linalg.eigh", WIDE)
    same_error("linalg.eigh", A, "X")
    same_error("linalg.eigh", A.astype(np.int64))
    same_error("linalg.eig", WIDE)
    same_error("linalg.eigvals", A.astype(np.int64))
