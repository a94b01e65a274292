"""Run the benchmarks named on the command line, or all; options after one name are its own."""

import argparse
import importlib
import os
import platform
import sys

NAMES = ("training", "recording", "compilations", "imports", "memory", "random", "checkpoints", "loading",
         "compiled", "func", "networks")  # fmt: skip


def main() -> None:
    """Print where this runs, then each benchmark's table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; all by default")
    options = next((i for i, a in enumerate(sys.argv) if a[:1] == "-" and i > 1), len(sys.argv))
    names = parser.parse_args(sys.argv[1:options]).names or NAMES
    own = [sys.argv[options:]] if sys.argv[options:] else []
    if own and list(names) != ["networks"]:
        parser.error("only networks takes options")
    for name in names:
        if name not in NAMES:
            parser.error(f"unknown benchmark {name!r}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"Python {platform.python_version()}, {platform.machine()}, {cores} cores")
    for name in names:
        importlib.import_module(f"bench.{name}").main(*own)


if __name__ == "__main__":
    main()
