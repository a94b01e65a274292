"""Names of ``torch._dynamo`` that change nothing here, or little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.compiler import compile, config, get_default_backend
from jtorch.trace import leave_session

__all__ = [
    "disallow_in_graph", "dont_skip_tracing", "error_on_graph_break", "forbid_in_graph",
    "is_dynamo_disable_recursive", "is_dynamo_supported", "is_inductor_supported", "lookup_backend",
    "nonstrict_trace", "optimize", "optimize_assert", "override_optimization_hint", "patch_dynamo_config",
    "run", "set_recursion_limit", "skip_frame", "step_unsupported",
]  # fmt: skip


def optimize(
    backend: Any = None, *, nopython: bool = False, dynamic: bool | None = None, **kwargs: Any
) -> Any:
    """The old form of :func:`jtorch.compile`: ``optimize(backend)(function)``.

    Args:
        backend: as there.
        nopython: ``fullgraph`` there.
        dynamic: as there.
        **kwargs: ``disable`` as there; PyTorch's others are accepted.
    """
    disable = bool(kwargs.get("disable"))
    return compile(
        backend=get_default_backend() if backend is None else backend,
        fullgraph=nopython,
        dynamic=dynamic,
        disable=disable,
    )


def optimize_assert(backend: Any, **kwargs: Any) -> Any:
    """:func:`optimize` with ``nopython=True``."""
    return optimize(backend, **{**kwargs, "nopython": True})


def lookup_backend(compiler_fn: Any) -> Any:
    """What :func:`jtorch.compile` takes as ``backend``, by name.

    Raises:
        InvalidBackend: there is no such backend.
    """
    if isinstance(compiler_fn, str):
        compile(lambda: None, backend=compiler_fn)
    return compiler_fn


def run(fn: Any = None) -> Any:
    """Accepted: the function is called as it is."""
    return (lambda function: function) if fn is None else fn


def forbid_in_graph(fn: Any) -> Any:
    """Accepted: in PyTorch a function must not be part of a graph, and is an error there.

    Raises:
        AssertionError: ``fn`` is no function.
    """
    if isinstance(fn, list | tuple):
        return [forbid_in_graph(f) for f in fn]
    if not callable(fn):
        raise AssertionError("forbid_in_graph applies only to callables")
    return fn


def disallow_in_graph(fn: Any) -> Any:
    """Accepted: calls of functions are recorded by what operations they are."""
    return fn


def nonstrict_trace(traceable_fn: Callable[..., Any]) -> Callable[..., Any]:
    """Accepted: every function is recorded by running it."""
    return traceable_fn


def dont_skip_tracing(fn: Any = None) -> Any:
    """Accepted: no function is skipped."""
    return run(fn)


def error_on_graph_break(error_on_graph_break: bool) -> Any:
    """Not supported for parts of a function.

    Raises:
        NotImplementedError: ``error_on_graph_break`` is true.
    """
    if error_on_graph_break:
        raise NotImplementedError(
            "torch._dynamo.error_on_graph_break(True): use torch.compile(fullgraph=True)"
        )
    return config.patch()


def patch_dynamo_config(arg1: Any = None, arg2: Any = None, **kwargs: Any) -> Any:
    """``config.patch``."""
    return config.patch(arg1, arg2, **kwargs)


def skip_frame(msg: str = "") -> None:
    """The call that is recorded runs uncompiled."""
    leave_session("asks to be skipped" + (f" ({msg})" if msg else ""))


def step_unsupported(msg: str = "") -> None:
    """The call that is recorded runs uncompiled."""
    skip_frame(msg)


def set_recursion_limit(limit: int) -> None:
    """Accepted: functions are recorded by running them, under Python's own limit."""


def override_optimization_hint(x: Any, val: int) -> None:
    """Accepted: XLA compiles for the sizes themselves."""


def is_dynamo_supported() -> bool:
    """Whether functions can be compiled."""
    return True


def is_inductor_supported() -> bool:
    """Whether the default backend works."""
    return True


def is_dynamo_disable_recursive(method: Callable[..., Any]) -> bool | None:
    """Whether :func:`disable` was applied with ``recursive=True``; ``None``: it was not applied."""
    return True if getattr(method, "_torchdynamo_disable", False) else None
