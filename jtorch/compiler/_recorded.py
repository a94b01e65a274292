"""A recorded call: where its operands come from, where its results go, and running it again."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Sequence
from operator import is_
from typing import Any

import jax
import numpy as np

from jtorch.compiler._forks import Fork, operands
from jtorch.compiler._guards import Guards
from jtorch.compiler._session import Draw, Numbers
from jtorch.compiler._unread import Unread
from jtorch.dispatch import INFERENCE, modes
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value, value_of
from jtorch.tensor._storage import Storage
from jtorch.trace import (
    Aval,
    Graph,
    Value,
    Withheld,
    counters,
    flush,
    from_host,
    fused,
    host_array,
    operand,
    postpone,
    recorder,
    settings,
)
from jtorch.trace._deferred import Slice
from jtorch.trace._executor import SPARE_BYTES
from jtorch.trace._explain import note_compilation
from jtorch.trace._meshes import beside_meshes
from jtorch.trace._stretches import Piece, stretched

__all__ = ["STALE", "Recorded", "Result", "Target", "view_numbers"]

_new = object.__new__

#: What a replay returns if it turned out not to fit; nothing has happened then.
STALE: Any = object()


class Target:
    """A tensor or storage of each call: a fixed one, or that of an argument, or a gradient's.

    Attributes:
        storage: a storage that is the same in all calls.
        tensor: a tensor that is the same in all calls.
        argument: the number of an argument otherwise.
    """

    __slots__ = ("argument", "storage", "tensor")

    def __init__(self, storage: Any = None, tensor: Any = None, argument: int = -1) -> None:
        self.storage, self.tensor, self.argument = storage, tensor, argument

    def of(self, tensors: Sequence[Any]) -> Any:
        """The tensor in this call."""
        return tensors[self.argument] if self.argument >= 0 else self.tensor


class Result:
    """One tensor of the result.

    Attributes:
        same: an argument's number, or the object itself, if the function handed a tensor through.
        ref: which output of the program, or (negative) which leaf, holds its value.
        kind, attributes: class of the tensor, and what else it has.
        strides: memory order, if it is not row-major.
        slot: its number among the results of the node that gradients come back through; -1 for none.
        compute: makes the result of the numbers in ``refs``, if it is no tensor but a number that was read.
        value, edge: while it is worked out: its value and history in the recording; ``values``: of numbers.
    """

    __slots__ = (
        "attributes", "compute", "edge", "kind", "ref", "refs", "same", "slot", "strides", "value", "values",
    )  # fmt: skip

    def __init__(self) -> None:
        self.same: Any = None
        self.ref = 0
        self.attributes: dict[str, Any] = {}
        self.strides: Any = None
        self.kind: type = Tensor
        self.slot = -1
        self.value: Any = None
        self.edge: Any = None
        self.compute: Any = None
        self.values: tuple[Any, ...] = ()
        self.refs: list[int] = []


class Recorded:
    """One recording, ready to be run again.

    A *ref* says where a value is found: an output of the program from 0 on, a leaf (counted down from -1).

    Attributes:
        guards: what it depends on besides the arguments.
        graph: what was recorded; ``live``: its outputs that are wanted, ``avals`` theirs.
        template: values of the leaves that are the same in every call, ``None`` for the others.
        storages: ``(leaf, storage, aval)`` of leaves that are read from storages.
        arguments: ``(leaf, number of the argument)``.
        pinned: ``(number, tensor)`` of arguments that the function also reaches itself.
        others: numbers of the other arguments, which must not share memory with tensors that it reaches;
            ``reached``: their storages by ``id``.
        gradients: ``(leaf, target, aval)`` of leaves that are read from a ``.grad``.
        draws: leaf of each action that draws random numbers.
        actions: what runs on the host, in order.
        written: ``(target, is a gradient's storage, ref, versions, writes)`` of storages that change.
        stored: ``(target, ref or None)`` of ``.grad`` that is set.
        asked: ``(target, whether it had one)`` of ``.grad`` that is read.
        views: arguments of which the view itself, not only what it shows, has to be the same.
        donate: leaves whose memory may be reused.
        forks: decisions on the way; ``last``: the part of the graph after them.
        generators: those that draws name.
        part: how gradients that the optimizer has used are computed if asked for; ``None`` if there are none.
        spared, wanted: ``(number of the output, aval)`` of these gradients and of all others.
        fewer: slots of the others.
        unread: whether the gradients of the last replay can stay.
        held: floats of the last replay, and all numbers on the device once these came twice.
        initial: until the first replay, what the recording computed before its last decision.
    """

    def __init__(self, guards: Guards, graph: Graph, device: Any) -> None:
        self.guards, self.graph, self.device = guards, graph, device
        self.live: list[int] = []
        self.avals: list[Aval] = []
        self.template: list[Any] = []
        self.storages: list[tuple[int, Any, Any]] = []
        self.arguments: list[tuple[int, int]] = []
        self.pinned: list[tuple[int, Any]] = []
        self.others: list[int] = []
        self.reached: dict[int, Any] = {}
        self.gradients: list[tuple[int, Target, Any]] = []
        self.draws: dict[int, int] = {}
        self.actions: list[Any] = []
        self.written: list[tuple[Target, bool, int, int, int]] = []
        self.stored: list[tuple[Target, int | None]] = []
        self.asked: list[tuple[Target, bool]] = []
        self.views: list[tuple[int, Any]] = []
        self.donate: list[int] = []
        self.results: list[Result] = []
        self.rebuild: Any = None
        self.single = False
        #: results share memory with each other or with arguments: there are more than ``results``
        self.aliased = False
        self.differentiable: Any = None
        self.programs: dict[tuple[int, ...], Any] = {}
        self.part: Slice | None = None
        self.fewer: list[int] = []
        self.wanted: list[tuple[int, Aval]] = []
        self.spared: list[tuple[int, Aval]] = []
        self.unread: Unread | None = None
        self.leaner: dict[tuple[int, ...], Any] = {}
        self.held: tuple[list[float], Any] = graph.floats, None
        self.integers: Any = None
        #: what :func:`jtorch.compiler.scan` made of it
        self.scanned: Any = None
        #: its operations under the names of modules, where those were asked for
        self.body: Any = None
        self.uses = 0
        #: a function for such calls, see ``_straight.py``; ``False`` if there can be none
        self.straight: Any = None
        self.forks: list[Fork] = []
        self.generators: list[Any] = []
        self.last: Piece | None = None
        self.initial: dict[int, Any] = {}

    # ---- running

    def gather(self, tensors: Sequence[Any]) -> list[Value] | None:
        """The operands' values in order, ``None`` for random draws; ``None`` if something does not fit."""
        values: list[Any] = self.template.copy()
        for leaf, storage, aval in self.storages:
            value = storage.value
            if value is None:
                value = storage.read()
            if value.aval is not aval or value.__class__ is not Value:
                return None
            values[leaf] = value
        for leaf, number in self.arguments:
            values[leaf] = value_of(tensors[number])
        reached = self.reached
        for number in self.others:
            if id(tensors[number]._storage) in reached:
                return None
        for number, tensor in self.pinned:
            if tensors[number] is not tensor:
                return None
        for target, had in self.asked:
            if (target.of(tensors)._grad is not None) is not had:
                return None
        for leaf, target, aval in self.gradients:
            grad = target.of(tensors)._grad
            if grad is None or grad._view is not None:
                return None
            value = value_of(grad)
            if value.aval is not aval:
                return None
            values[leaf] = value
        for number, steps in self.views:
            if steps != view_numbers(tensors[number]):
                return None
        for action in self.actions:
            if type(action) is Numbers and not action.source.holds():
                return None
        return values

    def act(self, values: list[Any]) -> list[float]:
        """Do what happens on the host: count steps, draw random numbers."""
        floats = self.graph.floats
        if self.actions:
            floats = floats.copy()
            moved = False
            for place, action in enumerate(self.actions):
                kind = type(action)
                if kind is Numbers:
                    if moved:
                        action.source.holds()  # a schedule stepped since settings were read
                    floats[action.start : action.start + action.count] = action.source()
                elif kind is Draw:
                    leaf = self.draws.get(place)
                    array = action.draw()
                    if leaf is not None:
                        values[leaf] = from_host(array)
                else:
                    action()
                    moved = True
        return floats

    def recorded_numbers(self, values: list[Any]) -> list[float]:
        """What :meth:`act` did while the function was recorded."""
        for place, leaf in self.draws.items():
            values[leaf] = self.actions[place].value
        return self.graph.floats

    def replay(self, tensors: Sequence[Any], first: bool = False) -> Any:
        """Run again; :data:`STALE` if an operand does not fit any more, in which case nothing has changed."""
        values = self.gather(tensors)
        if values is None:
            return STALE
        floats = self.recorded_numbers(values) if first else self.act(values)
        initial, self.initial = self.initial, {}
        return self.finish(values, floats, tensors, initial)

    def finish(
        self, values: list[Any], floats: list[float], tensors: Sequence[Any], computed: dict[int, Any]
    ) -> Any:
        """Run what comes after the last decision, ``computed`` before it, and store what changes."""
        if self.differentiable is not None:
            made, node = self.differentiable.record(values, floats, tensors, computed)
        elif self.last is not None:
            made, node = self._run_last(self.last, values, floats, computed), None
        else:
            made, node = self._run(values, floats), None
        self.scatter(made, values, tensors)
        self.uses += 1
        if self.single:
            return self._result(self.results[0], made, values, tensors, node)
        return self.rebuild([self._result(r, made, values, tensors, node) for r in self.results])

    def ready(self, values: Iterable[Any]) -> None:
        """Compute operands that are pending, or that an earlier program left out."""
        for value in values:
            if value is None:
                continue
            array = value.array
            if array is None:
                if value.host is None:
                    flush(recorder(self.graph.device), "compiled call")
            elif type(array) is Withheld:
                array.reveal()

    def _run_last(
        self, piece: Piece, values: list[Any], floats: list[float], computed: dict[int, Any]
    ) -> list[Value]:
        if piece.outputs:
            self.ready(values)
            with beside_meshes():
                given = self._donations(values) if self.donate else ()
                inputs = piece.inputs
                donated = tuple(sorted(inputs.index(-1 - 3 * i) for i in given if -1 - 3 * i in inputs))
                program = self.programs.get(donated)
                if program is None:
                    program = self.programs[donated] = stretched(piece, donated, self.device)
                else:
                    counters.cache_hits += 1
                held = [values[(-inputs[i] - 1) // 3] for i in donated]
                arrays = operands(piece, values, computed, self.device)
                numbers = [floats[i] for i in piece.floats], [self.graph.ints[i] for i in piece.ints]
                counters.donated_buffers += len(held)
                for value in held:
                    counters.donated_bytes += value.aval.nbytes
                    value.array = None
                try:
                    results = program.run(arrays, *numbers)
                except BaseException:
                    for i, value in zip(donated, held, strict=True):
                        value.array = arrays[i]
                    raise
            computed.update(zip(piece.outputs, results, strict=True))
        counters.nodes += self.graph.nodes
        made = []
        for aval, slot in zip(self.avals, self.live, strict=True):
            value = _new(Value)
            value.aval, value.array = aval, computed[slot]
            made.append(value)
        return made

    def leave_out_spent(self) -> None:
        """Do not hand out gradients that the optimizer of the call has used; who looks gets them computed."""
        if self.asked or self.gradients:
            return  # the next call looks at what this one sets
        spent = set(self.graph.spent)
        used = {ref for r in self.results for ref in (r.ref, *r.refs)}
        used |= {ref for _, _, ref, _, _ in self.written}
        left = {ref for _, ref in self.stored if ref is not None and ref >= 0 and self.live[ref] in spent}
        left -= used
        if left and len(left) < len(self.live) and sum(self.avals[i].nbytes for i in left) <= SPARE_BYTES:
            self.part = Slice(self.graph.flat, [self.live[i] for i in sorted(left)])
            self.wanted = [(i, aval) for i, aval in enumerate(self.avals) if i not in left]
            self.spared = [(i, aval) for i, aval in enumerate(self.avals) if i in left]
            self.fewer = [self.live[i] for i, _ in self.wanted]
            owners = {ref: target.tensor for target, ref in self.stored if ref in left}
            if None not in owners.values() and len(owners) == sum(ref in left for _, ref in self.stored):
                self.unread = Unread([owners[i] for i in sorted(left)])

    def _run(self, values: list[Any], floats: list[float]) -> list[Value]:
        graph, device, part = self.graph, self.device, self.part
        self.ready(values)
        if part is not None and part.in_demand():
            part = None
        live, programs = (self.live, self.programs) if part is None else (self.fewer, self.leaner)
        with beside_meshes():
            donated = self._donations(values, () if part is None else part.kept) if self.donate else ()
            program = programs.get(donated)
            if program is None:
                program = programs[donated] = fused(graph, live, donated, device)
            else:
                counters.cache_hits += 1
            arrays = []
            for value in values:
                array = value.array
                arrays.append(operand(value, device) if array is None else array)
            if program.seconds and not donated and settings.listener is None:
                results = program.call([], *self._numbers(floats), *arrays)
            else:
                results = self._run_with(program, values, arrays, floats, donated, live)
        counters.nodes += graph.nodes
        made: list[Any] = []
        if part is None:
            for aval, array in zip(self.avals, results, strict=True):
                value = _new(Value)
                value.aval, value.array = aval, array
                made.append(value)
            return made
        deferred = None if self.unread is None else self.unread.unseen()
        made = [None] * len(self.avals)
        for (i, aval), array in zip(self.wanted, results, strict=True):
            value = made[i] = _new(Value)
            value.aval, value.array = aval, array
        if deferred is not None:
            counters.deferred += len(self.spared)
            deferred.take(values, (floats, graph.ints))
        else:
            for (i, _), value in zip(self.spared, self.left_out(values, floats), strict=True):
                made[i] = value
        return made

    def left_out(self, values: list[Any], floats: list[float]) -> list[Value]:
        """The gradients that a run with these operands has left out, to be computed if somebody looks."""
        assert self.part is not None
        left = []
        for _, aval in self.spared:
            value = _new(Value)
            value.aval = aval
            left.append(value)
        deferred = postpone(self.part, values, (floats, self.graph.ints), left)
        if self.unread is not None:
            self.unread.watch(deferred)
        return left

    def _numbers(self, floats: list[float]) -> Any:
        """The numbers of a graph as operands: on the device, if they are what they were the last time."""
        known, held = self.held
        if floats is not known and not all(map(is_, floats, known)):
            self.held = floats, None
            return np.array(floats), self._integers()
        if held is None:
            array = jax.device_put(np.array(floats), self.device) if floats else None
            held = array, self._integers()
            self.held = floats, held
        return held

    def _integers(self) -> Any:
        if self.integers is None and self.graph.ints:
            self.integers = jax.device_put(np.array(self.graph.ints, np.int64), self.device)
        return self.integers

    def _run_with(
        self,
        program: Any,
        values: list[Any],
        arrays: list[Any],
        floats: list[float],
        donated: Any,
        live: list[int],
    ) -> list[Any]:
        new = not program.seconds
        for i in donated:
            counters.donated_bytes += values[i].aval.nbytes
            values[i].array = None
        counters.donated_buffers += len(donated)
        try:
            results: list[Any] = program.run(arrays, floats, self.graph.ints)
        except BaseException:
            for i in donated:
                values[i].array = arrays[i]
            raise
        if new:
            key = (tuple(self.graph.flat), tuple(live), donated, len(values))
            note_compilation(key, program.seconds, storm=False)
        return results

    def _donations(self, values: list[Any], kept: Container[int] = ()) -> tuple[int, ...]:
        """Leaves that a replaced storage alone holds: their memory may be overwritten, but for ``kept``."""
        found = []
        getrefcount = sys.getrefcount
        for i in self.donate:
            # A gradient or a result that reads the leaf keeps it from being overwritten: it is counted, too.
            # References: the storage, the list of values, the argument.
            if i in kept or getrefcount(values[i]) != 3:
                continue
            value = values[i]
            if value.pinned:
                continue
            if value.array is None:
                host = value.host
                value.array = jax.device_put(host, self.device, may_alias=False)
                value.host = host = None
            elif value.host is not None or getrefcount(value.array) != 2:
                continue
            found.append(i)
        return tuple(found)

    @staticmethod
    def value(ref: int, made: Sequence[Value], values: Sequence[Any]) -> Value:
        """The value of a reference: an output of the program from 0 on, a leaf below."""
        return made[ref] if ref >= 0 else values[-1 - ref]

    def scatter(self, made: Sequence[Any], values: Sequence[Any], tensors: Sequence[Any]) -> None:
        """Store what the program computed in the storages and gradients that it changes.

        ``None`` among what it made is a gradient that stays, see :class:`Unread`.
        """
        for target, of_gradient, ref, versions, writes in self.written:
            storage = target.storage
            if storage is None:
                tensor = target.of(tensors)
                storage = (tensor._grad if of_gradient else tensor)._storage
            value = made[ref] if ref >= 0 else values[-1 - ref]
            if storage.buffer is None:
                storage.value = value
                storage.version += versions
                storage.writes += writes
            else:
                storage.write(value)
        for target, gradient in self.stored:
            if gradient is None:
                target.of(tensors)._grad = None
                continue
            value = made[gradient] if gradient >= 0 else values[-1 - gradient]
            if value is not None:
                target.of(tensors)._grad = from_value(value)

    def _result(
        self,
        result: Result,
        made: Sequence[Value],
        values: Sequence[Any],
        tensors: Sequence[Any],
        node: Any,
    ) -> Any:
        same = result.same
        if same is not None:
            return tensors[same] if type(same) is int else same
        if result.compute is not None:
            return result.compute([host_array(self.value(ref, made, values)).item() for ref in result.refs])
        tensor = _new(Tensor)
        storage = tensor._storage = _new(Storage)
        storage.value = self.value(result.ref, made, values)
        if result.strides is not None:
            storage.strides = tensor._strides = result.strides
        if result.attributes:
            tensor.__dict__.update(result.attributes)
        if result.slot >= 0:
            tensor._fn, tensor._nr = node, result.slot
        if modes.level == INFERENCE:
            tensor._inference = True
        if result.kind is not Tensor:
            tensor.__class__ = result.kind
        return tensor


def view_numbers(tensor: Any) -> Any:
    """The steps from a view's base to the view, as comparable objects."""
    view = tensor._view
    return () if view is None else tuple((s.plan, s.numbers) for s in view.steps())
