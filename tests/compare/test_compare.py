"""Programs compared by ``jtorch.compare``: one that agrees, some made to differ, some that fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import jtorch
from jtorch.compare import NoReference, compare
from jtorch.compare.__main__ import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HEAD = """
import sys
import torch
from torch import nn
own = "jtorch" in torch.__file__
"""
TRAINING = """
model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr={rate})
x = torch.randn(8, 3)
for step in range(4):
    loss = (model(x) - {target}).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("done", *sys.argv[1:])
"""


def program(folder, rate="0.1", target="1.0", end=""):
    path = folder / "program.py"
    path.write_text(HEAD + TRAINING.format(rate=rate, target=target) + end, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def kept(torch, tmp_path_factory):
    """A program that agrees, compared from the command line; its folder and what was printed."""
    folder = tmp_path_factory.mktemp("agrees")
    command = [sys.executable, "-m", "jtorch.compare", "--keep", "runs", str(program(folder)), "--flag"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
    return folder, done


def test_a_program_that_agrees(kept):
    folder, done = kept
    assert done.returncode == 0, done.stdout + done.stderr
    # 4 steps of 4 modules, a loss, 4 gradients and 4 updates.
    assert "4 steps under PyTorch, 4 under jtorch" in done.stdout
    assert f"AGREED: {4 * 13} tensors" in done.stdout
    assert "Sequential.0.weight" in done.stdout
    assert "Printed differently" not in done.stdout
    assert (folder / "runs" / "jtorch" / "stdout.txt").read_text() == "done --flag\n"
    picture = (folder / "program_drift.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_a_program_made_to_differ(kept, tmp_path, capsys):
    """The rate differs, so the first update is the first place: the gradients before it agree."""
    path = program(tmp_path, rate="0.2 if own else 0.1")
    reference = str(kept[0] / "runs" / "torch")
    assert main(["--reference", reference, "--no-plot", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "PARTED first at step 0, update of Sequential.0.weight" in printed
    assert "Printed differently, first in line 1\n  PyTorch  done --flag\n  jtorch   done" in printed


def test_the_comparison_as_an_object(kept, tmp_path):
    path, reference = (
        program(tmp_path, target="(1.0 if own else 1.0) + 1e-5 * own"),
        kept[0] / "runs" / "torch",
    )
    found = jtorch.testing.compare(path, "--flag", reference=reference, plot=tmp_path / "drift.svg")
    assert found
    assert found.first is None
    assert found.errors == found.unmatched == {}
    assert len(found.losses()) == 4
    assert all(abs(a - b) < 1e-3 for a, b in found.losses())
    assert set(found.drift()) == {"output", "loss", "gradient", "update"}
    assert "<svg" in (tmp_path / "drift.svg").read_text()
    strict = compare(path, "--flag", reference=reference, rtol=1e-7, atol=0, steps=1)
    assert not strict
    assert strict.first.kind == "loss"
    assert strict.first.theirs != strict.first.ours
    assert strict.ours.steps == 1


def test_a_program_that_fails_under_one_framework(kept, tmp_path):
    path = program(tmp_path, end="if own:\n    raise KeyError('mine')\n")
    found = compare(path, "--flag", reference=kept[0] / "runs" / "torch")
    assert not found
    assert found.errors == {"jtorch": "KeyError: 'mine'"}
    assert found.first is None  # up to there it agrees
    assert "FAILED: under jtorch: KeyError: 'mine'" in str(found)
    assert "raise KeyError" in str(found)


def test_tensors_of_one_run_only(kept, tmp_path):
    path = program(tmp_path, end="model[0](x)\nmodel[2](torch.ones(1, 4, dtype=torch.float32))\n")
    found = compare(path, "--flag", reference=kept[0] / "runs" / "torch")
    assert not found
    assert list(found.unmatched) == ["jtorch"]
    assert found.unmatched["jtorch"] == ["step 4, output of Sequential.0", "step 4, output of Sequential.2"]
    assert found.verdict().startswith("DIFFERENT: only jtorch has step 4")


def test_what_cannot_be_compared(tmp_path, monkeypatch, capsys):
    assert main([str(tmp_path / "missing.py")]) == 2
    assert "missing.py does not exist" in capsys.readouterr().err
    monkeypatch.setattr("jtorch.compare._runs.find_spec", lambda name: None)
    with pytest.raises(NoReference, match="--reference FOLDER/torch"):
        compare(program(tmp_path))
