"""Grids, blocks and choices: by hand and against PyTorch."""

import numpy as np
import pytest

import jtorch

A = np.arange(6, dtype=np.float32).reshape(2, 3)
V, W = np.arange(3, dtype=np.float32), np.arange(2, dtype=np.float32) + 5


def test_cartesian_prod_and_combinations_by_hand():
    x = jtorch.tensor([1, 2, 3])
    assert jtorch.combinations(x).tolist() == [[1, 2], [1, 3], [2, 3]]
    assert jtorch.cartesian_prod(x[:2], x[:2]).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_combining_matches_torch(compare):
    compare("block_diag", A, V, np.array(2, np.float32))
    compare("meshgrid", V, W)
    compare("meshgrid", [V, W], indexing="xy")
    compare("cartesian_prod", V, W)
    compare("cartesian_prod", V)
    compare("combinations", V, 2, True)
    compare("combinations", V, 0, grad=False)
    compare("combinations", V, 4)
    compare("broadcast_tensors", A, V)
    for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
        compare(name, V)
        compare(name, np.array(1, np.float32), A)


def test_atleast_gives_views():
    x = jtorch.zeros(3)
    jtorch.atleast_2d(x)[0, 1] = 5
    assert x.tolist() == [0, 5, 0]


def test_errors_are_torchs(same_error):
    same_error("block_diag", A[None])
    same_error("meshgrid", [V, W], indexing="zz")
    same_error("meshgrid", [])
    same_error("meshgrid", [V, np.arange(2)], indexing="ij")
    same_error("cartesian_prod", A)
    same_error("combinations", A)
    same_error("combinations", V, -1)
    same_error("broadcast_tensors", V, W)
