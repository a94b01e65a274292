"""Counters of the engine: what was compiled, run, read and donated, and why."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

__all__ = ["metrics", "reset_metrics", "user_line"]

_PACKAGE = str(Path(__file__).parent.parent) + "/"


class Counters:
    """Running totals since the start or the last reset."""

    def __init__(self) -> None:
        self.flushes: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.nodes = 0
        self.programs_compiled = 0
        self.ops_compiled = 0
        self.compile_seconds = 0.0
        self.cache_hits = 0
        self.node_by_node = 0
        self.donated_buffers = 0
        self.donated_bytes = 0
        self.deferred = 0
        self.revealed = 0
        self.shape_syncs: Counter[str] = Counter()
        self.history: list[str] = []


counters = Counters()


def metrics() -> dict[str, Any]:
    """What the engine has done since the start of the process or the last :func:`reset_metrics`.

    Returns:
        ``flushes`` by reason, ``programs_compiled`` (fused graphs), ``ops_compiled`` (programs of one op or
        of a repeated stretch), ``compile_seconds``, ``cache_hits`` (flushes that found their program),
        ``node_by_node`` (flushes that ran in pieces), ``nodes`` (ops run), ``reads`` (flushes forced by
        looking at a value, by the user's line), ``shape_syncs`` (reads forced by a result whose shape depends
        on values, by line),
        ``donated_buffers`` and ``donated_bytes``, ``deferred`` (gradients that programs did not hand out,
        since an optimizer had used them) and ``revealed`` (runs to compute such gradients after all, because
        they were read).
    """
    c = counters
    return {
        "flushes": dict(c.flushes),
        "programs_compiled": c.programs_compiled,
        "ops_compiled": c.ops_compiled,
        "compile_seconds": c.compile_seconds,
        "cache_hits": c.cache_hits,
        "node_by_node": c.node_by_node,
        "nodes": c.nodes,
        "reads": dict(c.reads),
        "shape_syncs": dict(c.shape_syncs),
        "donated_buffers": c.donated_buffers,
        "donated_bytes": c.donated_bytes,
        "deferred": c.deferred,
        "revealed": c.revealed,
    }


def reset_metrics() -> None:
    """Set every counter of :func:`metrics` back to zero. Compiled programs stay."""
    counters.__init__()  # type: ignore[misc]


def user_line() -> str:
    """``file:line`` of the innermost frame outside jtorch."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return "<unknown>" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
