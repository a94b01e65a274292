"""The page of what is covered is current; it needs no PyTorch, whose names are kept as data."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_coverage_is_current():
    command = [sys.executable, str(DOCS / "coverage.py"), "--check"]
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}: run `python docs/coverage.py`"


@pytest.mark.parametrize("space", ["", "nn", "optim", "distributions"])
def test_kept_names_are_those_of_torch(torch, space):
    kept = json.loads((DOCS / "pytorch_names.json").read_text(encoding="utf-8"))
    assert kept["torch"] == torch.__version__.partition("+")[0]
    assert len(kept["names"][space]) >= 16
    holder = torch
    for part in filter(None, space.split(".")):
        holder = getattr(holder, part)
    assert [n for n in kept["names"][space] if not hasattr(holder, n)] == []
