"""``torch.jit``: the part of TorchScript's surface that means something without TorchScript.

Libraries mark functions for its compiler and ask whether it is running; those names are here. There is no
such compiler: ``torch.compile`` and ``torch.export`` take its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from jtorch import nn

__all__ = [
    "Final",
    "ScriptModule",
    "annotate",
    "export",
    "ignore",
    "is_scripting",
    "is_tracing",
    "script_if_tracing",
    "unused",
]

T = TypeVar("T")

_INSTEAD = "TorchScript has no counterpart here; torch.compile compiles and torch.export saves a program"


class ScriptModule(nn.Module):
    """The class of compiled modules, for ``isinstance``: no module is one.

    Raises:
        NotImplementedError: when one is made.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"torch.jit.ScriptModule: {_INSTEAD}")


def is_scripting() -> bool:
    """Whether TorchScript's compiler is reading this code: never."""
    return False


def is_tracing() -> bool:
    """Whether ``torch.jit.trace`` is recording: never."""
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """The value; its type matters to TorchScript's compiler only."""
    return the_value


def export(fn: T) -> T:
    """``fn`` itself."""
    return fn


def unused(fn: T) -> T:
    """``fn`` itself."""
    return fn


def script_if_tracing(fn: T) -> T:
    """``fn`` itself, as in PyTorch outside of ``torch.jit.trace``."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Callable[..., Any]:
    """``fn`` itself, for both ``@ignore`` and ``@ignore(drop=True)``."""
    return drop if callable(drop) else export


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"module 'jtorch.jit' has no attribute '{name}': {_INSTEAD}")
