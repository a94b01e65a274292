"""Histograms of points with several coordinates, and indices of shapes: against PyTorch."""

import numpy as np

import jtorch

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(20, 2))
EDGES = [np.array([0.0, 0.3, 1.0]), np.array([0.1, 0.5, 0.6, 0.9])]


def test_histogramdd_matches_torch(compare):
    compare("histogramdd", X, [3, 2], grad=False)
    compare("histogramdd", X, 2, range=[0.0, 1.0, 0.2, 0.8], grad=False)
    compare("histogramdd", X, EDGES, weight=X[:, 0].copy(), density=True, grad=False)


def test_shapes_match_torch(compare, torch):
    shapes = [(2, 1), 3, (5, 1, 1)]
    assert tuple(jtorch.broadcast_shapes(*shapes)) == tuple(torch.broadcast_shapes(*shapes))
    compare("unravel_index", np.array([[0, 5], [7, 11]]), (3, 4), grad=False)


def test_errors_are_torchs(same_error):
    same_error("histogramdd", X[:, 0].copy(), [2])
    same_error("histogramdd", X, [2])
    same_error("histogramdd", X, [2, 0])
    same_error("histogramdd", X, [2, 2], range=[0.0, 1.0])
    same_error("histogramdd", X, [2, 2], range=[1.0, 0.0, 0.0, 1.0])
    same_error("histogramdd", X, [2, 2], weight=X[:3, 0].copy())
    same_error("histogramdd", X.astype(np.int64), [2, 2])
    same_error("broadcast_shapes", (2,), (3,))
    same_error("broadcast_shapes", (2, -1), (3,))
    same_error("unravel_index", X, (2, 3))
    same_error("unravel_index", np.array([1]), (2, -3))
