"""Values without a program: on the meta device, on other devices, outside of transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jtorch.devices import CPU, META, device, jax_device
from jtorch.dispatch import Plan
from jtorch.trace import (
    Aval,
    TracedValue,
    Value,
    aval_of,
    computed,
    from_host,
    host_array,
    record,
)

__all__ = ["meta_value", "move", "outside", "record_or_meta", "to_device"]


def meta_value(aval: Aval) -> Value:
    """A value on the meta device: it has an aval and nothing else."""
    value = Value(aval)
    value.array = META
    return value


def record_or_meta(plan: Plan, operands: Sequence[Any]) -> list[Value]:
    """The results of a plan as a list; on the meta device nothing is recorded."""
    signature = plan.signature
    if signature is None:
        return [meta_value(a) for a in plan.outputs]
    made = record(signature, operands)
    return [made] if signature.single is not None else made


def move(plan: Plan, operands: list[Any]) -> None:
    """0-dim CPU tensors among operands of another device are copied there."""
    for i in plan.moved:
        operands[i] = to_device(operands[i], plan.outputs[0].device)


def to_device(value: Value, target: device) -> Value:
    """The value on another device; the copy is asynchronous where JAX's is."""
    if target is META:
        return meta_value(aval_of(value.aval.shape, value.aval.dtype, META))
    if value.aval.device is META:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    aval = aval_of(value.aval.shape, value.aval.dtype, target)
    if target is CPU:
        return from_host(np.asarray(host_array(value)), aval)
    moved = (TracedValue if type(value) is TracedValue else Value)(aval)
    with jax.enable_x64(True):
        source = value.host if value.host is not None else computed(value)
        moved.array = jax.device_put(source, jax_device(target))
    return moved


def outside(value: Value) -> Value:
    """What a value inside a transform of ``jtorch.func`` stands for where that is called, if it does."""
    while type(value) is TracedValue and value.recording is not None:
        found = value.recording.outside(value)
        if found is None:
            break
        value = found
    return value
