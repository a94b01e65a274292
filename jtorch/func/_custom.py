"""Calls of custom autograd functions inside of transforms, noted as operations with own derivatives.

The user's ``forward``, ``setup_context`` and ``jvp`` run where the function is called, ``backward`` at the
end of the innermost transform, as in PyTorch: on tensors without values, so that what they do is noted as
well. One operation stands for all of it in the recording around. Its function has JAX's rules for
derivatives, which evaluate what was noted, and what was noted is the key under which the operation is found
again: a loop traces nothing anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jtorch.dispatch import GRAD, NO_GRAD, modes
from jtorch.dtypes import FLOAT
from jtorch.func._function import conjugate
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value, value_of
from jtorch.tensor._writing import write
from jtorch.trace import Aval, Signature, TracedValue, Value, evaluate, nodes, series

__all__ = ["Call", "UnnotedError"]

MAX_SIGNATURES = 512
_signatures: OrderedDict[Any, Signature] = OrderedDict()


class UnnotedError(Exception):
    """The user's code asks for a tracer of JAX."""


class Call:
    """One call of a custom function, noted.

    Attributes:
        call: the user's code (``autograd/_traced.py``).
        notes: the recording of what it does.
        kinds: per derivative, innermost last, whether it goes forwards.
        first: number of the first result in the recording around; ``position``, ``length``: of its entry.
        rule: ``rule()`` is the function of arrays as JAX traces it, for what cannot be noted.
        end: where in the notes the forward ends.
        results: slots in the notes: of the tensors that the forward returns, then of arguments it wrote to.
        rules: by kind: what a derivative is given, as numbers of stand-ins, and slots of what it makes.
    """

    def __init__(self, call: Any, notes: Any, needs: Sequence[bool], kinds: Sequence[bool]) -> None:
        self.call, self.notes, self.needs, self.kinds = call, notes, needs, tuple(kinds)
        self.given: list[Value] = [value_of(t) for t in notes.inputs]
        self.stand_ins: list[int] = []  # numbers among the leaves
        self.rules: dict[bool, tuple[tuple[int | None, ...], tuple[int | None, ...]]] = {}
        self.first = self.position = self.length = 0
        self.rule: Any = None
        inputs = list(notes.inputs)
        with self._stretch(NO_GRAD, plain=True):
            made = call.call(call.placed(inputs))
            self.written = [k for k, t in enumerate(inputs) if t._storage.writes]
            self.returned = [next((k for k in self.written if inputs[k] is t), None) for t in made]
            values = [value_of(t) for t in made]
            hidden = [k for k in self.written if k not in self.returned]
            values += [value_of(inputs[k]) for k in hidden]
            self.hidden = hidden
            self.results = tuple([self._slot(v) for v in values])
        self.outputs: list[Aval] = [v.aval for v in values]
        self.count = len(made)
        self.end = len(notes.flat)
        with self._stretch(GRAD):
            shown = [self._stand_in(a) for a in self.outputs[: self.count]]
            args = call.placed([from_value(v) for v in self.given])
            self.node = call.context(args, call.rebuilt(shown), needs)
            self.fixed = {id(t) for t in self.node.non_differentiable}
            self.shown = shown
            if True in self.kinds and any(needs):
                self._forwards()

    @contextmanager
    def _stretch(self, level: int, *, plain: bool = False) -> Iterator[None]:
        """Within: what the user's code does is noted."""
        notes = self.notes
        notes.plain = plain
        with notes:
            if plain:
                modes.functional = False
            modes.level, modes.derivatives = level, notes.derivatives
            yield
            if notes.staging.used:
                raise UnnotedError

    def _stand_in(self, aval: Aval) -> Tensor:
        """A tensor for what the derivatives are given."""
        self.stand_ins.append(len(self.notes.leaves))
        made: Tensor = self.notes._input(aval)
        return made

    def _slot(self, value: Value, tensor: Tensor | None = None) -> int:
        if value.recording is self.notes:
            return value.slot
        if type(value) is TracedValue and value.recording is None:
            raise UnnotedError
        return self.notes.take(value, tensor)  # type: ignore[no-any-return]

    def _slots(self, tensors: Sequence[Any]) -> tuple[int | None, ...]:
        return tuple(None if t is None else self._slot(value_of(t), t) for t in tensors)

    def _moving(self, avals: Sequence[Aval]) -> list[Tensor | None]:
        """Stand-ins for derivatives of what has any."""
        return [self._stand_in(a) if a.dtype.category >= FLOAT else None for a in avals]

    def _numbers(self, tensors: Sequence[Tensor | None]) -> tuple[int | None, ...]:
        there = {self.notes.leaves[n].slot: i for i, n in enumerate(self.stand_ins)}
        return tuple(None if t is None else there[value_of(t).slot] for t in tensors)

    def _forwards(self) -> None:
        tangents = self._moving([v.aval for v in self.given])
        numbers = self._numbers(tangents)
        self.rules[True] = numbers, self._slots(self.call.push(self.node, tangents))

    def backwards(self) -> None:
        """Run the user's ``backward``, if a derivative goes there.

        Raises:
            UnnotedError: the code asks for a tracer of JAX.
        """
        if False not in self.kinds:
            return
        with self._stretch(GRAD):
            cotangents = self._moving(self.outputs[: self.count])
            numbers = self._numbers(cotangents)
            given = [None if id(s) in self.fixed else c for s, c in zip(self.shown, cotangents, strict=True)]
            left = iter(given)
            spread = [None if aval is None else next(left) for aval in self.node.made]
            try:
                made = self.call.pull(self.node, self.node.to_save, spread)
            except NotImplementedError as error:  # which matters only if a derivative goes there in the end
                raise UnnotedError from error
            made = [
                g if v.aval.dtype.category >= FLOAT else None for g, v in zip(made, self.given, strict=True)
            ]
            self.rules[False] = numbers, self._slots(made)

    # ---- the operation

    def operation(self, *, ruled: bool) -> tuple[Signature, list[Any], list[Any]]:
        """The operation that stands for the call.

        Args:
            ruled: with the rules for its derivatives.

        Returns:
            Its signature, the uses of values that are its operands after the tensors given, and its numbers.
        """
        notes = self.notes
        captured: list[Any] = []
        known: dict[Any, int] = {}
        sources: list[int] = []
        count = len(self.given)
        there = {n: -1 - i for i, n in enumerate(self.stand_ins)}
        for n, leaf in enumerate(notes.leaves):
            if n < count:
                sources.append(n)
            elif n in there:
                sources.append(there[n])
            else:
                same = id(leaf.value), id(leaf.tensor)
                place = known.get(same)
                if place is None:
                    place = known[same] = count + len(captured)
                    captured.append(leaf)
                sources.append(place)
        flat = tuple(notes.flat if ruled else notes.flat[: self.end])
        rules = tuple(sorted(self.rules.items())) if ruled else ()
        kinds = tuple([v.aval for v in self.given] + [use.value.aval for use in captured])
        key = (
            self.call.cls.__name__, flat, self.end, self.results, tuple(sources), count, self.count, rules,
            self.kinds if ruled else (), kinds, len(notes.floats), len(notes.ints), tuple(self.outputs),
        )  # fmt: skip
        signature = _signatures.get(key)
        if signature is None:
            operands = [*kinds, *[float] * len(notes.floats), *[int] * len(notes.ints)]
            signature = _signatures[key] = Signature(
                self.call.cls.__name__, _Rules(*key[1:9], len(notes.floats)), operands, self.outputs
            )
            if len(_signatures) > MAX_SIGNATURES:
                _signatures.popitem(last=False)
        else:
            _signatures.move_to_end(key)
        return signature, captured, [*notes.floats, *notes.ints]

    def finish(self, made: Sequence[Value]) -> list[Tensor]:
        """The tensors that the user gets; arguments that the forward wrote to get their new contents."""
        given = [self.call.args[i] for i in self.call.places]
        for k, value in zip(self.hidden, made[self.count :], strict=True):
            write(given[k], from_value(value))
        found = []
        for place, value in zip(self.returned, made, strict=False):
            tensor = from_value(value)
            if place is not None:
                write(given[place], tensor)
                tensor = given[place]
            found.append(tensor)
        return found


