"""Names of PyTorch's compiler front end that programs use; the compiler itself is ``jtorch.compiler``."""

from __future__ import annotations

from typing import Any

from jtorch._dynamo import exc
from jtorch.compiler import config, disable, explain, is_compiling, list_backends, reset

__all__ = [
    "config", "disable", "exc", "explain", "graph_break", "is_compiling", "list_backends", "mark_dynamic",
    "mark_static", "maybe_mark_dynamic", "reset",
]  # fmt: skip


def graph_break(msg: str = "") -> None:
    """End the recording of a function here; the call runs uncompiled."""
    from jtorch.trace import leave_session  # noqa: PLC0415  # not one of this module's names

    leave_session("asks for a graph break" + (f" ({msg})" if msg else ""))


def mark_dynamic(t: Any, index: Any, **_: Any) -> None:
    """Accepted: every combination of shapes has its own program."""


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """Accepted: every combination of shapes has its own program."""


def mark_static(t: Any, index: Any = None) -> None:
    """Accepted: shapes are static in any case."""
