"""The README's Python blocks run as they stand, and print what stands below them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```python\n(.*?)```(?:\n+```text\n(.*?)```)?", re.DOTALL)
BLOCKS = BLOCK.findall(README.read_text(encoding="utf-8"))
MODES = ("JTORCH_EAGER", "JTORCH_MAX_NODES", "JTORCH_VERIFY")


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block_runs(number, tmp_path):
    code, expected = BLOCKS[number]
    environment = {name: value for name, value in os.environ.items() if name not in MODES}
    environment["PYTHONPATH"] = str(README.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    if expected:
        assert done.stdout.strip() == expected.strip()


def test_there_are_blocks():
    assert BLOCKS
