"""How many programs a call would be, and what separates them (``torch._dynamo.explain``)."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jtorch.compiler._session import HELD
from jtorch.compiler._watching import watch_output
from jtorch.trace import flush_all, nodes, recorders, settings, user_line

__all__ = ["ExplainOutput", "GraphBreakReason", "explain_call"]


class GraphBreakReason:
    """Why a program ends.

    Attributes:
        reason: in words.
        user_stack: the line, as a ``traceback.FrameSummary``.
    """

    def __init__(self, reason: str, line: str) -> None:
        file, _, number = line.rpartition(":")
        self.reason = reason
        self.graph_break = True
        place = int(number) if number.isdigit() else 0
        self.user_stack = [traceback.FrameSummary(file or line, place, "")]

    def __repr__(self) -> str:
        return f"GraphBreakReason(reason={self.reason!r}, user_stack={self.user_stack!r})"


class ExplainOutput:
    """What :func:`explain_call` found.

    Attributes:
        graph_count: programs; ``graph_break_count``: places between them.
        break_reasons: why each ends.
        op_count: operations in all; ``ops_per_graph``: their names.
    """

    def __init__(self, graphs: list[list[str]], reasons: list[GraphBreakReason]) -> None:
        self.graph_count = len(graphs)
        self.graph_break_count = max(0, len(graphs) - 1)
        self.break_reasons = reasons
        self.ops_per_graph = graphs
        self.op_count = sum(map(len, graphs))

    def __str__(self) -> str:
        lines = [
            f"Graph Count: {self.graph_count}", f"Graph Break Count: {self.graph_break_count}",
            f"Op Count: {self.op_count}", "Break Reasons:",
        ]  # fmt: skip
        for i, reason in enumerate(self.break_reasons, 1):
            lines += [f"  Break Reason {i}:", f"    Reason: {reason.reason}", "    User Stack:"]
            lines += [f"      {frame}" for frame in reason.user_stack]
        lines.append("Ops per Graph:")
        for i, names in enumerate(self.ops_per_graph, 1):
            lines += [f"  Ops {i}:", *(f"    {name}" for name in names)]
        return "\n".join(lines)


class Survey:
    """Stands in the place of a recording while a call runs as ever, and notes where it would be split."""

    engines = draws = 0

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.graphs: list[list[str]] = []
        self.reasons: list[GraphBreakReason] = []

    def holds(self, reason: str) -> bool:
        """Boundaries of steps are no ends of programs; reads are."""
        if threading.get_ident() != self.thread or reason in HELD:
            return True
        self.take()
        said = "reads the value of a tensor" if reason == "read" else f"needs a value in between ({reason})"
        self.reasons.append(GraphBreakReason(said, user_line()))
        return False

    def take(self) -> None:
        """Note what was recorded since the last end."""
        for r in recorders():
            if r.graph.nodes:
                self.graphs.append([signature.name for signature, _ in nodes(r.graph.flat)])

    def leave(self, why: str, line: str | None = None) -> None:
        """A replay could not repeat what happens here."""
        self.take()
        if any(r.graph.nodes for r in recorders()):
            settings.session = None
            flush_all("compile")
            settings.session = self
        self.reasons.append(GraphBreakReason(why, line or user_line()))

    def decide(self, value: Any) -> None:
        """Decisions read the value."""

    def read(self, value: Any) -> None:
        """Reads end a program."""

    def numbers_held(self) -> bool:
        """Nothing stands for a number."""
        return False

    def numbers(self, count: int, source: Any) -> None:
        """Settings are read as ever."""

    def drew(self, storage: Any, draw: Any) -> None:
        """Random numbers are drawn as ever."""

    def repeats(self, action: Any) -> None:
        """Random numbers are drawn again as ever."""

    def begins(self, stream: Any, generator: Any) -> None:
        """Random numbers are drawn as ever."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Reads inside belong to a program."""
        settings.session = None
        try:
            yield
        finally:
            settings.session = self


def explain_call(f: Callable[..., Any], *args: Any, **kwargs: Any) -> ExplainOutput:
    """Call ``f`` once, uncompiled, and say how many programs the call is.

    Args:
        f: any function or module.
        *args: its arguments.
        **kwargs: its keyword arguments.
    """
    made = getattr(f, "_compiled_function", None)
    function = f if made is None else made.function
    flush_all("compile")
    survey = Survey()
    outer, settings.session = settings.session, survey
    unwatch = watch_output(survey)
    try:
        result = function(*args, **kwargs)
        survey.take()
    finally:
        unwatch()
        settings.session = outer
    del result
    return ExplainOutput(survey.graphs, survey.reasons)
