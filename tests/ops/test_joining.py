"""Joining: empty vectors, promotion, texts, and comparison with PyTorch."""

import numpy as np

import jtorch

A = np.arange(6, dtype=np.float32).reshape(2, 3)
V = np.arange(3, dtype=np.float32)
N = np.array(2, np.float32)


def test_cat_skips_empty_vectors_and_promotes():
    x = jtorch.cat([jtorch.ones(2, 3), jtorch.ones(0), jtorch.ones(1, 3, dtype=jtorch.float64)])
    assert x.shape == (3, 3)
    assert x.dtype is jtorch.float64


def test_joining_matches_torch(compare):
    compare("cat", [A, A + 1], 1)
    compare("concat", [A, A[:1]])
    compare("stack", [A, A + 1], -1)
    compare("stack", [N, N])
    compare("hstack", [A, A])
    compare("hstack", [N, V])
    compare("vstack", [V, A])
    compare("dstack", [A, A])
    compare("dstack", [V, V])
    compare("column_stack", [V[:2], A])


def test_chunk_cat_matches_torch(compare):
    compare("_chunk_cat", [A, A[:1]], 0, 2, grad=False)
    compare("_chunk_cat", [A, A], -1, 2, grad=False)


def test_errors_are_torchs(same_error):
    same_error("cat", [A, A], 2)
    same_error("cat", [A, V], 0)
    same_error("cat", [A, A[:, :2]], 0)
    same_error("cat", [N, N])
    same_error("cat", [])
    same_error("stack", [A, A[:1]])
    same_error("stack", [])
    same_error("stack", [A, A], 3)
    for name in ("hstack", "vstack", "dstack", "column_stack"):
        same_error(name, [])
    same_error("hstack", [A, A[:1]])
    same_error("_chunk_cat", [A, V], 1, 2)
    same_error("_chunk_cat", [A, A], 0, 0)
