"""Reductions of consecutive stretches: against PyTorch."""

import numpy as np
import pytest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2))
LENGTHS = np.array([2, 0, 4])


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
def test_segment_reduce_matches_torch(compare, reduce):
    compare("segment_reduce", X, reduce, lengths=LENGTHS[::2].copy())
    compare("segment_reduce", X, reduce, lengths=LENGTHS, initial=1.5, grad=False)
    compare("segment_reduce", X, reduce, lengths=LENGTHS, grad=False)
    compare("segment_reduce", X, reduce, offsets=np.array([1, 2, 6]), grad=False)
    compare("segment_reduce", X.T.copy(), reduce, lengths=np.array([[2, 4], [5, 1]]), axis=1)


def test_errors_are_torchs(same_error):
    same_error("segment_reduce", X, "sum")
    same_error("segment_reduce", X, "bad", lengths=LENGTHS)
    same_error("segment_reduce", X, "sum", lengths=LENGTHS + 1)
    same_error("segment_reduce", X, "sum", lengths=LENGTHS, axis=1)
    same_error("segment_reduce", X.astype(np.int64), "sum", lengths=LENGTHS)
