"""New contents for tensors and, through views, for parts of tensors: values and histories."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from jtorch.devices import META
from jtorch.dispatch import GRAD, Plan, modes
from jtorch.ops._registry import OPS
from jtorch.tape import Node
from jtorch.tensor._attaching import class_of
from jtorch.tensor._core import Tensor, View, apply, from_value, plan_for, run, value_of
from jtorch.tensor._history import STRIDED_VIEWS, composed, composed_put, creation_error
from jtorch.tensor._host_memory import strided_host
from jtorch.tensor._storage import Storage, place_changes
from jtorch.tensor._values import record_or_meta
from jtorch.tensor._view_history import autograd_base, move_retained, view_fn
from jtorch.trace import Aval, Value, from_host, host_array, record

__all__ = ["put_plan", "rebase", "repeats", "steps_to_write", "write"]


def write(tensor: Tensor, new: Tensor) -> None:
    """Replace a tensor's contents, and its history by ``new``'s; every alias sees it.

    ``new`` has the shape, dtype and device of ``tensor``.

    Raises:
        RuntimeError: autograd cannot follow the change of this view.
    """
    storage, view, base = tensor._storage, tensor._view, autograd_base(tensor)
    own, fn = tensor._own_version, new._fn
    if base is not None and modes.level == GRAD and (fn is not None or base._tracked):
        if tensor._creation and (fn is not None or tensor._tracked):
            raise creation_error(tensor, indirect=False)
        result = new
        for step, source in reversed(list(zip(*_sources(tensor, base), strict=True))):
            result = put(step, source, result)
        target, fn, nr = base, result._fn, result._nr
    else:
        target, result, nr = tensor, new, new._nr
    if modes.duals is not None:
        modes.duals.written(tensor, new)
    if own is not None:
        own.version += 1
    if target._view is None:
        storage.write(value_of(result), count=own is None)
    else:
        _write_values(tensor, value_of(new), storage, view, own is None)  # type: ignore[arg-type]
    if fn is None:
        return
    if target._retains:
        move_retained(target, fn, nr)
    if target._fn is None:
        place_changes[0] += 1
    target._fn, target._nr = fn, nr
    if target is not tensor and not tensor._retains:
        tensor._fn, tensor._nr = None, 0  # made again when it is asked for
    storage.owner = ref(target)
    if new._fn is not None and new._fn.checks:
        _recheck(new._fn, tensor, storage if own is None else own)


def rebase(tensor: Tensor, fn: Node, nr: int) -> None:
    """Give a view that was written to the history ``(fn, nr)``; its base gets one that leads there."""
    assert tensor._view is not None
    base = autograd_base(tensor)
    steps = steps_to_write(tensor._view.steps()[-tensor._adepth :])
    edges = [base._edge()]
    for step in steps[:-1]:
        edges.append(None if edges[-1] is None else (view_fn(step.plan, edges[-1], step.numbers), 0))
    new: Any = fn, nr
    for step, edge in zip(reversed(steps), reversed(edges), strict=True):
        shown: Any = step.plan.operands[0]
        plan = put_plan(step, shown, step.aval)
        needs = (1,) if edge is None else (0, 1)
        made = class_of(plan)(plan, [edge, new, *(None for _ in step.numbers)], needs, list(step.numbers), ())
        new = made, 0
    if base._retains:
        move_retained(base, *new)
    base._fn, base._nr = new
    tensor._fn, tensor._nr, tensor._requires = None, 0, False
    tensor._seen = -1
    tensor._storage.owner = ref(base)


def _recheck(fn: Any, tensor: Tensor, counter: Any) -> None:
    """What an in-place operation saved: former contents cannot change any more, the result moved."""
    found = []
    if tensor._fn is not fn and any(operand < 0 for _, _, operand in fn.checks):
        tensor._renew()
        fn.viewed = ref(tensor), ref(tensor._fn)
    for check in fn.checks:
        reference, _, operand = check
        if operand < 0:
            found.append((ref(counter), counter.version, operand))
        elif operand or reference() is not counter:
            found.append(check)
    if fn.tape is not None:
        checks = fn.tape.checks
        for check in fn.checks:
            if check in checks:
                checks.remove(check)
        checks += found
    fn.checks = found


def _sources(tensor: Tensor, base: Tensor) -> tuple[list[View], list[Tensor]]:
    """The steps from an autograd base to a view, and the tensor that each applies to."""
    assert tensor._view is not None
    steps = steps_to_write(tensor._view.steps()[-tensor._adepth :])
    sources = [base]
    edge = base._edge()
    for step in steps[:-1]:
        (value,) = record_or_meta(step.plan, [value_of(sources[-1]), *step.numbers])
        stand_in = from_value(value)
        if edge is not None:
            stand_in._fn = view_fn(step.plan, edge, step.numbers)
            edge = stand_in._fn, 0
        sources.append(stand_in)
    return steps, sources


def _write_values(tensor: Tensor, new: Value, storage: Storage, view: View, count: bool) -> None:
    """Write through a view, contents only."""
    if storage.buffer is not None:
        strided_host(tensor, storage.buffer)[...] = host_array(new)
        storage.writes += 1
        storage.version += count
        return
    base = storage.value
    assert base is not None
    if base.aval.device is META:
        storage.write(base, count=count)
        return
    if base.host is not None and storage.strides is None and new.host is not None:
        memory = _own_memory(tensor, storage)
        strided_host(tensor, memory)[...] = new.host
        storage.write(from_host(memory, base.aval), count=count)
        return
    steps = steps_to_write(view.steps())
    values = [base]
    for step in steps[:-1]:
        values.append(record(step.plan.signature, [values[-1], *step.numbers]))
    for step, source in zip(reversed(steps), reversed(values), strict=True):
        plan = put_plan(step, source.aval, new.aval)
        new = record(plan.signature, [source, new, *step.numbers])
    storage.write(new, count=count)


#: View ops whose result may show one element of memory several times.
_REPEATING = frozenset({"_view.expand", "_view.unfold", "_view.as_strided"})


def steps_to_write(steps: list[View]) -> list[View]:
    """The steps of a view as a write takes them back, from the base outwards.

    Part of a tensor that shows elements several times may be written to if that part does not; which of their
    places it shows is known to all steps together only. So they become one.
    """
    if len(steps) > 1:
        for i, step in enumerate(steps[:-1]):
            if step.op.name in _REPEATING:
                return [*steps[:i], _merged(steps[i:])]
    return steps


def repeats(tensor: Tensor) -> bool:
    """Whether a view may show an element of memory at several places."""
    view = tensor._view
    while view is not None:
        if view.op.name in _REPEATING:
            return True
        view = view.parent
    return False


def _merged(steps: Sequence[View]) -> View:
    if any(s.op.name not in STRIDED_VIEWS for s in steps):
        raise NotImplementedError(
            "writing to part of a tensor whose elements share memory (expand, unfold, as_strided), seen as "
            "another dtype; clone() the tensor before taking views of it"
        )
    numbers = tuple(n for s in steps for n in s.numbers)
    return View(None, None, composed(steps), numbers, tuple(s.plan for s in steps))


def put_plan(step: View, source: Aval, new: Aval) -> Plan:
    """The plan of a step's counterpart that writes: its operands are the source, what is new, and numbers."""
    if step.op is None:
        return composed_put(step.static, source, new)
    op = OPS["_put." + step.op.name[6:]]
    return plan_for(op, (source, new, *(type(n) for n in step.numbers), *step.static))


def put(step: View, source: Tensor, new: Tensor) -> Tensor:
    """``source`` with the part that the step shows replaced by ``new``."""
    if step.op is None:
        return apply(put_plan(step, source._aval(), new._aval()), [source, new, *step.numbers])[0]
    result: Tensor = run(OPS["_put." + step.op.name[6:]], (source, new, *step.numbers, *step.static))
    return result


def _own_memory(tensor: Tensor, storage: Storage) -> np.ndarray[Any, Any]:
    """The storage's host memory to write to: its own if nobody else sees it, else a copy."""
    value = storage.value
    assert value is not None
    host = value.host
    tensor._cached = None
    # References to the value: the slot, `value`, the argument; to the array: the value's slot, `host`, the
    # argument.
    if (
        value.array is None
        and value.graph is None
        and sys.getrefcount(value) == 3
        and sys.getrefcount(host) == 3
        and host.flags.writeable  # type: ignore[union-attr]
        and host.flags.owndata  # type: ignore[union-attr]
    ):
        return host  # type: ignore[return-value]
    return np.array(host, order="C")
