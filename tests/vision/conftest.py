"""The Python part of torchvision 0.28 as a reference, and images to compare it on."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
TOOL = SHARED / "tools" / "torchvision_reference"


@pytest.fixture(scope="session")
def torchvision(torch):
    """torchvision beside real torch; skips where the tool or PyPI is out of reach."""
    if not TOOL.is_dir():
        pytest.skip("needs ../shared/tools/torchvision_reference, which is not there")
    folder = ROOT / ".pytest_cache" / "torchvision_reference"
    if not (folder / "torchvision").is_dir():
        done = subprocess.run(
            ["bash", str(TOOL / "setup.sh"), str(folder), sys.executable],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        if done.returncode:
            pytest.skip(f"torchvision's wheel cannot be downloaded: {done.stderr.strip()[-200:]}")
    # Before a torchvision that is installed: its libraries would register their operators a second time.
    sys.path[:0] = [str(TOOL), str(folder)]
    try:
        import torchvision_reference
    finally:
        sys.path.remove(str(TOOL))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those that its import gives
        return torchvision_reference.load(folder)


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