class _Rules:
    """The function of arrays of a call, with rules for its derivatives that evaluate what was noted."""

    def __init__(
        self, flat: Any, end: int, results: Any, sources: Any, given: int, count: int, rules: Any, kinds: Any,
        floats: int,
    ) -> None:  # fmt: skip
        self.flat, self.end, self.results, self.sources = flat, end, results, sources
        self.given, self.count, self.rules, self.kinds, self.floats = given, count, dict(rules), kinds, floats
        self.numbers = max([given, *(n + 1 for n in sources)])

    def __call__(self, *operands: Any) -> tuple[Any, ...]:
        rule: Callable[..., Any] = self._forward
        for kind in self.kinds:
            rule = self._ruled(kind, rule)
        return tuple(rule(*operands))

    def _evaluate(self, flat: Any, wanted: Any, operands: Any, stand_ins: Sequence[Any]) -> list[Any]:
        """The values in the slots ``wanted`` of the notes; nothing else is computed."""
        body = nodes(flat)
        needed, found, count = set(wanted), [], sum(len(s.outputs) for s, _ in body)
        for signature, slots in reversed(body):
            count -= len(signature.outputs)
            found.append(any(count + i in needed for i in range(len(signature.outputs))))
            if found[-1]:
                needed.update(slots)
        found.reverse()

        def apply(number: int, signature: Signature, given: Sequence[Any]) -> Sequence[Any]:
            return signature.traced(*given) if found[number] else [None] * len(signature.outputs)

        leaves = [
            operands[n] if n >= 0 else stand_ins[-1 - n] if -n <= len(stand_ins) else None
            for n in self.sources
        ]
        numbers = operands[self.numbers :]
        made = evaluate(body, leaves, numbers[: self.floats], numbers[self.floats :], apply=apply)
        return [made[slot] if slot >= 0 else leaves[series(slot)[1]] for slot in wanted]

    def _forward(self, *operands: Any) -> tuple[Any, ...]:
        return tuple(self._evaluate(self.flat[: self.end], self.results, operands, ()))

    def _derived(self, kind: bool, operands: Any, results: Any, moves: Sequence[Any]) -> list[Any]:
        """What the user's derivative makes of ``moves``; ``None`` where it makes nothing."""
        numbers, slots = self.rules[kind]
        stand_ins: list[Any] = [*results[: self.count], *(None for _ in self.sources)]
        for n, move in zip(numbers, moves, strict=False):
            if n is not None:
                stand_ins[n] = move
        wanted = [slot for slot in slots if slot is not None]
        left = iter(self._evaluate(self.flat, wanted, operands, stand_ins))
        return [None if slot is None else next(left) for slot in slots]

    def _ruled(self, kind: bool, inner: Callable[..., Any]) -> Callable[..., Any]:
        if kind not in self.rules:  # no derivative can reach it
            return inner
        if kind:
            rule = jax.custom_jvp(inner)

            def derivative(primals: Any, tangents: Any) -> Any:
                results = inner(*primals)
                made = self._derived(True, primals, results, list(map(_instantiated, tangents[: self.given])))
                made += [None] * (len(results) - len(made))
                return results, tuple(_tangent(r, t) for r, t in zip(results, made, strict=True))

            # Symbolic, since numbers among the operands have tangents that JAX cannot make.
            rule.defjvp(derivative, symbolic_zeros=True)
            return rule
        other = jax.custom_vjp(inner)

        def first(*operands: Any) -> Any:
            results = inner(*operands)
            return results, (operands, results)

        def back(kept: Any, cotangents: Any) -> tuple[Any, ...]:
            operands, results = kept
            given = [c if c.dtype == jax.dtypes.float0 else conjugate(c) for c in cotangents]
            made = self._derived(False, operands, results, given)
            rest: list[Any] = [None] * (len(operands) - self.given)
            return (*(None if g is None else conjugate(g) for g in made), *rest)

        other.defvjp(first, back)
        return other


def _instantiated(tangent: Any) -> Any:
    if isinstance(tangent, SymbolicZero) and tangent.dtype != jax.dtypes.float0:
        return jnp.zeros(tangent.shape, tangent.dtype)
    return tangent


def _tangent(result: Any, tangent: Any) -> Any:
    if not jnp.issubdtype(result.dtype, jnp.inexact):
        return jnp.zeros(result.shape, jax.dtypes.float0)
    return jnp.zeros_like(result) if tangent is None else tangent
