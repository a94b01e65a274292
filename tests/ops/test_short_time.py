"""Short-time Fourier transform: there and back, and comparison with PyTorch."""

import numpy as np

import jtorch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 30))
WINDOW = np.hanning(6)[1:-1].copy()


def test_stft_matches_torch(compare):
    compare("stft", X, 8, return_complex=True, window=np.hanning(8))
    compare("stft", X[0], 8, 3, 4, WINDOW, normalized=True, onesided=False, return_complex=True)
    compare("stft", X, 8, center=False, return_complex=True, window=np.ones(8))
    compare("stft", X, 8, pad_mode="constant", return_complex=True, window=np.ones(8))


def test_istft_matches_torch(compare, torch):
    spectra = torch.stft(torch.from_numpy(X), 4, 1, window=torch.from_numpy(WINDOW), return_complex=True)
    compare("istft", spectra.numpy(), 4, 1, window=WINDOW)
    compare("istft", spectra.numpy(), 4, 1, window=WINDOW, length=20)


def test_there_and_back():
    x, w = jtorch.from_numpy(X), jtorch.hann_window(8, dtype=jtorch.float64)
    spectra = jtorch.stft(x, 8, 2, window=w, return_complex=True)
    back = jtorch.istft(spectra, 8, 2, window=w, length=30)
    np.testing.assert_allclose(back.numpy(), X, atol=1e-12)


def test_errors_are_torchs(same_error):
    same_error("stft", X, 8)
    same_error("stft", X[:, :3], 8, return_complex=True)
    same_error("stft", X[:, :3], 8, return_complex=True, center=False)
    same_error("stft", X, 8, 0, return_complex=True)
    same_error("stft", X, 8, win_length=9, return_complex=True)
    same_error("stft", X, 8, window=WINDOW, return_complex=True)
    same_error("stft", X + 1j, 8, onesided=True)
    same_error("istft", X, 8)
    same_error("istft", X + 1j, 2, 3)
