"""``torch.multiprocessing``: Python's module, processes that start together, and torch in spawned ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jtorch import multiprocessing as mp

# Ours ignores it, but pytest has filters of its own.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")

ROOT = Path(__file__).parents[1]
PROGRAM = """
import torch
import torch.multiprocessing as mp

def job(rank, queue, model):
    queue.put((rank, model(torch.ones(1, 2)).item()))

if __name__ == "__main__":
    model = torch.nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.fill_(0.5)
        model.bias.fill_(2)
    assert model(torch.ones(1, 2)).item() == 3  # XLA runs before processes are forked
    for method in ("spawn", "fork"):
        queue = mp.get_context(method).SimpleQueue()
        mp.start_processes(job, (queue, model), nprocs=2, start_method=method)
        print(method, sorted(queue.get() for _ in range(2)))
"""


def fail(rank):
    if rank == 1:
        raise ValueError("the worker failed")


def leave(rank):
    raise SystemExit(3)


def end(rank):
    os.kill(os.getpid(), 9)


def test_spawned_and_forked_processes_have_torch(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "jtorch", str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "spawn [(0, 3.0), (1, 3.0)]\nfork [(0, 3.0), (1, 3.0)]\n", done.stderr


def test_the_first_error_is_raised():
    with pytest.raises(mp.ProcessRaisedException, match="ValueError: the worker failed") as caught:
        mp.start_processes(fail, nprocs=2, start_method="fork")
    assert str(caught.value).startswith("\n\n-- Process 1 terminated with the following error:\nTraceback")
    assert caught.value.error_index == 1


def test_processes_that_end_by_themselves():
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with exit code 3") as caught:
        mp.start_processes(leave, nprocs=1, start_method="fork")
    assert caught.value.exit_code == 3
    context = mp.start_processes(end, nprocs=1, join=False, start_method="fork")
    assert len(context.pids()) == 1
    with pytest.raises(mp.ProcessExitedException, match="terminated with signal SIGKILL") as caught:
        context.join()
    assert caught.value.signal_name == "SIGKILL"


def test_sharing_strategies():
    assert mp.get_sharing_strategy() == "file_descriptor"
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(AssertionError, match="invalid sharing strategy 'other'"):
        mp.set_sharing_strategy("other")


def test_it_is_pythons_module():
    assert mp.get_context("spawn").get_start_method() == "spawn"
    assert {"Pool", "Process", "Queue", "cpu_count"} <= set(mp.__all__)
