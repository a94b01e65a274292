"""Linear systems, inverses, determinants: singular matrices, texts, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 3, 3)), RNG.normal(size=(2, 3, 4))
V = RNG.normal(size=3)
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


def test_determinants_match_torch(compare):
    for name in ("linalg.det", "linalg.slogdet", "logdet"):
        compare(name, A)
    compare("slogdet", A[0] + 1j * A[1])
    compare("det", np.zeros((2, 0, 0)))


def test_solutions_match_torch(compare):
    compare("linalg.inv", A)
    compare("inverse", A[0] + 1j * A[1])
    compare("linalg.inv_ex", A)
    compare("linalg.solve", A, B)
    compare("linalg.solve", A, B[:, :, 0].copy())
    compare("linalg.solve", A, V)
    compare("linalg.solve", A[0], B[0].T.copy(), left=False)
    compare("linalg.solve_ex", A[0], V)
    compare("linalg.tensorsolve", RNG.normal(size=(2, 3, 6)), RNG.normal(size=(2, 3)))
    compare("linalg.tensorinv", RNG.normal(size=(6, 2, 3)), 1)


def test_singular_matrices_raise():
    a = jtorch.from_numpy(np.stack([np.eye(2), SINGULAR]))
    text = (
        "linalg.inv: (Batch element 1): The diagonal element 2 is zero, the inversion could not be completed "
        "because the input matrix is singular."
    )
    with pytest.raises(jtorch.linalg.LinAlgError) as error:
        jtorch.linalg.inv(a)
    assert str(error.value) == text
    assert jtorch.linalg.inv_ex(a).info.tolist() == [0, 2]
    with pytest.raises(jtorch.linalg.LinAlgError, match="The solver failed"):
        jtorch.linalg.solve(a[1], jtorch.ones(2, dtype=jtorch.float64))
    with pytest.raises(RuntimeError, match="inv_ex"):
        jtorch.linalg.inv_ex(a, check_errors=True)


def test_errors_are_torchs(same_error):
    for name in ("linalg.det", "linalg.slogdet", "logdet", "linalg.inv"):
        same_error(name, B)
        same_error(name, V)
        same_error(name, A.astype(np.int64))
    same_error("linalg.inv", A.astype(np.float16))
    same_error("linalg.solve", B, B)
    same_error("linalg.solve", A, B.astype(np.float32))
    same_error("linalg.solve", A[0], V[:2])
    same_error("linalg.solve", A[0], B[0], left=False)
    same_error("linalg.tensorsolve", B, V)
    same_error("linalg.tensorinv", B)
    same_error("linalg.tensorinv", B, -1)
