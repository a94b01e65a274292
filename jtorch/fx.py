"""Symbolic tracing (``torch.fx``): jtorch has none, so just what programs say about it in passing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Proxy", "wrap"]

_INSTEAD = "torch.fx: jtorch does not trace symbolically; jtorch.compile records calls, jtorch.export graphs"


class Proxy:
    """Stands for a value while PyTorch traces; nothing here is one.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(_INSTEAD)


def wrap(fn_or_name: str | Callable[..., Any]) -> Any:
    """Marks a function as one whose inside is not traced, which nothing here would do.

    Args:
        fn_or_name: the function, or its name in the caller's module.

    Returns:
        The argument.

    Raises:
        RuntimeError: neither.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    return fn_or_name


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'torch.fx' has no attribute '{name}' ({_INSTEAD})")
