"""QR factorization and Householder reflections: against PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
TALL = RNG.normal(size=(2, 4, 3))
WIDE = RNG.normal(size=(3, 4))


@pytest.mark.parametrize("a", [TALL, WIDE, WIDE + 1j * WIDE[::-1]], ids=["tall", "wide", "complex"])
def test_qr_matches_torch(compare, a):
    compare("linalg.qr", a)


@pytest.mark.filterwarnings("ignore:torch.qr is deprecated")
def test_modes_match_torch(compare):
    compare("linalg.qr", WIDE, "complete")
    compare("linalg.qr", TALL, "complete", grad=False)
    compare("linalg.qr", TALL, "r", grad=False)
    compare("qr", TALL)
    compare("geqrf", TALL, grad=False)


def test_gradients_that_do_not_exist_raise():
    x = jtorch.ones(3, 2, requires_grad=True)
    for mode in ("r", "complete"):
        with pytest.raises(RuntimeError, match=f"mode='{mode}'"):
            jtorch.linalg.qr(x, mode).R.sum().backward()


def test_reflections_match_torch(compare, torch):
    packed, tau = (x.numpy() for x in torch.geqrf(torch.from_numpy(TALL)))
    compare("linalg.householder_product", packed, tau)
    for left, transpose in ((True, False), (True, True), (False, False)):
        other = RNG.normal(size=(2, 4, 5) if left else (2, 5, 4))
        compare("ormqr", packed, tau, other, left, transpose)


def test_errors_are_torchs(same_error):
    same_error("linalg.qr", TALL, "bad")
    same_error("linalg.qr", TALL[0, 0])
    same_error("linalg.qr", TALL.astype(np.int64))
    same_error("linalg.householder_product", WIDE, WIDE[0])
    same_error("linalg.householder_product", TALL, TALL[0, 0])
    same_error("ormqr", TALL[0], TALL[0, 0], WIDE[:, :2])
    same_error("ormqr", TALL[0], TALL[0, 0, :2], TALL[0])
