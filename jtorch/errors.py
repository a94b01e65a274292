"""Exceptions and the hints that travel with them.

PyTorch's own texts stay as they are (programs match on ``str(error)``); help of ours is an exception note,
which Python prints below the message.
"""

from __future__ import annotations

from typing import TypeVar

__all__ = ["AsyncExecutionError", "LinAlgError", "TraceError", "with_hint"]

E = TypeVar("E", bound=BaseException)


class _LinAlgError(RuntimeError):
    """A factorization that a matrix does not have (``torch.linalg.LinAlgError``)."""


#: Tracebacks show PyTorch's name of the class, programs catch this one.
LinAlgError = _LinAlgError


class TraceError(RuntimeError):
    """An invariant of the recorded graph is broken: a bug in jtorch, never the user's."""


class AsyncExecutionError(RuntimeError):
    """A compiled program failed after the line that recorded it had returned."""


def with_hint(error: E, hint: str) -> E:
    """Attach a note to an error and return it, so that it can be raised in one line."""
    error.add_note(f"jtorch: {hint}")
    return error
