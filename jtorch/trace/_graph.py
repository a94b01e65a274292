"""Recording: operations append to a graph of their device instead of running.

A graph is a flat list of integers, ``[signature, operand slots..., signature, operand slots..., ...]``:
together with the set of outputs that are still alive it is the whole structure, and the key under which its
program is found. Numbers and arrays are operands, kept beside it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any
from weakref import ref

import jax
import numpy as np

from jtorch.devices import device
from jtorch.dtypes import dtype, float64, int64
from jtorch.errors import TraceError
from jtorch.trace._metrics import user_line
from jtorch.trace._value import Aval, TracedValue, Value

__all__ = [
    "LOCK", "SIGNATURES", "Graph", "Recorder", "Signature", "full", "leave_session", "read_often", "record",
    "recorder", "session", "settings", "spend", "verify",
]  # fmt: skip

#: One lock for recording and flushing: graphs of several devices refer to each other through transfers.
LOCK = threading.RLock()

#: Signatures by number.
SIGNATURES: list[Signature] = []

_new = object.__new__

#: Operands of a signature: an aval, or the type of a Python number.
Operand = Aval | type

#: What a number that is computed in the graph is: one that a recorded function reads from a tensor.
_NUMBERS: dict[Any, dtype] = {float: float64, int: int64, bool: int64}

# Slots of operands that are no outputs: three interleaved series of negative numbers.
_LEAF, _FLOAT, _INT, _STEP = -1, -2, -3, -3


class Settings:
    """Switches of the engine, at first as the environment says (``JTORCH_EAGER``, ``JTORCH_MAX_NODES``, ...).

    Attributes:
        eager: run each op at once.
        max_nodes, max_bytes: where a graph is cut.
        verify: check every graph before it runs.
        session: what is recording a function to replay it later (``jtorch.compile``); asked before a flush.
    """

    session: Any = None
    #: computes an operation at its line, or returns ``None``; set in processes that must leave XLA alone
    direct: Callable[[Signature, Sequence[Any]], Any] | None = None
    #: a profiler, told of every program that runs
    listener: Any = None
    eager = False
    max_nodes = 16384
    #: an operation that finds so many recorded has more to do than to append itself
    cap = 0

    def __init__(self) -> None:
        self.eager = os.environ.get("JTORCH_EAGER", "") not in ("", "0")
        self.max_nodes = int(os.environ.get("JTORCH_MAX_NODES") or 16384)
        self.max_bytes = int(os.environ.get("JTORCH_MAX_BYTES") or 4 << 30)
        self.verify = os.environ.get("JTORCH_VERIFY", "") not in ("", "0")

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in ("direct", "eager", "max_nodes"):
            self.cap = 0 if self.eager or self.direct is not None else self.max_nodes - 1


settings = Settings()


#: What a Python number is as an operand.
NUMBER_KINDS: dict[type, Any] = {bool: np.int64, int: np.int64, float: np.float64, complex: np.complex128}


def spec(operand: Aval | type) -> jax.ShapeDtypeStruct:
    """The shape and dtype of an operand, for JAX."""
    if isinstance(operand, Aval):
        return jax.ShapeDtypeStruct(operand.shape, operand.dtype.numpy)
    return jax.ShapeDtypeStruct((), NUMBER_KINDS[operand])


class Signature:
    """A pure function closed over its static arguments, for operands of given avals.

    Attributes:
        id: its number, as graphs spell it.
        name: of the op, for reports.
        fn: ``fn(*arrays) -> tuple of arrays``; Python numbers arrive as 0-dim float64 or int64 arrays.
        traced: the same for use in programs, where it costs no further trace.
        operands: an aval or number type per operand.
        outputs: avals of the results.
        line: of the user's program where it was first needed, for reports.
    """

    __slots__ = ("fn", "id", "line", "name", "nbytes", "operands", "outputs", "recorder", "single", "traced")

    def __init__(
        self,
        name: str,
        fn: Callable[..., tuple[Any, ...]],
        operands: Sequence[Operand],
        outputs: Sequence[Aval],
        traced: Callable[..., tuple[Any, ...]] | None = None,
    ) -> None:
        self.name, self.fn, self.traced = name, fn, traced or fn
        self.operands, self.outputs = tuple(operands), tuple(outputs)
        self.line = user_line()
        self.recorder = recorder(self.outputs[0].device)
        self.single = self.outputs[0] if len(self.outputs) == 1 else None
        self.nbytes = sum(a.nbytes for a in self.outputs)
        with LOCK:
            self.id = len(SIGNATURES)
            SIGNATURES.append(self)

    def __repr__(self) -> str:
        spelled = (o.__name__ if isinstance(o, type) else repr(o) for o in self.operands)
        runs = ((text, len(list(run))) for text, run in groupby(spelled))
        operands = ", ".join(", ".join([text] * n) if n <= 3 else f"{n} x {text}" for text, n in runs)
        return f"{self.name}({operands}) -> {', '.join(map(repr, self.outputs))}"


class Graph:
    """Operations recorded on one device and not yet run."""

    __slots__ = ("device", "flat", "floats", "ints", "leaves", "nbytes", "nodes", "notes", "outputs", "spent")

    def __init__(self, device: device) -> None:
        self.device = device
        self.flat: list[int] = []
        self.leaves: list[Value] = []
        self.floats: list[float] = []
        self.ints: list[int] = []
        self.outputs: list[ref[Value]] = []
        self.nodes = 0
        self.nbytes = 0
        #: what the layer above keeps for as long as this graph is recorded
        self.notes: Any = None
        #: numbers of outputs that have served their purpose and are most likely not looked at
        self.spent: list[int] = []

    def add_leaf(self, value: Value) -> int:
        """Number a computed value as an operand of this graph."""
        if value.graph is not None and value.array is None and value.host is None:
            raise TraceError(f"{value!r} is pending in another graph")
        slot = _LEAF + _STEP * len(self.leaves)
        self.leaves.append(value)
        value.graph, value.slot = self, slot
        return slot

    def live_bytes(self) -> int:
        """Size of the results that somebody still holds."""
        values = [reference() for reference in self.outputs]
        return sum(v.aval.nbytes for v in values if v is not None)


class Recorder:
    """The current graph of a device."""

    __slots__ = ("device", "graph", "jax_device", "unfinished")

    def __init__(self, device: device) -> None:
        self.device = device
        self.graph = Graph(device)
        self.jax_device: Any = None
        #: a backward pass was recorded in the current graph
        self.unfinished = False


_recorders: dict[device, Recorder] = {}


def recorder(device: device) -> Recorder:
    """The recorder of a canonical device."""
    found = _recorders.get(device)
    if found is None:
        found = _recorders.setdefault(device, Recorder(device))
    return found


def recorders() -> list[Recorder]:
    return list(_recorders.values())


def _no_executor(*_: Any) -> Any:
    raise TraceError("the executor is not loaded")


#: Set by the executor. Called with a recorder and a reason when its graph must run now.
flush_hook: Callable[[Recorder, str], None] = _no_executor
#: Set by the executor. Called with a signature and operands of which some are tracers of a JAX transform.
apply_hook: Callable[[Signature, Sequence[Any]], Any] = _no_executor


def record(signature: Signature, operands: Sequence[Any], floats: Sequence[float] = ()) -> Any:
    """Append one operation; its results are pending values.

    Args:
        signature: of the op.
        operands: a :class:`Value` or Python number (``int`` for bool) per operand of the signature.
        floats: its last operands, where those are floats.

    Returns:
        The result's :class:`Value`, or a list of them if the signature has several.
    """
    with LOCK:
        recorder = signature.recorder
        graph = recorder.graph
        crowded = graph.nodes >= settings.cap
        if crowded and settings.direct is not None:
            made = settings.direct(signature, (*operands, *floats))
            if made is not None:
                return made
        entry = [signature.id]
        for x in operands:
            kind = type(x)
            if kind is Value:
                there = x.graph
                if there is graph:
                    entry.append(x.slot)
                elif there is None or x.array is not None or x.host is not None:
                    # As in Graph.add_leaf.
                    leaves = graph.leaves
                    slot = x.slot = _LEAF + _STEP * len(leaves)
                    x.graph = graph
                    leaves.append(x)
                    entry.append(slot)
                else:
                    _take_back(graph, entry)
                    flush_hook(_recorders[x.aval.device], "used on another device")
                    return record(signature, operands, floats)
            elif kind is float:
                entry.append(_FLOAT + _STEP * len(graph.floats))
                graph.floats.append(x)
            elif kind is TracedValue:
                _take_back(graph, entry)
                return apply_hook(signature, (*operands, *floats))
            else:
                entry.append(_INT + _STEP * len(graph.ints))
                graph.ints.append(x)
        if floats:
            first = _FLOAT + _STEP * len(graph.floats)
            graph.floats += floats
            entry += range(first, first + _STEP * len(floats), _STEP)
        graph.flat += entry
        graph.nodes += 1
        graph.nbytes += signature.nbytes
        outputs = graph.outputs
        slot = len(outputs)
        if signature.single is not None:
            result: Any = _new(Value)
            result.aval = signature.single
            result.graph = graph
            result.slot = slot
            outputs.append(ref(result))
        else:
            result = []
            for aval in signature.outputs:
                value = _new(Value)
                value.aval = aval
                value.graph = graph
                value.slot = slot
                outputs.append(ref(value))
                result.append(value)
                slot += 1
        if crowded:
            if settings.eager:
                flush_hook(recorder, "eager")
            elif graph.nodes >= settings.max_nodes:
                flush_hook(recorder, "cap")
        elif graph.nbytes >= settings.max_bytes:
            full(recorder)
        return result


def full(recorder: Recorder) -> None:
    """The results in the graph add up to ``max_bytes``: run it, unless most of them have died since."""
    graph = recorder.graph
    # Those that died do not count: XLA fuses them away or reuses their memory.
    graph.nbytes = graph.live_bytes()
    if graph.nbytes >= settings.max_bytes // 2:
        flush_hook(recorder, "cap")


def _take_back(graph: Graph, entry: list[int]) -> None:
    """Forget the numbers of an operation that is not recorded after all."""
    for slot in entry[1:]:
        kind = series(slot)[0] if slot < 0 else 0
        if kind:
            (graph.floats if kind == 1 else graph.ints).pop()


def spend(values: Sequence[Value]) -> None:
    """Say of pending values that they have served their purpose: most likely nobody looks at them again."""
    for value in values:
        graph = value.graph
        if graph is not None and value.slot >= 0:
            graph.spent.append(value.slot)


def nodes(flat: Sequence[int]) -> list[tuple[Signature, Sequence[int]]]:
    """A flat graph as (signature, operand slots) pairs."""
    result = []
    i, end = 0, len(flat)
    while i < end:
        signature = SIGNATURES[flat[i]]
        stop = i + 1 + len(signature.operands)
        result.append((signature, flat[i + 1 : stop]))
        i = stop
    return result


def read_often(flat: Sequence[int]) -> frozenset[int]:
    """Indices of the leaves that more than one op reads.

    Overwriting such a leaf is no gain: XLA copies it first, and without its memory the update of a parameter
    goes where the gradient was (MLP 784-512-512-10 on a CPU: 0.83 of the time, at the same peak).
    """
    once: set[int] = set()
    often: set[int] = set()
    for _, slots in nodes(flat):
        for slot in {s for s in slots if s < 0}:
            kind, index = series(slot)
            if not kind:
                (often if index in once else once).add(index)
    return frozenset(often)


def session() -> Any:
    """The recording of a function that is under way in this thread, if any."""
    found = settings.session
    return found if found is not None and found.thread == threading.get_ident() else None


def leave_session(why: str) -> None:
    """Something happens that a replay could not repeat: whatever is being recorded goes on unrecorded."""
    found = session()
    if found is not None:
        found.leave(why)


def series(slot: int) -> tuple[int, int]:
    """A negative slot as (series, index): series 0 are leaves, 1 floats, 2 ints."""
    index, kind = divmod(-slot - 1, 3)
    return kind, index


def verify(graph: Graph) -> None:
    """Check what every recorded graph promises; the executable specification of the trace.

    * every operand of a node is an earlier output, a leaf or a number that exists;
    * avals of operands are those the signature was made for, and one device holds them all;
    * leaves are computed, outputs are pending, and both know their slot;
    * outputs are numbered in order of creation.

    Raises:
        TraceError: naming the node that breaks a promise.
    """
    avals: list[Aval] = []
    for number, (signature, slots) in enumerate(nodes(graph.flat)):
        where = f"node {number} ({signature})"
        for slot, expected in zip(slots, signature.operands, strict=True):
            if slot >= 0:
                _promise(slot < len(avals), f"{where} reads output {slot} before it exists")
                read = avals[slot].shape == () and avals[slot].dtype is _NUMBERS.get(expected)
                _promise(avals[slot] is expected or read, f"{where} got {avals[slot]} for {expected}")
                continue
            kind, index = series(slot)
            pool: Sequence[Any] = (graph.leaves, graph.floats, graph.ints)[kind]
            _promise(index < len(pool), f"{where} reads operand {slot}, which does not exist")
            if kind == 0:
                complex_number = expected is complex and pool[index].aval.shape == ()
                _promise(
                    pool[index].aval is expected or complex_number,
                    f"{where} got {pool[index]} for {expected}",
                )
            else:
                _promise(isinstance(expected, type), f"{where} got a number for {expected}")
        for aval in signature.outputs:
            _promise(aval.device == graph.device, f"{where} makes {aval} in the graph of {graph.device}")
            avals.append(aval)
    _promise(len(avals) == len(graph.outputs), "outputs and nodes disagree")
    for slot, reference in enumerate(graph.outputs):
        value = reference()
        if value is not None:
            _promise(
                value.pending and value.graph is graph and value.slot == slot,
                f"{value!r} is not output {slot}",
            )
            _promise(value.aval is avals[slot], f"{value!r} should be {avals[slot]}")
    for index, value in enumerate(graph.leaves):
        _promise(not value.pending, f"leaf {index} is pending")


def _promise(held: bool, broken: str) -> None:
    if not held:
        raise TraceError(broken)
