"""What a transformed function does, noted operation by operation while Python runs it.

The function is called once per call of the transform, on tensors without values. Operations on them are
appended to a flat list of integers, as the trace's graphs are, which takes some microseconds each and is the
key under which the transform of these operations is found again. Only what asks for a tracer (``.jax()``,
functions of JAX, custom autograd functions) is traced by JAX, from the operations noted so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import numpy as np

from jtorch.devices import CPU, device
from jtorch.dispatch import GRAD, NO_GRAD, modes, stopping
from jtorch.dtypes import FLOAT
from jtorch.func._captured import Captured
from jtorch.func._custom import Call, UnnotedError
from jtorch.func._function import Function, Staged, key_of
from jtorch.func._hooks import Hooked, register
from jtorch.func._inner_gradients import Stretch, followed
from jtorch.func._spread import mesh_of
from jtorch.func._staging import Staging
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value, value_of
from jtorch.tensor._leaks import written_by
from jtorch.trace import (
    Aval,
    Signature,
    TracedValue,
    Value,
    aval_of,
    from_jax,
    nodes,
    record,
    recorder,
    recorders,
    series,
    stopped,
    tick,
)

__all__ = ["Recording", "check_randomness", "wrap"]

# Operands that are no results, as in the trace's graphs: three interleaved series of negative numbers.
_LEAF, _FLOAT, _INT, _STEP = -1, -2, -3, -3
_new = object.__new__


def check_randomness(randomness: str) -> None:
    """Refuse an unknown behaviour of random functions.

    Raises:
        RuntimeError: it is one.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )


