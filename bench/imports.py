"""What importing jtorch costs over importing JAX, in fresh processes, and whether it starts a backend."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from bench._timing import Table, table

TIMED = """
import time
started = time.perf_counter()
import {module}
print(time.perf_counter() - started)
"""
BACKENDS = """
import jtorch
from jax._src import xla_bridge
print(len(xla_bridge._backends))
"""


def run(code: str) -> float:
    """The number that a program prints, run in a new interpreter."""
    # Byte code is kept between runs, as it is for an installed package.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def tables(repeats: int = 9) -> list[Table]:
    """Seconds of both imports, taken in turns."""
    times: dict[str, list[float]] = {"jax": [], "jtorch": []}
    for name in times:
        run(TIMED.format(module=name))  # files into the page cache, byte code written
    for _ in range(repeats):
        for name, found in times.items():
            found.append(run(TIMED.format(module=name)))
    jax, jtorch = median(times["jax"]), median(times["jtorch"])
    row = [f"{jax:.3f}", f"{jtorch:.3f}", f"{jtorch - jax:.3f}", int(run(BACKENDS))]
    header = ["import jax", "import jtorch", "more", "backends started"]
    return [("Import in a fresh process, seconds", header, [row])]


def main() -> None:
    """Print the table."""
    for found in tables():
        table(*found)


if __name__ == "__main__":
    main()
