"""Dual tensors: tangents that travel along with tensors while a level of forward differentiation is open.

A tangent is a tensor of its own, made by ``Plan.jvp`` of the operation that made the result, and recorded
like any other operation. Only ``run`` and ``apply`` of ``_core.py`` and ``write`` know of it: a view has the
view of its base's tangent, made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from jtorch.dispatch import INFERENCE, Plan, autocast_state, modes
from jtorch.dtypes import FLOAT
from jtorch.tensor._bridge import zeros
from jtorch.tensor._core import Tensor, apply, from_value, value_of
from jtorch.tensor._view_history import autograd_base
from jtorch.tensor._views import alias, view_shape
from jtorch.tensor._writing import put, steps_to_write

__all__ = ["Level", "enter", "leave", "make_dual", "tangent_of", "unpack_dual", "without_tangents"]


class Tangent:
    """What a dual tensor has.

    Attributes:
        level: that it belongs to.
        tensor: the tangent; ``None``: the tensor has none, whatever its base has.
    """

    __slots__ = ("__weakref__", "level", "tensor")

    def __init__(self, level: Level, tensor: Tensor | None) -> None:
        self.level, self.tensor = level, tensor


class Level:
    """An open level of forward-mode differentiation: ``modes.duals`` while it is open.

    Attributes:
        captured: as in ``modes`` when it was opened. A transform that began later captures dual tensors, and
            their tangents concern what it returns.
    """

    def __init__(self) -> None:
        self.tangents: WeakSet[Tangent] = WeakSet()
        self.captured = modes.captured

    def give(self, tensor: Tensor, tangent: Tensor | None) -> None:
        """Make a tensor dual; without a tangent, expressly not."""
        tensor._tangent = made = Tangent(self, tangent)
        self.tangents.add(made)

    def close(self) -> None:
        """Free the tangents."""
        for made in self.tangents:
            made.tensor = None

    def of(self, tensor: Tensor) -> Tensor | None:
        """The tangent of a tensor, that of a view from its base's."""
        mine = tensor._tangent
        if mine is not None and mine.level is self:
            return mine.tensor  # type: ignore[no-any-return]
        base = autograd_base(tensor)
        tangent = None if base is None else self.of(base)
        if tangent is not None:
            assert tensor._view is not None
            with without_tangents():
                for step in tensor._view.steps()[-tensor._adepth :]:
                    tangent = apply(step.plan, [tangent, *step.numbers])[0]
        return tangent

    def copy(self, tensor: Tensor) -> Tensor:
        """The contents as they are now, with their tangent and without history."""
        made = from_value(value_of(tensor))
        tangent = self.of(tensor)
        if tangent is not None:
            self.give(made, tangent)
        return made

    def push(
        self, plan: Plan, tensors: Sequence[Any], operands: Sequence[Any], results: Sequence[Tensor]
    ) -> None:
        """Give an operation's results their tangents.

        Args:
            plan: of the operation.
            tensors: its operands, ``None`` where they are numbers.
            operands: the same as they were recorded.
            results: of the operation.

        Raises:
            NotImplementedError: the operation has no forward derivative.
        """
        if not plan.differentiable or modes.level == INFERENCE:
            return
        tangents = {
            i: tangent
            for i, t in enumerate(tensors)
            if t is not None and t._aval().dtype.category >= FLOAT and (tangent := self.of(t)) is not None
        }
        if not tangents:
            return
        if modes.captured is not self.captured:
            modes.captured.note(tensors, operands)
            return
        with without_tangents():
            forward, read = _forward(plan, tuple(tangents))
            # The history is that of what the derivative depends on.
            given = [
                x if t is None or i not in read else _fitted(t, plan.operands[i])
                for i, (x, t) in enumerate(zip(operands, tensors, strict=False))
            ]
            made = apply(forward, [*given, *(_fitted(t, plan.operands[i]) for i, t in tangents.items())])
        for i, tangent in zip(plan.moving, made, strict=True):
            self.give(results[i], tangent)

    def written(self, tensor: Tensor, new: Tensor) -> None:
        """A tensor is about to get the contents of ``new``: it and its base get that tangent."""
        if modes.level == INFERENCE:
            return
        tangent, before = self.of(new), self.of(tensor)
        if tangent is None and before is None:
            return
        with without_tangents():
            if tangent is None:
                tangent = from_value(zeros(new._aval()))
            base = autograd_base(tensor)
            if base is None or (tensor._tangent is not None and tensor._tangent.level is self):
                self.give(tensor, tangent)
                return
            whole = self.of(base)
            if whole is None:
                whole = from_value(zeros(base._aval()))
            assert tensor._view is not None
            steps = steps_to_write(tensor._view.steps()[-tensor._adepth :])
            sources = [whole]
            for step in steps[:-1]:
                sources.append(apply(step.plan, [sources[-1], *step.numbers])[0])
            for step, source in zip(reversed(steps), reversed(sources), strict=True):
                tangent = put(step, source, tangent)
        self.give(base, tangent)


