"""Running graphs: programs cached by structure, donation, and the policy for graphs that vary."""

from __future__ import annotations

import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jtorch.devices import CPU, forbid_backends, jax_device
from jtorch.errors import AsyncExecutionError, with_hint
from jtorch.trace import _graph
from jtorch.trace._deferred import Deferred, Slice
from jtorch.trace._explain import note_compilation
from jtorch.trace._graph import LOCK, Graph, Recorder, Signature, nodes, recorder, recorders, series, settings
from jtorch.trace._meshes import in_no_mesh, in_no_transform, outside_transforms
from jtorch.trace._metrics import counters, user_line
from jtorch.trace._pieces import Piece, split
from jtorch.trace._program import Program
from jtorch.trace._scopes import named
from jtorch.trace._value import ALIGNMENT, TracedValue, Value, Withheld

__all__ = [
    "clear_programs", "computed", "flush", "flush_all", "fused", "host_array",
    "leave_xla", "load_host_engine", "operand", "postpone", "synchronize",
]  # fmt: skip

#: Longer graphs are fused only once they recur. Shorter ones at first sight, unless they are a loop unrolled.
FUSE_AT_ONCE = 1200
#: From this size on a graph is looked at for repetition.
LOOP_NODES = 96
#: Compilations that no later run used yet, before unseen graphs run in pieces instead (a storm).
STORM = 6.0
#: Graphs up to this size are always fused: their programs are cheap and no sign of a storm.
SMALL_GRAPH = 12
#: Seconds spent on programs that were not used again, before the user is told.
WASTED_SECONDS = 10.0
#: Rough cost of compiling one node, to weigh against running a graph in pieces, in seconds.
COMPILE_SECONDS_PER_NODE = 0.012
MAX_PROGRAMS = 1024
MAX_PIECES = 4096
MAX_SEEN = 4096
#: Buffers below this size are not donated: XLA copies a donated operand that is read after its memory is
#: written, which costs more than a small allocation.
DONATE_BYTES = 1 << 16
#: So much memory may be used to save time: parameters that are not overwritten, gradients that are left out.
SPARE_BYTES = 1 << 26
#: Host arrays up to this size, and those that XLA need not copy, are handed to a program as they are when
#: used for the first time.
SMALL_BYTES = 1 << 18

_programs: OrderedDict[Any, Program] = OrderedDict()
_seen: OrderedDict[Any, float] = OrderedDict()
_storm = 0.0
_wasted = 0.0


