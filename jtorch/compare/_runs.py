"""Runs a program in a process for each framework and compares what they recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jtorch._install import installed
from jtorch.compare._comparison import Comparison
from jtorch.compare._recording import Recording

__all__ = ["NoReference", "compare"]

LABELS = {"torch": "PyTorch", "jtorch": "jtorch"}


class NoReference(RuntimeError):
    """PyTorch is not installed, and no recording of it was given."""


def _check_reference() -> None:
    try:
        version("torch")
        found = installed() or find_spec("torch") is not None
    except (PackageNotFoundError, ImportError):
        found = False
    if not found:
        raise NoReference(
            "PyTorch is not installed here, so there is nothing to compare with. Record the program where "
            "it is (`python -m jtorch.compare --keep FOLDER script.py`), and pass `--reference FOLDER/torch`"
        )


@contextmanager
def _progress(folder: Path, label: str, wanted: bool) -> Iterator[Any]:
    """A function to call now and then, which shows how many steps the recorder has written."""
    try:
        from tqdm import tqdm  # noqa: PLC0415 - optional
    except ImportError:
        wanted = False
    if not wanted:
        yield lambda: None
        return
    path, state = folder / "events.jsonl", {"position": 0, "step": 0}
    with tqdm(desc=f"{label:8}", unit=" steps") as bar:

        def look() -> None:
            if not path.exists():
                return
            with path.open("rb") as file:
                file.seek(state["position"])
                lines = file.read().rpartition(b"\n")[0]
            state["position"] += len(lines)
            last = lines.rpartition(b"\n")[2]
            if last:
                step = json.loads(last)["step"]
                bar.update(step - state["step"])
                state["step"] = step
            bar.refresh()

        yield look
        look()


def _run(
    framework: str, folder: Path, settings: dict[str, Any], progress: bool, timeout: float | None
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    described = folder / "settings.json"
    described.write_text(json.dumps({**settings, "framework": framework, "folder": str(folder)}), "utf-8")
    environment = {"PYTHONHASHSEED": "0", **os.environ}
    if framework == "jtorch":
        own = str(Path(__file__).parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (own, environment.get("PYTHONPATH"))))
    command = [sys.executable, str(Path(__file__).with_name("_recorder.py")), str(described)]
    began = time.monotonic()
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        try:
            with _progress(folder, LABELS[framework], progress) as look:
                while process.poll() is None:
                    if timeout is not None and time.monotonic() - began > timeout:
                        raise TimeoutError(f"{LABELS[framework]} ran for more than {timeout:g} s")
                    time.sleep(0.05)
                    look()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def compare(
    program: str | os.PathLike[str],
    *arguments: str,
    rtol: float = 1e-3,
    atol: float = 1e-6,
    seed: int | None = 0,
    steps: int | None = None,
    limit: int = 65536,
    plot: str | os.PathLike[str] | None = None,
    keep: str | os.PathLike[str] | None = None,
    reference: str | os.PathLike[str] | None = None,
    metadata: bool = False,
    progress: bool = False,
    timeout: float | None = None,
) -> Comparison:
    """Run a program that says ``import torch`` under PyTorch and under jtorch, and compare their numbers.

    Each runs in a process of its own. Recorded are the outputs of modules, losses (at ``backward``),
    gradients and changes of parameters (at ``Optimizer.step``).

    Args:
        program: path of the script.
        arguments: for the script.
        rtol: how far elements may be apart, over the greatest element of their tensor.
        atol: how far they may be apart where all elements are near 0.
        seed: for ``random``, NumPy and torch before the program starts; ``None`` leaves them alone.
        steps: record the first steps only.
        limit: elements to record of a tensor; larger ones are sampled evenly.
        plot: where to draw losses and differences.
        keep: a folder for the recordings, ``torch`` and ``jtorch``; by default they are thrown away.
        reference: a recording of PyTorch made before, instead of running it.
        metadata: as for ``jtorch.install``.
        progress: whether to show a bar for each framework.
        timeout: seconds that each may take.

    Returns:
        The comparison: true if the runs agree, printed as a report.

    Raises:
        FileNotFoundError: the program or the recording does not exist.
        NoReference: PyTorch is not installed, and there is no ``reference``.
        TimeoutError: a run took too long.
    """
    program = os.fspath(program)
    needed = [Path(program), *([] if reference is None else [Path(reference) / "events.jsonl"])]
    for path in needed:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
    if reference is None:
        _check_reference()
    settings = {"program": program, "arguments": list(arguments), "seed": seed, "steps": steps,
                "limit": limit, "metadata": metadata}  # fmt: skip
    with TemporaryDirectory(prefix="jtorch-compare-") as temporary:
        base = Path(temporary if keep is None else keep)
        if reference is None:
            _run("torch", base / "torch", settings, progress, timeout)
        _run("jtorch", base / "jtorch", settings, progress, timeout)
        theirs = Recording(base / "torch" if reference is None else Path(reference), LABELS["torch"])
        comparison = Comparison(program, theirs, Recording(base / "jtorch", LABELS["jtorch"]), rtol, atol)
        str(comparison)  # reads the texts before the folder goes
        if plot is not None:
            comparison.plot(Path(plot))
    return comparison
