"""Errors that depend on values: raised when the op is called, where the values lie in host memory anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.ops._checks import VALUE_CHECKS
from jtorch.ops._registry import Op
from jtorch.tensor._core import Tensor

__all__ = ["checked", "values_on_host"]


def values_on_host(x: Tensor) -> np.ndarray[Any, Any] | None:
    """The contents if they lie in host memory, only to look at; ``None`` if something has to run first."""
    if x._storage.buffer is not None:
        return x._host()
    if x._view is not None and x._storage.value is None:
        return None
    value = x._storage.value if x._view is None else x._read()
    return None if value is None else value.host


def checked(op: Op, function: Callable[..., Any], bind: Callable[..., list[Any]]) -> Callable[..., Any]:
    """The function of an op, preceded by the checks of its operands' values."""
    checks = [(op.params.index(name), check) for name, check in VALUE_CHECKS[op.name].items()]

    def checking(*args: Any, **kwargs: Any) -> Any:
        given = {k: x for k, x in kwargs.items() if k != "out"}
        bound = bind(op, args, given)
        # The op itself comes first: errors of shape and type are checked there.
        result = function(*args, **kwargs)
        for place, check in checks:
            x = bound[place]
            values = values_on_host(x) if isinstance(x, Tensor) else None
            if values is not None and values.size:
                check(values, dict(zip(op.params, bound, strict=True)))
        return result

    return checking
