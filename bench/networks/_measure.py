"""First steps and memory in fresh processes with empty caches; then steps in turns in one process."""

from __future__ import annotations

import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench._processes import RETURNING, child, peak, start_of_peak
from bench._timing import rounds
from bench.networks._cases import CASES
from bench.networks._contenders import CONTENDERS, LeftOutError, differs, numbers, warm_up

#: Steps whose memory is counted and whose losses are compared.
STEPS = 4


def load(path: str) -> tuple[dict[str, Any], tuple[Any, Any]]:
    """Weights and data that ``written`` left."""
    with np.load(path) as found:
        content = dict(found)
    data = content.pop("x of the data"), content.pop("y of the data")
    return content, data


def first(name: str, contender: str, path: str) -> dict[str, Any]:
    """Seconds of the first step, bytes at the peak, and what the first steps returned."""
    case, (state, data) = CASES[name], load(path)
    try:
        device_peak = warm_up(contender)
        before = start_of_peak()
        run = CONTENDERS[contender](case, state, data)
        run.settle()
        started = time.perf_counter()
        out = run()
        seconds = time.perf_counter() - started
    except LeftOutError as error:
        return {"left out": str(error)}
    except Exception as error:
        if contender != "torch.compile":
            raise
        return {"left out": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}
    outs = [numbers(x).ravel() for x in [out, *(run() for _ in range(STEPS - 1))]]
    on_device = device_peak()
    used = peak() - before if on_device is None else on_device
    values = np.concatenate(outs) if case.loss else outs[0]
    return {"seconds": seconds, "bytes": used, "values": values.tolist()}


def steady(name: str, contenders: Sequence[str], path: str, count: int) -> dict[str, list[float]]:
    """Seconds per step of each contender, per round."""
    case, (state, data) = CASES[name], load(path)
    runs = {c: CONTENDERS[c](case, state, data) for c in contenders}
    return rounds(runs, count=count, seconds=0.3, warmup=5)


@contextlib.contextmanager
def written(name: str) -> Iterator[str]:
    """A file with the case's weights and data."""
    case = CASES[name]
    x, y = case.data()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "case.npz")
        np.savez(path, **case.state(), **{"x of the data": x, "y of the data": y})
        yield path


def measure(name: str, repeats: int, count: int) -> dict[str, Any]:
    """All of one case: ``seconds``, ``first`` and ``bytes`` by contender, and who was left out, why.

    Args:
        name: key of ``CASES``.
        repeats: new processes of each contender.
        count: rounds of steps.
    """
    found: dict[str, Any] = {"seconds": {}, "first": {}, "bytes": {}, "left out": {}}
    expected = None
    with written(name) as path, tempfile.TemporaryDirectory() as kept:
        for repeat in range(repeats):
            for contender in CONTENDERS:
                if contender in found["left out"] or contender == "nnx, cached":  # begins as nnx does
                    continue
                with tempfile.TemporaryDirectory() as empty:
                    # The last of torch.compile's folders serves the steady steps below.
                    cache = kept if (contender, repeat) == ("torch.compile", repeats - 1) else empty
                    got = fresh(["first", name, contender, path], cache)
                if "left out" in got:
                    found["left out"][contender] = got["left out"]
                    continue
                found["first"].setdefault(contender, []).append(got["seconds"])
                found["bytes"].setdefault(contender, []).append(got["bytes"])
                expected = got["values"] if expected is None else expected
                problem = differs(got["values"], expected, training=bool(CASES[name].loss))
                assert problem is None, f"{name}: {contender} is not the same: {problem}"
        able = [c for c in CONTENDERS if c.replace("nnx, cached", "flax nnx") in found["first"]]
        found["seconds"] = fresh(["steady", name, "|".join(able), path, str(count)], kept)
    return found


def fresh(arguments: list[str], cache: str) -> Any:
    """Measure in a new process, with compiled programs kept in a folder or nowhere."""
    environment = {"JTORCH_CACHE_DIR": "0", "JAX_ENABLE_COMPILATION_CACHE": "false"}
    if arguments[0] == "first":
        environment |= RETURNING
    return child("bench.networks", "--child", *arguments, TORCHINDUCTOR_CACHE_DIR=cache, **environment)


def run_child(arguments: Sequence[str]) -> Any:
    """What a process started by ``fresh`` does."""
    warnings.simplefilter("ignore")  # other libraries' about each other
    what, name, contender, path, *count = arguments
    if what == "first":
        return first(name, contender, path)
    return steady(name, contender.split("|"), path, int(*count))
