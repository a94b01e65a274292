"""Names of PyTorch's compiler front end that programs use; the compiler itself is ``jtorch.compiler``."""

from __future__ import annotations

from typing import Any

from jtorch._dynamo import config, eval_frame, exc
from jtorch._dynamo._accepted import (
    disallow_in_graph,
    dont_skip_tracing,
    error_on_graph_break,
    forbid_in_graph,
    is_dynamo_disable_recursive,
    is_dynamo_supported,
    is_inductor_supported,
    lookup_backend,
    nonstrict_trace,
    optimize,
    optimize_assert,
    override_optimization_hint,
    patch_dynamo_config,
    run,
    set_recursion_limit,
    skip_frame,
    step_unsupported,
)
from jtorch.compiler import (
    OptimizedModule,
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    list_backends,
    reset,
    set_stance,
    substitute_in_graph,
)
from jtorch.compiler._survey import ExplainOutput, explain_call

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable",
    "disallow_in_graph", "dont_skip_tracing", "error_on_graph_break", "eval_frame", "exc", "explain",
    "forbid_in_graph", "graph_break", "is_compiling", "is_dynamo_disable_recursive",
    "is_dynamo_supported", "is_inductor_supported", "list_backends", "lookup_backend", "mark_dynamic",
    "mark_static", "mark_static_address", "maybe_mark_dynamic", "nonstrict_trace", "optimize",
    "optimize_assert", "override_optimization_hint", "patch_dynamo_config", "reset", "run",
    "set_recursion_limit", "set_stance", "skip_frame", "step_unsupported", "substitute_in_graph",
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
    for i in _dims(index):
        _noted(t, "_dynamo_dynamic_indices").add(i)


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """:func:`mark_dynamic`."""
    for i in _dims(index):
        _noted(t, "_dynamo_weak_dynamic_indices").add(i)


def _dims(index: Any) -> list[int]:
    if not isinstance(index, int | list | tuple):
        raise AssertionError(f"Expected index to be int, list, or tuple, got {type(index)}")
    return list(index) if isinstance(index, list | tuple) else [index]


def _noted(t: Any, name: str) -> Any:
    if not hasattr(t, name):
        setattr(t, name, set())
    return getattr(t, name)


def mark_static(t: Any, index: Any = None) -> None:
    """Accepted: shapes are static in any case."""


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Accepted: a recording takes tensors as operands, wherever they are."""
