"""Run a program that says ``import torch`` on jtorch, as it is: ``python -m jtorch script.py arguments``."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from types import ModuleType

from jtorch._install import install

USAGE = "jtorch [--metadata] (script.py | -m module | -c code) [arguments ...]"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jtorch", usage=USAGE, description=__doc__, add_help=False)
    parser.add_argument("-h", "--help", action="help", help="show this text")
    parser.add_argument(
        "--metadata", action="store_true", help="also answer packages that look for torch's distribution"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("-m", dest="module", action="store_true", help="run a module instead of a script")
    what.add_argument("-c", dest="code", action="store_true", help="run a string of code")
    parser.add_argument("program", help="script, module or code")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for the program")
    return parser


def _execute(source: str | bytes, name: str, file: str | None) -> None:
    """Run source text as ``__main__``."""
    main = ModuleType("__main__")
    if file is not None:
        main.__file__ = file
    sys.modules["__main__"] = main
    exec(compile(source, name, "exec"), main.__dict__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line names; its own arguments follow it.

    Args:
        arguments: instead of ``sys.argv[1:]``.
    """
    given = _parser().parse_args(arguments)
    install(metadata=given.metadata)
    sys.argv = [given.program, *given.arguments]
    if given.code:
        sys.argv[0] = "-c"
        sys.path[0] = ""
        _execute(given.program, "<string>", None)
    elif given.module:
        sys.path[0] = os.getcwd()
        runpy.run_module(given.program, run_name="__main__", alter_sys=True)
    else:
        try:
            with open(given.program, "rb") as script:
                source = script.read()
        except OSError as error:
            raise SystemExit(f"jtorch: can't open file {given.program!r}: {error.strerror}") from None
        sys.path[0] = os.path.dirname(os.path.abspath(given.program))
        _execute(source, given.program, given.program)


if __name__ == "__main__":
    main()
