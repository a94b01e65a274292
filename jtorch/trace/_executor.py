"""Running graphs: a cache of compiled programs keyed by structure, donation, and the policy for graphs that vary."""

from __future__ import annotations

import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from jtorch.devices import CPU, jax_device
from jtorch.errors import AsyncExecutionError, with_hint
from jtorch.trace import _graph
from jtorch.trace._explain import note_compilation
from jtorch.trace._graph import LOCK, Graph, Recorder, Signature, nodes, recorder, recorders, series, settings
from jtorch.trace._metrics import counters, user_line
from jtorch.trace._pieces import split
from jtorch.trace._value import TracedValue, Value

__all__ = ["Program", "computed", "flush", "flush_all", "host_array", "synchronize"]

#: Graphs of at most this many nodes are fused at first sight; longer ones once they recur.
FUSE_AT_ONCE = 600
#: Compilations that no later run used yet, before unseen graphs run in pieces instead (a storm).
STORM = 6.0
#: Rough cost of compiling one node, to weigh against running a graph in pieces, in seconds.
COMPILE_SECONDS_PER_NODE = 0.012
MAX_PROGRAMS = 1024
MAX_SEEN = 4096
#: Host arrays up to this size are handed to a program as they are when used for the first time.
SMALL_BYTES = 1 << 18

_programs: OrderedDict[Any, Program] = OrderedDict()
_seen: OrderedDict[Any, float] = OrderedDict()
_storm = 0.0


class Program:
    """A compiled graph: numbers and leaves in, the outputs of ``live`` slots out."""

    __slots__ = ("call", "count", "donated", "has_floats", "has_ints", "leaves", "seconds")

    def __init__(
        self,
        body: Sequence[tuple[Signature, Sequence[int]]],
        live: Sequence[int],
        leaves: Sequence[Any],
        donated: Sequence[int],
        floats: int,
        ints: int,
        device: Any,
    ) -> None:
        """Trace and compile. ``leaves`` are the avals, ``donated`` the indices of leaves given up."""
        started = time.perf_counter()
        # Parameter names are how XLA's reports show operands.
        sharding = SingleDeviceSharding(device)
        specs = [jax.ShapeDtypeStruct(a.shape, a.dtype.numpy, sharding=sharding) for a in leaves]
        keep = frozenset(donated)
        self.donated = tuple(donated)
        self.leaves = tuple(i for i in range(len(leaves)) if i not in keep)
        kept = [specs[i] for i in self.leaves]
        given = [specs[i] for i in donated]
        numbers = jax.ShapeDtypeStruct((floats,), np.float64, sharding=sharding)
        integers = jax.ShapeDtypeStruct((ints,), np.int64, sharding=sharding)
        self.has_floats, self.has_ints = floats, ints
        order = (*self.leaves, *donated)

        def program(given: Sequence[Any], numbers: Any, integers: Any, *kept: Any) -> list[Any]:
            arrays: list[Any] = [None] * len(order)
            for i, a in zip(order, (*kept, *given), strict=True):
                arrays[i] = a
            outputs: list[Any] = []
            for signature, slots in body:
                operands = []
                for slot in slots:
                    if slot >= 0:
                        operands.append(outputs[slot])
                    else:
                        kind, index = series(slot)
                        operands.append((arrays, numbers, integers)[kind][index])
                with jax.named_scope(signature.name):
                    outputs.extend(signature.fn(*operands))
            return [outputs[i] for i in live]

        jitted = jax.jit(program, donate_argnums=0, out_shardings=sharding)
        self.call = jitted.lower(given, numbers, integers, *kept).compile()
        self.count = len(body)
        self.seconds = time.perf_counter() - started
        counters.compile_seconds += self.seconds

    def run(self, arrays: list[Any], floats: list[float], ints: list[int]) -> list[Any]:
        """Execute; asynchronous on every device."""
        given = [arrays[i] for i in self.donated]
        kept = [arrays[i] for i in self.leaves] if self.donated else arrays
        result: list[Any] = self.call(given, np.array(floats), np.array(ints, np.int64), *kept)
        return result


def computed(value: Value) -> Any:
    """The value as a ``jax.Array`` on its device, computing it if it is pending."""
    if value.array is None:
        with LOCK:
            if value.pending:
                flush(recorder(value.aval.device), "read")
            if value.array is None:
                value.array = to_device(value)
    return value.array


