"""Settings of the suite: every recorded graph is verified, programs are cached beside the checkout."""

import contextlib
import os
import subprocess
import sys
import tempfile
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Before jtorch is imported, which reads them once.
os.environ.setdefault("JTORCH_VERIFY", "1")
os.environ.setdefault("JTORCH_CACHE_DIR", str(ROOT / ".pytest_cache" / "xla"))


class _WithoutTorch(MetaPathFinder):
    """Fails ``import torch`` as if it were not installed."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


if os.environ.get("JTORCH_TEST_WITHOUT_TORCH", "") not in ("", "0"):
    # Not `sys.modules["torch"] = None`: SciPy takes any entry of that name for the package.
    sys.meta_path.insert(0, _WithoutTorch())


@pytest.fixture(scope="session", autouse=True)
def specialise_at_once():
    """Tests call most ops once or twice, loops many times: what loops use is used here from the second on."""
    from jtorch.compiler import _straight
    from jtorch.tensor import _specialised

    _specialised.CALLS = _straight.REPLAYS = 1


@pytest.fixture(scope="session")
def torch():
    """Real PyTorch to compare with; the test is skipped where it is missing."""
    return pytest.importorskip("torch")


@pytest.fixture(scope="session")
def torchvision_reference():
    """Folders of the tool that loads torchvision's Python part, and of that part, unpacked by the cache."""
    tool = ROOT.parent / "shared" / "tools" / "torchvision_reference"
    if not tool.is_dir():
        pytest.skip("needs ../shared/tools/torchvision_reference, which is not there")
    folder = ROOT / ".pytest_cache" / "torchvision_reference"
    if not (folder / "torchvision").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as mine:  # other workers unpack at the same time
            done = subprocess.run(
                ["bash", str(tool / "setup.sh"), mine, sys.executable],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            )
            if done.returncode:
                pytest.skip(f"torchvision's wheel cannot be downloaded: {done.stderr.strip()[-200:]}")
            with contextlib.suppress(OSError):  # another one was faster
                (Path(mine) / "torchvision").rename(folder / "torchvision")
    return tool, folder


@pytest.fixture
def lazy():
    """For tests that count what the engine does: lazy whatever mode the suite runs in, counters at zero."""
    from jtorch.trace import clear_programs, flush_all, reset_metrics, settings

    saved = dict(vars(settings))
    flush_all("test")
    settings.eager, settings.max_nodes, settings.max_bytes, settings.verify = False, 16384, 4 << 30, True
    clear_programs()
    reset_metrics()
    yield
    flush_all("test")
    vars(settings).update(saved)


#: Cases that take 6 to 18 s each on two cores, most of it XLA compiling, and that shorter ones stand beside.
_LONG = (
    "models/test_numbers.py::test_training_matches_torchvision",
    "models/test_numbers.py::test_small_models_match_torchvision[convnext]",
    "models/test_numbers.py::test_small_models_match_torchvision[maxvit]",
    "models/test_numbers.py::test_small_models_match_torchvision[swin_v2]",
    "models/test_numbers.py::test_fixed_models_match_torchvision[mnasnet0_5]",
    "models/test_structure.py::test_structure_matches_torchvision[efficientnet_v2_l]",
    "distributions/test_distributions.py::test_divergences_are_those_of_torch",
    "distributions/test_distributions.py::test_gradients_are_those_of_torch[Wishart]",
    "nn/test_modules.py::test_module_matches_torch[Transformer]",
    "nn/test_modules.py::test_module_matches_torch[TransformerDecoderLayer]",
    "nn/test_modules.py::test_module_matches_torch[TransformerEncoder]",
    "nn/test_rnn.py::test_packed_sequences_match_torch[LSTM-{'proj_size': 2}]",
    "rng/test_compiled_draws.py::test_draws_with_operands",
    "optim/test_matches_torch.py::test_twenty_steps_and_a_swap_of_states[Muon-float64]",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.endswith(_LONG):
            item.add_marker(pytest.mark.slow)
