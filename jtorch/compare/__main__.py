"""``python -m jtorch.compare script.py arguments``: compare a program's numbers under PyTorch and jtorch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jtorch.compare._runs import NoReference, compare

EPILOG = "Exit code: 0 the runs agree, 1 they part or one of them fails, 2 they could not be compared."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jtorch.compare", description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("--rtol", type=float, default=1e-3, help="allowed difference, over a tensor's greatest element")
    add("--atol", type=float, default=1e-6, help="allowed difference near 0")
    add("--seed", type=int, default=0, help="for random, NumPy and torch (default 0)")
    add("--no-seed", dest="seed", action="store_const", const=None, help="leave generators alone")
    add("--steps", type=int, help="record the first steps only")
    add("--limit", type=int, default=65536, help="elements to record of a tensor")
    add("--plot", metavar="FILE", help="picture of the drift (default: SCRIPT_drift.png)")
    add("--no-plot", action="store_true", help="draw nothing")
    add("--keep", metavar="FOLDER", help="keep the recordings")
    add("--reference", metavar="FOLDER", help="a kept recording of PyTorch, instead of running it")
    add("--metadata", action="store_true", help="answer packages that look for torch's distribution")
    add("--timeout", type=float, help="seconds for each run")
    add("--quiet", action="store_true", help="print the verdict only")
    add("program", help="the script")
    add("arguments", nargs=argparse.REMAINDER, help="for the script")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare what the command line names.

    Returns:
        0 if the runs agree, 1 if not, 2 if there is nothing to compare.
    """
    given = vars(_parser().parse_args(arguments))
    program, own, quiet = given.pop("program"), given.pop("arguments"), given.pop("quiet")
    picture = None if given.pop("no_plot") else given["plot"] or f"{Path(program).stem}_drift.png"
    given["plot"] = None
    try:
        comparison = compare(program, *own, progress=not quiet and sys.stderr.isatty(), **given)
    except (NoReference, FileNotFoundError, TimeoutError) as error:
        print(f"jtorch.compare: {error}", file=sys.stderr)
        return 2
    print(comparison.verdict() if quiet else comparison)
    if picture is not None and comparison.differences:
        try:
            comparison.plot(picture)
            print(f"Picture: {picture}")
        except ImportError:
            print("No picture: matplotlib is not installed")
    return 0 if comparison.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
