"""From a jaxpr to a list of NumPy calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from jax.extend.core import ClosedJaxpr

from jtorch.trace._host._rules import RULES, Array, rule

__all__ = ["Body", "compiled"]


class Body:
    """A jaxpr ready to run: operands in, a list of results out.

    Every variable has a slot; a step calls a function on some slots and puts the results into others.
    """

    __slots__ = ("constants", "inputs", "outputs", "size", "steps")

    def __init__(self, jaxpr: Any, consts: Sequence[Any]) -> None:
        slots: dict[Any, int] = {}
        self.constants: list[tuple[int, Array]] = []

        def slot_of(v: Any) -> int:
            if hasattr(v, "val"):
                where = len(slots)
                slots[object()] = where
                self.constants.append((where, np.asarray(v.val, v.aval.dtype)))
                return where
            return slots.setdefault(v, len(slots))

        self.inputs = [slot_of(v) for v in jaxpr.invars]
        for v, c in zip(jaxpr.constvars, consts, strict=True):
            self.constants.append((slot_of(v), np.asarray(c)))
        self.steps: list[tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], bool]] = []
        for eqn in jaxpr.eqns:
            found = RULES.get(eqn.primitive.name)
            if found is None:
                raise NotImplementedError(f"the primitive '{eqn.primitive.name}'")
            places = tuple(slot_of(v) for v in eqn.invars)
            results = tuple(slots.setdefault(v, len(slots)) for v in eqn.outvars)
            self.steps.append((found(eqn.params, eqn), places, results, eqn.primitive.multiple_results))
        self.outputs = [slot_of(v) for v in jaxpr.outvars]
        self.size = len(slots)

    def __call__(self, *operands: Any) -> list[Any]:
        values: list[Any] = [None] * self.size
        for slot, constant in self.constants:
            values[slot] = constant
        for slot, operand in zip(self.inputs, operands, strict=True):
            values[slot] = operand
        for function, places, results, several in self.steps:
            made = function(*[values[p] for p in places])
            if several or type(made) is list:
                for slot, x in zip(results, made, strict=True):
                    values[slot] = x if type(x) is np.ndarray else np.asarray(x)
            else:
                values[results[0]] = made if type(made) is np.ndarray else np.asarray(made)
        return [values[slot] for slot in self.outputs]


_bodies: WeakKeyDictionary[Any, Body] = WeakKeyDictionary()


def compiled(jaxpr: Any, consts: Sequence[Any] = ()) -> Body:
    """The body of a jaxpr, open with its constants or closed."""
    if isinstance(jaxpr, ClosedJaxpr):
        jaxpr, consts = jaxpr.jaxpr, jaxpr.consts
    if consts:
        return Body(jaxpr, consts)
    found = _bodies.get(jaxpr)
    if found is None:
        found = _bodies[jaxpr] = Body(jaxpr, consts)
    return found


@rule("jit", "pjit", "closed_call", "remat2", "checkpoint", "custom_lin", "core_call", "call", "remat_opt")
def _call(params: Any, eqn: Any) -> Any:
    return compiled(params["jaxpr"] if "jaxpr" in params else params["call_jaxpr"])


@rule("custom_jvp_call", "custom_vjp_call")
def _custom(params: Any, eqn: Any) -> Any:
    return compiled(params["call_jaxpr"])


@rule("cond")
def _cond(params: Any, eqn: Any) -> Any:
    branches = [compiled(b) for b in params["branches"]]
    return lambda which, *operands: branches[min(max(int(which), 0), len(branches) - 1)](*operands)


@rule("while")
def _while(params: Any, eqn: Any) -> Any:
    condition, body = compiled(params["cond_jaxpr"]), compiled(params["body_jaxpr"])
    for_condition = params["cond_nconsts"]
    both = for_condition + params["body_nconsts"]

    def run(*operands: Any) -> Sequence[Any]:
        first, second, state = operands[:for_condition], operands[for_condition:both], list(operands[both:])
        while condition(*first, *state)[0]:
            state = body(*second, *state)
        return state

    return run


@rule("scan")
def _scan(params: Any, eqn: Any) -> Any:
    body, length, reverse = compiled(params["jaxpr"]), params["length"], params["reverse"]
    consts, carried = params["num_consts"], params["num_carry"]
    stacked = [v.aval for v in eqn.outvars[carried:]]

    def run(*operands: Any) -> Sequence[Any]:
        fixed, state = operands[:consts], list(operands[consts : consts + carried])
        rows = operands[consts + carried :]
        made = [np.empty(a.shape, a.dtype) for a in stacked]
        for i in reversed(range(length)) if reverse else range(length):
            results = body(*fixed, *state, *(x[i] for x in rows))
            state = results[:carried]
            for out, x in zip(made, results[carried:], strict=True):
                out[i] = x
        return [*state, *made]

    return run


@rule("platform_index")
def _platform_index(params: Any, eqn: Any) -> Any:
    platforms = params["platforms"]
    index = next((i for i, names in enumerate(platforms) if names is None or "cpu" in names), 0)
    return lambda: np.asarray(index, np.int32)


@rule("custom_linear_solve")
def _linear_solve(params: Any, eqn: Any) -> Any:
    solve = compiled(params["jaxprs"].solve)
    lengths = params["const_lengths"]
    before = lengths.matvec + lengths.vecmat
    total = before + lengths.solve + lengths.transpose_solve

    def run(*operands: Any) -> Sequence[Any]:
        return solve(*operands[before : before + lengths.solve], *operands[total:])

    return run
