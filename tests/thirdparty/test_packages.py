"""Packages that are written for PyTorch, unmodified on jtorch: all checks run in one process."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHECKS = HERE / "checks.py"
#: Functions of the script that take a folder are the checks; they have the names of their packages.
NAMES = [
    node.name
    for node in ast.parse(CHECKS.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and [a.arg for a in node.args.args] == ["folder"]
]


@pytest.fixture(scope="module")
def outcomes():
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, str(CHECKS)], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_package_runs_unmodified(name, outcomes):
    if outcomes[name] is None:
        pytest.skip(f"{name} is not installed: pip install 'jtorch-xla[thirdparty]'")
    assert outcomes[name] == ""


def test_the_table_has_every_check():
    page = (HERE.parents[1] / "docs" / "thirdparty.md").read_text(encoding="utf-8")
    assert len(NAMES) >= 10
    for name in NAMES:
        assert f"`{name}`" in page or name == "sklearn", name