def _fitted(x: Tensor, aval: Any) -> Tensor:
    """A tangent or operand in the dtype and on the device that a plan wants."""
    mine = x._aval()
    if mine.dtype is aval.dtype and mine.device is aval.device:
        return x
    return x.to(aval.device, aval.dtype)  # type: ignore[no-any-return]


def _forward(plan: Plan, needs: tuple[int, ...]) -> tuple[Plan, frozenset[int]]:
    try:
        return plan.jvp(needs)
    except TypeError as error:
        if "forward-mode" not in str(error):
            raise
        raise NotImplementedError(
            f"Trying to use forward AD with {plan.title} that does not support it because it has not been "
            "implemented yet."
        ) from error


@contextmanager
def without_tangents() -> Iterator[None]:
    """Within: operations see no tangents and make none."""
    level, idle = modes.duals, autocast_state.idle
    modes.set(duals=None)
    autocast_state.set_idle(None)
    try:
        yield
    finally:
        autocast_state.set_idle(idle)
        modes.set(duals=level)


def _unchanged(op: Any, args: Sequence[Any]) -> Sequence[Any]:
    return args


def enter() -> None:
    """Open the level of this thread.

    Raises:
        RuntimeError: one is open.
    """
    if modes.duals is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    # Differs from PyTorch: the level is this thread's.
    modes.set(duals=Level())
    autocast_state.set_idle(_unchanged)


def leave() -> None:
    """Close the level of this thread, and free its tangents."""
    modes.duals.close()
    modes.set(duals=None)
    autocast_state.set_idle(None)


def tangent_of(x: Any) -> Tensor | None:
    """The tangent of a tensor; ``None`` for anything else, and while no level is open."""
    if modes.duals is None or not isinstance(x, Tensor):
        return None
    return modes.duals.of(x)  # type: ignore[no-any-return]


def make_dual(primal: Tensor, tangent: Tensor) -> Tensor:
    """A view of ``primal`` that has a tangent.

    Raises:
        RuntimeError: either has a tangent, or their shapes differ.
    """
    level: Level = modes.duals
    if level.of(primal) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 "
            "is not supported."
        )
    result = _cut(view_shape(primal, primal._aval().shape))
    set_tangent(result, tangent)
    return result


def _cut(view: Tensor) -> Tensor:
    """A view of other tangents than its base has is the base of its own views."""
    view._abase, view._adepth, view._creation = None, 0, 0
    return view


def set_tangent(tensor: Tensor, tangent: Tensor) -> None:
    """Give a tensor a tangent that came from outside.

    Raises:
        RuntimeError: it has a tangent itself, or another shape.
    """
    level: Level = modes.duals
    if level.of(tangent) is not None:
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level0 is not supported."
        )
    mine, given = tensor._aval(), tangent._aval()
    if mine.shape != given.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, "
            f"this is not supported. Tensor is of size {list(mine.shape)} while the given forward gradient "
            f"is of size {list(given.shape)}."
        )
    level.give(tensor, tangent)


def unpack_dual(tensor: Tensor) -> tuple[Tensor, Tensor | None]:
    """A view of ``tensor`` without its tangent, and the tangent."""
    level: Level = modes.duals
    tangent = level.of(tensor)
    primal = _cut(alias(tensor))
    level.give(primal, None)
    return primal, tangent
