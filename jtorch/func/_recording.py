"""What a transformed function does, noted operation by operation while Python runs it.

The function is called once per call of the transform, on tensors without values. Operations on them are
appended to a flat list of integers, as the trace's graphs are, which takes some microseconds each and is the
key under which the transform of these operations is found again. Only what asks for a tracer (``.jax()``,
functions of JAX, custom autograd functions) is traced by JAX, from the operations noted so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from jtorch.devices import device
from jtorch.dispatch import GRAD, modes
from jtorch.func._function import Function, Staged
from jtorch.func._staging import Staging
from jtorch.tape import modified
from jtorch.tensor import Tensor
from jtorch.tensor._bridge import describe
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import (
    Aval,
    Signature,
    TracedValue,
    Value,
    aval_of,
    from_jax,
    nodes,
    record,
    series,
)

__all__ = ["Captured", "Recording", "wrap"]

# Operands that are no results, as in the trace's graphs: three interleaved series of negative numbers.
_LEAF, _FLOAT, _INT, _STEP = -1, -2, -3, -3
_new = object.__new__


def wrap(array: Any, where: device) -> Tensor:
    """A tensor of an array or tracer."""
    return from_value(from_jax(array, where))


class Captured:
    """One use of a value from outside.

    Attributes:
        value: that was used.
        tensor: that has it and a history, which is that of this use; ``None``: none matters.
        version: of the tensor at that time.
    """

    __slots__ = ("tensor", "value", "version")

    def __init__(self, value: Value) -> None:
        self.value = value
        self.tensor: Tensor | None = None
        self.version = 0

    @classmethod
    def now(cls, tensor: Tensor) -> Captured:
        """A use of a tensor as it is."""
        use = cls(value_of(tensor))
        use.belongs_to(tensor)
        return use

    def belongs_to(self, tensor: Tensor) -> None:
        """An outer backward goes on to this tensor, if it has a history or a tangent."""
        if tensor.requires_grad or (modes.duals is not None and modes.duals.of(tensor) is not None):
            self.tensor, self.version = tensor, _version(tensor)

    def operand(self) -> Tensor:
        """The tensor that is an operand of the transform, with the contents of that time.

        Raises:
            RuntimeError: it has a history and other contents since.
        """
        if self.tensor is None:
            return from_value(self.value)
        found = _version(self.tensor)
        if found != self.version:
            raise modified(describe(self.value.aval), "", found, self.version)
        return self.tensor


def _version(tensor: Tensor) -> int:
    own = tensor._own_version
    return tensor._storage.version if own is None else own.version


class Mapping:
    """One ``vmap`` under way, for functions that draw random numbers.

    Attributes:
        size: of the batch.
        randomness: what a random function does.
        recording: of the function that is mapped.
    """

    __slots__ = ("randomness", "recording", "size")

    def __init__(self, recording: Recording, size: int, randomness: str) -> None:
        self.recording, self.size, self.randomness = recording, size, randomness

    def part_of(self, make: Callable[[int], Tensor]) -> Tensor:
        """This sample's part of ``make(size of the batch)``, which is called outside of the mapping."""
        with self.recording.around():
            batch = make(self.size)
        return self.recording.part(batch)


