"""Classes and functions that the user trusts in files loaded with ``weights_only=True``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.serialization._names import torch_name

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "safe_globals", "trusted"]

Global = Callable[..., Any] | tuple[Callable[..., Any], str]

_trusted: set[Any] = set()


def add_safe_globals(safe_globals: Sequence[Global]) -> None:
    """Allow files to name these classes and functions, and so to call them.

    Args:
        safe_globals: each a class or function, or a pair of it and the full name that files have for it.
    """
    _trusted.update(safe_globals)


def get_safe_globals() -> list[Global]:
    """What :func:`add_safe_globals` has allowed."""
    return list(_trusted)


def clear_safe_globals() -> None:
    """Take back all that :func:`add_safe_globals` has allowed."""
    _trusted.clear()


class safe_globals:
    """Allow files to name these classes and functions within a ``with`` block.

    Args:
        safe_globals: as in :func:`add_safe_globals`.
    """

    def __init__(self, safe_globals: Sequence[Global]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, *_: Any) -> None:
        _trusted.difference_update(self.safe_globals)


def trusted() -> dict[str, Any]:
    """The allowed objects by the names that files have for them.

    Raises:
        ValueError: a tuple that is no pair.
        TypeError: a name that is no string.
    """
    found: dict[str, Any] = {}
    for entry in _trusted:
        if not isinstance(entry, tuple):
            found[f"{entry.__module__}.{entry.__qualname__}"] = entry
            found[".".join(torch_name(entry))] = entry
            continue
        if len(entry) != 2:
            raise ValueError(
                "Expected tuple of length 2 (global, str of callable full path), but got tuple of length: "
                f"{len(entry)}"
            )
        obj, name = entry
        if type(name) is not str:
            raise TypeError(
                f"Expected second item in tuple to be str of callable full path, but got: {type(name)}"
            )
        found[name] = obj
    return found
