"""Tables and a plot of the measurements; ``--write`` puts both into the documentation."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bench import imports, loading
from bench._timing import Table, markdown, optional, ratio
from bench.networks._cases import CASES
from bench.networks._contenders import CONTENDERS
from bench.networks._measure import measure

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE, PLOT = DOCS / "performance.md", DOCS / "images" / "networks.svg"
BEGIN, END = "<!-- written by python -m bench networks --write -->\n", "<!-- end of what it wrote -->\n"
BY_HAND = "JAX + optax"


def place() -> dict[str, str]:
    """Where and when this runs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model, info = platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2] for line in info.read_text().splitlines() if "model name" in line]
        model = names[0].strip() if names else model
    if jax.default_backend() != "cpu":
        model += f", {jax.devices()[0].device_kind}"
    installed = [p for p in ("jax", "optax", "torch", "flax", "numpy") if optional(p)]
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in installed)
    return {
        "machine": f"{model}, {cores} cores",
        "versions": f"Python {platform.python_version()}, {versions}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def short(value: float) -> str:
    """Three digits, more only before the point."""
    return f"{value:,.{max(0, 2 - int(np.floor(np.log10(abs(value) or 1))))}f}" if value else "0"


def spread(values: Sequence[float], low: float, high: float) -> str:
    """The median, and two percentiles."""
    middle, least, most = (short(np.percentile(values, p)) for p in (50, low, high))
    return f"{middle} ({least} to {most})"


def contenders(found: dict[str, Any], what: str) -> list[str]:
    """Those that were measured, in the order of the tables."""
    return [c for c in CONTENDERS if any(c in case[what] for case in found.values())]


def per_contender(found: dict[str, Any], what: str, title: str, scale: float, *, whole: bool) -> Table:
    """One row per case; ``whole`` shows the whole range, else the middle half."""
    names = contenders(found, what)
    low, high = (0, 100) if whole else (25, 75)
    rows = []
    for key, case in found.items():
        values = [np.array(case[what].get(c, [])) * scale for c in names]
        rows.append([CASES[key].title, *(spread(v, low, high) if len(v) else "-" for v in values)])
    return title, ["", *names], rows


def ratios(found: dict[str, Any]) -> Table:
    """Medians over rounds of one contender by another, and what a step costs beside hand-written JAX."""
    pairs = [
        ("jtorch compiled", BY_HAND), ("jtorch", BY_HAND), ("jtorch compiled", "PyTorch"),
        ("jtorch", "PyTorch"), ("torch.compile", "PyTorch"), (BY_HAND, "PyTorch"),
    ]  # fmt: skip
    measured = contenders(found, "seconds")
    pairs = [p for p in pairs if set(p) <= set(measured)]
    more = [c for c in ("jtorch compiled", "flax nnx", "nnx, cached") if c in measured]
    rows = []
    for key, case in found.items():
        t = case["seconds"]
        compared = [f"{ratio(t, *p):.2f}" if set(p) <= set(t) else "-" for p in pairs]
        extra = [np.median(np.subtract(t[c], t[BY_HAND])) * 1e6 for c in more]
        rows.append([CASES[key].title, *compared, *(f"{us:+,.0f}" for us in extra)])
    header = ["", *(f"{a} / {b}" for a, b in pairs), *(f"{c} - {BY_HAND}, us" for c in more)]
    return "Step time, compared round by round", header, rows


def against(found: dict[str, Any], what: str, title: str) -> Table:
    """Medians of everybody by those of hand-written JAX."""
    names = [c for c in contenders(found, what) if c != BY_HAND]
    rows = []
    for key, case in found.items():
        middle = {c: np.median(v) for c, v in case[what].items()}
        base = middle[BY_HAND]
        cells = [f"{middle[c] / base:.2f}" if base and c in middle else "-" for c in names]
        rows.append([CASES[key].title, *cells])
    return title, ["", *names], rows


def tables(found: dict[str, Any]) -> list[Table]:
    """All about the networks."""
    return [
        per_contender(found, "seconds", "Step time, ms: median (quartiles)", 1e3, whole=False),
        ratios(found),
        per_contender(found, "first", "First step, s: median (least to most)", 1, whole=True),
        against(found, "first", f"First step, by that of {BY_HAND}"),
        per_contender(found, "bytes", "Peak memory, MiB: median (least to most)", 2**-20, whole=True),
        against(found, "bytes", f"Peak memory, by that of {BY_HAND}"),
    ]


def left_out(found: dict[str, Any]) -> list[str]:
    """Sentences about who is missing."""
    reasons = {(c, why) for case in found.values() for c, why in case["left out"].items()}
    return [f"Left out: {c} ({why})." for c, why in sorted(reasons)]


def plot(found: dict[str, Any], where: dict[str, str], path: Path) -> None:
    """Bars of step times, by PyTorch eager's or, without it, by hand-written JAX's."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "jtorch"  # the same numbers make the same file
    from matplotlib import pyplot as plt

    measured = contenders(found, "seconds")
    base = "PyTorch" if "PyTorch" in measured else BY_HAND
    names = [c for c in measured if c != base]
    colors = {"PyTorch": "#8c6d5c", "torch.compile": "#e08e45", BY_HAND: "#9aa5b1", "flax nnx": "#b7d3a8",
              "nnx, cached": "#6aa36f", "jtorch": "#7fb2e5", "jtorch compiled": "#1f5fa8"}  # fmt: skip
    figure, axes = plt.subplots(figsize=(10, 0.13 * len(found) * (len(names) + 1) + 1.4))
    height = 1 / (len(names) + 1)  # and the gap of one bar
    for i, c in enumerate(names):
        for row, case in enumerate(found.values()):
            t = case["seconds"]
            if not {c, base} <= set(t):
                continue
            value, y = ratio(t, c, base), row + (i - (len(names) - 1) / 2) * height
            axes.barh(y, value - 1, height * 0.92, left=1, color=colors[c], label=c if row == 0 else None)
            at, side = (value * 0.98, "right") if value < 1 else (value * 1.02, "left")
            axes.text(at, y, f"{value:.2g}", va="center", ha=side, fontsize=7)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    low, high = min(low, 0.5) / 1.3, max(high, 2) * 1.3  # room for the numbers
    axes.set_xlim(low, high)
    marks = [m * t for t in (0.001, 0.01, 0.1, 1, 10, 100) for m in (1, 2, 5) if low <= m * t <= high]
    axes.set_xticks(marks, [f"{m:g}" for m in marks])
    axes.minorticks_off()
    axes.set_yticks(range(len(found)), [CASES[key].title.replace(", ", "\n", 1) for key in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"time of a step by that of {base}; left of the line is faster")
    axes.set_title(f"{where['machine']}; {where['date']}", fontsize=9, color="#555555")
    figure.legend(*axes.get_legend_handles_labels(), loc="upper center", ncols=len(names), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.4 / figure.get_figheight()))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def write(parts: Sequence[str]) -> None:
    """Put the text between the page's marks."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    text = before + BEGIN + "\n" + "\n\n".join(parts) + "\n\n" + END + rest.split(END)[1]
    PAGE.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print; ``--write`` also puts tables and plot into ``docs/``."""
    parser = argparse.ArgumentParser(prog="python -m bench networks", description=__doc__)
    listed = f"any of {', '.join(CASES)}; all by default"
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="NAME", help=listed)
    parser.add_argument("--repeats", type=int, default=3, help="first steps of each, in new processes")
    parser.add_argument("--rounds", type=int, default=15, help="of steps in the steady state")
    parser.add_argument("--plot", type=Path, help="draw to this file, whose ending says how")
    parser.add_argument("--write", action="store_true", help=f"rewrite {PAGE.name} and {PLOT.name}")
    parser.add_argument("--keep", type=Path, help="write the numbers to this file, case by case")
    parser.add_argument("--kept", type=Path, help="measure nothing, take the numbers of such a file")
    given = parser.parse_args(arguments)
    if given.kept:
        results = json.loads(given.kept.read_text(encoding="utf-8"))
    else:
        others = [*loading.tables(), *imports.tables()] if given.write else []
        results = {"place": place(), "cases": {}, "others": others}
        for number, name in enumerate(given.only, 1):
            print(f"{number}/{len(given.only)} {CASES[name].title}", file=sys.stderr, flush=True)
            results["cases"][name] = measure(name, given.repeats, given.rounds)
            if given.keep:
                given.keep.write_text(json.dumps(results), encoding="utf-8")
    where, found = results["place"], results["cases"]
    head = f"{where['machine']}; {where['versions']}; {where['date']}."
    parts = [head, *left_out(found)]
    parts += [markdown(*t) for t in [*tables(found), *results["others"]]]
    print("\n" + "\n\n".join(parts), flush=True)
    if given.plot:
        plot(found, where, given.plot)
    if given.write:
        plot(found, where, PLOT)
        picture = f"![Step times, by those of PyTorch eager](images/{PLOT.name})"
        write([head, *left_out(found), picture, *parts[len(left_out(found)) + 1 :]])
