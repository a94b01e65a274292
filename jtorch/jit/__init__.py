"""``torch.jit`` as PyTorch has it under ``PYTORCH_JIT=0``: functions and modules stay what they are.

There is no TorchScript here: what its compiler would read runs as Python, with the same results.
``torch.compile`` and ``torch.export`` take its place; ``save`` and ``load`` are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from jtorch import nn

__all__ = [
    "Attribute",
    "Final",
    "ScriptFunction",
    "ScriptModule",
    "annotate",
    "export",
    "fork",
    "ignore",
    "is_scripting",
    "is_tracing",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "trace_module",
    "unused",
    "wait",
]

T = TypeVar("T")

_INSTEAD = "TorchScript has no counterpart here; torch.compile compiles and torch.export saves a program"


class ScriptModule(nn.Module):
    """A module like any other; :func:`script` returns none."""


class ScriptFunction:
    """The class of compiled functions, for ``isinstance``: nothing is one."""


def script(
    obj: T,
    optimize: None = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> T:
    """``obj`` itself: a function, class or module that runs as Python."""
    return obj


def script_method(fn: T) -> T:
    """``fn`` itself."""
    return fn


def trace(func: T, example_inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """``func`` itself, which is not called."""
    return func


def trace_module(mod: T, inputs: Any, *args: Any, **kwargs: Any) -> T:
    """``mod`` itself, which is not called."""
    return mod


def fork(func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """What ``func`` returns, for :func:`wait`: it is called at once."""
    return func(*args, **kwargs)


def wait(future: T) -> T:
    """What :func:`fork` returned."""
    return future


def Attribute(value: T, type: Any) -> T:
    """The value; its type matters to TorchScript's compiler only."""
    return value


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
