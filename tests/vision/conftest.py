"""The Python part of torchvision 0.28 as a reference, and images to compare it on."""

import sys
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.fixture(scope="session")
def torchvision(torch, torchvision_reference):
    """torchvision beside real torch; skips where the tool or PyPI is out of reach."""
    tool, folder = torchvision_reference
    # Before a torchvision that is installed: its libraries would register their operators a second time.
    sys.path[:0] = [str(tool), str(folder)]
    try:
        import torchvision_reference as loader
    finally:
        sys.path.remove(str(tool))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those that its import gives
        return loader.load(folder)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real images."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, which is not there")
    return folder


def image(height=37, width=45, channels=3, seed=0):
    """Smooth colours with noise, uint8 ``(H, W, C)`` or ``(H, W)``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + c)) + np.cos(y / (7 + 2 * c)) for c in range(channels)]
    pixels = np.stack(waves, -1) * 50 + 120 + rng.integers(-25, 25, (height, width, channels))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    return pixels[..., 0] if channels == 1 else pixels
