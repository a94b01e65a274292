"""Counts per bin."""

import numpy as np

import jtorch

X = np.array([0.0, 0.1, 1.0, 1.9, 2.0, 5.0, -1.0], np.float32)
W = np.arange(7, dtype=np.float32)


def test_the_last_bin_has_both_edges():
    assert jtorch.histc(jtorch.tensor([0.0, 1.0, 2.0]), bins=2, min=0, max=2).tolist() == [1.0, 2.0]
    assert jtorch.tensor([0, 3, 1, 3]).bincount().tolist() == [1, 1, 0, 2]


def test_histograms_match_torch(compare):
    compare("histc", X, 4, grad=False)
    compare("histc", X, 4, 0, 2, grad=False)
    compare("histc", X[:1], 3, grad=False)
    compare("histogram", X, 4, grad=False)
    compare("histogram", X, 4, range=(0.0, 2.0), weight=W, density=True, grad=False)
    compare("histogram", X, np.array([0.0, 0.5, 2.0], np.float32), grad=False)


def test_bincount_matches_torch(compare):
    x = np.array([1, 5, 1, 0])
    compare("bincount", x, grad=False)
    compare("bincount", x, W[:4], minlength=8, grad=False)
    compare("bincount", x, x, grad=False)
    compare("bincount", x[:0], grad=False)


def test_errors_are_torchs(same_error):
    same_error("histc", X, 0)
    same_error("histc", X, 4, 2, 1)
    same_error("histogram", X, 0)
    same_error("histogram", X, 4, range=(1.0, 0.0))
    same_error("histogram", X, 4, weight=W[:3])
    same_error("histogram", X, X.astype(np.float64))
    same_error("bincount", X)
    same_error("bincount", np.array([-1]))
    same_error("bincount", np.array([1]), minlength=-1)
