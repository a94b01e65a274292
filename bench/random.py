"""Drawing random numbers on the CPU, with PyTorch's bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jtorch
from bench._timing import microseconds, optional, ratio, rounds, table

CALLS: dict[str, Callable[[Any], object]] = {
    "randn(100)": lambda t: t.randn(100),
    "rand(100)": lambda t: t.rand(100),
    "randint(0, 10) of 100": lambda t: t.randint(0, 10, (100,)),
    "randn(())": lambda t: t.randn(()),
    "rand(1000000)": lambda t: t.rand(1000000),
    "randn(1000000)": lambda t: t.randn(1000000),
    "bernoulli_ of 1000000": lambda t: t.empty(1000000).bernoulli_(0.5),
    "dropout of 1000000": lambda t: t.dropout(t.ones(1000000), 0.5, True).sum().item(),
    "randint(0, 10) of 1000000": lambda t: t.randint(0, 10, (1000000,)),
    "randn float64 of 100000": lambda t: t.randn(100000, dtype=t.float64),
    "randperm(10000)": lambda t: t.randperm(10000),
}


def main() -> None:
    """Print the time of each call, and its ratio to PyTorch's."""
    torch = optional("torch")
    rows = []
    for name, call in CALLS.items():
        contenders = {"jtorch": lambda call=call: call(jtorch)}
        if torch is not None:
            contenders["torch"] = lambda call=call: call(torch)
        times = rounds(contenders, count=7, seconds=0.05, warmup=3)
        row = [name, microseconds(times["jtorch"])]
        if torch is not None:
            row += [microseconds(times["torch"]), f"{ratio(times, 'jtorch', 'torch'):.2f}"]
        rows.append(row)
    header = ["call", "jtorch"] if torch is None else ["call", "jtorch", "PyTorch", "ratio"]
    table("Microseconds per draw", header, rows)


if __name__ == "__main__":
    main()
