"""Run the benchmarks named on the command line, or all."""

import argparse
import importlib
import os
import platform

NAMES = ("training", "recording", "compilations", "imports", "memory", "random", "checkpoints", "loading",
         "compiled", "networks")  # fmt: skip


def main() -> None:
    """Print where this runs, then each benchmark's table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; all by default")
    names = parser.parse_args().names or NAMES
    for name in names:
        if name not in NAMES:
            parser.error(f"unknown benchmark {name!r}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"Python {platform.python_version()}, {platform.machine()}, {cores} cores")
    for name in names:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
