"""Powers, exponentials, covariances: against PyTorch."""

import numpy as np

import jtorch

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 3))
X = RNG.normal(size=(3, 5))
COUNTS, WEIGHTS = np.array([1, 2, 1, 3, 1]), np.abs(RNG.normal(size=5))


def test_exponential_of_a_nilpotent_matrix_by_hand():
    assert jtorch.matrix_exp(jtorch.tensor([[0.0, 3.0], [0.0, 0.0]])).tolist() == [[1, 3], [0, 1]]


def test_powers_match_torch(compare):
    for n in (0, 1, 2, 5, -1, -3):
        compare("linalg.matrix_power", A, n)
    compare("matrix_exp", A)


def test_covariances_match_torch(compare):
    compare("cov", X)
    compare("cov", X, correction=0, fweights=COUNTS)
    compare("cov", X, aweights=WEIGHTS)
    compare("cov", X, fweights=COUNTS, aweights=WEIGHTS)
    compare("cov", X[0])
    compare("cov", COUNTS, grad=False)
    compare("corrcoef", X)
    compare("corrcoef", X + 1j * X[::-1], grad=False)


def test_errors_are_torchs(same_error):
    same_error("matrix_exp", X)
    same_error("linalg.matrix_power", X, 2)
    same_error("cov", A)
    same_error("cov", X > 0)
    same_error("cov", X, fweights=WEIGHTS)
    same_error("cov", X, fweights=COUNTS[:2])
    same_error("cov", X, fweights=-COUNTS)
    same_error("cov", X, aweights=COUNTS)
    same_error("corrcoef", A)
