"""The table of primitives: how each is computed with NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

__all__ = ["RULES", "Array", "Rule", "elementwise", "in_float32", "is_small_float", "rule"]

Array = np.ndarray[Any, Any]

#: ``rule(params, eqn) -> fn(*arrays)``: what can be worked out from an equation alone is done once; ``fn`` is
#: what runs; it returns one array, or a sequence of them where the primitive has several results.
Rule = Callable[[dict[str, Any], Any], Callable[..., Any]]

RULES: dict[str, Rule] = {}

F = TypeVar("F", bound=Callable[..., Any])


def rule(*names: str) -> Callable[[F], F]:
    """Enter a rule under the names of primitives."""

    def enter(made: F) -> F:
        for name in names:
            assert name not in RULES, f"{name} has two rules"
            RULES[name] = made
        return made

    return enter


def elementwise(names: str, function: Callable[..., Any]) -> None:
    """Primitives that are one NumPy function whatever their parameters."""
    for name in names.split():
        rule(name)(lambda params, eqn: function)


def is_small_float(dtype: Any) -> bool:
    """Whether NumPy or SciPy computes with this type slowly or not at all: float16, bfloat16, float8."""
    return dtype.itemsize < 4 and dtype.kind in "fV"


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of float32 and float64 arrays for the smaller types as well; the result has the first's."""

    def run(*arrays: Array) -> Any:
        kind = arrays[0].dtype
        if is_small_float(kind):
            return np.asarray(function(*(a.astype(np.float32) for a in arrays))).astype(kind)
        result = np.asarray(function(*arrays))
        return result if result.dtype == kind else result.astype(kind)

    return run


def sizes(values: Sequence[Any]) -> tuple[int, ...]:
    """Python ints."""
    return tuple(int(v) for v in values)
