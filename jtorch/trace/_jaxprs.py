"""Applying the equations of a jaxpr one by one, in a way of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend.core import Literal

__all__ = ["apply_equation", "walk"]


def walk(
    jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any], step: Callable[[Any, list[Any]], Any]
) -> list[Any]:
    """The results of a jaxpr.

    Args:
        jaxpr: without its constants.
        consts: these.
        operands: its arguments.
        step: ``step(equation, operands)`` gives what the primitive would: one result, or several.
    """
    values: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *operands), strict=True))

    def read(v: Any) -> Any:
        return np.asarray(v.val, v.aval.dtype) if type(v) is Literal else values[v]  # type: ignore[attr-defined]

    for eqn in jaxpr.eqns:
        made = step(eqn, [read(v) for v in eqn.invars])
        values.update(zip(eqn.outvars, made if eqn.primitive.multiple_results else (made,), strict=True))
    return [read(v) for v in jaxpr.outvars]


def apply_equation(eqn: Any, operands: Sequence[Any]) -> Any:
    """What the primitive of an equation makes of these operands."""
    with eqn.ctx.manager:
        return eqn.primitive.bind(*operands, **eqn.primitive.get_bind_params(eqn.params))
