"""How many programs loops compile, and what a loop costs whose graph differs each time.

The counts are asserted by ``tests/trace/test_compilations.py`` too; here they stand beside larger loops.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import jtorch
from bench._timing import optional, table
from jtorch.trace import clear_programs, flush_all


def counted(loop: Callable[[], object]) -> dict[str, Any]:
    """The engine's counters over a loop that starts without any program."""
    flush_all("bench")
    clear_programs()
    jtorch.reset_metrics()
    loop()
    flush_all("bench")
    return jtorch.metrics()


def steady_loop(torch: Any, steps: int = 60) -> None:
    """Training in which all that may change without new shapes does: rate, scalar, index, slice start."""
    data, targets = torch.rand(256, 8), torch.rand(256, 1)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for i in range(steps):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        start = 4 * i
        x, y = data[start : start + 16], targets[start : start + 16]
        loss = ((model(x) - y) ** 2).mean() * (1 + 0.01 * i) + model(data[i]).sum() * 0.001
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


def sliced_evaluation(torch: Any, batches: int = 300) -> float:
    """Accuracy over slices of a tensor, read once at the end."""
    data, labels = torch.rand(batches * 4, 8), torch.zeros(batches * 4, dtype=torch.int64)
    model = torch.nn.Linear(8, 3)
    correct, total = 0, 0.0
    with torch.inference_mode():
        for start in range(0, batches * 4, 4):
            x, y = data[start : start + 4], labels[start : start + 4]
            scores = model(x)
            correct = correct + (scores.argmax(dim=1) == y).sum()
            total = total + torch.nn.functional.cross_entropy(scores, y)
    return correct.item() + total.item()


def loaded_evaluation(torch: Any, batches: int = 300) -> float:
    """The same with a DataLoader."""
    data = torch.utils.data.TensorDataset(
        torch.rand(batches * 4, 8), torch.zeros(batches * 4, dtype=torch.int64)
    )
    model = torch.nn.Linear(8, 3)
    correct, total = 0, 0.0
    with torch.inference_mode():
        for x, y in torch.utils.data.DataLoader(data, batch_size=4):
            scores = model(x)
            correct = correct + (scores.argmax(dim=1) == y).sum()
            total = total + torch.nn.functional.cross_entropy(scores, y)
    return correct.item() + total.item()


def episode(torch: Any) -> Callable[[int], float]:
    """A small recurrent policy that acts for a given number of steps, then learns from the whole episode."""
    torch.manual_seed(0)
    nn = torch.nn
    observe, carry, act = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 2)
    parameters = [p for layer in (observe, carry, act) for p in layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=1e-3)
    observations = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32))

    def run(steps: int) -> float:
        hidden = torch.zeros(16)
        total = 0.0
        for t in range(steps):
            hidden = torch.tanh(observe(observations[t]) + carry(hidden))
            total = total + torch.log_softmax(act(hidden), dim=0)[0]
        loss = -total / steps
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def variable_length(warmup: int = 150, rounds: int = 60) -> list[list[Any]]:
    """Seconds per episode of 10 to 200 steps, the frameworks in turns with the same lengths."""
    torch = optional("torch")
    contenders = {"jtorch": episode(jtorch)}
    if torch is not None:
        contenders["torch"] = episode(torch)
    lengths = random.Random(0)
    clear_programs()
    jtorch.reset_metrics()
    for name, run in contenders.items():
        for _ in range(warmup if name == "jtorch" else 5):
            run(lengths.randint(10, 200))
    before = jtorch.metrics()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        steps = lengths.randint(10, 200)
        for name, run in contenders.items():
            started = time.perf_counter()
            run(steps)
            times[name].append((time.perf_counter() - started) / steps)
    after = jtorch.metrics()
    compiled = sum(after[k] - before[k] for k in ("programs_compiled", "ops_compiled"))
    mine = median(times["jtorch"])
    row = [f"{mine * 1e6:.1f}", "-", "-", compiled, before["programs_compiled"] + before["ops_compiled"]]
    if torch is not None:
        row[1] = f"{median(times['torch']) * 1e6:.1f}"
        row[2] = f"{sum(times['jtorch']) / sum(times['torch']):.2f}"
    return [row]


def main() -> None:
    """Print the counts and the variable-length loop."""
    warnings.simplefilter("ignore", RuntimeWarning)  # the report of a storm
    rows = []
    for title, loop in (
        ("training, rate, scalar, index and slice start change, 60 steps", steady_loop),
        ("evaluation by slices, 300 batches, no reads", sliced_evaluation),
        ("evaluation by DataLoader, 300 batches, no reads", loaded_evaluation),
    ):
        m = counted(lambda loop=loop: loop(jtorch))
        rows.append([title, m["programs_compiled"], m["ops_compiled"], m["cache_hits"], m["nodes"]])
    table("Programs compiled", ["loop", "programs", "pieces", "hits", "ops run"], rows)
    table(
        "Episodes of 10 to 200 steps of a recurrent policy, then one backward: microseconds per step",
        ["jtorch", "PyTorch eager", "ratio of the totals", "compiled meanwhile", "compiled in warm-up"],
        variable_length(),
    )


if __name__ == "__main__":
    main()
