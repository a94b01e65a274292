"""Measurements in processes of their own, and how much memory those occupied."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

#: With these in the environment, the C library returns freed arrays to the system: for counting memory. Steps
#: take up to twice as long then, since each gets its arrays from the system anew.
RETURNING = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_ARENA_MAX": "2"}


def child(module: str, *arguments: str, **environment: str) -> Any:
    """What ``python -m module`` prints last, as JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | environment
    )
    return json.loads(done.stdout.splitlines()[-1])


def start_of_peak() -> int:
    """What the process occupies now, from where ``peak`` counts anew if the system can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """The most that this process occupied, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # there, the call below also knows what the process that started this one occupied
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def accelerator_peak() -> int | None:
    """The device's own count, where it has one."""
    stats = jax.devices()[0].memory_stats()
    return None if not stats else stats.get("peak_bytes_in_use")
