"""The scripts below examples/ run as they are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.slow


def test_quickstart_learns_the_digits():
    for module in ("matplotlib", "sklearn", "tqdm"):
        pytest.importorskip(module)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "quickstart.py")],
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    accuracy = re.search(r"test accuracy: ([\d.]+)%", done.stdout)
    assert accuracy is not None
    assert float(accuracy[1]) >= 95
    picture = EXAMPLES / "output" / "quickstart_loss.png"
    assert picture.read_bytes()[:4] == b"\x89PNG"
