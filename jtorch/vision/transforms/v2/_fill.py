"""Colours of what lies outside: one for all kinds of inputs, or a dict by kind."""

from __future__ import annotations

import numbers
from typing import Any

__all__ = ["fill_for", "setup_fill"]


def _converted(fill: Any) -> Any:
    if fill is not None and not isinstance(fill, numbers.Number | tuple | list):
        raise TypeError("Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed.")
    return [float(f) for f in fill] if isinstance(fill, tuple | list) else fill


def setup_fill(fill: Any) -> dict[Any, Any]:
    """Kind -> colour; ``"others"``: of all other kinds.

    Raises:
        TypeError: another kind of colour.
    """
    if isinstance(fill, dict):
        return {kind: _converted(color) for kind, color in fill.items()}
    return {"others": _converted(fill)}


def fill_for(fills: dict[Any, Any], inpt: Any) -> Any:
    """The colour for an input; ``None`` where nothing is said of its kind."""
    return fills.get(type(inpt), fills.get("others"))
