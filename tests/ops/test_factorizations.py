"""Cholesky, LU and LDL factorizations: failures, texts, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 3))
POSITIVE = A @ np.swapaxes(A, -1, -2) + np.eye(3)
WIDE = RNG.normal(size=(2, 4))


@pytest.mark.filterwarnings("ignore:torch.cholesky is deprecated")
def test_cholesky_matches_torch(compare):
    compare("linalg.cholesky", POSITIVE)
    compare("linalg.cholesky", POSITIVE[0], upper=True)
    compare("linalg.cholesky", POSITIVE[0] + 1j * (np.tril(A[0], -1) - np.tril(A[0], -1).T) * 0.1, grad=False)
    compare("linalg.cholesky_ex", POSITIVE)
    compare("cholesky", POSITIVE)


def test_cholesky_tells_which_minor_fails():
    a = np.diag([1.0, 2.0, -1.0])
    x = jtorch.from_numpy(np.stack([np.eye(3), a]))
    assert jtorch.linalg.cholesky_ex(x).info.tolist() == [0, 3]
    with pytest.raises(jtorch.linalg.LinAlgError, match=r"\(Batch element 1\).*leading minor of order 3"):
        jtorch.linalg.cholesky(x)


def test_lu_matches_torch(compare):
    compare("linalg.lu_factor", A)
    compare("linalg.lu_factor_ex", WIDE)
    compare("linalg.lu", WIDE)
    compare("linalg.lu", WIDE.T.copy())


def test_lu_unpack_matches_torch(compare, torch):
    packed, pivots = (x.numpy() for x in torch.linalg.lu_factor(torch.from_numpy(A)))
    compare("lu_unpack", packed, pivots)
    compare("lu_unpack", packed, pivots, unpack_data=False, grad=False)


def test_ldl_matches_torch(compare, torch):
    symmetric = A + np.swapaxes(A, -1, -2)
    compare("linalg.ldl_factor", symmetric, grad=False)
    packed, pivots = (x.numpy() for x in torch.linalg.ldl_factor(torch.from_numpy(symmetric)))
    compare("linalg.ldl_solve", packed, pivots, A, grad=False)


def test_errors_are_torchs(same_error):
    same_error("linalg.cholesky", WIDE)
    same_error("linalg.cholesky", A.astype(np.int64))
    same_error("linalg.cholesky", A.astype(np.float16))
    same_error("linalg.lu", WIDE[0])
    same_error("linalg.lu_factor", A, pivot=False)
    same_error("linalg.lu_factor", np.zeros((2, 2)))
    same_error("lu_unpack", A, np.ones((2, 3), np.int64))
    same_error("linalg.ldl_factor", WIDE)
