"""Fair comparisons: contenders take turns in one process, and ratios are taken within each round."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from statistics import median
from typing import Any


def optional(name: str) -> Any:
    """A module, or ``None`` if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def rounds(
    contenders: dict[str, Callable[[], object]], *, count: int = 15, seconds: float = 0.1, warmup: int = 30
) -> dict[str, list[float]]:
    """Seconds per call of each contender, per round.

    Args:
        contenders: what to time, by name.
        count: rounds; in each, every contender runs for about ``seconds``, in an order that rotates.
        seconds: length of one contender's turn.
        warmup: calls before anything is timed (compilation, caches).
    """
    repeats = {}
    for name, call in contenders.items():
        for _ in range(warmup):
            call()
        started = time.perf_counter()
        for _ in range(5):
            call()
        repeats[name] = max(1, int(seconds * 5 / (time.perf_counter() - started)))
    names = list(contenders)
    times: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    for turn in range(count):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            call, n = contenders[name], repeats[name]
            started = time.perf_counter()
            for _ in range(n):
                call()
            times[name].append((time.perf_counter() - started) / n)
    return times


def ratio(times: dict[str, list[float]], mine: str, other: str) -> float:
    """Median over rounds of one contender's time divided by another's of the same round."""
    return median(a / b for a, b in zip(times[mine], times[other], strict=True))


#: Title, header and rows.
Table = tuple[str, Sequence[str], Sequence[Sequence[Any]]]


def markdown(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table with its title above."""
    cells = [[str(x) for x in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [f"**{title}**", ""]
    for number, row in enumerate(cells):
        first, *rest = (
            x.ljust(w) if i == 0 else x.rjust(w) for i, (x, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("| " + " | ".join([first, *rest]) + " |")
        if number == 0:
            first, *rest = ("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths))
            lines.append("|" + "|".join([first, *rest]) + "|")
    return "\n".join(lines)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a Markdown table."""
    print("\n" + markdown(title, header, rows), flush=True)


def microseconds(values: Sequence[float]) -> str:
    """The median of seconds, shown in microseconds."""
    return f"{median(values) * 1e6:,.1f}"
