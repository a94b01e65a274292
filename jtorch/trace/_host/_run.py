"""Running a recorded graph, operation by operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jtorch.devices import CPU
from jtorch.trace._graph import Graph, Signature, nodes, series, spec
from jtorch.trace._host._jaxpr import Body, compiled
from jtorch.trace._value import Value, from_host

__all__ = ["run_graph", "run_one"]

#: By signature number: the operation as a body.
_bodies: dict[int, Body] = {}


def _body(signature: Signature) -> Body:
    found = _bodies.get(signature.id)
    if found is None:
        with jax.enable_x64(True):
            closed = jax.make_jaxpr(signature.fn)(*map(spec, signature.operands))
        try:
            found = compiled(closed)
        except NotImplementedError as missing:
            raise NotImplementedError(
                f"{signature.name}: a DataLoader worker computes with NumPy, which does not do {missing}; "
                "apply it to the batch in the main process, or use num_workers=0"
            ) from None
        _bodies[signature.id] = found
    return found


def run_graph(graph: Graph, values: Sequence[Value], live: Sequence[int]) -> dict[int, Exception]:
    """Compute the values of the ``live`` slots.

    Returns:
        For slots that could not be computed, why.
    """
    outputs: list[Any] = []
    failed: dict[int, Exception] = {}
    with np.errstate(all="ignore"):
        for signature, slots in nodes(graph.flat):
            first = len(outputs)
            reason = next((failed[s] for s in slots if s in failed), None)
            if reason is None:
                try:
                    operands = [outputs[s] if s >= 0 else _operand(graph, s) for s in slots]
                    outputs.extend(_body(signature)(*operands))
                    continue
                except Exception as error:
                    reason = error
            del outputs[first:]
            outputs.extend([None] * len(signature.outputs))
            failed.update(dict.fromkeys(range(first, len(outputs)), reason))
    for value, slot in zip(values, live, strict=True):
        if slot not in failed:
            value.host = np.ascontiguousarray(outputs[slot]).reshape(value.aval.shape)
            value.graph = None
    return {slot: failed[slot] for slot in live if slot in failed}


def run_one(signature: Signature, operands: Sequence[Any]) -> Any:
    """Compute one operation of known operands at once: results as :func:`jtorch.trace.record` gives them.

    Returns:
        ``None`` where an operand is not known, or not on the CPU: recording says what is wrong.
    """
    if signature.recorder.graph.device is not CPU:
        return None
    arrays: list[Any] = []
    for x in operands:
        kind = type(x)
        if kind is Value and x.host is not None:
            arrays.append(x.host)
        elif kind is float:
            arrays.append(np.asarray(x, np.float64))
        elif kind is int:
            arrays.append(np.asarray(x, np.int64))
        elif kind is Value and isinstance(x.array, jax.Array):
            x.host = np.asarray(x.array)
            arrays.append(x.host)
        else:
            return None
    with np.errstate(all="ignore"):
        results = [
            from_host(np.ascontiguousarray(made).reshape(aval.shape), aval)
            for made, aval in zip(_body(signature)(*arrays), signature.outputs, strict=True)
        ]
    return results if signature.single is None else results[0]


def _operand(graph: Graph, slot: int) -> Any:
    kind, index = series(slot)
    if kind == 1:
        return np.asarray(graph.floats[index], np.float64)
    if kind == 2:
        return np.asarray(graph.ints[index], np.int64)
    leaf = graph.leaves[index]
    return leaf.host if leaf.host is not None else np.asarray(leaf.array)
