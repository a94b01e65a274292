"""The scripts below examples/ run as they are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.slow


SCRIPTS = {p.stem for p in EXAMPLES.glob("*.py") if not p.name.startswith("_")}
OTHERS = sorted(SCRIPTS - {"quickstart", "transfer_learning"})


def run(name, *arguments):
    """What an example prints."""
    for module in ("matplotlib", "sklearn", "tqdm"):
        pytest.importorskip(module)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_picture(path):
    return path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", OTHERS)
def test_others_run_and_draw(name):
    picture = EXAMPLES / "output" / f"{name}.png"
    picture.unlink(missing_ok=True)
    assert f"picture: {picture}" in run(name)
    assert is_picture(picture)


def test_quickstart_learns_the_digits():
    accuracy = re.search(r"test accuracy: ([\d.]+)%", run("quickstart"))
    assert accuracy is not None
    assert float(accuracy[1]) >= 95
    assert is_picture(EXAMPLES / "output" / "quickstart_loss.png")


def test_transfer_pays():
    frozen, scratch = re.findall(r"(?:features|scratch): ([\d.]+)% from 10,", run("transfer_learning"))
    assert float(frozen) > float(scratch)
    assert is_picture(EXAMPLES / "output" / "transfer_learning.png")
