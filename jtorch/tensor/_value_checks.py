"""Errors that depend on values: raised when the op is called, where the values are known anyway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jtorch.devices import CPU
from jtorch.ops._checks import VALUE_CHECKS
from jtorch.ops._registry import Op
from jtorch.tensor._core import Tensor, run, value_of
from jtorch.trace import TracedValue, Withheld

__all__ = ["checked", "known_values", "runner"]

#: Ops that keep integers as such when they divide them by their second operand.
_DIVISIONS = frozenset(["div.mode", "floor_divide", "fmod", "remainder"])


def known_values(x: Tensor) -> np.ndarray[Any, Any] | None:
    """The contents, only to look at, if nothing has to run for it; else ``None``."""
    if x._storage.buffer is not None:
        return x._host()
    value = value_of(x)
    if value.host is not None:
        return value.host
    hidden = type(value) is TracedValue or type(value.array) is Withheld
    if value.array is not None and value.aval.device is CPU and not hidden:
        return x._host()
    return None


def _number(x: Any) -> np.ndarray[Any, Any] | None:
    return np.asarray(x) if isinstance(x, float | int) else None


def checked(op: Op, function: Callable[..., Any], bind: Callable[..., list[Any]]) -> Callable[..., Any]:
    """The function of an op, preceded by the checks of its operands' values."""
    checks = [(op.params.index(name), check) for name, check in VALUE_CHECKS[op.name].items()]

    def checking(*args: Any, **kwargs: Any) -> Any:
        given = {k: x for k, x in kwargs.items() if k != "out"}
        # The op itself comes first: it checks shapes and types, and says which arguments it does not take.
        result = function(*args, **kwargs)
        bound = bind(op, args, given)
        for place, check in checks:
            x = bound[place]
            values = known_values(x) if isinstance(x, Tensor) else _number(x)
            if values is not None and values.size:
                check(values, dict(zip(op.params, bound, strict=True)))
        return result

    return checking


def runner(op: Op) -> Callable[[Op, Sequence[Any]], Any]:
    """What applies this op: ``run``, followed by the check of the divisor where the op has one."""
    return _divide if op.name in _DIVISIONS else run


def _divide(op: Op, args: Sequence[Any]) -> Tensor:
    result: Tensor = run(op, args)
    aval = result._aval()
    # Only integers give integers; CUDA and empty results raise nothing in PyTorch, either.
    if not aval.dtype.is_floating_point and aval.device is CPU and 0 not in aval.shape:
        divisor = args[1]
        if isinstance(divisor, Tensor):
            divisor = known_values(divisor)
        if divisor is not None and not np.all(divisor):
            raise RuntimeError("ZeroDivisionError")
    return result
