"""Pseudoinverses, ranks and least squares: against PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(2, 4, 2))
DEFICIENT = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])


def test_pinv_matches_torch(compare):
    compare("linalg.pinv", A)
    compare("linalg.pinv", DEFICIENT)
    compare("linalg.pinv", A, rtol=0.5)
    compare("linalg.pinv", A, atol=np.array([0.1, 2.0]), grad=False)
    compare("linalg.pinv", A[0] @ A[0].T, hermitian=True, rtol=1e-10)
    compare("pinverse", A)


def test_matrix_rank_matches_torch(compare):
    assert jtorch.linalg.matrix_rank(jtorch.from_numpy(DEFICIENT)).item() == 1
    compare("linalg.matrix_rank", A, grad=False)
    compare("linalg.matrix_rank", A, tol=2.0, grad=False)
    compare("linalg.matrix_rank", A[0] @ A[0].T, hermitian=True, grad=False)


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
def test_lstsq_matches_torch(compare, driver):
    compare("linalg.lstsq", A, B, driver=driver)
    compare("linalg.lstsq", np.swapaxes(A, 1, 2).copy(), B[:, :3].copy(), driver=driver)


def test_errors_are_torchs(same_error):
    same_error("linalg.pinv", A[0, 0])
    same_error("linalg.matrix_rank", A[0, 0])
    same_error("linalg.matrix_rank", A.astype(np.int64))
    same_error("linalg.lstsq", A, B[:, :3])
    same_error("linalg.lstsq", A, B, driver="x")
    same_error("linalg.lstsq", A, B.astype(np.float32))