def to_device(value: Value) -> Any:
    with jax.enable_x64(True):
        # The transfer may alias host memory, which nobody writes to.
        return jax.device_put(value.host, jax_device(value.aval.device))


def host_array(value: Value) -> np.ndarray[Any, Any]:
    """The contents as a NumPy array that must not be written to; waits for the device."""
    host = value.host
    if host is None:
        if type(value) is TracedValue:
            raise RuntimeError(
                "this Tensor is inside a JAX transform (jax.jit, jtorch.func.*, vmap): it has no concrete values to read"
            )
        if value.array is None:
            with LOCK:
                if value.pending:
                    line = user_line()
                    counters.reads[line] += 1
                    flush(recorder(value.aval.device), "read")
        try:
            host = np.asarray(value.array)
        except jax.errors.JaxRuntimeError as error:
            raise failed(error) from error
        if value.aval.device is CPU:
            # NumPy sees the device's own memory.
            value.pinned = True
        value.host = host
    return host


def failed(error: Exception) -> Exception:
    """An error of the asynchronous run, with the lines of the program that it can come from."""
    return with_hint(
        AsyncExecutionError(str(error)),
        "a compiled program failed after its lines had returned; set JTORCH_EAGER=1 to run op by op and see which",
    )


def flush_all(reason: str) -> None:
    """Run what is pending on every device."""
    for r in recorders():
        flush(r, reason)


def synchronize() -> None:
    """Run what is pending everywhere and wait for the devices."""
    flush_all("synchronize")
    for r in recorders():
        if r.jax_device is not None:
            jax.device_put(0.0, r.jax_device).block_until_ready()


def flush(recorder: Recorder, reason: str) -> None:
    """Compute every pending value of the device that is still alive."""
    global _storm
    with LOCK:
        graph = recorder.graph
        if not graph.nodes:
            return
        if settings.verify:
            _graph.verify(graph)
        recorder.graph = Graph(recorder.device)
        recorder.unfinished = False
        device = recorder.jax_device
        if device is None:
            device = recorder.jax_device = jax_device(recorder.device)
        live: list[int] = []
        values: list[Value] = []
        for slot, reference in enumerate(graph.outputs):
            value = reference()
            if value is not None:
                live.append(slot)
                values.append(value)
        counters.flushes[reason] += 1
        if not live:
            _release(graph)
            return
        counters.nodes += graph.nodes
        with jax.enable_x64(True):
            if reason in ("cap", "eager"):
                _run_pieces(graph, values, live, device, single=True)
            else:
                _run(graph, values, live, device)
        _release(graph)


def _release(graph: Graph) -> None:
    for value in graph.leaves:
        if value.graph is graph:
            value.graph = None


def _run(graph: Graph, values: list[Value], live: list[int], device: Any) -> None:
    """Find or compile the fused program, or run in pieces while programs would not pay."""
    global _storm
    donated = _donations(graph, live)
    key = (tuple(graph.flat), tuple(live), donated)
    program = _programs.get(key)
    if program is not None:
        _programs.move_to_end(key)
        counters.cache_hits += 1
        _storm *= 0.5
    else:
        if not _worth_fusing(key, graph.nodes):
            started = time.perf_counter()
            _run_pieces(graph, values, live, device, single=False)
            _seen[key] = _seen.get(key, 0.0) + time.perf_counter() - started
            _seen.move_to_end(key)
            if len(_seen) > MAX_SEEN:
                _seen.popitem(last=False)
            return
        program = Program(
            nodes(graph.flat),
            live,
            [leaf.aval for leaf in graph.leaves],
            donated,
            len(graph.floats),
            len(graph.ints),
            device,
        )
        counters.programs_compiled += 1
        _storm += 1.0
        note_compilation(key, program.seconds, storm=_storm >= STORM)
        _programs[key] = program
        _seen.pop(key, None)
        if len(_programs) > MAX_PROGRAMS:
            _programs.popitem(last=False)
    arrays = [_operand(leaf, device) for leaf in graph.leaves]
    if donated:
        counters.donated_buffers += len(donated)
        for i in donated:
            leaf = graph.leaves[i]
            counters.donated_bytes += leaf.aval.nbytes
            leaf.array = None
    for value, array in zip(values, program.run(arrays, graph.floats, graph.ints), strict=True):
        value.array = array
        value.graph = None


