"""Noticing, while a function is recorded, that it prints, logs, warns or starts threads."""

from __future__ import annotations

import builtins
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from jtorch.trace import settings

__all__ = ["watch_output"]

#: What logs about its own work, say while a plan is made.
_ENGINE = frozenset({"jax", "jtorch", "absl"})


def watch_output(session: Any) -> Callable[[], None]:
    """A function that prints or logs does so in every call; returns what ends the watch.

    One that starts a thread may wait for it, and the thread for a number. One that warns is noted only: by
    Python's default the next call shows nothing.
    """
    says: list[tuple[Any, str, str, Callable[..., bool]]] = [
        (builtins, "print", "prints", lambda *_: True),
        (logging.Logger, "handle", "logs", lambda logger, *_: logger.name.partition(".")[0] not in _ENGINE),
        (threading.Thread, "start", "starts a thread", lambda *_: session.numbers_held()),
    ]
    originals = [getattr(owner, name) for owner, name, _, _ in says]
    for (owner, name, does, counts), original in zip(says, originals, strict=True):

        def watched(
            *args: Any, original: Any = original, does: str = does, counts: Any = counts, **kwargs: Any
        ) -> Any:
            if settings.session is session and session.thread == threading.get_ident() and counts(*args):
                session.leave(does, _speaker())
            return original(*args, **kwargs)

        setattr(owner, name, watched)

    show: Any = warnings._showwarnmsg  # type: ignore[attr-defined]  # what shows a warning, C's included

    def noted(message: Any) -> None:
        if settings.session is session and session.thread == threading.get_ident():
            session.warned = str(message.message)
        show(message)

    warnings._showwarnmsg = noted  # type: ignore[attr-defined]

    def unwatch() -> None:
        warnings._showwarnmsg = show  # type: ignore[attr-defined]
        for (owner, name, _, _), original in zip(says, originals, strict=True):
            setattr(owner, name, original)

    return unwatch


def _speaker() -> str:
    """The line that prints, or asked :mod:`logging` to."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("logging"):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
