"""Programs that say `import torch` run on jtorch, unedited, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jtorch.torch_version import TorchVersion

ROOT = Path(__file__).parent.parent.parent


def run(*arguments, cwd, code=0):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


PROGRAM = """
import sys
import torch, torch.nn as nn, torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader
import torch.version

print(__name__, sys.argv[1:], __file__.endswith("program.py"))
print(torch.nn is nn, nn.functional is F, torch.optim is optim, torch.utils.data.DataLoader is DataLoader)
print(torch.relu(torch.tensor([-1.0, 2.0])), type(torch.ones(1)))
print(sys.modules["torch"] is sys.modules["jtorch"], torch.__spec__.name, torch.nn.__spec__.name)
print(torch.__version__, torch.__version__ >= "2.9", torch.__version__ >= (2, 9), torch.version.cuda)
for line in ("import torch.distributed.rpc", "from torch import no_such_name", "torch.no_such_name"):
    try:
        exec(line)
    except (ImportError, AttributeError) as error:
        print(type(error).__name__, str(error).split(" (")[0])
"""
PRINTED = """\
__main__ ['one', '--two'] True
True True True True
tensor([0., 2.]) <class 'torch.Tensor'>
True jtorch jtorch.nn
2.13.0 True True None
"""


def test_script_runs_unedited(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    printed = run("-m", "jtorch", "program.py", "one", "--two", cwd=tmp_path)
    assert printed.startswith(PRINTED)
    errors = printed[len(PRINTED) :].splitlines()
    assert errors[0].startswith("ModuleNotFoundError No module named 'torch.distributed")
    assert "provided by jtorch" in errors[0]
    assert errors[1] == "ImportError cannot import name 'no_such_name' from 'jtorch'"
    assert errors[2] == "AttributeError module 'jtorch' has no attribute 'no_such_name'"


def test_script_finds_its_neighbours_and_its_exit_code_counts(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "neighbour.py").write_text(
        "import torch\nvalue = torch.arange(3)\n", encoding="utf-8"
    )
    (tmp_path / "sub" / "script.py").write_text(
        "import sys\nfrom neighbour import value\nprint(value)\nsys.exit(3)\n", encoding="utf-8"
    )
    run("-m", "jtorch", "sub/script.py", cwd=tmp_path, code=3)


def test_module_and_code(tmp_path):
    (tmp_path / "tool.py").write_text(
        "import sys, torch\nprint(torch.ones(1), sys.argv[1:])\n", encoding="utf-8"
    )
    assert run("-m", "jtorch", "-m", "tool", "x", cwd=tmp_path) == "tensor([1.]) ['x']\n"
    assert run("-m", "jtorch", "-c", "import torch; print(torch.zeros(1))", cwd=tmp_path) == "tensor([0.])\n"


def test_missing_script_is_named(tmp_path):
    message = run("-m", "jtorch", "absent.py", cwd=tmp_path, code=1)
    assert message.strip() == "jtorch: can't open file 'absent.py': No such file or directory"


METADATA = """
import importlib.metadata as metadata
import jtorch
jtorch.install(metadata={metadata})
jtorch.install()
import torch
import sys
assert torch is jtorch and len([f for f in sys.meta_path if type(f).__module__ == "jtorch._install"]) == 1
try:
    found = metadata.distribution("torch").read_text("METADATA")
except metadata.PackageNotFoundError:
    found = "none"
print("jtorch" in found)
print(metadata.version("numpy") > "1")
"""


@pytest.mark.parametrize("metadata", [True, False])
def test_distribution_is_served_on_request_only(tmp_path, metadata):
    # Without the request, a real torch beside it may answer, but never jtorch.
    assert run("-c", METADATA.format(metadata=metadata), cwd=tmp_path) == f"{metadata}\nTrue\n"


def test_real_torch_imported_before_is_an_error(torch, tmp_path):
    message = run("-c", "import torch, jtorch; jtorch.install()", cwd=tmp_path, code=1)
    assert "ImportError: torch was already imported from" in message


def test_traceback_ends_on_the_users_line(tmp_path):
    (tmp_path / "bad.py").write_text("import torch\ntorch.ones(2, 3) @ torch.ones(2, 3)\n", encoding="utf-8")
    message = run("-m", "jtorch", "bad.py", cwd=tmp_path, code=1)
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)" in message
    assert 'File "bad.py", line 2' in message


@pytest.mark.parametrize("other", ["2.9", "2.13", "2.13.1", "2.13.0a1", "2.13.0.dev3", "2.13.0+cpu", "3"])
def test_versions_compare_as_torchs(torch, other):
    theirs = torch.torch_version.TorchVersion("2.13.0")
    ours = TorchVersion("2.13.0")
    for name in ("__lt__", "__le__", "__eq__", "__ne__", "__gt__", "__ge__"):
        assert getattr(ours, name)(other) == getattr(theirs, name)(other), name


@pytest.mark.parametrize("other", [(2,), (2, 9), (2, 13), (2, 13, 0), (2, 14), (3, 0, 1)])
def test_versions_compare_with_tuples_as_torchs(torch, other):
    theirs = torch.torch_version.TorchVersion("2.13.0")
    assert (TorchVersion("2.13.0") >= other) == (theirs >= other)
    assert (TorchVersion("2.13.0") < other) == (theirs < other)