class Failed:
    """Stands in a value for the array that could not be computed."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.error


def _reveal(value: Value) -> None:
    """Compute what a program left out, the one that was run for this value included."""
    if type(value.array) is Withheld:
        value.array.reveal()


def computed(value: Value) -> Any:
    """The value as a ``jax.Array`` on its device, computing it if it is pending."""
    _reveal(value)
    if value.array is None:
        with LOCK:
            if value.pending:
                flush(recorder(value.aval.device), "read")
                _reveal(value)
            if value.array is None:
                value.array = to_device(value)
    if type(value.array) is Failed:
        raise value.array.error
    return value.array


def to_device(value: Value) -> Any:
    # Inside a JAX transform, too, contents are arrays and not part of what it traces.
    with _outside_transforms():
        # The transfer may alias host memory, which nobody writes to.
        return jax.device_put(value.host, jax_device(value.aval.device))


def host_array(value: Value) -> np.ndarray[Any, Any]:
    """The contents as a NumPy array that must not be written to; waits for the device."""
    host = value.host
    if host is None:
        if type(value) is TracedValue:
            if in_no_transform():
                raise RuntimeError(
                    "this Tensor was written to inside a JAX transform (jax.jit, jtorch.func.*, vmap) that "
                    "is over, so it has no values: return what the transform computes instead"
                )
            raise with_hint(
                RuntimeError(
                    "this Tensor is inside a JAX transform (jax.jit, jtorch.func.*, vmap): it has no "
                    "concrete values to read"
                ),
                "decide with torch.where, or jax.lax.cond and while_loop on `condition.jax()`; return values "
                "to look at them, or use jax.debug.print",
            )
        if type(value.array) is Withheld:
            value.array.reveal()
            return host_array(value)
        if value.array is None:
            with LOCK:
                if value.pending:
                    line = user_line()
                    counters.reads[line] += 1
                    flush(recorder(value.aval.device), "read")
            _reveal(value)
        if _run_on_host is not None:
            if value.host is not None:
                return value.host
            if value.aval.device is not CPU:
                jax_device(value.aval.device)  # raises
        try:
            host = np.asarray(value.array)
        except jax.errors.JaxRuntimeError as error:
            raise failed(error, "it came after the lines had returned; JTORCH_EAGER=1 shows which") from error
        if value.aval.device is CPU:
            # NumPy sees the device's own memory.
            value.pinned = True
        value.host = host
    return host


def failed(error: Exception, hint: str) -> Exception:
    """An error of the asynchronous run, with what is known of the line it comes from."""
    return with_hint(AsyncExecutionError(str(error)), hint)


def apply_now(signature: Signature, operands: Sequence[Any]) -> Any:
    """Inside a JAX transform: apply the op to tracers (and to computed arrays) at once, recording nothing."""
    noted = note_traced(signature, operands)
    if noted is not None:
        return noted
    arrays = [
        (x.array if type(x) is TracedValue else concrete(x)) if isinstance(x, Value) else _number(x)
        for x in operands
    ]
    with jax.enable_x64(True):
        results = signature.fn(*arrays)
        stop = stopping()
        if stop is not None:
            results = tuple(map(stop, results))
    values = []
    for aval, array in zip(signature.outputs, results, strict=True):
        value = TracedValue(aval)
        value.array = array
        values.append(value)
    return values[0] if signature.single is not None else values


def _followed() -> None:
    return None


def _not_noted(signature: Signature, operands: Sequence[Any]) -> Any:
    return None


#: Set by the layer that knows grad modes: what keeps gradients from flowing through an operation on tracers.
stopping: Callable[[], Callable[[Any], Any] | None] = _followed
#: Set by the layer that runs transforms: notes an operation, to be applied later, unless it returns ``None``.
note_traced: Callable[[Signature, Sequence[Any]], Any] = _not_noted
#: Set by the layer that runs transforms: the array of a value that a transformed function captures.
concrete: Callable[[Value], Any] = computed


def _number(x: Any) -> np.ndarray[Any, Any]:
    return np.asarray(x, np.float64 if isinstance(x, float) else np.int64)


def listen(listener: Any) -> None:
    """Tell ``listener.begin()`` and ``listener.end(title)`` of every program that runs; ``None``: nobody."""
    settings.listener = listener


def flush_all(reason: str) -> None:
    """Run what is pending on every device."""
    for r in recorders():
        flush(r, reason)


def synchronize() -> None:
    """Run what is pending everywhere and wait for the devices."""
    _graph.leave_session("waits for the device")
    flush_all("synchronize")
    for r in recorders():
        if r.jax_device is not None:
            jax.device_put(0.0, r.jax_device).block_until_ready()


def flush(recorder: Recorder, reason: str) -> None:
    """Compute every pending value of the device that is still alive."""
    global _storm
    with LOCK:
        if not recorder.graph.nodes or (settings.session is not None and settings.session.holds(reason)):
            return
        graph = recorder.graph  # that of a recording which ended just now has run already
        if not graph.nodes:
            return
        if settings.verify:
            _graph.verify(graph)
        recorder.graph = Graph(recorder.device)
        recorder.unfinished = False
        if graph.notes is not None:
            # Before liveness is asked: notes may hold values that nothing else needs.
            graph.notes.close()
            graph.notes = None
        device = recorder.jax_device
        if device is None and _run_on_host is None:
            device = recorder.jax_device = jax_device(recorder.device)
        values = [value for reference in graph.outputs if (value := reference()) is not None]
        live = [value.slot for value in values]
        counters.flushes[reason] += 1
        if not live:
            _release(graph)
            return
        counters.nodes += graph.nodes
        if _run_on_host is not None:
            _flush_on_host(_run_on_host, graph, values, live)
            return
        try:
            clean = in_no_transform() and in_no_mesh()
            context = _contexts.pop() if clean and _contexts else _outside_transforms()
            with context:
                if reason in ("cap", "eager"):
                    pieces = split(graph.flat, live, single=reason == "eager", ragged=reason == "cap")
                    _run_pieces(graph, values, live, device, pieces)
                else:
                    _run(graph, values, live, device)
            if clean:
                _contexts.append(context)
        except Exception as error:
            with _outside_transforms():
                _again(graph, values, live, device, error)
        except BaseException:
            # Interrupted: what was recorded is still there and runs when next needed.
            recorder.graph = graph
            raise
        _release(graph)


#: Runs graphs with NumPy instead; set by :func:`leave_xla`.
_run_on_host: Callable[[Graph, Sequence[Value], Sequence[int]], dict[int, Exception]] | None = None


def load_host_engine() -> Any:
    """Load what :func:`leave_xla` needs, so that processes forked later have it; returns the function."""
    return import_module("jtorch.trace._host").run_graph


def leave_xla() -> None:
    """In this process graphs run with NumPy from now on, and nothing calls XLA.

    For a DataLoader's workers: in a forked process XLA's threads are missing, so a call would wait for ever.
    """
    global _run_on_host
    _run_on_host = load_host_engine()
    settings.direct = import_module("jtorch.trace._host").run_one
    forbid_backends()
    for r in recorders():
        r.jax_device = None


def _after_fork() -> None:
    """A forked process cannot use the XLA client that it has inherited."""
    if jax_device.cache_info().currsize:
        leave_xla()
    LOCK.release()


if hasattr(os, "register_at_fork"):
    # With the lock held: no other thread is in the middle of a graph when the process is copied.
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=_after_fork)


def _flush_on_host(run: Callable[..., Any], graph: Graph, values: list[Value], live: list[int]) -> None:
    if graph.device is not CPU:
        jax_device(graph.device)
    failed = run(graph, values, live)
    _release(graph)
    for value, slot in zip(values, live, strict=True):
        if slot in failed:
            value.array, value.graph = Failed(failed[slot]), None
    if failed:
        raise next(iter(failed.values()))


def _outside_transforms() -> Any:
    """What is pending when a JAX transform traces a function runs now, not as part of what it traces."""
    return jax.enable_x64(True) if in_no_transform() and in_no_mesh() else outside_transforms()


#: Contexts that were left and can be entered again, under the lock: making one takes as long as using it.
_contexts: list[Any] = []


def _again(graph: Graph, values: list[Value], live: list[int], device: Any, error: Exception) -> None:
    """After a failure: with arrays that were spread over devices on that of the graph, or op by op."""
    spread = [i for i, leaf in enumerate(graph.leaves) if _spread(leaf.array)]
    if spread:
        for i in spread:
            # The tensor itself stays spread, as the user's jitted functions expect it.
            leaf, whole = graph.leaves[i], Value(graph.leaves[i].aval)
            whole.array = jax.device_put(_gathered(leaf.array), device)
            leaf.graph = None
            graph.leaves[i] = whole
        try:
            _run(graph, values, live, device)
            return
        except Exception as reason:
            error = reason
    _recover(graph, values, live, device, error)


def _spread(array: Any) -> bool:
    """Whether an array is spread over several devices, or has a type that says so."""
    return isinstance(array, jax.Array) and (
        len(array.sharding.device_set) > 1 or not jax.typeof(array).sharding.mesh.empty
    )


def _gathered(array: Any) -> Any:
    """All of an array in one place, of a plain type, which it would keep on its way from device to device."""
    whole = array.addressable_data(0) if array.is_fully_replicated else array
    return np.asarray(whole) if _spread(whole) else whole


def _recover(graph: Graph, values: list[Value], live: list[int], device: Any, error: Exception) -> None:
    """After a failure run op by op, so that only what depends on the failing op is lost.

    Raises:
        AsyncExecutionError: naming the op, unless every op succeeds by itself.
    """
    arrays = [operand(leaf, device) for leaf in graph.leaves]
    outputs: list[Any] = []
    first: Exception | None = None
    for signature, slots in nodes(graph.flat):
        kinds = [(0, s) if s >= 0 else series(s) for s in slots]
        operands: list[Any] = []
        for slot, (kind, index) in zip(slots, kinds, strict=True):
            if slot >= 0:
                operands.append(outputs[slot])
            else:
                number = (None, np.float64, np.int64)[kind]
                operands.append(
                    arrays[index] if number is None else number((graph.floats, graph.ints)[kind - 1][index])
                )
        broken = next((x for x in operands if type(x) is Failed), None)
        if broken is None:
            try:
                outputs.extend(jax.device_put(signature.fn(*operands), device))
                continue
            except Exception as reason:
                failure = failed(reason, f"the operation is {signature}, first used at {signature.line}")
                first = first or failure
                broken = Failed(failure)
        outputs.extend([broken] * len(signature.outputs))
    for value, slot in zip(values, live, strict=True):
        value.array = outputs[slot]
        value.graph = None
    _release(graph)
    if first is not None:
        raise first from error
    if isinstance(error, RecursionError | MemoryError):
        return
    counters.history.append(f"a program of {graph.nodes} ops failed and was run op by op: {error}")


def _release(graph: Graph) -> None:
    for value in graph.leaves:
        if value.graph is graph:
            value.graph = None


class Layout:
    """What a run does with the results of a structure, and the programs of it by the leaves they give up.

    Attributes:
        flat, every, spent: the structure: the graph, its live outputs, those that have served their purpose.
        chosen: which of the live values the program hands out; ``None`` for all.
        live: their slots.
        left, part: which it leaves out, and how those are computed if asked for.
        kept: leaves that it must not or need not overwrite.
        large: how many results there are of each aval that is worth a donation.
        programs: by indices of donated leaves.
    """

    __slots__ = (
        "chosen", "every", "flat", "kept", "large", "left", "live", "part", "programs", "spent",
    )  # fmt: skip
    chosen: list[int] | None
    part: Slice | None

    def __init__(
        self, flat: tuple[int, ...], leaves: Sequence[Value], values: Sequence[Value], spent: Sequence[int]
    ) -> None:
        self.flat, self.spent = list(flat), list(spent)
        live = self.every = [value.slot for value in values]
        gone = frozenset(spent)
        left = [i for i, slot in enumerate(live) if slot in gone]
        self.programs: dict[tuple[int, ...], Program] = {}
        self.kept = spared(flat, [leaf.aval for leaf in leaves])
        self.left, self.chosen, self.part = left, None, None
        if not left or len(left) == len(live) or sum(values[i].aval.nbytes for i in left) > SPARE_BYTES:
            self.live = live
            self.large = _large(values)
            return
        chosen = self.chosen = [i for i, slot in enumerate(live) if slot not in gone]
        self.live = [live[i] for i in chosen]
        part = self.part = Slice(flat, [live[i] for i in left])
        self.kept |= part.kept
        self.large = _large([values[i] for i in chosen])


def _large(values: Sequence[Value]) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for value in values:
        if value.aval.nbytes >= DONATE_BYTES:
            found[value.aval] = found.get(value.aval, 0) + 1
    return found


_layouts: dict[Any, Layout] = {}
_latest: Layout | None = None


def spared(flat: Sequence[int], avals: Sequence[Any]) -> frozenset[int]:
    """Leaves that a program need not overwrite: several ops read them, and together they are not large."""
    often = _graph.read_often(flat)
    return often if sum(avals[i].nbytes for i in often) <= SPARE_BYTES else frozenset()


def _layout(graph: Graph, values: list[Value], live: list[int], spent: Sequence[int]) -> Layout:
    latest = _latest
    if latest is not None and latest.flat == graph.flat and latest.every == live and latest.spent == spent:
        if latest.part is None or not latest.part.in_demand():
            return latest
        return _layout(graph, values, live, ())
    flat = tuple(graph.flat)
    key = (flat, tuple(live), tuple(spent))
    found = _layouts.get(key)
    if found is None:
        if len(_layouts) >= MAX_PROGRAMS:
            _layouts.clear()
        found = _layouts[key] = Layout(flat, graph.leaves, values, spent)
    if found.part is not None and found.part.in_demand():
        return _layout(graph, values, live, ())
    return found


def _run(graph: Graph, values: list[Value], live: list[int], device: Any) -> None:
    """Find or compile the fused program, or run in pieces while programs would not pay."""
    global _storm, _wasted, _latest
    layout = _layout(graph, values, live, graph.spent)
    part, chosen = layout.part, layout.chosen
    wanted = values if chosen is None else [values[i] for i in chosen]
    donated = _donations(graph, layout.large, layout.kept) if layout.large else ()
    program = layout.programs.get(donated)
    if program is not None and layout is _latest:
        counters.cache_hits += 1
        _storm *= 0.5
        _wasted *= 0.5
    else:
        _latest = layout
        key = _key(graph, layout, donated)
        program = _programs.get(key)
        if program is None:
            pieces = _in_pieces(key, graph, live)
            if pieces is not None:
                _measure_pieces(key, graph, values, live, device, pieces)
                return
            program = _new_program(key, graph, layout.live, donated, device)
        else:
            _programs.move_to_end(key)
            counters.cache_hits += 1
            _storm *= 0.5
            _wasted *= 0.5
        layout.programs[donated] = program
    arrays = [leaf.array for leaf in graph.leaves]
    if not _STAND_INS.isdisjoint(map(type, arrays)):
        arrays = [operand(leaf, device) for leaf in graph.leaves]
    if donated:
        counters.donated_buffers += len(donated)
        for i in donated:
            leaf = graph.leaves[i]
            counters.donated_bytes += leaf.aval.nbytes
            leaf.array = None
    new = not program.seconds
    try:
        results = program.run(arrays, graph.floats, graph.ints)
    except BaseException:
        _programs.pop(_key(graph, layout, donated), None)
        del layout.programs[donated]
        for i in donated:
            graph.leaves[i].array = arrays[i]
        raise
    for value, array in zip(wanted, results, strict=True):
        value.array = array
        value.graph = None
    if part is not None:
        postpone(part, graph.leaves, (graph.floats, graph.ints), [values[i] for i in layout.left])
    if new:
        _wasted += program.seconds
        # The few programs of a first step may take long to compile; that is no storm.
        storm = _wasted >= WASTED_SECONDS and _storm >= STORM
        note_compilation(_key(graph, layout, donated), program.seconds, storm=storm)


#: Types of what a value has in place of an array that is not on the device yet.
_STAND_INS = frozenset({type(None), Withheld})


def _key(graph: Graph, layout: Layout, donated: tuple[int, ...]) -> Any:
    return tuple(layout.flat), tuple(layout.live), donated, len(graph.leaves)


def _new_program(key: Any, graph: Graph, live: list[int], donated: tuple[int, ...], device: Any) -> Program:
    global _storm
    program = fused(graph, live, donated, device)
    _storm += graph.nodes > SMALL_GRAPH
    _seen.pop(key, None)
    return program


def _measure_pieces(
    key: Any, graph: Graph, values: list[Value], live: list[int], device: Any, pieces: list[Piece]
) -> None:
    started = time.perf_counter()
    _run_pieces(graph, values, live, device, pieces)
    _seen[key] = _seen.get(key, 0.0) + time.perf_counter() - started
    _seen.move_to_end(key)
    if len(_seen) > MAX_SEEN:
        _seen.popitem(last=False)


def postpone(
    part: Slice,
    leaves: Sequence[Value],
    numbers: tuple[Sequence[float], Sequence[int]],
    outputs: Sequence[Value],
) -> Deferred:
    """Withhold outputs that a run of a graph with these operands has left out, until someone asks."""
    counters.deferred += len(outputs)
    return Deferred(part, leaves, numbers, outputs, _look)


def _look(deferred: Deferred) -> None:
    """Someone asks for outputs that a program left out."""
    with LOCK:
        graph, alive = deferred.graph()
        if not alive:
            return
        counters.revealed += 1
        if _run_on_host is not None:
            _flush_on_host(_run_on_host, graph, alive, [value.slot for value in alive])
            return
        live, device = [value.slot for value in alive], jax_device(graph.device)
        try:
            with _outside_transforms():
                _run(graph, alive, live, device)
        except Exception as error:
            with _outside_transforms():
                _again(graph, alive, live, device, error)


def fused(graph: Graph, live: Sequence[int], donated: tuple[int, ...], device: Any) -> Program:
    """The program of a graph that was recorded to be replayed; compiled when it first runs.

    It is the one that a flush of the same graph would use.
    """
    key = (tuple(graph.flat), tuple(live), donated, len(graph.leaves))
    program = _programs.get(key)
    if program is None:
        program = _programs[key] = Program(
            named(graph), live, len(graph.leaves), donated, len(graph.floats), len(graph.ints), device
        )
        counters.programs_compiled += 1
        if len(_programs) > MAX_PROGRAMS:
            _programs.popitem(last=False)
            _layouts.clear()
    return program


def _in_pieces(key: Any, graph: Graph, live: list[int]) -> list[Piece] | None:
    """Whether to run an unseen graph in pieces for now; ``None`` to compile it as one program.

    A graph of moderate size is fused at first sight, unless it is an unrolled loop (mostly repeats of a few
    stretches) or recent compilations went unused. What ran in pieces is fused once that has cost as much as
    its compilation
    would: the ski-rental rule, at most twice the optimum.
    """
    count = graph.nodes
    spent = _seen.get(key)
    if spent is not None:
        return split(graph.flat, live) if spent < count * COMPILE_SECONDS_PER_NODE else None
    if count <= SMALL_GRAPH:
        return None
    if count > FUSE_AT_ONCE or _storm >= STORM:
        return split(graph.flat, live)
    if count < LOOP_NODES:
        return None
    pieces = split(graph.flat, live)
    return pieces if 3 * len({p.key for p in pieces}) <= len(pieces) else None


def _donations(graph: Graph, large: dict[Any, int], kept: Container[int]) -> tuple[int, ...]:
    """Leaves whose memory the program may reuse: nobody else holds them, and an output has their shape.

    Args:
        graph: what is to be run.
        large: how many results there are of each aval, those that are worth it.
        kept: leaves that are left alone.
    """
    leaves = graph.leaves
    wanted = dict(large)
    result = []
    getrefcount = sys.getrefcount
    for i in range(len(leaves)):
        # References: the list of leaves, and the argument of getrefcount.
        if getrefcount(leaves[i]) != 2:
            continue
        leaf = leaves[i]
        left = wanted.get(leaf.aval, 0)
        if not left or leaf.pinned or i in kept:
            continue
        if type(leaf.array) is Withheld:
            leaf.array.reveal()
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


def operand(leaf: Value, device: Any) -> Any:
    array = leaf.array
    if array is not None:
        if type(array) is Withheld:
            array.reveal()
            return leaf.array
        return array
    host = leaf.host
    assert host is not None
    if leaf.aval.device is CPU:
        large = host.nbytes > SMALL_BYTES
        in_place = large and not host.__array_interface__["data"][0] % ALIGNMENT
        if not leaf.used and (in_place or not large):
            leaf.used = True
            return host
        if large and not in_place:  # a copy is made, and one is enough
            array = leaf.array = jax.device_put(host, device, may_alias=False)
            leaf.host = None
            return array
    array = leaf.array = jax.device_put(host, device)
    return array


def _run_pieces(graph: Graph, values: list[Value], live: list[int], device: Any, pieces: list[Piece]) -> None:
    """Run without a program of the whole: stretch by stretch, each compiled once wherever it recurs."""
    counters.node_by_node += 1
    leaves = graph.leaves
    arrays = [operand(leaf, device) for leaf in leaves]
    outputs: list[Any] = [None] * len(graph.outputs)
    floats, ints = graph.floats, graph.ints
    for piece in pieces:
        program = _pieces.get(piece.key)
        if program is None:
            program = _pieces[piece.key] = Program(
                piece.body(), piece.live, len(piece.inputs), (), len(piece.floats), len(piece.ints), device
            )
            counters.ops_compiled += 1
            if len(_pieces) > MAX_PIECES:
                _pieces.popitem(last=False)
        operands = [outputs[s] if s >= 0 else arrays[(-s - 1) // 3] for s in piece.inputs]
        made = program.run(operands, [floats[i] for i in piece.floats], [ints[i] for i in piece.ints])
        for slot, array in zip(piece.outputs, made, strict=True):
            outputs[slot] = array
        for slot in piece.dead:
            outputs[slot] = None
    for value, slot in zip(values, live, strict=True):
        value.array = outputs[slot]
        value.graph = None


_pieces: OrderedDict[Any, Program] = OrderedDict()


def clear_programs() -> None:
    """Forget every compiled program; what is needed again is compiled again."""
    global _storm, _wasted, _latest
    with LOCK:
        _latest = None
        _programs.clear()
        _layouts.clear()
        _pieces.clear()
        _seen.clear()
        _storm = _wasted = 0.0


def start_compilation_cache() -> None:
    """Turn on JAX's persistent compilation cache in the user's cache folder.

    ``JTORCH_CACHE_DIR`` moves it; set to ``0`` or the empty string it is off. A directory the user already
    gave to JAX (``jax_compilation_cache_dir``) is respected.
    """
    folder = os.environ.get("JTORCH_CACHE_DIR")
    if jax.config.values.get("jax_compilation_cache_dir") is not None or folder in ("", "0"):
        return
    if folder is None:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        folder = str(Path(base) / "jtorch" / "xla")
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def run_small_programs_inline() -> None:
    """Let XLA's CPU client run programs on the calling thread.

    Handing a program of 100 us to another thread costs 50 us more (measured with ``bench/training.py``), and
    on a CPU there is no second processor to run ahead of. ``JAX_CPU_ENABLE_ASYNC_DISPATCH`` in the
    environment overrides it; accelerators are always asynchronous.
    """
    if "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in os.environ:
        jax.config.update("jax_cpu_enable_async_dispatch", False)


_graph.flush_hook = flush
_graph.apply_hook = apply_now