def _worth_fusing(key: Any, count: int) -> bool:
    """Whether to compile this unseen graph as one program now.

    Up to ``FUSE_AT_ONCE`` nodes, yes, unless recent compilations went unused. Else once running it in pieces has
    cost as much as its compilation would (the ski-rental rule: at most twice the optimum).
    """
    if count <= FUSE_AT_ONCE and _storm < STORM:
        return True
    return _seen.get(key, 0.0) > count * COMPILE_SECONDS_PER_NODE


def _donations(graph: Graph, live: list[int]) -> tuple[int, ...]:
    """Leaves whose memory the program may reuse: nobody else holds them, and an output has their shape."""
    wanted: dict[Any, int] = {}
    outputs = graph.outputs
    for slot in live:
        value = outputs[slot]()
        if value is not None:
            wanted[value.aval] = wanted.get(value.aval, 0) + 1
    result = []
    leaves = graph.leaves
    getrefcount = sys.getrefcount
    for i in range(len(leaves)):
        # References: the list of leaves, and the argument of getrefcount.
        if getrefcount(leaves[i]) != 2:
            continue
        leaf = leaves[i]
        left = wanted.get(leaf.aval, 0)
        if not left or leaf.pinned or not leaf.aval.size:
            continue
        if leaf.array is None:
            host = leaf.host
            assert host is not None
            # Host memory that views may share is copied, so that the device owns what it overwrites.
            with jax.enable_x64(True):
                leaf.array = jax.device_put(host, jax_device(graph.device), may_alias=False)
            leaf.host = host = None
        elif leaf.host is not None or getrefcount(leaf.array) != 2:
            continue
        wanted[leaf.aval] = left - 1
        result.append(i)
    return tuple(result)


def _operand(leaf: Value, device: Any) -> Any:
    array = leaf.array
    if array is not None:
        return array
    host = leaf.host
    assert host is not None
    if not leaf.used and host.nbytes <= SMALL_BYTES and leaf.aval.device is CPU:
        leaf.used = True
        return host
    array = leaf.array = jax.device_put(host, device)
    return array


def _run_pieces(graph: Graph, values: list[Value], live: list[int], device: Any, *, single: bool) -> None:
    """Run without a program of the whole: stretch by stretch, each compiled once wherever it recurs."""
    counters.node_by_node += 1
    arrays = [_operand(leaf, device) for leaf in graph.leaves]
    outputs: list[Any] = [None] * len(graph.outputs)
    for piece in split(graph.flat, live, single=single):
        program = _pieces.get(piece.key)
        if program is None:
            avals: list[Any] = [_slot_aval(graph, outputs, slot) for slot in piece.inputs]
            program = Program(piece.body, piece.live, avals, (), piece.floats, piece.ints, device)
            counters.ops_compiled += 1
            _pieces[piece.key] = program
            if len(_pieces) > MAX_PROGRAMS:
                _pieces.popitem(last=False)
        operands = [outputs[s] if s >= 0 else arrays[series(s)[1]] for s in piece.inputs]
        floats = [graph.floats[i] for i in piece.float_indices]
        ints = [graph.ints[i] for i in piece.int_indices]
        for slot, array in zip(piece.outputs, program.run(operands, floats, ints), strict=True):
            outputs[slot] = array
        for slot in piece.dead:
            outputs[slot] = None
    for value, slot in zip(values, live, strict=True):
        value.array = outputs[slot]
        value.graph = None


_pieces: OrderedDict[Any, Program] = OrderedDict()


class _ArrayAval:
    """Shape and dtype of an array, in the form that :class:`Program` reads."""

    __slots__ = ("dtype", "shape")

    def __init__(self, array: Any) -> None:
        from jtorch.dtypes import from_numpy_dtype

        self.shape, self.dtype = tuple(array.shape), from_numpy_dtype(array.dtype)


def _slot_aval(graph: Graph, outputs: list[Any], slot: int) -> Any:
    return _ArrayAval(outputs[slot]) if slot >= 0 else graph.leaves[series(slot)[1]].aval


def start_compilation_cache() -> None:
    """Turn on JAX's persistent compilation cache in the user's cache folder.

    ``JTORCH_CACHE_DIR`` moves it; set to ``0`` or the empty string it is off. A directory the user already gave to
    JAX (``jax_compilation_cache_dir``) is respected.
    """
    folder = os.environ.get("JTORCH_CACHE_DIR")
    if jax.config.jax_compilation_cache_dir is not None or folder in ("", "0"):
        return
    if folder is None:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        folder = str(Path(base) / "jtorch" / "xla")
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


_graph.flush_hook = flush
Flush = Callable[[Recorder, str], None]