def wrap(array: Any, where: device) -> Tensor:
    """A tensor of an array or tracer."""
    return from_value(from_jax(array, where))


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
        self, tensors: Sequence[Tensor], *, forwards: bool | None = None, wanted: int = 0,
        size: int | None = None, axes: Sequence[int | None] | None = None, randomness: str = "error",
    ) -> None:  # fmt: skip
        """Prepare a call.

        Args:
            tensors: arguments of the transform, of which those of the function have the shapes and types.
            forwards: the transform takes derivatives, forwards or not: an outer ``no_grad`` does not matter.
            wanted: by so many of the tensors, the first ones.
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
        # What is made from here on is the function's own, whatever else is captured.
        self.born = tick()
        recorder(tensors[0]._aval().device if tensors else CPU)  # there is one from now on
        self.before: dict[Any, int] = {r.graph: len(r.graph.outputs) for r in recorders()}
        around = self.outer
        while around is not None:
            self.before[around] = around.count
            around = around.outer
        self.depth: int = 0 if self.outer is None else self.outer.depth + 1
        self.derivatives = (*(modes.derivatives), *(() if forwards is None else (forwards,)))
        self.moving: set[int] = set()
        self.moving_until = 0, 0, 0
        self.requiring: set[int] = set()
        self.requiring_until = 0, 0
        #: where the last operation was noted; ``None``: JAX traced it
        self.last: Recording | None = None
        self.left = False
        self.forwards, self.wanted = forwards, wanted
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
        # Calls of custom functions: whose backward has not run; that only JAX knows, by first result.
        self.calls: list[Call] = []
        self.staged: dict[int, Any] = {}
        # Tensors with hooks, by the slot of the value behind them.
        self.hooked: dict[int, Hooked] = {}

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
        # From here on `no_grad` stops gradients of what is noted: also those by what a `vmap` captures.
        modes.functional = modes.functional or modes.level == GRAD
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
        self._leave(*error)
        self.close()

    def _leave(self, *error: object) -> None:
        self.staging.__exit__(*error)
        self.wide.__exit__(None, None, None)
        (
            modes.captured, modes.host_draws, modes.level, modes.functional, modes.derivatives, modes.mapped
        ) = self.modes  # fmt: skip

    def close(self) -> None:
        """Let go of everything: values refer to the recording, and shall not wait to be collected."""
        self.left = True
        self.tensors, self.leaves, self.inputs, self.parts, self.arguments, self.arrays = (
            (),
            [],
            [],
            [],
            [],
            [],
        )
        self.tracers, self.held, self.known, self.before = {}, {}, {}, {}
        for call in self.calls:
            call.notes.close()
        self.calls, self.hooked = [], {}

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
        stop = stopping()
        if stop is not None:
            signature = stopped(signature, stop)
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
        made = at._made(signature)
        return made[0] if signature.single is not None else made

    def _made(self, signature: Signature) -> list[Value]:
        """The results of the operation that was noted last."""
        made: list[Value] = []
        for aval in signature.outputs:
            value = _new(TracedValue)
            value.aval, value.recording, value.slot = aval, self, self.count
            self.count += 1
            made.append(value)
        return made

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
        if self.axes is not None:
            unmapped = [self.inputs[i] for i in found if self.axes[i] is None]
            if unmapped and any(self.depend(unmapped)):
                raise RuntimeError(_UNMAPPED)
        return found

    def depend(self, tensors: Sequence[Tensor]) -> list[bool | None]:
        """Which tensors differ between the samples of a batch, or depend on what derivatives are taken by.

        ``None``: only JAX knows.
        """
        batched = self._batched()
        values = [value_of(t) for t in tensors]
        return [
            None
            if type(v) is TracedValue and v.recording is None
            else v.recording is self and v.slot in batched
            for v in values
        ]

    def check_write(self, storage: Any, value: Value) -> None:
        """Refuse to write a value of this recording to a tensor that the function captures.

        Raises:
            RuntimeError: PyTorch refuses it, too.
            NotImplementedError: PyTorch would write it.
        """
        if not self._captures(storage):
            return
        if self.forwards is not None:
            raise RuntimeError(_CAPTURED.format(written_by()))
        if self.axes is not None:
            if value.slot in self._batched():
                if written_by().startswith("fill_"):
                    raise RuntimeError(_UNMAPPED.replace("inplace arithmetic", "fill_"))
                raise RuntimeError(_UNMAPPED)
            raise NotImplementedError(
                "what a vmap computes of arguments with in_dim None cannot be written to a tensor that the "
                "function captures: make the tensor an argument with in_dim None"
            )

    def check_gradient(self, leaf: Any) -> None:
        """Refuse to keep a gradient of this recording in a leaf, by its storage, that the function captures.

        Raises:
            RuntimeError: it would be lost.
        """
        if self._captures(leaf):
            raise RuntimeError(
                "backward() called inside a functorch transform. This is not supported, please use "
                "functorch.grad or functorch.vjp instead or call backward() outside of functorch transforms."
            )

    def _captures(self, storage: Any) -> bool:
        """Whether a storage is older than this recording; if that is not known, it is not."""
        old = storage.value
        if storage.born >= self.born or old.born >= self.born or self.left:
            return False
        if type(old) is TracedValue:
            return bool(old.slot < self.before.get(old.recording, old.slot))
        if old.pending:
            return bool(old.slot < self.before.get(old.graph, old.slot))
        # Results may have been computed in between.
        return all(r.graph in self.before for r in recorders())

    def _batched(self) -> set[int]:
        """The values that differ between the samples of a batch, or depend on the wanted arguments."""
        wanted = [0 if n < self.wanted else None for n in range(len(self.inputs))]
        return self._behind_arguments(wanted if self.axes is None else self.axes)

    def _behind_arguments(self, marks: Sequence[int | None]) -> set[int]:
        """The values that depend on parts of batches, or on an argument that is marked: by not ``None``."""
        marks = [*marks, *(0 for _ in self.parts)]
        arguments = (leaf for leaf in self.leaves if type(leaf) is TracedValue)
        found = {leaf.slot for leaf, mark in zip(arguments, marks, strict=True) if mark is not None}
        count = 0
        for signature, slots in nodes(self.flat):
            results = range(count, count + len(signature.outputs))
            count = results.stop
            if any(slot in found for slot in slots):
                found.update(results)
        return found

    # ---- custom functions

    def note_call(
        self, call: Any, backward: bool, kinds: tuple[bool, ...] | None = None
    ) -> list[Tensor] | None:
        """Note a call of a custom function as one operation.

        Args:
            call: the call (``autograd/_traced.py``).
            backward: it has a ``backward``.
            kinds: of derivatives that follow its rules, as in ``modes``; by default, all that are taken.

        Returns:
            The tensors among its results; ``None``: JAX has to trace it.
        """
        tensors = [call.args[i] for i in call.places]
        values = [value_of(t) for t in tensors]
        traced = [v.recording for v in values if type(v) is TracedValue]
        if any(r is None or r.left for r in traced):
            return None
        at: Recording = max(traced, key=lambda r: r.depth)
        moving = at._moving()
        alive = {
            i for i, v in zip(call.places, values, strict=True)
            if v.aval.dtype.category >= FLOAT and (v.recording is not at or v.slot in moving)
        }  # fmt: skip
        needs = [i in alive for i in range(len(call.args))]
        if isinstance(self, _Notes) and self.plain:
            # Within a function whose derivative is known, none of this one's is asked for.
            made = call.call(call.args)
            call.context(call.args, call.output, needs)
            return made  # type: ignore[no-any-return]
        around = at.derivatives or (not backward,)
        stop = stopping()
        if stop is not None:  # no gradient is asked for: only what is forwards has a rule, at each level
            around = tuple(True for _ in around) if any(around) and modes.level == NO_GRAD else ()
        kinds = around if kinds is None else kinds
        notes = _Notes(tensors)
        notes.derivatives = around[:-1]
        try:
            noted = Call(call, notes, needs, kinds if alive else ())
        except UnnotedError:
            notes.close()
            return None
        if not noted.outputs:
            notes.close()
            return []
        noted.first, noted.position = at.count, len(at.flat)
        later = False in noted.kinds
        signature, entry = at._entry(noted, tensors, ruled=not later)
        if stop is not None:
            signature = stopped(signature, stop)
            entry[0] = signature.id
        at.flat += entry
        noted.length = len(entry)
        made = at._made(signature)
        if later:
            noted.rule = partial(call.rule, at.derivatives, backward)
            at.calls.append(noted)
        else:
            notes.close()
        return noted.finish(made)

    def _entry(
        self, noted: Call, tensors: Sequence[Tensor] | None, *, ruled: bool
    ) -> tuple[Signature, list[int]]:
        """The operation of a call, as an entry of the list; ``tensors``: its arguments, where it is new."""
        signature, captured, numbers = noted.operation(ruled=ruled)
        if tensors is None:
            entry = self.flat[noted.position : noted.position + 1 + len(noted.given)]
        else:
            entry = [0]
            track = modes.level == GRAD
            for t in tensors:
                v = value_of(t)
                entry.append(v.slot if v.recording is self else self.take(v, t if track else None))
        entry[0] = signature.id
        for use in captured:
            if use.value.recording is self:
                entry.append(use.value.slot)
            else:
                entry.append(_LEAF + _STEP * len(self.leaves))
                self.leaves.append(use)
        for x in numbers:
            if type(x) is float:
                entry.append(_FLOAT + _STEP * len(self.floats))
                self.floats.append(x)
            else:
                entry.append(_INT + _STEP * len(self.ints))
                self.ints.append(x)
        return signature, entry

    def _run_backwards(self, results: Sequence[int] | None) -> None:
        """Run the ``backward`` of the custom functions, and give their operations these rules.

        Args:
            results: slots; functions that do not lead there are left alone. ``None``: none is.
        """
        if not self.calls:
            return
        calls, self.calls = self.calls, []
        needed = {call.first for call in calls} if results is None else set(results)
        count = self.count
        for signature, slots in reversed(nodes(self.flat)):
            count -= len(signature.outputs)
            if any(count + i in needed for i in range(len(signature.outputs))):
                needed.add(count)
                needed.update(slots)
        try:
            for noted in reversed(calls):
                if noted.first not in needed:
                    continue
                try:
                    noted.backwards()
                except UnnotedError:
                    self.staged[noted.first] = noted
                    continue
                _, entry = self._entry(noted, None, ruled=True)
                if max(entry[1:]) >= noted.first:
                    raise NotImplementedError(
                        f"the derivative of {noted.call.cls.__name__} uses a tensor that was computed after "
                        "its forward, within a transform of jtorch.func; compute the tensor before"
                    )
                # The entries of the calls before it stay where they are.
                self.flat[noted.position : noted.position + noted.length] = entry
        finally:
            for noted in calls:
                noted.notes.close()
        self.moving, self.moving_until = set(), (0, 0, 0)
        self.requiring, self.requiring_until = set(), (0, 0)

    def _moving(self) -> set[int]:
        """Slots of values that derivatives can reach."""
        found, (leaves, start, count) = self.moving, self.moving_until
        for n in range(leaves, len(self.leaves)):
            leaf = self.leaves[n]
            if type(leaf) is Captured:
                alive = leaf.tensor is not None or type(leaf.value) is TracedValue
            elif n < len(self.tensors):
                t = self.tensors[n]
                alive = (
                    n < self.wanted
                    or t._tracked
                    or type(value_of(t)) is TracedValue
                    or (modes.duals is not None and modes.duals.of(t) is not None)
                )
            else:
                alive = True
            if alive:
                found.add(_LEAF + _STEP * n)
        for signature, slots in nodes(self.flat[start:]):
            if any(slot in found for slot in slots):
                found.update(range(count, count + len(signature.outputs)))
            count += len(signature.outputs)
        self.moving_until = len(self.leaves), len(self.flat), count
        return found

    # ---- gradients within

    def requires_grad(self, value: TracedValue) -> bool:
        """Whether a gradient leads from one of the values to what the transform differentiates by."""
        if self.forwards is not False or self.left:
            return False
        start, count = self.requiring_until
        if not start:
            self.requiring.update(_LEAF + _STEP * n for n in range(self.wanted))
        if start < len(self.flat):
            count = followed(self.flat[start:], self.requiring, count)
            self.requiring_until = len(self.flat), count
        return value.slot in self.requiring

    def owns(self, leaf: Any) -> bool:
        """Whether the function made a leaf that requires grad: the tape knows its gradients."""
        return isinstance(leaf, Tensor) and leaf._requires and not self._captures(leaf._storage)

    def register_hook(self, tensor: Tensor, hook: Callable[..., Any]) -> Any:
        """Register a hook of one of the tensors."""
        return register(self, tensor, hook)

    def gradients(
        self, roots: Sequence[Value], targets: Sequence[TracedValue], gradients: Sequence[Tensor],
        batch: int | None,
    ) -> list[Value | None]:  # fmt: skip
        """Note the derivative of some of the values by others.

        Args:
            roots: what is differentiated.
            targets: what they are differentiated by; all are values of this recording.
            gradients: of ``roots``.
            batch: ``gradients`` have one more first dimension, of this size.

        Returns:
            One gradient per target; ``None`` where no root depends on it.

        Raises:
            NotImplementedError: only JAX knows what leads there, or a gradient belongs to another transform.
        """
        self._run_backwards(None)
        mine = [i for i, v in enumerate(roots) if type(v) is TracedValue and v.recording is self]
        slots = list(dict.fromkeys(v.slot for v in targets))
        stretch = Stretch(self.flat, slots, [roots[i].slot for i in mine])
        if self.staged:
            raise NotImplementedError(
                "autograd.grad() in a function that a transform of jtorch.func differentiates, after a "
                "custom function that calls functions of JAX; use jtorch.func.vjp instead"
            )
        if not stretch.computed.isdisjoint(self.hooked):
            raise NotImplementedError(
                "autograd.grad() through a tensor with hooks, in a function that a transform of jtorch.func "
                "differentiates; use jtorch.func.vjp instead"
            )
        if not stretch.targets:
            return [None] * len(targets)
        entry, track = list(stretch.operands), modes.level == GRAD
        avals = self._avals(entry)
        for i in stretch.kept:
            t = gradients[mine[i]]
            v = value_of(t)
            if type(v) is TracedValue and (v.recording is None or v.recording.depth > self.depth):
                raise NotImplementedError(
                    "autograd.grad() with grad_outputs that belong to a transform within the one that "
                    "differentiates; use jtorch.func.vjp instead"
                )
            entry.append(v.slot if v.recording is self else self.take(v, t if track else None))
            avals.append(v.aval)
        signature, stop = stretch.signature(avals, batch), stopping()
        if stop is not None:
            signature = stopped(signature, stop)
        self.flat += [signature.id, *entry]
        made = dict(zip(stretch.targets, self._made(signature), strict=True))
        return [made.get(v.slot) for v in targets]

    def _avals(self, slots: Sequence[int]) -> list[Any]:
        """Avals and types of operands."""
        wanted, count = set(slots), 0
        found: dict[int, Any] = {}
        for signature, _ in nodes(self.flat):
            for aval in signature.outputs:
                if count in wanted:
                    found[count] = aval
                count += 1
        for slot in wanted:
            if slot < 0:
                kind, n = series(slot)
                leaf = None if kind else self.leaves[n]
                found[slot] = (
                    (leaf.value if type(leaf) is Captured else leaf).aval
                    if leaf is not None
                    else (float if kind == 1 else int)
                )
        return [found[slot] for slot in slots]

    # ---- values outside

    def outside(self, value: TracedValue) -> Value | None:
        """The value that this one stands for where the transform is called, for decisions of Python.

        Returns:
            ``None`` inside of ``vmap``, if there is one for each sample.
        """
        if self.left:
            return None
        if self.mapping is not None:
            # A Jacobian maps over tangents only.
            marks = [None] * len(self.inputs) if self.axes is None else self.axes
            if value.slot in self._behind_arguments(marks):
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
        self._run_backwards(None)
        with self.staging.here(), jax.enable_x64(True):
            for signature, slots, first in self._behind(slot, self.tracers) if slot >= 0 else ():
                operands = [self._operand(s) for s in slots]
                noted = self.staged.get(first)
                if noted is None:
                    results = signature.fn(*operands)
                else:
                    results = noted.rule()(*operands[: len(noted.given)])
                for i, made in enumerate(results):
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
        self._run_backwards([v.slot for v in values if v.recording is self])
        traced = any(type(v) is TracedValue and v.recording is None for v in values)
        if traced or self.staged or self.staging.effects:
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
                    rest.append(leaf.former())
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
        given, parts = len(self.inputs), len(self.parts)
        alone = self.staging.effects or mesh_of(closed.jaxpr) is not None
        key = None if alone else key_of(closed.jaxpr)
        if key is not None:
            key = key, given, parts
        rest = [self.operand(c, where) for c in closed.consts]
        return Function(key, self.parts, rest, Staged(closed.jaxpr, given, parts))


class _Notes(Recording):
    """What the code of a custom function does: it is entered several times, and closed at the end.

    Attributes:
        plain: derivatives of what is noted now are not asked for.
    """

    plain = False

    def __enter__(self) -> Recording:
        self.staging, self.outer = Staging(), modes.captured
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        self._leave(*error)


_CAPTURED = (
    "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place "
    "operation (aten::{}) that would mutate a captured Tensor. This is not supported; please rewrite the "
    "function being transformed to explicitly accept the mutated Tensor(s) as inputs."
)
_UNMAPPED = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
    "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but "
    "`self` not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace "
    "arithmetic. If said operator is being called inside the PyTorch framework, please file a bug report "
    "instead."
)


def _without(aval: Aval, axis: int) -> Aval:
    return aval_of(aval.shape[:axis] + aval.shape[axis + 1 :], aval.dtype, aval.device)
