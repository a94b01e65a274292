"""The two ways to shuffle, by a loop and by LAPACK."""

import sys

import numpy as np
import pytest

from jtorch.rng import MT19937, _permutation, randperm


@pytest.mark.parametrize("n", [2, 3, 128, 700, 4099, 20_000])
def test_lapack_exchanges_like_the_loop(n):
    words = MT19937(n).words(n - 1)
    expected = _permutation._shuffled(words, n)
    assert np.array_equal(_permutation._exchanged(words, n), expected)
    engine = MT19937(n)
    assert np.array_equal(randperm(engine, n), expected)
    after = MT19937(n)
    after.words(n - 1)
    assert np.array_equal(engine.words(3), after.words(3))


def test_targets_at_both_ends():
    # Words that choose the element itself, and the last one; the second way round by hand.
    words = np.zeros(999, np.uint32)
    assert np.array_equal(_permutation._exchanged(words, 1000), np.arange(1000))
    last = np.arange(999, 0, -1, dtype=np.uint32)
    assert np.array_equal(_permutation._exchanged(last, 1000), [999, *range(999)])


def test_small_shuffles_do_not_import_lapack(monkeypatch):
    monkeypatch.delitem(sys.modules, "scipy.linalg.lapack", raising=False)
    randperm(MT19937(0), 699)
    assert "scipy.linalg.lapack" not in sys.modules
