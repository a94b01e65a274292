"""Running a transformed function: as one recorded operation, or at once inside another transform.

A transform is traced once per call. Its jaxpr is the key of an operation that is recorded like any other, so
results are lazy, fused with what surrounds them, and part of the autograd graph of their arguments.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax

from jtorch import devices
from jtorch.devices import device
from jtorch.dispatch import GRAD, Plan, modes
from jtorch.tensor import Tensor
from jtorch.tensor._core import apply, from_value, value_of
from jtorch.trace import TracedValue, Value, from_jax

__all__ = ["conjugate", "inside", "mapped", "run", "unwrap", "wrap"]

MAX_PLANS = 512
_plans: OrderedDict[Any, Plan] = OrderedDict()


def wrap(array: Any, where: device) -> Tensor:
    """A tensor of an array or tracer."""
    return from_value(from_jax(array, where))


def unwrap(x: Tensor) -> Any:
    """The array or tracer of a tensor."""
    return x.jax()


def conjugate(x: Any) -> Any:
    """PyTorch's gradients of complex tensors are the conjugates of JAX's."""
    return jax.numpy.conj(x) if jax.numpy.iscomplexobj(x) else x


@contextmanager
def inside(forwards: bool) -> Any:
    """Inside a transform: an outer ``no_grad`` does not matter, one inside stops gradients.

    Args:
        forwards: the transform takes derivatives forwards, not backwards.
    """
    level, functional, derivatives = modes.level, modes.functional, modes.derivatives
    modes.level, modes.functional, modes.derivatives = GRAD, True, (*derivatives, forwards)
    try:
        yield
    finally:
        modes.level, modes.functional, modes.derivatives = level, functional, derivatives


class Mapping:
    """One ``vmap`` under way, for functions that draw random numbers.

    Attributes:
        size: of the batch; ``axis``: its name in JAX.
        randomness: what a random function does.
    """

    __slots__ = ("axis", "randomness", "size")

    def __init__(self, size: int, axis: object, randomness: str) -> None:
        self.size, self.axis, self.randomness = size, axis, randomness

    def index(self) -> Any:
        """Which sample of the batch this is: a tracer."""
        return jax.lax.axis_index(self.axis)


@contextmanager
def mapped(size: int, axis: object, randomness: str) -> Iterator[None]:
    """Within: functions that draw random numbers know of a ``vmap``."""
    outer, modes.mapped = modes.mapped, (*modes.mapped, Mapping(size, axis, randomness))
    try:
        yield
    finally:
        modes.mapped = outer


def run(
    name: str, function: Callable[[Sequence[Any]], Sequence[Any]], tensors: Sequence[Tensor]
) -> list[Tensor]:
    """Apply a pure function of arrays to tensors.

    Args:
        name: of the transform, for reports.
        function: arrays to arrays; it may be called once only.
        tensors: its arguments.

    Returns:
        Its results as tensors.
    """
    values = [value_of(t) for t in tensors]
    where = values[0].aval.device if values else devices.default_device()
    for v in values:
        if v.aval.device is not devices.CPU:
            where = v.aval.device
    if any(type(v) is TracedValue for v in values):
        with jax.enable_x64(True):
            return [wrap(a, where) for a in function([unwrap(t) for t in tensors])]
    specs = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype.numpy) for v in values]
    captures = Captures()
    outer, modes.captured = modes.captured, captures
    modes.host_draws = True
    try:
        with jax.enable_x64(True):
            closed = jax.make_jaxpr(lambda *a: tuple(function(a)))(*specs)
    finally:
        modes.host_draws, modes.captured = False, outer
    consts = [captures.operand(c, where) for c in closed.consts]
    inner = [value_of(c) for c in consts]
    if any(type(c) is TracedValue for c in inner):
        with jax.enable_x64(True):
            given = [c.jax() for c in consts]
            arrays = jax.core.eval_jaxpr(closed.jaxpr, given, *[unwrap(t) for t in tensors])
        return [wrap(a, where) for a in arrays]
    avals = tuple(v.aval for v in (*values, *inner))
    key = (name, str(closed.jaxpr), avals, where)
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = _plan(name, closed.jaxpr, avals, len(values), where)
        if len(_plans) > MAX_PLANS:
            _plans.popitem(last=False)
    return apply(plan, [*tensors, *consts])


class Captures:
    """What a function takes from outside while it is traced, use by use.

    Each use of a tensor that the function captures is a constant of its own in the trace. Afterwards the
    constants become operands: of tensors with a history the tensors themselves, so that an outer backward
    reaches them, unless the use was detached or under ``no_grad``. Contents are not looked at meanwhile.
    """

    def __init__(self) -> None:
        self.uses: list[tuple[Value, Any]] = []
        self.held: dict[int, Any] = {}
        self.tensors: dict[int, Tensor] = {}

    def array(self, value: Value) -> Any:
        """An array that stands for one use of a value; called for the operands of an operation in order."""
        known = value.array
        if isinstance(known, jax.Array) and not isinstance(known, jax.core.Tracer):
            parts = [shard.data for shard in known.addressable_shards]
            made: Any = jax.make_array_from_single_device_arrays(known.shape, known.sharding, parts)
        else:
            with jax.ensure_compile_time_eval():
                made = jax.numpy.zeros(value.aval.shape, value.aval.dtype.numpy)
        self.uses.append((value, made))
        self.held[id(made)] = value
        return made

    def note(self, tensors: Sequence[Any], operands: Sequence[Any]) -> None:
        """An operation on tensors with a history or a tangent was applied: they are its operands."""
        captured = [
            t
            for t, x in zip(tensors, operands, strict=False)
            if isinstance(x, Value) and type(x) is not TracedValue
        ]
        for t, (_, made) in zip(reversed(captured), reversed(self.uses), strict=False):
            dual = modes.duals is not None and t is not None and modes.duals.of(t) is not None
            if t is not None and (t.requires_grad or dual):
                self.tensors[id(made)] = t

    def operand(self, const: Any, where: device) -> Tensor:
        """The tensor behind a constant of the trace."""
        tensor = self.tensors.get(id(const))
        if tensor is not None:
            return tensor
        value = self.held.get(id(const))
        if value is None:
            with jax.enable_x64(True):
                value = from_jax(jax.numpy.asarray(const), where)
        return from_value(value)


def _plan(name: str, jaxpr: Any, avals: Any, count: int, where: device) -> Plan:
    def fn(*arrays: Any) -> tuple[Any, ...]:
        return tuple(jax.core.eval_jaxpr(jaxpr, list(arrays[count:]), *arrays[:count]))

    node = f"{name.title().replace('_', '')}Backward0"
    return Plan(name, fn, avals, device=where, node=node, single=False)
