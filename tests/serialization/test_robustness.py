"""Damage at random and death at random; the scripts run longer by themselves, see their first lines."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jtorch

HERE = Path(__file__).parent


def test_damaged_files(fuzzer, canary):
    outcomes, faults, _ = fuzzer.run(1500, seed=1, canary=canary)
    assert faults == []
    assert outcomes["loaded"] > 50  # some damage is harmless: the loads are real
    assert outcomes["UnpicklingError"] > 400
    assert outcomes["RuntimeError"] > 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writers are forked processes")
@pytest.mark.parametrize("kind", ["zip", "safetensors"])
def test_killed_writers_leave_whole_files(kind):
    """In a process of its own, where no thread runs that a fork would lose."""
    environment = {**os.environ, "PYTHONPATH": str(Path(jtorch.__file__).parent.parent), "JTORCH_VERIFY": "0"}
    command = [sys.executable, str(HERE / "killed_writer.py"), "--kills", "10", "--kind", kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    kills, written, faults = re.search(
        r"(\d+) kills, .*, (\d+) checkpoints, (\d+) faults", done.stdout
    ).groups()
    assert (kills, faults) == ("10", "0")
    assert int(written) >= 10
