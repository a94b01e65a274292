"""An exception on its way from a worker process to the user."""

from __future__ import annotations

import sys
import traceback
from typing import Any, NoReturn

__all__ = ["ExceptionWrapper", "KeyErrorMessage"]


class KeyErrorMessage(str):
    """A text that is its own ``repr``: ``KeyError`` shows the ``repr`` of its argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return self


class ExceptionWrapper:
    """The type and the printed traceback of an exception; the exception itself may not survive pickling.

    Args:
        exc_info: as ``sys.exc_info()``, which is the default.
        where: for the message: ``"in DataLoader worker process 0"``.
    """

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        kind: Any
        kind, error, trace = sys.exc_info() if exc_info is None else exc_info
        self.exc_type: Any = kind
        self.exc_name = kind.__name__
        self.exc_msg = "".join(traceback.format_exception(kind, error, trace))
        self.where = where

    def reraise(self) -> NoReturn:
        """Raise an exception of that type whose message holds the original traceback."""
        message: str = f"Caught {self.exc_name} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            message = KeyErrorMessage(message)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=message)
        try:
            exception = self.exc_type(message)
        except Exception:
            # A constructor with other arguments.
            raise RuntimeError(message) from None
        raise exception
