"""Approximate decompositions: exact for matrices of low rank."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
LOW = RNG.normal(size=(8, 2)) @ RNG.normal(size=(2, 5))


@pytest.mark.parametrize("a", [LOW, LOW.T], ids=["tall", "wide"])
def test_svd_lowrank_reconstructs(a):
    u, s, v = jtorch.svd_lowrank(jtorch.from_numpy(np.ascontiguousarray(a)), q=3)
    np.testing.assert_allclose(((u * s) @ v.mT).numpy(), a, atol=1e-10)


def test_pca_lowrank_centres_its_features():
    u, s, v = jtorch.pca_lowrank(jtorch.from_numpy(LOW), q=2)
    centred = LOW - LOW.mean(0)
    np.testing.assert_allclose(((u * s) @ v.mT).numpy(), centred, atol=1e-10)


def test_pca_lowrank_refuses_what_does_not_fit():
    x = jtorch.from_numpy(LOW)
    with pytest.raises(ValueError, match="not greater than min"):
        jtorch.pca_lowrank(x, q=9)
    with pytest.raises(ValueError, match="niter"):
        jtorch.pca_lowrank(x, niter=-1)
