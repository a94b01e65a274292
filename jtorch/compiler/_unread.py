"""Gradients that nobody looks at, which a step need not make anew."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from weakref import ref

from jtorch.trace import Withheld
from jtorch.trace._deferred import Deferred

__all__ = ["Unread"]

#: Replays in a row whose gradients somebody else had, before it is no longer looked for.
PATIENCE = 8


class Unread:
    """Whether the gradients that the last replay left out are still their parameters' alone.

    A program does not hand out gradients that the optimizer of the same call has used. If nobody has seen
    the tensors that one step set as ``.grad``, nobody can tell them from those of the next: they stay, and
    would be computed from what the last step had read.

    Attributes:
        owners: the parameters, in the order of what was left out.
        deferred: weak reference to what would compute the gradients.
        missed: replays in a row for which new ones had to be made.
    """

    __slots__ = ("deferred", "missed", "owners")

    def __init__(self, owners: Sequence[Any]) -> None:
        self.owners = owners
        self.deferred: ref[Deferred] | None = None
        self.missed = 0

    def watch(self, deferred: Deferred) -> None:
        """The gradients that the parameters have now are those that ``deferred`` would compute."""
        self.deferred = ref(deferred) if self.missed < PATIENCE else None

    def unseen(self) -> Deferred | None:
        """What would compute the gradients, if nobody has got any of them since, or changed one."""
        reference = self.deferred
        if reference is None:
            return None
        deferred = reference()
        getrefcount = sys.getrefcount
        if deferred is not None:
            for owner, output in zip(self.owners, deferred.outputs, strict=True):
                gradient = owner._grad
                # References: the one that has it, the local name, the argument. It has its storage only.
                if (
                    gradient is None
                    or getrefcount(gradient) != 3
                    or gradient.__weakref__ is not None
                    or len(gradient.__dict__) != 1
                ):
                    break
                storage = gradient._storage
                if getrefcount(storage) != 3:
                    break
                value = storage.value
                # References of a value: its storage, the local name, the argument.
                if value is None or getrefcount(value) != 3 or type(value.array) is not Withheld:
                    break
                if output() is not value:
                    break
            else:
                self.missed = 0
                return deferred
        self.missed += 1
        self.deferred = None
        return None