class Recording:
    """One call of a function by a transform: a context in which it is called.

    Attributes:
        inputs: the function's arguments as tensors without values.
        leaves: operands that are no results: those of the inputs, then :class:`Captured` uses of what comes
            from outside and parts of batches, as they occur.
        parts: the batches.
        axes: where the arguments have the batch dimension.
        flat: the operations, as a graph of the trace spells them; ``floats``, ``ints``: their numbers.
        outer: the recording in which this one takes place.
    """

    def __init__(
        self, tensors: Sequence[Tensor], *, forwards: bool | None = None, size: int | None = None,
        axes: Sequence[int | None] | None = None, randomness: str = "error",
    ) -> None:  # fmt: skip
        """Prepare a call.

        Args:
            tensors: arguments of the transform, of which those of the function have the shapes and types.
            forwards: the transform takes derivatives, forwards or not: an outer ``no_grad`` does not matter.
            size: the transform maps over a batch of this size.
            axes: where the arguments have the batch dimension.
            randomness: what random functions do in it.
        """
        self.flat: list[int] = []
        self.floats: list[float] = []
        self.ints: list[int] = []
        self.count = 0  # of results
        self.leaves: list[Any] = []
        self.parts: list[Tensor] = []
        self.outer: Recording | None = modes.captured
        self.depth: int = 0 if self.outer is None else self.outer.depth + 1
        #: where the last operation was noted; ``None``: JAX traced it
        self.last: Recording | None = None
        self.left = False
        self.forwards = forwards
        self.mapping = None if size is None else Mapping(self, size, randomness)
        self.tensors, self.axes = tensors, axes
        avals = [t._aval() for t in tensors]
        if axes is not None:
            avals = [a if i is None else _without(a, i) for a, i in zip(avals, axes, strict=True)]
        self.inputs = [self._input(a) for a in avals]
        # Of JAX, if it is needed.
        self.staging = Staging()
        self.tracers: dict[int, Any] = {}
        self.arguments: list[Any] = []
        self.held: dict[int, Captured] = {}
        self.arrays: list[Any] = []
        # Values outside, if some are read.
        self.known: dict[int, Any] = {}

    def _input(self, aval: Aval) -> Tensor:
        value = _new(TracedValue)
        value.aval, value.recording, value.slot = aval, self, _LEAF + _STEP * len(self.leaves)
        self.leaves.append(value)
        return from_value(value)

    # ---- while the function runs

    def __enter__(self) -> Recording:
        self.modes = (
            modes.captured, modes.host_draws, modes.level, modes.functional, modes.derivatives, modes.mapped
        )  # fmt: skip
        modes.captured, modes.host_draws = self, True
        if self.forwards is not None:
            modes.level, modes.functional = GRAD, True
            modes.derivatives = (*modes.derivatives, self.forwards)
        if self.mapping is not None:
            modes.mapped = (*modes.mapped, self.mapping)
        self.wide = jax.enable_x64(True)
        self.wide.__enter__()
        self.staging.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.left = True
        self.staging.__exit__(*error)
        self.wide.__exit__(None, None, None)
        (
            modes.captured, modes.host_draws, modes.level, modes.functional, modes.derivatives, modes.mapped
        ) = self.modes  # fmt: skip
        # Values refer to the recording: what they lead to shall not wait for the garbage collector.
        self.tensors, self.leaves, self.inputs, self.parts, self.arguments, self.arrays = (
            (),
            [],
            [],
            [],
            [],
            [],
        )
        self.tracers, self.held, self.known = {}, {}, {}

    @contextmanager
    def around(self) -> Iterator[None]:
        """Within: outside of this recording and of those inside of it."""
        inner = modes.captured, modes.mapped
        modes.captured, modes.mapped = self.outer, self.modes[-1]
        try:
            with self.staging.around():
                yield
        finally:
            modes.captured, modes.mapped = inner

    def apply(self, signature: Signature, operands: Sequence[Any]) -> Any:
        """Note an operation of which some operands are values inside a transform.

        Returns:
            Its result or results; ``None``: it has to be applied to tracers of JAX.
        """
        at: Any = None
        for x in operands:
            if type(x) is TracedValue:
                recording = x.recording
                if recording is None or recording.left:
                    self.last = None
                    return None
                if at is None or recording.depth > at.depth:
                    at = recording
        self.last = at
        if modes.functional and modes.level != GRAD:
            signature = _stopped(signature)
        entry = [signature.id]
        for x in operands:
            if isinstance(x, Value):
                if type(x) is TracedValue and x.recording is at:
                    entry.append(x.slot)
                else:
                    entry.append(_LEAF + _STEP * len(at.leaves))
                    at.leaves.append(Captured(x))
            elif type(x) is float:
                entry.append(_FLOAT + _STEP * len(at.floats))
                at.floats.append(x)
            else:
                entry.append(_INT + _STEP * len(at.ints))
                at.ints.append(x)
        at.flat += entry
        made = []
        for aval in signature.outputs:
            value = _new(TracedValue)
            value.aval, value.recording, value.slot = aval, at, at.count
            at.count += 1
            made.append(value)
        return made[0] if signature.single is not None else made

    def take(self, value: Value, tensor: Tensor | None) -> int:
        """The slot of one use of a value from outside; ``tensor``: that has it, if its history matters."""
        use = Captured(value)
        if tensor is not None:
            use.belongs_to(tensor)
        self.leaves.append(use)
        return _LEAF + _STEP * (len(self.leaves) - 1)

    def note(self, tensors: Sequence[Any], operands: Sequence[Any]) -> None:
        """The operation before was applied to tensors with a history or a tangent: they are its operands."""
        at = self.last or self
        uses = [
            t
            for t, x in zip(tensors, operands, strict=False)
            if type(x) is Value or (type(x) is TracedValue and self.last not in (None, x.recording))
        ]
        for t, use in zip(reversed(uses), reversed(at.leaves), strict=False):
            if t is not None:
                use.belongs_to(t)

    def part(self, batch: Tensor) -> Tensor:
        """The part of a batch that belongs to the sample under way."""
        self.parts.append(batch)
        return self._input(_without(batch._aval(), 0))

    def written(self) -> list[int]:
        """Which arguments the function has changed in place.

        Raises:
            RuntimeError: derivatives are taken by one, or it is not part of the batch that was written to it.
        """
        found = [i for i, t in enumerate(self.inputs) if t._storage.writes]
        if self.axes is not None and any(self.axes[i] is None for i in found):
            batched = self._batched()
            for i in found:
                if self.axes[i] is None and value_of(self.inputs[i]).slot in batched:
                    raise RuntimeError(_UNMAPPED)
        return found

    def _batched(self) -> set[int]:
        """The values that differ between the samples of a batch."""
        assert self.axes is not None
        axes = [*self.axes, *(0 for _ in self.parts)]
        arguments = (leaf for leaf in self.leaves if type(leaf) is TracedValue)
        found = {leaf.slot for leaf, axis in zip(arguments, axes, strict=True) if axis is not None}
        count = 0
        for signature, slots in nodes(self.flat):
            results = range(count, count + len(signature.outputs))
            count = results.stop
            if any(slot in found for slot in slots):
                found.update(results)
        return found

    # ---- values outside

    def outside(self, value: TracedValue) -> Value | None:
        """The value that this one stands for where the transform is called, for decisions of Python.

        Returns:
            ``None`` inside of ``vmap``, where there is one for each sample.
        """
        if self.mapping is not None or self.left:
            return None
        slot = value.slot
        with self.around():
            for signature, slots, first in self._behind(slot, self.known):
                made = record(signature, [self._outside(s) for s in slots])
                for i, v in enumerate([made] if signature.single is not None else made):
                    self.known[first + i] = v
            return self._outside(slot)  # type: ignore[no-any-return]

    def _outside(self, slot: int) -> Any:
        if slot >= 0:
            return self.known[slot]
        kind, n = series(slot)
        if kind:
            return (self.floats if kind == 1 else self.ints)[n]
        leaf = self.leaves[n]
        return leaf.value if type(leaf) is Captured else value_of(self.tensors[n])

    def _behind(self, slot: int, known: dict[int, Any]) -> list[tuple[Signature, Sequence[int], int]]:
        """The operations that lead to a result, but for known ones, with the number of the first result."""
        wanted, found, count = {slot} - known.keys(), [], self.count
        for signature, slots in reversed(nodes(self.flat)) if wanted else ():
            count -= len(signature.outputs)
            if count not in known and any(count + i in wanted for i in range(len(signature.outputs))):
                found.append((signature, slots, count))
                wanted.update(slots)
        return found[::-1]

    # ---- tracers of JAX

    def tracer(self, slot: int) -> Any:
        """The tracer of one of the values.

        Raises:
            RuntimeError: the recording is over.
        """
        if self.left:
            raise RuntimeError(
                "this Tensor was written to inside a JAX transform (jax.jit, jtorch.func.*, vmap) that is "
                "over, so it has no values: return what the transform computes instead"
            )
        with self.staging.here(), jax.enable_x64(True):
            for signature, slots, first in self._behind(slot, self.tracers) if slot >= 0 else ():
                for i, made in enumerate(signature.fn(*map(self._operand, slots))):
                    self.tracers[first + i] = made
            return self._operand(slot)

    def _operand(self, slot: int) -> Any:
        if slot >= 0:
            return self.tracers[slot]
        kind, n = series(slot)
        if kind:
            return np.asarray(self.floats[n] if kind == 1 else self.ints[n])
        leaf = self.leaves[n]
        return self._hold(leaf) if type(leaf) is Captured else self._arguments()[slot]

    def _arguments(self) -> dict[int, Any]:
        """The tracers of inputs and parts, by slot."""
        values = [leaf for leaf in self.leaves if type(leaf) is TracedValue]
        for value in values[len(self.arguments) :]:
            self.arguments.append(self.staging.argument(value.aval.shape, value.aval.dtype.numpy))
        return {v.slot: a for v, a in zip(values, self.arguments, strict=True)}

    def array(self, value: Value) -> Any:
        """An array that stands for one use of a value from outside; called in the order of operands."""
        use = Captured(value)
        self.leaves.append(use)
        return self._hold(use)

    def _hold(self, use: Captured) -> Any:
        """An array of its own for each use, so that it can be told from others afterwards.

        Contents are not looked at meanwhile.
        """
        known = use.value.array
        if isinstance(known, jax.core.Tracer):
            return known
        if isinstance(known, jax.Array):
            parts = [shard.data for shard in known.addressable_shards]
            made: Any = jax.make_array_from_single_device_arrays(known.shape, known.sharding, parts)
        else:
            with jax.ensure_compile_time_eval():
                made = jax.numpy.zeros(use.value.aval.shape, use.value.aval.dtype.numpy)
        self.arrays.append(made)  # as long as its id is a key
        self.held[id(made)] = use
        return made

    def operand(self, const: Any, where: device) -> Tensor:
        """The tensor behind a constant of what JAX traced."""
        use = self.held.get(id(const))
        if use is not None:
            return use.operand()
        with jax.enable_x64(True):
            return wrap(const if isinstance(const, jax.core.Tracer) else jax.numpy.asarray(const), where)

    # ---- afterwards

    def function(self, results: Sequence[Tensor], where: device) -> Function:
        """What was noted, as a function that has these results; called before the recording is left."""
        values = [value_of(t) for t in results]
        if self.staging.effects or any(type(v) is TracedValue and v.recording is None for v in values):
            return self._function_of_jax(values, where)
        track = modes.level == GRAD
        wanted = [
            v.slot if v.recording is self else self.take(v, t if track else None)
            for t, v in zip(results, values, strict=True)
        ]
        # Where among the operands each leaf is: inputs, parts, the rest.
        given = len(self.inputs)
        rest: list[Any] = []
        sources: list[int] = []
        parts = given
        known: dict[tuple[int, int], int] = {}
        for n, leaf in enumerate(self.leaves):
            if type(leaf) is Captured:
                same = id(leaf.value), id(leaf.tensor)
                place = known.get(same)
                if place is None:
                    place = known[same] = given + len(self.parts) + len(rest)
                    rest.append(leaf.operand())
                sources.append(place)
            elif n < given:
                sources.append(n)
            else:
                sources.append(parts)
                parts += 1
        key = tuple(self.flat), tuple(wanted), tuple(sources), given, len(self.parts), len(self.floats)
        rest += self.floats
        rest += self.ints
        return Function(key, self.parts, rest)

    def _function_of_jax(self, values: Sequence[Value], where: device) -> Function:
        self._arguments()
        arrays = [v.array if type(v) is TracedValue else self.array(v) for v in values]
        closed = self.staging.finish(arrays)
        call = Staged(closed.jaxpr, len(self.inputs), len(self.parts))
        return Function(None, self.parts, [self.operand(c, where) for c in closed.consts], call)


_UNMAPPED = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
    "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but "
    "`self` not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace "
    "arithmetic."
)


def _without(aval: Aval, axis: int) -> Aval:
    return aval_of(aval.shape[:axis] + aval.shape[axis + 1 :], aval.dtype, aval.device)


_stopping: dict[Signature, Signature] = {}


def _stopped(signature: Signature) -> Signature:
    """The operation, so that no gradient flows through it."""
    found = _stopping.get(signature)
    if found is None:

        def fn(*arrays: Any) -> tuple[Any, ...]:
            return tuple(map(jax.lax.stop_gradient, signature.fn(*arrays)))

        found = _stopping[signature] = Signature(signature.name, fn, signature.operands, signature.outputs)
    return found
