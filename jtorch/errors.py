"""Exceptions and the hints that travel with them.

PyTorch's own texts stay as they are (programs match on ``str(error)``); help of ours is an exception note,
which Python prints below the message.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

__all__ = [
    "AsyncExecutionError", "LinAlgError", "TraceError", "drop_jax_note", "helped", "no_such_form",
    "type_name", "warn_user", "with_hint", "wrong_argument",
]  # fmt: skip

E = TypeVar("E", bound=BaseException)


class _LinAlgError(RuntimeError):
    """A factorization that a matrix does not have (``torch.linalg.LinAlgError``)."""


#: Tracebacks show PyTorch's name of the class, programs catch this one.
LinAlgError = _LinAlgError


class TraceError(RuntimeError):
    """An invariant of the recorded graph is broken: a bug in jtorch, never the user's."""


class AsyncExecutionError(RuntimeError):
    """A compiled program failed after the line that recorded it had returned."""


_PACKAGE = str(Path(__file__).parent) + os.sep


def no_such_form(name: str, given: str, forms: Iterable[str], wrong: str = "") -> TypeError:
    """PyTorch's error for arguments that fit none of a function's forms.

    Args:
        name: of the function.
        given: types of the arguments.
        forms: types and names of the parameters, one text each.
        wrong: the arguments that do not fit, between exclamation marks.
    """
    why = f"      didn't match because some of the arguments have invalid types: ({wrong})\n" if wrong else ""
    text = f"{name}() received an invalid combination of arguments - got ({given}), but expected one of:\n"
    return TypeError(text + "".join(f" * ({form})\n{why}" for form in forms))


def type_name(kind: type) -> str:
    """A type as PyTorch's errors about arguments name it: its own ones and NumPy's with their module."""
    module = kind.__module__.partition(".")[0]
    if module == __name__.partition(".")[0]:
        return f"torch.{kind.__name__}" if kind.__name__ in _NAMED_WITH_MODULE else kind.__name__
    return f"numpy.{kind.__name__}" if module == "numpy" else kind.__name__


def wrong_argument(text: str, kind: type) -> TypeError:
    """PyTorch's error for an argument of a type that does not fit; help is added if that is JAX's array."""
    return helped(TypeError(text), [kind])


def helped(error: E, kinds: Iterable[type]) -> E:
    """The error, with help if one of the types is that of JAX's arrays."""
    if any(kind.__module__.partition(".")[0] in ("jax", "jaxlib") for kind in kinds):
        with_hint(error, "jtorch.from_jax(x) makes a tensor of a jax.Array or a tracer, without a copy")
    return error


_NAMED_WITH_MODULE = frozenset({"Generator", "Size", "device", "dtype", "layout", "memory_format"})


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line of the program outside of jtorch."""
    frame = sys._getframe(1)
    level = 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    warnings.warn(text, category, stacklevel=level)


def with_hint(error: E, hint: str) -> E:
    """Attach a note to an error and return it, so that it can be raised in one line."""
    error.add_note(f"jtorch: {hint}")
    return error


def drop_jax_note(error: Exception) -> None:
    """Take JAX's remark about its own frames off an error of ours; PyTorch's text stands alone."""
    notes = [n for n in getattr(error, "__notes__", ()) if "JAX has removed its internal frames" not in n]
    if notes:
        error.__notes__ = notes
    elif hasattr(error, "__notes__"):
        del error.__notes__
