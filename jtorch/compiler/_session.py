"""Recording one call of a function: what it read, what it wrote, and what would differ in another call.

While a function is recorded, the contents of every tensor that existed before are withheld: storages hand
out placeholders, which become operands of the graph. A line that looks at contents all the same ends the
recording; the call then goes on as an ordinary one, with all values in their places, so its results are right
in any case.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any
from weakref import ref

import numpy as np

from jtorch.compiler._errors import Unsupported
from jtorch.compiler._forks import MAX_FORKS, Fork
from jtorch.compiler._watching import watch_output
from jtorch.devices import META
from jtorch.dispatch import autocast_state
from jtorch.nn import Module
from jtorch.optim import lr_scheduler
from jtorch.tensor import Tensor
from jtorch.tensor._storage import Storage
from jtorch.trace import (
    LOCK,
    Graph,
    TracedValue,
    Value,
    Withheld,
    counters,
    flush_all,
    from_host,
    host_array,
    recorder,
    recorders,
    settings,
    user_line,
)
from jtorch.trace._read_numbers import ReadNumber
from jtorch.trace._stretches import stretch

__all__ = ["HELD", "RAISED", "Session", "Touched"]

#: Why a recording ended that an exception ended.
RAISED = "the call raised an exception"
#: Seconds after which another thread no longer waits for a number: the recording may be waiting for it.
WAIT = 60.0
#: Reasons to run a graph that a recording passes over.
HELD = frozenset({"step", "optimizer", "eval", "backward", "cap", "eager", "next batch", "compile"})


class Touched:
    """A storage from before that the function read or wrote.

    Attributes:
        value, buffer: its contents before.
        placeholder: stands for them in the graph.
        version, writes: its counters before.
    """

    __slots__ = ("buffer", "placeholder", "storage", "value", "version", "writes")

    def __init__(self, storage: Any, value: Any, buffer: Any, placeholder: Any) -> None:
        self.storage, self.value, self.buffer, self.placeholder = storage, value, buffer, placeholder
        self.version, self.writes = storage.version, storage.writes


class GradLog:
    """The ``.grad`` of a tensor from before.

    Attributes:
        initial: what it was.
        read: the function asked for it before it set it.
    """

    __slots__ = ("initial", "read", "tensor")

    def __init__(self, tensor: Any, initial: Any, read: bool) -> None:
        self.tensor, self.initial, self.read = tensor, initial, read


class Numbers:
    """Floats among the operands that are asked for anew in each replay: ``count`` of them from ``start``."""

    __slots__ = ("count", "source", "start")

    def __init__(self, start: int, count: int, source: Any) -> None:
        self.start, self.count, self.source = start, count, source


class Draw:
    """Random numbers that are drawn anew in each replay, and the placeholder that stands for them."""

    __slots__ = ("draw", "placeholder", "value")

    def __init__(self, draw: Callable[[], Any], value: Value, placeholder: Value) -> None:
        self.draw, self.value, self.placeholder = draw, value, placeholder


class Session:
    """One recording.

    Attributes:
        thread: the thread that records.
        broken: why the recording ended early; ``None`` if it did not.
        touched: storages from before, by ``id``.
        grads: tensors from before whose ``.grad`` was read or set, by ``id``.
        actions: what runs on the host in each replay, in order: :class:`Numbers`, :class:`Draw`, functions.
        constants: values made from data inside the function, by ``id``.
        initial: first value of storages made inside the function, by the storage's ``id``.
        made: weak references to these storages.
        engines, draws: random draws that were begun, and that can be repeated.
        streams: what was drawn from, and its state before, by ``id``.
        generators: those that draws named.
        forks: where the truth of a value decided what came next, in order.
        computed: results of the parts before forks, by slot.
        cut: where in the graph the part after the last fork begins, and the number of its first result.
        reading: reads of single numbers give objects that stand for them; otherwise they end the recording.
        at_read: the recording ended at such a read.
        numbers_read: those objects.
        assigned: modules and the names of their attributes that were set.
        warned: a warning that the call has shown.
        rewinds: it draws random numbers again that were drawn before (checkpointing).
        over: set when the recording came to nothing and they have their numbers; other threads wait for it.
    """

    def __init__(self, fullgraph: bool, name: str, reading: bool = False) -> None:
        self.thread = threading.get_ident()
        self.fullgraph, self.name = fullgraph, name
        self.broken: str | None = None
        self.line = ""
        self.touched: dict[int, Touched] = {}
        self.grads: dict[int, GradLog] = {}
        self.fresh: set[int] = set()
        self.made: list[Any] = []
        self.cached: dict[int, Any] = {}
        self.initial: dict[int, Value] = {}
        self.constants: dict[int, Value] = {}
        self.actions: list[Any] = []
        self.engines = self.draws = 0
        self.streams: dict[int, tuple[Any, Any]] = {}
        self.generators: list[Any] = []
        self.forks: list[Fork] = []
        self.computed: dict[int, Any] = {}
        self.cut = (0, 0)
        self.graph: Graph | None = None
        self.shown: list[tuple[Value, Value]] = []
        self.reading, self.at_read = reading and not fullgraph, False
        self.numbers_read: list[Any] = []
        self.assigned: dict[tuple[int, str], tuple[Any, str]] = {}
        self.warned: str | None = None
        self.rewinds = False
        self.over = threading.Event()

    # ---- asked by the layers below

    def holds(self, reason: str) -> bool:
        """Whether a flush for this reason is passed over; a read ends the recording."""
        if threading.get_ident() != self.thread or reason in HELD:
            return True
        self.leave(
            "reads the value of a tensor that the program computes"
            if reason == "read"
            else f"needs a value in between ({reason})"
        )
        return False

    def numbers(self, count: int, source: Any) -> None:
        """The next ``count`` floats that are recorded come from ``source()`` in a replay."""
        from_recorder = next((r for r in recorders() if r.graph.nodes), None)
        start = 0 if from_recorder is None else len(from_recorder.graph.floats)
        self.actions.append(Numbers(start, count, source))

    def begins(self, stream: Any, generator: Any) -> None:
        """A random draw begins, from the stream of a ``generator=`` argument."""
        self.engines += 1
        if generator is not None:
            self.generators.append(generator)
        if id(stream) not in self.streams:
            self.streams[id(stream)] = stream, stream.get_state()

    def drew(self, storage: Any, draw: Callable[[], Any]) -> None:
        """A new storage holds random numbers that ``draw()`` would make anew."""
        self.draws += 1
        value = storage.__dict__["value"]
        if value.aval.device is META:
            return
        placeholder = self._placeholder(value.aval)
        self.constants.pop(id(value), None)
        self.initial.pop(id(storage), None)
        storage.__dict__["value"] = placeholder
        self.actions.append(Draw(draw, value, placeholder))

    def repeats(self, action: Callable[[], None]) -> None:
        """The state of random streams was taken or changed; ``action()`` does so in a replay."""
        self.rewinds = True
        self.actions.append(action)

    def decide(self, value: Value) -> bool | None:
        """The truth of a value that decides what the function does next; the recording is of that case then.

        What was recorded up to here runs, as it does in replays, where another outcome leads to another
        recording. ``None``: the value is read like any other, which ends the recording.
        """
        return self.choose((value,), itemgetter(0), None)

    def choose(self, values: Sequence[Value], test: Callable[[Sequence[Any]], Any], key: Any) -> bool | None:
        """The same for ``test`` of the numbers that values hold; ``key`` tells tests apart."""
        if self.fullgraph or self.broken is not None or len(self.forks) >= MAX_FORKS:
            return None
        where = recorder(values[0].aval.device)
        graph = where.graph
        if not all(self._unknown(value) for value in values):
            return None
        slots = [v.slot if v.graph is graph else graph.add_leaf(v) for v in values]
        begin, first = self.cut
        piece = None
        if len(graph.flat) > begin:
            living = [n for n, v in enumerate(graph.outputs[first:], first) if n in slots or v() is not None]
            piece = stretch(graph.flat, begin, first, living)
        leaves = self._contents(graph.leaves)
        if any(type(leaf.array) is Withheld for leaf in leaves):
            return None  # a gradient of a backward that is recorded ahead
        fork = Fork(piece, slots, test, key, user_line(), len(self.actions), graph)
        outcome = fork.outcome = fork.run(leaves, graph.floats, graph.ints, self.computed, where.jax_device)
        self.forks.append(fork)
        self.cut = (len(graph.flat), len(graph.outputs))
        return outcome

    def _unknown(self, value: Value) -> bool:
        """Whether a value is computed, or withheld, by this recording, on the one device that it uses."""
        where = recorder(value.aval.device)
        if any(r.graph.nodes and r is not where for r in recorders()):
            return False
        return type(value.array) is Withheld or (value.graph is where.graph and value.pending)

    # ---- asked by numbers that were read

    def read(self, value: Value) -> ReadNumber | None:
        """What stands for the number in ``value``; ``None``: it is read, which may end the recording."""
        if self.broken is not None or self.fullgraph or self.graph is not None or not self._unknown(value):
            return None
        if value.aval.dtype.is_complex:
            return None
        if self.reading:
            return ReadNumber.of(self, value)
        self.at_read = True
        return None

    def handed_out(self, number: ReadNumber) -> None:
        """A new object stands for a number."""
        self.numbers_read.append(ref(number))

    def numbers_held(self) -> bool:
        """Whether somebody still has one."""
        return any(number() is not None for number in self.numbers_read)

    def follows(self) -> bool:
        """Whether this recording is under way in this thread."""
        mine = settings.session is self and self.thread == threading.get_ident()
        return mine and self.broken is None and self.graph is None

    def needs_number(self, what: str) -> None:
        """Something that cannot be followed asks for a number."""
        if self.thread != threading.get_ident():
            if not self.over.wait(WAIT):
                raise RuntimeError(
                    f"A number that {self.name} reads from a tensor is needed in another thread ({what}) "
                    "while the call is recorded, and the call seems to wait for that thread; hand over "
                    "float(number) instead"
                )
        elif self.broken is None:
            settings.session = self
            self.leave(f"uses a number that it read from a tensor for {what}")

    def settle(self) -> None:
        """The recording came to nothing: objects that stand for numbers get them."""
        try:
            for reference in self.numbers_read:
                number = reference()
                if number is not None:
                    number.plain()
        finally:
            self.over.set()

    def _contents(self, leaves: list[Value]) -> list[Value]:
        """What leaves hold in this call."""
        known = {id(t.placeholder): t.value for t in self.touched.values()}
        known |= {id(a.placeholder): a.value for a in self.actions if type(a) is Draw}
        known |= {id(p): value for p, value in self.shown}
        return [known.get(id(leaf), leaf) for leaf in leaves]

    def leave(self, why: str, line: str | None = None) -> None:
        """End the recording: every placeholder gets its contents and the call goes on as usual.

        Args:
            why: what a replay could not do.
            line: of the user's program that does it, if it is not the one that is running.

        Raises:
            Unsupported: the function was compiled with ``fullgraph=True``.
        """
        if self.broken is not None or settings.session is not self:
            return
        self.line = line or user_line()
        self.broken = f"{self.line} {why}"
        self.materialize()
        self.settle()
        counters.history.append(f"{self.name} is not replayed: {self.broken}")
        if self.fullgraph:
            raise Unsupported(
                f"{self.name} cannot be recorded as one graph: {self.broken}\n"
                "  Hint: keep the decision on the device (torch.where, masks), move the line out of the "
                "compiled function, or compile with fullgraph=False, which runs such calls uncompiled."
            )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Reads inside are repeated by the replay itself."""
        settings.session = None
        try:
            yield
        finally:
            settings.session = self if self.broken is None else None

    # ---- hooks

    def _placeholder(self, aval: Any) -> Value:
        made = Value(aval)
        made.array = Withheld(lambda: self.leave("reads the value of a tensor"))
        self.constants.pop(id(made), None)
        return made

    def stand_in(self, tensor: Any, value: Value) -> Value:
        """A placeholder for what an argument that is a view shows."""
        made = self._placeholder(value.aval)
        self.shown.append((made, value))
        self.cached[id(tensor)] = ref(tensor)
        tensor._cached, tensor._cached_writes = made, tensor._storage.writes
        return made

    def forget_cached(self) -> None:
        """What views showed during the recording is no value of theirs."""
        for reference in self.cached.values():
            tensor = reference()
            if tensor is not None:
                tensor._cached, tensor._cached_writes = None, -1

    def touch(self, storage: Any) -> Value | None:
        """First use of a storage from before: put a placeholder in its place."""
        own = storage.__dict__
        value, buffer = own.get("value"), own.get("buffer")
        if buffer is not None:
            value = from_host(np.array(buffer, order="C"))
            self.constants.pop(id(value), None)
        if value is None:
            return None
        if value.aval.device is META:
            return value  # type: ignore[no-any-return]
        if type(value.array) is Withheld:
            value.array.reveal()  # what an earlier program left out
        if type(value) is TracedValue:
            self.leave("computes with tracers of a JAX transform")
            return value
        placeholder = self._placeholder(value.aval)
        self.touched[id(storage)] = Touched(storage, value, buffer, placeholder)
        own["value"] = placeholder
        return placeholder

    def install(self) -> None:
        """Take over the reads and writes of storages and gradients in this thread."""
        session = self

        def mine() -> bool:
            return settings.session is session and threading.get_ident() == session.thread

        def get_value(storage: Any) -> Any:
            key = id(storage)
            if mine() and key not in session.touched and key not in session.fresh:
                return session.touch(storage)
            return storage.__dict__.get("value")

        def set_value(storage: Any, value: Any) -> None:
            own = storage.__dict__
            key = id(storage)
            if mine() and key not in session.touched:
                if "value" in own and key not in session.fresh:
                    session.touch(storage)
                else:
                    session.fresh.add(key)
                    if "value" not in own:
                        session.made.append(ref(storage))
                        session.initial.pop(key, None)
                        if id(value) in session.constants and not value.pending:
                            session.initial[key] = value
            own["value"] = value

        def get_buffer(storage: Any) -> Any:
            buffer = storage.__dict__.get("buffer")
            if buffer is None or not mine() or id(storage) in session.fresh:
                return buffer
            return None

        def set_buffer(storage: Any, buffer: Any) -> None:
            if mine() and buffer is not None:
                session.leave("shares memory with a NumPy array")
            storage.__dict__["buffer"] = buffer

        def get_grad(tensor: Any) -> Any:
            grad = tensor.__dict__.get("_grad")
            if mine():
                session.note_grad(tensor, grad, True)
            return grad

        def set_grad(tensor: Any, grad: Any) -> None:
            if mine():
                session.note_grad(tensor, tensor.__dict__.get("_grad"), False)
            tensor.__dict__["_grad"] = grad

        def get_cached(tensor: Any) -> int:
            if mine() and id(tensor) not in session.cached:
                return -1
            return tensor.__dict__.get("_cached_writes", -1)  # type: ignore[no-any-return]

        def set_cached(tensor: Any, writes: int) -> None:
            if mine():
                session.cached[id(tensor)] = ref(tensor)
            tensor.__dict__["_cached_writes"] = writes

        def make_value(value: Any, aval: Any) -> None:
            value.aval = aval
            if mine():
                session.constants[id(value)] = value

        assign = self._assign = Module.__setattr__

        def set_attribute(module: Any, name: str, value: Any) -> None:
            if mine():
                session.assigned[id(module), name] = module, name
            assign(module, name, value)

        settings.session = self
        Module.__setattr__ = set_attribute  # type: ignore[assignment]
        Storage.value = property(get_value, set_value)  # type: ignore[assignment]
        Storage.buffer = property(get_buffer, set_buffer)  # type: ignore[assignment]
        Tensor._grad = property(get_grad, set_grad)
        Tensor._cached_writes = property(get_cached, set_cached)  # type: ignore[assignment]
        self._make = Value.__init__
        Value.__init__ = make_value  # type: ignore[method-assign, assignment]
        self._watch_schedules()
        self._unwatch = watch_output(self)

    def _watch_schedules(self) -> None:
        """Steps of learning rate schedules are repeated in each replay."""
        self._schedules = []
        for cls in vars(lr_scheduler).values():
            original = cls.__dict__.get("step") if isinstance(cls, type) else None
            if original is not None and issubclass(cls, lr_scheduler.LRScheduler):
                self._schedules.append((cls, original))
                cls.step = self._watched(original)

    def _watched(self, original: Any) -> Any:
        def step(*args: Any, **kwargs: Any) -> Any:
            if settings.session is not self or self.thread != threading.get_ident():
                return original(*args, **kwargs)
            if any(isinstance(x, Tensor) or type(x) is ReadNumber for x in (*args, *kwargs.values())):
                self.leave("steps a schedule by a tensor's value")
            settings.session = None  # steps inside are part of this one, and what it reads it reads anew
            try:
                result = original(*args, **kwargs)
            finally:
                settings.session = None if self.broken is not None else self
            if self.broken is None:
                self.actions.append(lambda: original(*args, **kwargs))
            return result

        return step

    def uninstall(self) -> None:
        """Give the reads and writes back."""
        if settings.session is not self:
            return
        settings.session = None
        del Storage.value
        Storage.buffer = None
        Tensor._grad = None
        Tensor._cached_writes = -1
        Value.__init__ = self._make  # type: ignore[method-assign]
        Module.__setattr__ = self._assign  # type: ignore[method-assign]
        for cls, original in self._schedules:
            cls.step = original
        self._unwatch()

    def note_grad(self, tensor: Any, grad: Any, read: bool) -> None:
        key = id(tensor)
        if key in self.grads or id(tensor.__dict__["_storage"]) in self.fresh:
            return
        self.grads[key] = GradLog(tensor, grad, read)

    def materialize(self) -> None:
        """Give placeholders the contents that they stand for, and the reads and writes back."""
        for t in self.touched.values():
            p, value = t.placeholder, t.value
            p.array, p.host, p.pinned = value.array, value.host, True
        pairs = [(a.placeholder, a.value) for a in self.actions if type(a) is Draw]
        for p, value in (*pairs, *self.shown):
            p.array, p.host = value.array, value.host
        self.uninstall()
        for t in self.touched.values():
            if t.buffer is not None:
                own = t.storage.__dict__
                written, own["value"] = own["value"], None
                if written is not t.placeholder:
                    t.buffer[...] = host_array(written)

    # ---- running

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the function; :attr:`broken` tells whether it was recorded."""
        with LOCK:
            flush_all("compile")
            states = random.getstate(), _numpy_state()
            cache, autocast_state.cache = autocast_state.cache, {}
            self.install()
            try:
                result = function(*args, **kwargs)
                if self.broken is None:
                    self._check(states)
                return result
            except BaseException:
                if self.broken is None:
                    self.broken = RAISED
                    self.materialize()
                    self.settle()
                raise
            finally:
                autocast_state.cache = cache

    def _check(self, states: Any) -> None:
        now = random.getstate(), _numpy_state()
        if now[0] != states[0] or now[1][1] != states[1][1] or not np.array_equal(now[1][0], states[1][0]):
            self.leave("draws random numbers of Python or NumPy")
        elif self.engines != self.draws:
            self.leave("draws random numbers that depend on values")
        else:
            graphs = [r for r in recorders() if r.graph.nodes]
            if len(graphs) > 1:
                self.leave("computes on several devices")
            elif not graphs:
                self.leave("records no operation")
            else:
                self.graph = graphs[0].graph


def _numpy_state() -> Any:
    state: Any = np.random.get_state()
    return state[1:3]
