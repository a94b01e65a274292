"""Finite differences and powers of vectors: against PyTorch."""

import numpy as np
import pytest

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 4))
V = np.array([0.5, -2.0, 3.0])


def test_diff_matches_torch(compare):
    compare("diff", A)
    compare("diff", A, 2, 0)
    compare("diff", A, 9)
    compare("diff", A, prepend=A[:, :1], append=A[:, :2])
    compare("diff", A > 0, grad=False)


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient_matches_torch(compare, edge_order):
    compare("gradient", A, edge_order=edge_order)
    compare("gradient", A, spacing=2.0, dim=1, edge_order=edge_order)
    compare("gradient", A, spacing=[0.5, 2.0], edge_order=edge_order)
    compare("gradient", A[:, :3], spacing=[V, V + 1], edge_order=edge_order, grad=False)
    compare("gradient", np.arange(4), edge_order=edge_order, grad=False)


def test_vander_matches_torch(compare):
    compare("vander", V, grad=False)
    compare("vander", V, 2, True, grad=False)
    compare("vander", np.arange(3), grad=False)
    compare("linalg.vander", A, N=3)


def test_renorm_matches_torch(compare):
    compare("renorm", A, 2, 0, 1.5)
    compare("renorm", A, 1, 1, 1.0)


def test_errors_are_torchs(same_error):
    same_error("diff", np.array(1.0))
    same_error("diff", V, -1)
    same_error("diff", A, prepend=A[:2])
    same_error("gradient", A, edge_order=3)
    same_error("gradient", A, dim=[0, 0])
    same_error("gradient", A, spacing=[1.0, 2.0, 3.0])
    same_error("gradient", V[:1])
    same_error("vander", A)
    same_error("vander", V, -1)
    same_error("linalg.vander", V, N=1)
    same_error("renorm", V, 2, 0, 1.0)
    same_error("renorm", A, -1, 0, 1.0)
    same_error("renorm", A, 2, 0, -1.0)
