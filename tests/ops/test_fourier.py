"""Fourier transforms: against PyTorch, and by their definition."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
Z = X + 1j * RNG.normal(size=(3, 4))


def test_fft_by_hand():
    assert jtorch.fft.fft(jtorch.tensor([1.0, 0.0, -1.0, 0.0])).tolist() == [0, 2, 0, 2]


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_transforms_match_torch(compare, name):
    real = name in ("rfft", "ihfft")
    compare(f"fft.{name}", X if real else Z)
    compare(f"fft.{name}", X if real else Z, 5, 0, "ortho")
    compare(f"fft.{name}2", X if real else Z, norm="forward")
    compare(f"fft.{name}n", X if real else Z, (4, 6), (1, 0))
    compare(f"fft.{name}", np.arange(4), grad=False)


def test_shifts_and_frequencies_match_torch(compare):
    compare("fft.fftshift", X)
    compare("fft.ifftshift", X, 1)
    for n in (4, 5):
        compare("fft.fftfreq", n, 0.5, grad=False)
        compare("fft.rfftfreq", n, grad=False)


def test_errors_are_torchs(same_error):
    same_error("fft.fft", X, 0)
    same_error("fft.fft", X, dim=4)
    same_error("fft.fft", np.array(1.0))
    same_error("fft.fft", X.astype(np.float16))
    same_error("fft.fft", X, norm="x")
    same_error("fft.rfft", Z)
    same_error("fft.irfft", X[:, :1])
    same_error("fft.fftn", X, (2, 2, 2))
    same_error("fft.fftn", X, (2, 2), (0,))
    same_error("fft.fftn", X, dim=(0, 0))
    same_error("fft.rfftn", X, dim=())
    same_error("fft.rfftn", Z)
