"""Running a transformed function: as one recorded operation, or at once inside another transform.

A transform is traced once per call. Its jaxpr is the key of an operation that is recorded like any other, so
results are lazy, fused with what surrounds them, and part of the autograd graph of their arguments.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import jax

from jtorch import devices
from jtorch.devices import device
from jtorch.dispatch import GRAD, Plan, modes
from jtorch.tensor import Tensor
from jtorch.tensor._core import apply, from_value, value_of
from jtorch.trace import TracedValue, from_jax

__all__ = ["conjugate", "inside", "run", "unwrap", "wrap"]

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
def inside() -> Any:
    """Inside a transform: an outer ``no_grad`` does not matter, one inside stops gradients."""
    level, functional = modes.level, modes.functional
    modes.level, modes.functional = GRAD, True
    try:
        yield
    finally:
        modes.level, modes.functional = level, functional


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
    modes.host_draws = True
    try:
        with jax.enable_x64(True):
            closed = jax.make_jaxpr(lambda *a: tuple(function(a)))(*specs)
    finally:
        modes.host_draws = False
    with jax.enable_x64(True):
        consts = [from_jax(jax.numpy.asarray(c), where) for c in closed.consts]
    if any(type(c) is TracedValue for c in consts):
        with jax.enable_x64(True):
            arrays = jax.core.eval_jaxpr(closed.jaxpr, closed.consts, *[unwrap(t) for t in tensors])
        return [wrap(a, where) for a in arrays]
    avals = tuple(v.aval for v in (*values, *consts))
    key = (name, str(closed.jaxpr), avals, where)
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = _plan(name, closed.jaxpr, avals, len(values), where)
        if len(_plans) > MAX_PLANS:
            _plans.popitem(last=False)
    return apply(plan, [*tensors, *map(from_value, consts)])


def _plan(name: str, jaxpr: Any, avals: Any, count: int, where: device) -> Plan:
    def fn(*arrays: Any) -> tuple[Any, ...]:
        return tuple(jax.core.eval_jaxpr(jaxpr, list(arrays[count:]), *arrays[:count]))

    node = f"{name.title().replace('_', '')}Backward0"
    return Plan(name, fn, avals, device=where, node=node, single=False)
