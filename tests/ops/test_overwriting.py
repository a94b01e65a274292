"""Copies with one part replaced: against PyTorch."""

import numpy as np

import jtorch

A = np.arange(12, dtype=np.float32).reshape(4, 3)
NEW = -np.arange(1, 13, dtype=np.float32).reshape(4, 3)


def test_overwriting_matches_torch(compare):
    compare("slice_scatter", A, NEW[:2], 0, 1, None, 2)
    compare("slice_scatter", A, NEW[:2], 0, -2, 9)
    compare("select_scatter", A, NEW[0], 0, -1)
    compare("select_scatter", A, NEW[:, 0], 1, 2)
    compare("diagonal_scatter", A, NEW[0], -1)
    compare("diagonal_scatter", A, NEW[0, :2], 1)
    compare("as_strided_scatter", A, NEW[:2, :2], (2, 2), (1, 2), 1, grad=False)


def test_gradient_of_the_part_replaced_is_zero():
    x = jtorch.ones(4, requires_grad=True)
    jtorch.as_strided_scatter(x, jtorch.zeros(2), (2,), (2,)).sum().backward()
    assert x.grad.tolist() == [0, 1, 0, 1]


def test_errors_are_torchs(same_error):
    same_error("slice_scatter", A, NEW[:2], 0, 1)
    same_error("slice_scatter", A, NEW[:2], 0, 0, 4, 0)
    same_error("select_scatter", A, NEW[0], 0, 7)
    same_error("select_scatter", A, NEW[:, 0], 0, 1)
    same_error("diagonal_scatter", A, NEW[0], 9)
    same_error("diagonal_scatter", A, NEW[0], 0, 1, 1)
    same_error("as_strided_scatter", A, NEW[:2, :2], (2, 2), (9, 9))
    same_error("as_strided_scatter", A, NEW[:2, :2], (2, 2), (1, 2, 3))
