"""The code of ``docs/checkpoints.md`` runs as it stands, block after block."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8"), re.DOTALL
)


def test_guide(tmp_path):
    pytest.importorskip("safetensors")
    assert len(BLOCKS) == 4
    check = "before = {name: x.tolist() for name, x in model.state_dict().items()}"
    blocks = [
        *BLOCKS[:3],
        check,
        BLOCKS[3],
        "assert {n: x.tolist() for n, x in model.state_dict().items()} == before",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint.pt", "leaves.npz", "model-00001-of-00001.safetensors", "model.pt", "model.safetensors",
        "model.safetensors.index.json",
    ]  # fmt: skip
