"""Packages that are written for PyTorch, unmodified on jtorch: all checks run in one process."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
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
    rows = dict(re.findall(r"^\| `([\w-]+)` \| ([\d.]+) \| .+ \|$", page, re.MULTILINE))
    scripts = [path.stem.removesuffix("_models") for path in (HERE / "scripts").glob("*.py")]
    assert len(NAMES) >= 10
    assert set(rows) == {"scikit-learn" if name == "sklearn" else name for name in [*NAMES, *scripts]}


def test_the_extra_installs_what_is_checked():
    with open(HERE.parents[1] / "pyproject.toml", "rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    listed = {re.match(r"[\w-]+", entry)[0] for entry in [*extras["thirdparty"], *extras["test"]]}
    wanted = {"scikit-learn" if name == "sklearn" else name for name in [*NAMES, "transformers", "timm"]}
    assert wanted - listed == {"visdom"}  # does not build as it is; see docs/thirdparty.md
