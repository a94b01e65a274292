"""Flips, rolls, turns and copies: against PyTorch."""

import numpy as np

import jtorch

A = np.arange(6, dtype=np.float32).reshape(2, 3)
V = np.arange(3, dtype=np.float32)


def test_rot90_turns_from_the_first_dim_to_the_second():
    assert jtorch.rot90(jtorch.tensor([[1, 2], [3, 4]])).tolist() == [[2, 4], [1, 3]]


def test_rearranging_matches_torch(compare):
    compare("flip", A, [0, -1])
    compare("fliplr", A)
    compare("flipud", A)
    compare("roll", A, 1)
    compare("roll", A, (1, -2), (0, 1))
    for k in (-1, 2, 5):
        compare("rot90", A, k)
    compare(".repeat", A, 2, 1, 2)
    compare("tile", A, (2,))
    compare("repeat_interleave", A, 2)
    compare("repeat_interleave", A, 2, 1)
    compare("repeat_interleave", A, np.array([1, 0, 2]), 1)
    compare("repeat_interleave", A, np.array([2]), 0)
    compare("repeat_interleave", np.array([1, 0, 2]), grad=False)


def test_errors_are_torchs(same_error):
    same_error("flip", A, [0, 0])
    same_error("flip", A, [2])
    same_error("fliplr", V)
    same_error("roll", A, (1, 2), (0,))
    same_error("roll", A, 1, 5)
    same_error("roll", A, ())
    same_error("rot90", A, 1, [0, 0])
    same_error("rot90", A, 1, [0])
    same_error("rot90", V)
    same_error(".repeat", A, 2)
    same_error(".repeat", A, 2, -1)
    same_error("repeat_interleave", A, -1)
    same_error("repeat_interleave", A, np.array([1, 2, 3]), 0)
    same_error("repeat_interleave", A, np.array([-1, 2]), 0)
    same_error("repeat_interleave", A, np.array([[1, 2]]), 0)
