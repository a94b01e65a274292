"""Writing and reading under masks: against PyTorch."""

import numpy as np

X = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 6.0]], np.float32)
MASK = X > 2
N = np.array(9, np.float32)


def test_masking_matches_torch(compare):
    compare("masked_fill", X, MASK, 2)
    compare("masked_fill", X, MASK[0], N)
    compare("masked_fill", X.astype(np.int64), MASK, 2.7, grad=False)
    compare("masked_scatter", X, MASK, X[::-1].copy())
    compare("masked_scatter", X[0], MASK, X)
    compare("masked_select", X, MASK)
    compare("masked_select", X, MASK[0])
    compare("masked_select", N, np.array(True))


def test_unsafe_masked_index_reads_only_under_the_mask(compare):
    rows, columns = np.array([0, 9]), np.array([1, 2])
    compare("_unsafe_masked_index", X, np.array([True, False]), [rows, columns], 7.0)


def test_errors_are_torchs(same_error):
    same_error("masked_fill", X, X, 1.0)
    same_error("masked_fill", X, MASK, X[0])
    same_error("masked_fill", X, MASK, 1j)
    same_error("masked_fill", X, MASK[:, :2], 1.0)
    same_error("masked_scatter", X, MASK, X.astype(np.int64))
    same_error("masked_scatter", X, MASK, X[0, :2])
    same_error("masked_scatter", X, X, X)
    same_error("masked_select", X, X)
