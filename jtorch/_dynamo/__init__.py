"""Names of PyTorch's compiler front end that programs use; the compiler itself is ``jtorch.compiler``."""

from __future__ import annotations

from typing import Any

from jtorch._dynamo import eval_frame, exc
from jtorch.compiler import (
    OptimizedModule,
    allow_in_graph,
    assume_constant_result,
    config,
    disable,
    is_compiling,
    list_backends,
    reset,
)
from jtorch.compiler._survey import ExplainOutput, explain_call

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "eval_frame", "exc",
    "explain", "graph_break", "is_compiling", "list_backends", "mark_dynamic", "mark_static",
    "mark_static_address", "maybe_mark_dynamic", "reset",
]  # fmt: skip


def graph_break(msg: str = "") -> None:
    """End the recording of a function here; the call runs uncompiled."""
    from jtorch.trace import leave_session  # noqa: PLC0415  # not one of this module's names

    leave_session("asks for a graph break" + (f" ({msg})" if msg else ""))


def explain(f: Any, *extra_args: Any, **extra_kwargs: Any) -> Any:
    """How many programs a call of ``f`` is, and which lines separate them.

    ``explain(f)(*args)`` calls ``f`` once, uncompiled, and returns an :class:`ExplainOutput`, which prints as
    PyTorch's does. :func:`jtorch.compiler.explain` says why a compiled function was recorded.

    Args:
        f: a function or module, compiled or not.
        *extra_args: arguments for a call at once, the old form.
        **extra_kwargs: its keyword arguments.
    """

    def inner(*args: Any, **kwargs: Any) -> ExplainOutput:
        return explain_call(f, *args, **kwargs)

    return inner(*extra_args, **extra_kwargs) if extra_args or extra_kwargs else inner


def mark_dynamic(t: Any, index: Any, **_: Any) -> None:
    """Say that a size varies; noted on the tensor, as every combination of sizes has its own program.

    Args:
        t: the tensor.
        index: a dimension, or several.
        **_: bounds and names are accepted.
    """
    for i in index if isinstance(index, list | tuple) else (index,):
        _noted(t, "_dynamo_dynamic_indices").add(i)


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """:func:`mark_dynamic`."""
    for i in index if isinstance(index, list | tuple) else (index,):
        _noted(t, "_dynamo_weak_dynamic_indices").add(i)


def _noted(t: Any, name: str) -> Any:
    if not hasattr(t, name):
        setattr(t, name, set())
    return getattr(t, name)


def mark_static(t: Any, index: Any = None) -> None:
    """Accepted: shapes are static in any case."""


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Accepted: a recording takes tensors as operands, wherever they are."""
