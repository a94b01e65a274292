"""Kills a process that saves, at random moments: ``python tests/serialization/killed_writer.py --kills 500``.

A forked child writes checkpoint after checkpoint onto one name until it is killed. Whatever the moment, the
file must be one whole checkpoint, no older than the last that was seen.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np


def checkpoint(step):
    """2 MB that say which step they are from; on the host, so that a forked process can make them."""
    import jtorch

    values = [jtorch.from_numpy(np.full(250_000, step, np.float32)) for _ in range(2)]
    return {"step": step, "a": values[0], "b": values[1], "c": [jtorch.tensor(step)]}


def write_forever(path, step, save, pipe):
    """What the child does; the pipe hears of the first checkpoint."""
    while True:
        step += 1
        save(checkpoint(step), path)
        os.write(pipe, b".")


def check(path, load):
    """The step of a whole checkpoint."""
    content = load(path)
    step = content["step"]
    for values in (content["a"], content["b"], content["c"][0]):
        assert (values.detach().numpy() == step).all(), f"checkpoint {step} holds other values"
    return step


def run(kills, folder, kind="zip", seed=0):
    """Kill ``kills`` writers.

    Returns:
        Checkpoints written, kills that hit a write (they leave a temporary file), faults.
    """
    import jtorch

    if kind == "safetensors":
        from jtorch.safetensors import load_file, save_file

        def save(content, path):
            tensors = {"a": content["a"], "b": content["b"], "c": content["c"][0]}
            save_file(tensors, path, {"step": str(content["step"])})

        def load(path):
            content = load_file(path)
            return {**content, "c": [content["c"]], "step": int(content["c"])}

    else:
        load = jtorch.load

        def save(content, path):
            jtorch.save(content, path, _use_new_zipfile_serialization=kind == "zip")

    rng, path = random.Random(seed), Path(folder) / "x.pt"
    save(checkpoint(0), path)
    last, hits, faults = check(path, load), 0, []
    for number in range(kills):
        heard, told = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                write_forever(path, last, save, told)
            finally:
                os._exit(1)
        os.read(heard, 1)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        os.close(heard)
        os.close(told)
        if os.WTERMSIG(status) != signal.SIGKILL:
            faults.append((number, f"the writer ended by itself: {status}"))
        left = [name for name in os.listdir(folder) if name.endswith(".tmp")]
        hits += bool(left)
        for name in left:
            os.remove(Path(folder) / name)
        try:
            step = check(path, load)
            if step < last:
                faults.append((number, f"went back from {last} to {step}"))
            last = step
        except Exception as error:
            faults.append((number, repr(error)[:300]))
    return last, hits, faults


def main():
    """Print what happened; exit with 1 if there were faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--kind", choices=("zip", "legacy", "safetensors"), default="zip")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        written, hits, faults = run(options.kills, folder, options.kind)
    counts = f"{options.kills} kills, {hits} during a write, {written} checkpoints, {len(faults)} faults"
    print(f"{options.kind}: {counts}")
    for fault in faults[:20]:
        print(fault)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
