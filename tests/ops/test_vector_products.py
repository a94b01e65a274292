"""Cross and dot products along a dimension, and distances of all pairs: against PyTorch."""

import numpy as np
import pytest

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(4, 3)), RNG.normal(size=(5, 3))
INF = float("inf")


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF])
def test_cdist_matches_torch(compare, p):
    compare("cdist", A, B, p)
    compare("cdist", A, A, p)  # distances of 0


def test_cdist_by_matrix_product_matches_torch(compare):
    compare("cdist", A, B, 2.0, "use_mm_for_euclid_dist")
    compare("cdist", A[None], np.stack([B, -B]))


def test_products_match_torch(compare):
    compare("cross", A, A[::-1].copy(), 1)
    compare("linalg.cross", A, A[:1] + 1)
    compare("linalg.cross", A.T.copy(), A.T + 1, dim=0)
    compare("linalg.vecdot", A, A[0])
    compare("linalg.vecdot", A + 1j, A - 2j)


@pytest.mark.filterwarnings("ignore:Using torch.cross")
def test_errors_are_torchs(same_error):
    same_error("cdist", A, B[:, :2])
    same_error("cdist", A[0], B)
    same_error("cdist", A, B, -1.0)
    same_error("cdist", A.astype(np.int64), B)
    same_error("cdist", A, B, 2.0, "bad")
    same_error("cross", A[:, :2], A[:, :2])
    same_error("cross", A, A, 0)
    same_error("linalg.cross", A, A[0])
    same_error("linalg.cross", A, B)
    same_error("linalg.vecdot", A, A.astype(np.float32))
    same_error("linalg.vecdot", A, B)
