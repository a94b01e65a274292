"""Saving and loading 500 MB beside PyTorch: seconds and peak memory, each load in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench._timing import optional, table

SIZE = 500_000_000
#: Prints seconds and the growth of the process's peak memory in MB while the statement runs.
MEASURED = """
import json, os, resource, sys, time, threading
import {module} as m
path, what = sys.argv[1], sys.argv[2]
save, load = m.save, m.load  # jtorch imports them now
count = {count}
def state():
    return {{f"layer{{i}}.weight": m.ones(count // 50) * i for i in range(50)}}
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
if what == "save":
    content = state()
    [x.sum().item() for x in content.values()]
before, peak, done = resident(), [0], threading.Event()
def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], resident())
thread = threading.Thread(target=watch)
thread.start()
started = time.perf_counter()
if what == "save":
    save(content, path)
    taken = time.perf_counter() - started
else:
    content = load(path, mmap=what == "mmap")
    taken = time.perf_counter() - started
peak[0] = max(peak[0], resident())
done.set()
thread.join()
if what != "save":
    assert content["layer49.weight"][-1].item() == 49
print(json.dumps([taken, (peak[0] - before) / 1e6]))
"""


def measure(module: str, path: Path, what: str) -> tuple[float, float]:
    """Seconds and MB of one run in a new interpreter."""
    code = MEASURED.format(module=module, count=SIZE // 4)
    command = [sys.executable, "-c", code, str(path), what]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    seconds, grown = json.loads(done.stdout)
    return seconds, grown


def main(repeats: int = 5) -> None:
    """Print the table; contenders take turns."""
    modules = ["jtorch"] + (["torch"] if optional("torch") else [])
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pt"
        for what in ("save", "load", "mmap"):
            for _ in range(repeats):
                for module in modules:
                    found.setdefault((what, module), []).append(measure(module, path, what))
    rows = []
    for what in ("save", "load", "mmap"):
        for module in modules:
            runs = found[what, module]
            rows.append([
                what, module, f"{median(r[0] for r in runs):.3f}", f"{median(r[1] for r in runs):.0f}",
            ])  # fmt: skip
    table(
        "500 MB in 50 tensors; save: with fsync in jtorch, without in PyTorch",
        ["", "library", "s", "MB more"],
        rows,
    )


if __name__ == "__main__":
    main()
