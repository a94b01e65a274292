"""Triangular systems and solvers that start from factors: against PyTorch."""

import numpy as np
import pytest

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 3, 3)), RNG.normal(size=(3, 4))
LOWER = np.tril(A) + 3 * np.eye(3)
UPPER = np.triu(A) + 3 * np.eye(3)


@pytest.mark.parametrize("unit", [False, True])
def test_triangles_match_torch(compare, unit):
    compare("linalg.solve_triangular", UPPER, B, upper=True, unitriangular=unit)
    compare("linalg.solve_triangular", LOWER, B.T.copy(), upper=False, left=False, unitriangular=unit)


@pytest.mark.filterwarnings("ignore:torch.triangular_solve")
def test_old_triangular_solve_matches_torch(compare):
    compare("triangular_solve", B, UPPER)
    compare("triangular_solve", B, LOWER[0], False, True)


def test_cholesky_solvers_match_torch(compare):
    compare("cholesky_solve", B, LOWER[0])
    compare("cholesky_solve", B, UPPER[0], True)
    compare("cholesky_inverse", LOWER)
    compare("cholesky_inverse", UPPER[0], True)


@pytest.mark.parametrize("adjoint", [False, True])
def test_lu_solve_matches_torch(compare, torch, adjoint):
    packed, pivots = (x.numpy() for x in torch.linalg.lu_factor(torch.from_numpy(A)))
    compare("linalg.lu_solve", packed, pivots, B, adjoint=adjoint)
    compare("linalg.lu_solve", packed[0], pivots[0], B.T.copy(), left=False, adjoint=adjoint)


def test_errors_are_torchs(same_error):
    same_error("linalg.solve_triangular", B, B, upper=True)
    same_error("linalg.solve_triangular", LOWER, B.T.copy(), upper=True)
    same_error("cholesky_solve", B.T.copy(), LOWER[0])
    same_error("cholesky_solve", B[0], LOWER[0])
    same_error("cholesky_inverse", B)
    same_error("cholesky_inverse", A.astype(np.int64))
    same_error("linalg.lu_solve", A[0], np.ones(3, np.int64), B)
    same_error("linalg.lu_solve", A[0], np.ones(3, np.int32), B.astype(np.float32))
