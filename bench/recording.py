"""What recording costs: microseconds of Python per op, and whether it stays linear."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jtorch
from bench._timing import optional, table
from jtorch.trace import flush_all, settings

SIZES = (10, 100, 500, 1000, 2000, 4000)


def chain(torch: Any, x: Any, count: int) -> Any:
    """A chain of small ops of four kinds."""
    y = x
    for _ in range(count // 4):
        y = y * 1.001
        y = y + x
        y = torch.relu(y)
        y = y - 0.5
    return y


def forward(torch: Any, *, tracked: bool) -> Callable[[int], float]:
    """Seconds to call so many ops."""
    x = torch.ones(8, requires_grad=tracked)

    def run(count: int) -> float:
        started = time.perf_counter()
        y = chain(torch, x, count)
        seconds = time.perf_counter() - started
        del y
        return seconds

    return run


def step(torch: Any) -> Callable[[int], float]:
    """Seconds to call a forward and backward of so many ops together."""
    x = torch.ones(8, requires_grad=True)

    def run(count: int) -> float:
        started = time.perf_counter()
        chain(torch, x, count // 2).sum().backward()
        seconds = time.perf_counter() - started
        x.grad = None
        return seconds

    return run


def measure(run: Callable[[int], float], count: int, repeats: int = 9) -> float:
    """Median microseconds per op; what was recorded is dropped unread."""
    run(count)
    flush_all("bench")
    times = []
    for _ in range(repeats):
        times.append(run(count))
        flush_all("bench")
    return median(times) / count * 1e6


def main() -> None:
    """Print microseconds per op for each length."""
    torch = optional("torch")
    cap, settings.max_nodes = settings.max_nodes, 1 << 20
    gc.collect()
    rows = []
    for count in SIZES:
        row = [
            count,
            measure(forward(jtorch, tracked=False), count),
            measure(forward(jtorch, tracked=True), count),
            measure(step(jtorch), count),
        ]
        if torch is not None:
            row += [measure(forward(torch, tracked=False), count), measure(step(torch), count)]
        rows.append([row[0], *(f"{x:.2f}" for x in row[1:])])
    settings.max_nodes = cap
    header = ["ops", "jtorch, no history", "jtorch, history", "jtorch, forward + backward"]
    if torch is not None:
        header += ["PyTorch, no history", "PyTorch, forward + backward"]
    table("Microseconds per op (jtorch: recording alone; PyTorch: running it on 8 numbers)", header, rows)


if __name__ == "__main__":
    main()
