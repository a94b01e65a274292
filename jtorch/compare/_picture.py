"""A picture of how two runs drift apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jtorch.compare._comparison import KINDS, Comparison

__all__ = ["draw"]

#: Differences of exactly 0 are drawn at the bottom of the logarithmic axis.
FLOOR = 1e-10


def draw(comparison: Comparison, path: str | Path) -> None:
    """Two panels over the steps: losses, and the greatest relative difference of each kind of tensor."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    losses = np.array(comparison.losses(), float).reshape(-1, 2)
    marker = "o" if len(losses) < 30 else None
    above.plot(losses[:, 0], marker=marker, label="PyTorch", color="tab:orange", linewidth=3, alpha=0.6)
    above.plot(losses[:, 1], marker=marker, label="jtorch", color="tab:blue", linewidth=1.2)
    above.set(ylabel="loss", title=f"{Path(comparison.program).name}: PyTorch and jtorch")
    above.legend()
    for kind, values in comparison.drift().items():
        drawn = np.clip(np.array(values, float), FLOOR, 1e3)
        below.plot(drawn, marker=marker, label=KINDS[kind])
    below.axhline(comparison.rtol, color="gray", linestyle="--", label="tolerance")
    if comparison.first is not None:
        for axes in (above, below):
            axes.axvline(comparison.first.step, color="tab:red", linewidth=0.8)
        below.annotate("parted", (comparison.first.step, comparison.rtol), color="tab:red")
    below.set(yscale="log", xlabel="step", ylabel="greatest relative difference")
    below.legend(ncols=3, fontsize="small")
    figure.savefig(path, dpi=120)
