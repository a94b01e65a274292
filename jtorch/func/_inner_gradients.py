"""``autograd.grad`` within a function that a transform differentiates: gradients of what was noted so far.

The operations that lead from the inputs to the outputs become one operation more, their derivative, in the
list they were noted in. The transform around differentiates that as well.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import jax

from jtorch.dtypes import FLOAT
from jtorch.func._function import conjugate
from jtorch.trace import Aval, Signature, aval_of, evaluate, nodes, stops

__all__ = ["Stretch", "followed"]

MAX_SIGNATURES = 512
_signatures: OrderedDict[Any, Signature] = OrderedDict()


def followed(flat: Sequence[int], found: set[int], count: int) -> int:
    """Add to the slots in ``found`` those that a gradient leads from to them.

    Args:
        flat: operations.
        found: slots, to begin with of what is differentiated by.
        count: number of the first result in ``flat``.

    Returns:
        The number of the next result.
    """
    for signature, slots in nodes(flat):
        if not stops(signature) and any(slot in found for slot in slots):
            moved = (i for i, aval in enumerate(signature.outputs) if aval.dtype.category >= FLOAT)
            found.update(count + i for i in moved)
        count += len(signature.outputs)
    return count


class Stretch:
    """The operations that lead from some noted values to others.

    Attributes:
        operands: slots of what the derivative is computed from: first the values differentiated by, as far as
            they are ``used``; gradients of the roots come after them.
        used: which of ``targets`` lead to some of ``roots``.
        computed: slots of what is computed in between.
        kept: numbers of the ``roots`` that they lead to.
    """

    def __init__(self, flat: Sequence[int], targets: Sequence[int], roots: Sequence[int]) -> None:
        """Find them.

        Args:
            flat: all operations.
            targets: slots of what is differentiated by, all different.
            roots: slots of what is differentiated.
        """
        moved = set(targets)
        followed(flat, moved, 0)
        needed, body = set(roots) & moved, []
        entries = nodes(flat)
        count = sum(len(signature.outputs) for signature, _ in entries)
        for signature, slots in reversed(entries):
            count -= len(signature.outputs)
            made = range(count, count + len(signature.outputs))
            if not needed.isdisjoint(made) and not stops(signature) and not moved.isdisjoint(slots):
                needed.update(slot for slot in slots if slot in moved)
                body.append((signature, slots, count))
        self.used = [slot in needed for slot in targets]
        self.targets = [slot for slot, used in zip(targets, self.used, strict=True) if used]
        body.reverse()
        self.kept = [i for i, slot in enumerate(roots) if slot in moved]
        places = {slot: i for i, slot in enumerate(self.targets)}
        known = dict(places)
        operands = list(self.targets)
        # Renumbered, so that the same operations are the same key wherever they were noted.
        spelled: list[int] = []
        inner: dict[int, int] = {}
        self.shifted: dict[int, int] = {}
        for signature, slots, first in body:
            spelled.append(signature.id)
            for slot in slots:
                if slot in inner:
                    spelled.append(inner[slot])
                    continue
                if slot not in known:
                    known[slot] = len(operands)
                    operands.append(slot)
                spelled.append(-1 - 3 * known[slot])
            for i in range(len(signature.outputs)):
                if first + i in places:
                    # Differentiated by, and made of what is differentiated by: both count.
                    self.shifted[len(inner)] = places[first + i]
                inner[first + i] = len(inner)
        self.operands, self.computed = operands, inner.keys()
        self.flat = tuple(spelled)
        self.wanted = tuple(
            inner.get(slot, -1 - known.get(slot, 0)) for slot in (roots[i] for i in self.kept)
        )

    def signature(self, avals: Sequence[Any], batch: int | None) -> Signature:
        """The derivative as an operation.

        Args:
            avals: of the operands, then of the gradients of the roots.
            batch: these have one more first dimension, of this size.
        """
        key = self.flat, self.wanted, tuple(self.shifted.items()), len(self.targets), batch, tuple(avals)
        found = _signatures.get(key)
        if found is None:
            outputs: list[Aval] = list(avals[: len(self.targets)])
            if batch is not None:
                outputs = [aval_of((batch, *a.shape), a.dtype, a.device) for a in outputs]
            fn = _Pull(
                self.flat, self.wanted, self.shifted, len(self.targets), len(self.operands), batch is not None
            )
            found = _signatures[key] = Signature("grad", fn, avals, outputs)
            if len(_signatures) > MAX_SIGNATURES:
                _signatures.popitem(last=False)
        else:
            _signatures.move_to_end(key)
        return found


class _Pull:
    """Pulls gradients back through a stretch."""

    def __init__(
        self, flat: Any, wanted: Any, shifted: dict[int, int], count: int, operands: int, batched: bool
    ) -> None:
        self.flat, self.wanted, self.shifted = flat, wanted, shifted
        self.count, self.operands, self.batched = count, operands, batched

    def __call__(self, *arrays: Any) -> tuple[Any, ...]:
        body = nodes(self.flat)
        fixed, gradients = arrays[self.count : self.operands], arrays[self.operands :]
        shifted = set(self.shifted.values())

        def forward(*wanted: Any) -> list[Any]:
            leaves = [*wanted, *fixed]
            outputs: list[Any] = []

            def apply(_: int, signature: Signature, operands: Sequence[Any]) -> list[Any]:
                made = list(signature.traced(*operands))
                for i, x in enumerate(made):
                    place = self.shifted.get(len(outputs) + i)
                    if place is not None:
                        made[i] = x + wanted[place]
                outputs.extend(made)
                return made

            made = evaluate(body, leaves, (), (), apply=apply)
            return [made[slot] if slot >= 0 else leaves[-1 - slot] for slot in self.wanted]

        # -0: x + -0 is x, also where x is -0.
        given = [
            jax.numpy.full_like(x, -0.0) if i in shifted else x for i, x in enumerate(arrays[: self.count])
        ]
        _, back = jax.vjp(forward, *given)

        def pull(cotangents: Sequence[Any]) -> list[Any]:
            return [conjugate(g) for g in back([conjugate(c) for c in cotangents])]

        return tuple(jax.vmap(pull)(list(gradients)) if self.batched else pull(gradients))
