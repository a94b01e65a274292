"""Triangles and diagonals: against PyTorch."""

import numpy as np
import pytest

A = np.arange(12, dtype=np.float32).reshape(3, 4)
V = np.arange(3, dtype=np.float32) + 1


@pytest.mark.parametrize("offset", [-4, -1, 0, 2])
def test_triangles_match_torch(compare, offset):
    compare("tril", A, offset)
    compare("triu", A, offset)
    compare("diag", V, offset)
    compare("diag_embed", A, offset, 0, -1)
    compare("diagflat", A, offset)


def test_diagonals_match_torch(compare):
    compare("diag", A, 1)
    compare("diag", A, 9)
    compare("diag_embed", V, 1, 1, 0)
    compare("trace", A)
    compare("trace", A.astype(np.int32), grad=False)


def test_errors_are_torchs(same_error):
    same_error("tril", V)
    same_error("triu", V)
    same_error("diag", A[None])
    same_error("diag_embed", V, 0, 0, 0)
    same_error("diag_embed", V, 0, 0, 5)
    same_error("trace", A[None])
    same_error("trace", A[:, :3] > 1)
