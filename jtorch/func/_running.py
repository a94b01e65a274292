"""Running a transformed function: as one recorded operation, or at once inside another transform of JAX."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jtorch import devices
from jtorch.devices import device
from jtorch.dispatch import GRAD, Plan, modes
from jtorch.dtypes import FLOAT
from jtorch.func._function import Function
from jtorch.func._recording import Recording, wrap
from jtorch.func._spread import mesh_of, run_on_mesh
from jtorch.tensor import Tensor
from jtorch.tensor._core import apply, value_of
from jtorch.trace import Aval, TracedValue, Value, computed, leave_session, spec

__all__ = ["Transform", "run", "where_of"]

MAX_PLANS = 512
_plans: OrderedDict[Any, Plan] = OrderedDict()

#: Makes a function of arrays of one that was recorded: ``transform(call, *settings)``.
Transform = Callable[..., Callable[[Sequence[Any]], Sequence[Any]]]


def where_of(tensors: Sequence[Tensor]) -> device:
    """The device of the results of a transform."""
    for t in tensors:
        found: device = t._aval().device
        if found is not devices.CPU:
            return found
    return devices.CPU if tensors else devices.default_device()


def run(
    name: str, function: Function, tensors: Sequence[Tensor], where: device, transform: Transform,
    *settings: Any,
) -> list[Tensor]:  # fmt: skip
    """Apply the transform of a function.

    Args:
        name: of the transform, for reports.
        function: that was recorded.
        tensors: arguments of the transform.
        where: the device of its results.
        transform: ``transform(function.call, *settings)`` is a function of the arrays of ``tensors`` and of
            ``function.parts`` and ``function.rest``.
        settings: hashable.
    """
    operands = [*tensors, *function.parts, *function.rest]
    if function.key is None:
        return _traced(name, transform(function.call, *settings), operands, where)
    values = [value_of(x) if isinstance(x, Tensor) else x for x in operands]
    kinds = tuple([x.aval if isinstance(x, Value) else type(x) for x in values])
    key = transform, settings, function.key, kinds, where
    plan = _plans.get(key)
    if plan is None:
        call = function.call  # the plan outlives the tensors

        def fn(*arrays: Any) -> tuple[Any, ...]:
            return tuple(transform(call, *settings)(arrays))

        plan = _planned(key, name, fn, kinds, where)
    else:
        _plans.move_to_end(key)
    return _applied(plan, operands, values)


def _applied(plan: Plan, operands: Sequence[Any], values: list[Any] | None = None) -> list[Tensor]:
    """The results of a plan; those that depend on nothing with a history have none."""
    made = apply(plan, operands, values)
    if any(t._fn is not None for t in made):
        needs = tuple(
            i for i, x in enumerate(operands)
            if isinstance(x, Tensor) and (x._fn is not None or x._requires)
        )  # fmt: skip
        for nr in set(range(len(made))).difference(plan.reached(needs)):
            made[nr]._fn, made[nr]._nr = None, 0
    return made


def _planned(
    key: Any, name: str, fn: Callable[..., tuple[Any, ...]], kinds: Sequence[Any], where: device
) -> Plan:
    node = f"{name.title().replace('_', '')}Backward0"
    plan = _plans[key] = Plan(name, fn, kinds, device=where, node=node, single=False)
    plan.moved = tuple(i for i, x in enumerate(kinds) if isinstance(x, Aval) and x.device is not where)
    if len(_plans) > MAX_PLANS:
        _plans.popitem(last=False)
    return plan


def _traced(
    name: str, function: Callable[[Sequence[Any]], Sequence[Any]], operands: Sequence[Tensor], where: device
) -> list[Tensor]:
    """Apply a function whose operations only JAX knows: the key is the jaxpr of its transform."""
    outer = modes.captured
    values = [value_of(x) for x in operands]
    if outer is not None or any(type(v) is TracedValue for v in values):
        arrays = []
        for t, v in zip(operands, values, strict=True):
            if type(v) is TracedValue or outer is None:
                arrays.append(v.array if type(v) is TracedValue else computed(v))
            else:
                arrays.append(outer.array(v))
                outer.last = None
                outer.note([t], [v])
        with jax.enable_x64(True):
            return [wrap(jax.numpy.asarray(a), where) for a in function(arrays)]
    with Recording(operands) as recording:
        closed = recording.staging.finish(function([t.jax() for t in recording.inputs]))
        consts = [recording.operand(c, where) for c in closed.consts]
    kinds = tuple(x._aval() for x in (*operands, *consts))
    jaxpr, count = closed.jaxpr, len(operands)

    def fn(*arrays: Any) -> tuple[Any, ...]:
        return tuple(jax.core.eval_jaxpr(jaxpr, arrays[count:], *arrays[:count]))

    text = str(jaxpr)
    tracked = modes.duals is not None or any(x._tracked for x in (*operands, *consts))
    mesh = mesh_of(jaxpr)
    if mesh is not None:
        if tracked and modes.level == GRAD:
            raise NotImplementedError(
                "backward() through jax.shard_map inside of a jtorch.func transform: differentiate by "
                "jtorch.func or jax.grad (make what requires grad an argument), or call it under no_grad"
            )
        leave_session("spreads a function over several devices")
        arrays = [computed(value_of(x)) for x in (*operands, *consts)]
        return [wrap(a, where) for a in run_on_mesh(jaxpr, text, count, arrays, mesh)]
    own = _own_derivative(fn, kinds) if tracked and "custom_" in text else None
    key = name, text, own, kinds, where
    plan = _plans.get(key)
    if plan is None:
        plan = _planned(key, name, fn, kinds, where)
    return _applied(plan, [*operands, *consts])


def _own_derivative(fn: Callable[..., tuple[Any, ...]], kinds: Sequence[Aval]) -> Any:
    """What differs between functions that have one jaxpr, which only names derivatives of their own.

    That is the jaxpr of the derivative. Where not even that says everything, they all differ.
    """
    if modes.duals is not None:
        return object()
    by = [i for i, x in enumerate(kinds) if x.dtype.category >= FLOAT]

    def pull(*arrays: Any) -> Any:
        def of(*wanted: Any) -> list[Any]:
            full = list(arrays)
            for i, x in zip(by, wanted, strict=True):
                full[i] = x
            return [r for r in fn(*full) if jax.numpy.issubdtype(r.dtype, jax.numpy.inexact)]

        out, back = jax.vjp(of, *(arrays[i] for i in by))
        return back(out)

    with jax.enable_x64(True):
        closed = jax.make_jaxpr(pull)(*map(spec, kinds))
    text = str(closed.jaxpr)
    return object() if closed.consts or "custom_vjp_call" in text else text
