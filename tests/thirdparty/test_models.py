"""Models of other packages, on PyTorch and on jtorch from the same seed: what the programs print is equal."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = {path.stem.removesuffix("_models"): path for path in sorted((HERE / "scripts").glob("*_models.py"))}


def run(*command):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",  # nothing is downloaded
        "JTORCH_VERIFY": "0",
    }
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=900
    )


@pytest.fixture(scope="module")
def ours():
    """What each program prints on jtorch, run once."""
    found = {}

    def printed(name):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install 'jtorch-xla[thirdparty]'")
        if name not in found:
            done = run("-m", "jtorch", "--metadata", str(SCRIPTS[name]))
            assert done.returncode == 0, done.stderr[-3000:]
            found[name] = done.stdout
        return found[name]

    return printed


@pytest.mark.parametrize("name", SCRIPTS)
def test_models_print_the_same(name, ours, torch, request):
    mine = ours(name)
    tool = folder = ""
    if name == "timm" or find_spec("torchvision"):  # they need a torchvision that loads
        tool, folder = request.getfixturevalue("torchvision_reference")
    done = run(str(HERE / "run_script.py"), str(folder), str(tool), str(SCRIPTS[name]))
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(mine.splitlines()) >= 10
    assert mine == done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_models_train_without_torch(name, ours):
    losses = [float(line.split()[0]) for line in ours(name).splitlines() if line[:1].isdigit()]
    assert len(losses) >= 6  # two models, three steps each
    assert all(0 < loss < 5 for loss in losses)
