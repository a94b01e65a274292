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
TOOL = ROOT.parent / "shared" / "tools" / "torchvision_reference"
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


@pytest.fixture(scope="module")
def torchvision_folder(torch):
    """Where torchvision lies unpacked, for packages that import it; empty where it cannot be had."""
    folder = ROOT / ".pytest_cache" / "torchvision_reference"
    if TOOL.is_dir() and not (folder / "torchvision").is_dir():
        subprocess.run(
            ["bash", str(TOOL / "setup.sh"), str(folder), sys.executable], capture_output=True, check=False
        )
    return str(folder) if (folder / "torchvision").is_dir() else ""


@pytest.mark.parametrize("name", SCRIPTS)
def test_models_print_the_same(name, ours, torchvision_folder):
    mine = ours(name)
    if not torchvision_folder and (name == "timm" or find_spec("torchvision")):
        pytest.skip("needs a torchvision that loads: ../shared/tools/torchvision_reference is not there")
    done = run(str(HERE / "run_script.py"), torchvision_folder, str(TOOL), str(SCRIPTS[name]))
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(mine.splitlines()) >= 10
    assert mine == done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_models_train_without_torch(name, ours):
    losses = [float(line.split()[0]) for line in ours(name).splitlines() if line[:1].isdigit()]
    assert len(losses) >= 6  # two models, three steps each
    assert all(0 < loss < 5 for loss in losses)
