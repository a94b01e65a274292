"""Programs as PyTorch's users write them, run unedited by PyTorch and by jtorch: the transcripts are equal.

They print three or four digits; sums that XLA orders differently show up later than that.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROGRAMS = sorted((HERE / "scripts").glob("*.py"))


def transcripts(*runner):
    """What each program prints; all run in one process, which starts once."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *runner, str(HERE / "run_all.py"), *map(str, PROGRAMS)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def ours():
    return transcripts("-m", "jtorch")


@pytest.fixture(scope="module")
def theirs(torch):
    return transcripts()


def without_addresses(text):
    """Addresses of objects differ from run to run."""
    return re.sub(r"0x[0-9a-f]+", "0x", text)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_transcripts_are_equal(program, ours, theirs):
    assert "Traceback" not in theirs[program.name]
    assert without_addresses(ours[program.name]) == without_addresses(theirs[program.name])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_programs_run_without_torch(program, ours):
    assert ours[program.name]
    assert "Traceback" not in ours[program.name]


def test_there_are_programs():
    assert len(PROGRAMS) >= 15
