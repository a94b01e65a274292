"""Results that share memory with each other, or with a tensor that the function was given.

A program returns arrays, each of its own memory. Of results that are views of one tensor only that tensor
comes from the program; the others are made of it again in each call, as views of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import ref

from jtorch.compiler._results import NotReplayable
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import detach
from jtorch.tensor._core import view
from jtorch.tensor._history import MADE_IN_INFERENCE, MADE_IN_NO_GRAD

__all__ = ["Aliases"]

_SHARED = "it returns tensors that share memory in a way that a replay cannot repeat"


class Alias:
    """How to make one tensor of another on the same memory.

    Attributes:
        place: the number of the other one among the results.
        detached: it has no history though the other one may have.
        steps: view operations that lead to it; ``strides``: its memory order after them.
        shift: from the other's first element to its own.
        creation: what autograd has to know about how it was made.
        tensor: weak reference to it, in the call that is recorded.
    """

    __slots__ = ("creation", "detached", "place", "shift", "steps", "strides", "tensor")

    def __init__(self, t: Any, base: Any, place: int) -> None:
        start = 0 if base._view is None else len(base._view.steps())
        steps = [] if t._view is None else t._view.steps()
        self.place = place
        # Not the steps themselves: what they lead back to are those of this call's tensor.
        self.steps = [(s.op.name.removeprefix("_view."), s.numbers, s.static) for s in steps[start:]]
        self.strides, self.shift, self.creation = t._strides, t._offset - base._offset, t._creation
        self.detached = t._abase is not (base if base._abase is None else base._abase) or not self.steps
        self.tensor = ref(t)

    def of(self, base: Any) -> Tensor:
        """The tensor in another call."""
        made: Tensor = detach(base) if self.detached else base
        for name, numbers, static in self.steps:
            made = view(made, name, numbers, static, self.strides, base._offset + self.shift)
        if self.creation:
            made._creation = self.creation
        return made


class Aliases:
    """The tensors of a result, sorted out.

    Args:
        found: all of them, each once.
        given: the tensors that the function is given or reaches.

    Attributes:
        made: how each alias is made, by its place in ``found``.

    Raises:
        NotReplayable: some share memory in another way.
    """

    def __init__(self, found: Sequence[Any], given: Iterable[Any]) -> None:
        self.count = len(found)
        known: dict[int, list[Any]] = {}
        for t in given:
            known.setdefault(id(t._storage), []).append(t)
        groups: dict[int, list[Any]] = {}
        for t in found:
            if isinstance(t, Tensor) and not any(t is k for k in known.get(id(t._storage), ())):
                groups.setdefault(id(t._storage), []).append(t)
        self._others: list[Any] = []
        bases: dict[int, Any] = {}  # of each alias, by id
        for storage, group in groups.items():
            if storage in known:
                bases |= {id(t): _base(t, known[storage]) for t in group}
            elif len(group) > 1:
                root = _root(group)
                bases |= {id(t): _base(t, [root]) for t in group if t is not root}
        aliases = {i: bases[id(t)] for i, t in enumerate(found) if id(t) in bases}
        self._others = [t for t in found if id(t) not in bases]
        places = {id(t): i for i, t in enumerate(self._others)}
        for base in aliases.values():
            if id(base) not in places:
                places[id(base)] = len(self._others)
                self._others.append(base)
        self.made = {i: Alias(found[i], base, places[id(base)]) for i, base in aliases.items()}

    def take_others(self) -> list[Any]:
        """The tensors that are no aliases, and what aliases are made of beside them; kept until then."""
        others, self._others = self._others, []
        return others

    def whole(self, others: Sequence[Any]) -> list[Any]:
        """All tensors of a result, made of the others."""
        rest = iter(others)
        return [
            self.made[i].of(others[self.made[i].place]) if i in self.made else next(rest)
            for i in range(self.count)
        ]

    def rebuilding(self, rebuild: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
        """What makes a result of the others, where ``rebuild`` makes it of all."""
        return (lambda others: rebuild(self.whole(others))) if self.made else rebuild


def _root(group: Sequence[Any]) -> Any:
    """The tensor that all of a group are views of; it need not be among them."""
    candidates = [*group, *(t._abase for t in group if t._abase is not None)]
    candidates = [t for t in candidates if t._view is None and t._own_version is None]
    if not candidates:
        raise NotReplayable(_SHARED)
    return next((t for t in candidates if t._tracked), candidates[0])


def _base(t: Any, bases: Sequence[Any]) -> Any:
    """The first of some tensors on the same storage that another one can be made of."""
    for base in bases:
        if _leads_to(base, t):
            return base
    raise NotReplayable(_SHARED)


def _leads_to(base: Any, t: Any) -> bool:
    if (
        t._own_version is not base._own_version
        or t._hooks
        or t._retains
        or t.__dict__.get("_grad") is not None
    ):
        return False
    if type(t) is not Tensor or (t._offset != base._offset and t._aval().dtype is not base._aval().dtype):
        return False
    step = t._view
    while step is not None and step is not base._view:
        step = step.parent
    if step is not base._view:
        return False
    if t._tracked:
        followed = t._abase is (base if base._abase is None else base._abase)
        return followed and base._tracked and t._creation not in (MADE_IN_NO_GRAD, MADE_IN_INFERENCE)
    return t._fn is None
