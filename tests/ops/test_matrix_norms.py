"""Norms and condition numbers: subgradients at zero and at ties, texts, and comparison with PyTorch."""

import numpy as np
import pytest

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 3))
ZERO = np.zeros((3, 3))
INF = float("inf")


@pytest.mark.parametrize("order", [0, 0.5, 1, 1.5, 2, 3, -1, INF, -INF])
def test_vector_norm_matches_torch(compare, order):
    # The 0-norm has gradient 0, for which PyTorch gives none.
    compare("linalg.vector_norm", A, order, (0, 2), grad=order != 0)
    compare("linalg.vector_norm", A[0, 0] + 1j * A[0, 1], order, keepdim=True, grad=order != 0)


@pytest.mark.parametrize("order", [0.5, 1, 1.5, 2, 3, INF])
def test_subgradients_at_zero_match_torch(compare, order):
    compare("linalg.vector_norm", ZERO, order)


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, INF, -INF])
def test_matrix_norm_matches_torch(compare, order):
    compare("linalg.matrix_norm", A, order, (2, 0), True)
    compare("linalg.norm", A[0], order)


def test_norms_match_torch(compare):
    compare("linalg.norm", A)
    compare("linalg.norm", A, 3, 1)
    compare("linalg.norm", A, dim=(0, 1))
    compare("linalg.vector_norm", A.astype(np.float16), dtype="torch.float32")
    compare("linalg.matrix_norm", np.zeros((0, 3)), 1, grad=False)


@pytest.mark.parametrize("p", [None, -2, "fro", "nuc", 1, INF])
def test_cond_matches_torch(compare, p):
    # PyTorch 2.13 cannot differentiate those that need the inverse.
    compare("linalg.cond", A, p, grad=p in (None, -2))


def test_errors_are_torchs(same_error):
    same_error("linalg.vector_norm", A.astype(np.int64))
    same_error("linalg.vector_norm", A, dtype="torch.int64")
    same_error("linalg.vector_norm", A, dtype="torch.float32")
    same_error("linalg.vector_norm", np.zeros((3, 0)), INF)
    same_error("linalg.vector_norm", np.zeros((3, 0)), INF, 1)
    same_error("linalg.matrix_norm", A[0, 0])
    same_error("linalg.matrix_norm", A, 3)
    same_error("linalg.matrix_norm", A, "x")
    same_error("linalg.matrix_norm", A, dim=(0, 0))
    same_error("linalg.matrix_norm", A, dim=(0,))
    same_error("linalg.norm", A, 2)
    same_error("linalg.norm", A, dim=(0, 1, 2))
    same_error("linalg.cond", A, 3)
    same_error("linalg.cond", A[0, :2], "fro")


@pytest.mark.parametrize("p", [None, -2, "fro", "nuc", 1])
def test_condition_of_singular_matrices_is_torchs(compare, p):
    compare("linalg.cond", np.zeros((2, 2), np.float32), p, grad=False)
    compare("linalg.cond", np.diag(np.array([1, 2, 0], np.float32)), p, grad=False)
