"""Arithmetic that PyTorch's compiler follows symbolically; sizes are plain numbers here."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["sym_float", "sym_int", "sym_ite", "sym_max", "sym_min", "sym_not", "sym_sqrt", "sym_sum"]


def _numbers(*values: Any) -> bool:
    """Whether one of the numbers is a float.

    Raises:
        AssertionError: something that is no number.
    """
    for x in values:
        if not isinstance(x, int | float):
            raise AssertionError(f"expected {(int, float)}, got {type(x)}")
    return any(isinstance(x, float) for x in values)


def sym_max(a: Any, b: Any) -> Any:
    """The larger of two numbers, a float if one of them is."""
    return float(max(a, b)) if _numbers(a, b) else max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two numbers, a float if one of them is."""
    return float(min(a, b)) if _numbers(a, b) else min(a, b)


def sym_not(a: Any) -> bool:
    """``not a``."""
    return not a


def sym_int(a: Any) -> int:
    """``a`` rounded towards zero."""
    return int(a)


def sym_float(a: Any) -> float:
    """``a`` as a float."""
    return float(a)


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """``t`` if ``b``, else ``f``.

    Raises:
        AssertionError: a condition that is no bool, or values of two types.
    """
    if not isinstance(b, bool):
        raise AssertionError(f"expected SymBool or bool, got {type(b)}")
    if type(t) is not type(f):
        raise AssertionError(f"type mismatch: {type(t)} vs {type(f)}")
    return t if b else f


def sym_sum(*args: Any) -> Any:
    """The sum of numbers, given one by one or as a list."""
    return sum(args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args)


def sym_sqrt(a: Any) -> float:
    """The square root of a number."""
    return math.sqrt(a)
