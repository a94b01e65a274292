"""Window functions and the places of triangles: against PyTorch, and by hand."""

import numpy as np
import pytest

import jtorch

WINDOWS = {
    "bartlett": {},
    "blackman": {},
    "cosine": {},
    "exponential": {"tau": 2.0},
    "gaussian": {"std": 1.5},
    "general_cosine": {"a": [0.4, 0.5, 0.1]},
    "general_hamming": {"alpha": 0.6},
    "hamming": {},
    "hann": {},
    "kaiser": {"beta": 3.0},
    "nuttall": {},
}


def test_hann_by_hand():
    assert jtorch.signal.windows.hann(5).tolist() == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert jtorch.hann_window(4).tolist() == pytest.approx([0, 0.5, 1, 0.5])


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_match_torch(torch, name):
    for length in (0, 1, 2, 7):
        for sym in (True, False):
            args = {"sym": sym, **WINDOWS[name]}
            mine = getattr(jtorch.signal.windows, name)(length, dtype=jtorch.float64, **args)
            theirs = getattr(torch.signal.windows, name)(length, dtype=torch.float64, **args)
            np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=1e-12)


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hann", "kaiser"])
def test_old_windows_match_torch(torch, name):
    for length in (0, 1, 6):
        for periodic in (True, False):
            mine = getattr(jtorch, name + "_window")(length, periodic)
            theirs = getattr(torch, name + "_window")(length, periodic)
            assert mine.dtype is jtorch.float32
            np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=1e-6)


def test_places_of_triangles_match_torch(torch):
    for offset in (-2, 0, 1):
        for name in ("tril_indices", "triu_indices"):
            mine, theirs = (getattr(library, name)(3, 4, offset) for library in (jtorch, torch))
            assert mine.tolist() == theirs.tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.signal.windows.hann(-1),
        lambda t: t.signal.windows.hann(3, dtype=t.int32),
        lambda t: t.signal.windows.gaussian(3, std=-1.0),
        lambda t: t.signal.windows.exponential(3, tau=-1.0),
        lambda t: t.signal.windows.exponential(3, center=1.0),
        lambda t: t.signal.windows.kaiser(3, beta=-1.0),
        lambda t: t.signal.windows.general_cosine(3, a=[]),
        lambda t: t.signal.windows.general_cosine(3, a=3),
        lambda t: t.hann_window(-1),
        lambda t: t.hann_window(3, dtype=t.int64),
        lambda t: t.tril_indices(-1, 2),
        lambda t: t.triu_indices(1, -2),
        lambda t: t.tril_indices(1, 2, dtype=t.float32),
    ],
)
def test_errors_are_torchs(torch, call):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        call(torch)
    with pytest.raises(type(theirs.value)) as mine:
        call(jtorch)
    assert str(mine.value) == str(theirs.value)
