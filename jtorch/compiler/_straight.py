"""Replays of small recordings, written out.

``CompiledFunction.__call__`` and ``Recorded.replay`` define what a call does, and take anything. The step of
a tiny network takes XLA some 20 microseconds, and twice as long went into their loops over two or three
tensors. For a recording that was replayed a few times a function is written here that goes through the same
checks and assignments one by one. It returns :data:`MISSED` whenever something is not as usual, having
changed nothing, and then the call goes the general way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from types import SimpleNamespace
from typing import Any

import jax

from jtorch.compiler._config import state
from jtorch.compiler._contents import slots_of
from jtorch.compiler._keys import key_of, parts_of
from jtorch.compiler._recorded import Recorded
from jtorch.compiler._session import Numbers
from jtorch.devices import device
from jtorch.dispatch import INFERENCE, modes
from jtorch.dtypes import dtype
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.tensor._leaks import in_transform
from jtorch.tensor._storage import Storage
from jtorch.trace import Value, Withheld, counters, host_array, operand, settings
from jtorch.trace._meshes import in_no_mesh

__all__ = ["MISSED", "write"]

#: What the written function returns if the call has to go the general way; nothing has happened then.
MISSED: Any = object()

#: Replays before a function is written: most recordings of tests and notebooks are replayed less often.
REPLAYS = 4
#: Longer ones gain nothing: their programs take long, too.
MAX_LINES = 400


class _Unfit(Exception):
    """The call or the recording has something that is left to the general way."""


def write(
    recorded: Recorded, surroundings: Callable[[], Any], now: Any, args: Any, kwargs: Any, generation: int
) -> Callable[[Any, Any], Any] | None:
    """A function that replays ``recorded`` for calls like that with ``args`` and ``kwargs``.

    Args:
        recorded: what was just replayed for them.
        surroundings: reads the switches that change what operations do.
        now: what they are.
        args: arguments of the call.
        kwargs: those with names.
        generation: that of the recording.

    Returns:
        A function of the arguments; ``None`` if there can be none.
    """
    try:
        lines = _Lines(recorded)
        lines.call(args, kwargs, surroundings, now, generation)
        lines.guards()
        lines.operands()
        lines.run()
        lines.results()
    except _Unfit:
        return None
    if len(lines.source) > MAX_LINES:
        return None
    text = "def straight(args, kwargs):\n" + "\n".join(lines.source)
    # A name below the package's folder: reports name the user's line, not this code.
    exec(compile(text, f"{__file__}: replay", "exec"), lines.names)
    return lines.names["straight"]  # type: ignore[no-any-return]


class _Lines:
    """Writes the function for a recording.

    Attributes:
        names: objects that the source names.
        source: its lines.
        tensors: expressions for the tensors among the arguments, in order.
        values: expression for the value of each leaf.
    """

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.names: dict[str, Any] = {
            "MISSED": MISSED, "Storage": Storage, "Tensor": Tensor, "Value": Value, "Withheld": Withheld,
            "contexts": [], "counters": counters, "from_value": from_value, "host_array": host_array,
            "in_no_mesh": in_no_mesh, "in_transform": in_transform, "modes": modes, "new": object.__new__,
            "operand": operand, "recorded": recorded, "settings": settings, "state": state,
            "x64": jax.enable_x64,
        }  # fmt: skip
        self.numbered: dict[int, str] = {}
        self.source: list[str] = []
        self.tensors: list[str] = []
        self.values: list[str] = []
        if (
            recorded.forks or recorded.last is not None or recorded.differentiable is not None
            or recorded.gradients or recorded.asked or recorded.draws
            or any(steps for _, steps in recorded.views)
            or any(type(a) is not Numbers for a in recorded.actions)
            or any(r.slot >= 0 for r in recorded.results)
        ):  # fmt: skip
            raise _Unfit
        self.part = recorded.part
        if not set(recorded.donate) <= (set() if self.part is None else self.part.kept):
            raise _Unfit  # who else holds the memory is counted by references

    def name(self, x: Any) -> str:
        """A name for an object; the recording and this function keep it alive."""
        found = self.numbered.get(id(x))
        if found is None:
            found = self.numbered[id(x)] = f"c{len(self.numbered)}"
            self.names[found] = x
        return found

    def put(self, line: str, depth: int = 1) -> None:
        self.source.append(" " * depth + line)

    def unless(self, condition: str, depth: int = 1) -> None:
        """Leave the call to the general way if this holds."""
        self.put(f"if {condition}: return MISSED", depth)

    # ---- is it the same kind of call?

    def call(self, args: Any, kwargs: Any, surroundings: Any, now: Any, generation: int) -> None:
        self.unless(
            f"settings.session is not None or settings.listener is not None or in_transform() "
            f"or state.generation != {generation} or state.stance == 'force_eager' "
            "or modes.duals is not None or not in_no_mesh()"
        )
        self.names["surroundings"] = surroundings
        self.unless(f"surroundings() != {self.name(now)}")
        self._each(args, "args")
        if kwargs:
            self.unless(f"tuple(kwargs) != {self.name(tuple(kwargs))}")
            for key, x in kwargs.items():
                self._argument(x, f"kwargs[{key!r}]")
        else:
            self.unless("kwargs")
        storages = [f"s{i}" for i in range(len(self.tensors))]
        if len(storages) == 2:
            self.unless("s0 is s1")
        elif len(storages) > 2:
            self.unless(f"len({{{', '.join(f'id({s})' for s in storages)}}}) != {len(storages)}")

    def _each(self, sequence: Any, text: str) -> None:
        self.unless(f"len({text}) != {len(sequence)}")
        for i, x in enumerate(sequence):
            self._argument(x, f"{text}[{i}]")

    def _argument(self, x: Any, text: str) -> None:
        kind = type(x)
        if isinstance(x, Tensor):
            self._tensor(x, text)
        elif kind in (int, str, bool, bytes) or (kind is float and (x < 0.0 or x > 0.0)):
            self.unless(f"type({text}) is not {self.name(kind)} or {text} != {self.name(x)}")
        elif kind in (float, complex) or kind.__module__ == "numpy":
            raise _Unfit
        elif kind in (list, tuple):
            self.unless(f"type({text}) is not {self.name(kind)}")
            self._each(x, text)
        elif kind is device:
            self.unless(f"type({text}) is not {self.name(kind)} or {text} != {self.name(x)}")
        elif kind is dtype:
            self.unless(f"{text} is not {self.name(x)}")
        elif parts_of(x) is not None:
            self._parts(x, text)
        elif x is not None and key_of(x, [])[1] != id(x):
            raise _Unfit
        else:
            self.unless(f"{text} is not {self.name(x)} or type({text}) is not {self.name(kind)}")

    def _parts(self, x: Any, text: str) -> None:
        """An argument that is compared by its contents."""
        kind, p = type(x), f"p{len(self.source)}"
        self.put(f"{p} = {text}")
        self.unless(f"type({p}) is not {self.name(kind)}")
        if kind is dict:
            self.unless(f"[*{p}] != {self.name([*x])}")
            for key, y in x.items():
                self._argument(y, f"{p}[{self.name(key)}]")
        elif kind is slice:
            for key, y in parts_of(x) or ():
                self._argument(y, f"{p}.{key}")
        elif isinstance(x, tuple) and not hasattr(x, "__dict__"):
            self._each(x, p)
        elif kind is SimpleNamespace or (is_dataclass(x) and not slots_of(x)):
            own = vars(x)
            self.put(f"{p} = {p}.__dict__")
            self.unless(f"len({p}) != {len(own)}")
            for key, y in own.items():
                self._argument(y, f"{p}.get({key!r}, MISSED)")
        else:
            raise _Unfit

    def _tensor(self, x: Any, text: str) -> None:
        if x._requires or x._fn is not None or (x._abase is not None and x._abase._tracked):
            raise _Unfit
        i = len(self.tensors)
        t, s, v = f"t{i}", f"s{i}", f"v{i}"
        self.tensors.append(t)
        self.put(f"{t} = {text}")
        self.unless(
            f"type({t}) is not {self.name(type(x))} or {t}._requires or {t}._fn is not None "
            f"or {t}._strides != {x._strides!r} or ({t}._abase is not None and {t}._abase._tracked) "
            f"or {t}._inference is not {x._inference}"
        )
        self.put(f"{s} = {t}._storage")
        self.put(f"{v} = {s}.value if {t}._view is None else None")
        self.put(f"if {v} is None: {v} = {t}._read()")
        self._aval(v, x._read().aval)

    def _aval(self, v: str, aval: Any) -> None:
        self.unless(f"{v}.aval is not {self.name(aval)} or {v}.__class__ is not Value")

    # ---- is what it depends on the same?

    def guards(self) -> None:
        self.put("try:")
        for condition in self.recorded.guards.conditions(self.name, self.names):
            self.unless(condition, 2)
        self.put("pass", 2)
        self.put("except (KeyError, ValueError): return MISSED")  # an attribute that is gone, an empty cell

    def operands(self) -> None:
        r = self.recorded
        # Values of leaves that are the same in every call.
        self.values = ["None" if v is None else self.name(v) for v in r.template]
        for leaf, storage, aval in r.storages:
            v, s = f"w{leaf}", self.name(storage)
            self.put(f"{v} = {s}.value")
            self.put(f"if {v} is None: {v} = {s}.read()")
            self._aval(v, aval)
            self.values[leaf] = v
        for leaf, number in r.arguments:
            self.values[leaf] = f"v{number}"
        for number, _ in r.views:  # a whole tensor that is written to
            self.unless(f"t{number}._view is not None")
        for number in r.others:
            self.unless(f"id(s{number}) in {self.name(r.reached)}")
        for number, tensor in r.pinned:
            self.unless(f"t{number} is not {self.name(tensor)}")
        for i, v in enumerate(self.values):
            self.put(f"a{i} = {v}.array")
            self.put(f"if a{i}.__class__ is Withheld or (a{i} is None and {v}.host is None):")
            self.put(f"recorded.ready(({v},)); a{i} = {v}.array", 2)
        for action in r.actions:
            self.unless(f"not {self.name(action.source)}.holds()")

    # ---- from here on it happens

    def run(self) -> None:
        r, part = self.recorded, self.part
        program = (r.programs if part is None else r.leaner).get(())
        if program is None or not program.seconds or program.donated:
            raise _Unfit
        self.names.update(call=program.call, numbers=r._numbers, given=[])
        if part is not None:
            self.unless(f"{self.name(part)}.in_demand()")
        floats = self.name(r.graph.floats)
        if r.actions:
            # What came last, and all floats with it.
            memo = self.names["memo"] = [None] * (len(r.actions) + 1)
            numbers = [f"n{i}" for i in range(len(r.actions))]
            for i, action in enumerate(r.actions):
                self.put(f"n{i} = {self.name(action.source)}()")
            # A source that counts no steps hands out the list that it has.
            same = " and ".join(f"n{i} is memo[{i}]" for i in range(len(numbers)))
            self.put(f"if {same}: floats = memo[{len(memo) - 1}]")
            self.put("else:")
            self.put(f"floats = {floats}.copy()", 2)
            for n, action in zip(numbers, r.actions, strict=True):
                self.put(f"floats[{action.start}:{action.start + action.count}] = {n}", 2)
            self.put(f"memo[:] = {', '.join(numbers)}, floats", 2)
        else:
            self.put(f"floats = {floats}")
        # The context of one call at a time: another thread, or a call within this one, takes another.
        self.put("context = contexts.pop() if contexts else x64(True)")
        self.put("with context:")
        device = self.name(r.device)
        for i, v in enumerate(self.values):
            self.put(f"if a{i} is None: a{i} = operand({v}, {device})", 2)
        arrays = ", ".join(f"a{i}" for i in range(len(self.values)))
        self.put(f"made = call(given, *numbers(floats), {arrays})", 2)
        self.put("contexts.append(context)")
        self.put("counters.cache_hits += 1")
        self.put(f"counters.nodes += {r.graph.nodes}")
        wanted = list(enumerate(r.avals)) if part is None else r.wanted
        for place, (i, aval) in enumerate(wanted):
            self.put(f"m{i} = new(Value)")
            self.put(f"m{i}.aval = {self.name(aval)}; m{i}.array = made[{place}]")

    def value(self, ref: int) -> str:
        return f"m{ref}" if ref >= 0 else self.values[-1 - ref]

    def results(self) -> None:
        r = self.recorded
        self._gradients()
        for target, of_gradient, ref, versions, writes in r.written:
            if target.storage is not None:
                self.put(f"s = {self.name(target.storage)}")
            else:
                tensor = self._target(target)
                self.put(f"s = {tensor}._grad._storage" if of_gradient else f"s = {tensor}._storage")
            self.put("if s.buffer is None:")
            self.put(f"s.value = {self.value(ref)}; s.version += {versions}; s.writes += {writes}", 2)
            self.put(f"else: s.write({self.value(ref)})")
        self.put("recorded.uses += 1")
        results = [self._result(i, x) for i, x in enumerate(r.results)]
        if r.single:
            self.put(f"return {results[0]}")
        else:
            self.put(f"return {self.name(r.rebuild)}([{', '.join(results)}])")

    def _target(self, target: Any) -> str:
        return self.tensors[target.argument] if target.argument >= 0 else self.name(target.tensor)

    def _gradients(self) -> None:
        r = self.recorded
        spared = {} if self.part is None else {i: n for n, (i, _) in enumerate(r.spared)}
        values = f"[{', '.join(self.values)}]"
        if self.part is not None:
            if r.unread is not None:
                self.put(f"deferred = {self.name(r.unread)}.unseen()")
                self.put("if deferred is not None:")
                self.put(f"counters.deferred += {len(spared)}", 2)
                self.put(f"deferred.take({values}, (floats, {self.name(r.graph.ints)}))", 2)
                self.put("else:")
            else:
                self.put("if True:")
            self.put(f"left = recorded.left_out({values}, floats)", 2)
            for target, ref in r.stored:
                if ref in spared:
                    self.put(f"{self._target(target)}._grad = from_value(left[{spared[ref]}])", 2)
        for target, ref in r.stored:
            if ref is None:
                self.put(f"{self._target(target)}._grad = None")
            elif ref not in spared:
                self.put(f"{self._target(target)}._grad = from_value({self.value(ref)})")

    def _result(self, i: int, result: Any) -> str:
        if result.same is not None:
            return self.tensors[result.same] if type(result.same) is int else self.name(result.same)
        if result.compute is not None:
            numbers = ", ".join(f"host_array({self.value(ref)}).item()" for ref in result.refs)
            return f"{self.name(result.compute)}([{numbers}])"
        t = f"r{i}"
        self.put(f"{t} = new(Tensor); s = {t}._storage = new(Storage); s.value = {self.value(result.ref)}")
        if result.strides is not None:
            self.put(f"s.strides = {t}._strides = {result.strides!r}")
        if result.attributes:
            self.put(f"{t}.__dict__.update({self.name(result.attributes)})")
        if modes.level == INFERENCE:
            self.put(f"{t}._inference = True")
        if result.kind is not Tensor:
            self.put(f"{t}.__class__ = {self.name(result.kind)}")
        return t
