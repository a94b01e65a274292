"""Hooks of tensors within functions that a transform differentiates.

A hook is the ``backward`` of an identity, noted as custom functions are (``func/_custom.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from jtorch.dispatch import GRAD, modes
from jtorch.tape import RemovableHandle
from jtorch.tensor import Tensor
from jtorch.tensor._core import value_of
from jtorch.trace import nodes

__all__ = ["register"]


class Hooked:
    """The identity of one tensor, as :class:`jtorch.func._custom.Call` wants the calls of custom functions.

    Attributes:
        hooks: called with the gradient, one after the other; what they return replaces it.
    """

    places = (0,)

    def __init__(self, tensor: Tensor) -> None:
        self.cls, self.args, self.output = type(self), (tensor,), None
        self.hooks: dict[int, Callable[..., Any]] = {}

    def placed(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        return list(tensors)

    def rebuilt(self, tensors: Sequence[Tensor]) -> Tensor:
        return tensors[0]

    def call(self, args: Sequence[Tensor]) -> list[Tensor]:
        return [args[0].clone()]

    def context(self, args: Sequence[Tensor], output: Tensor, needs: Sequence[bool]) -> Any:
        return SimpleNamespace(non_differentiable=(), made=[output._aval()], to_save=())

    def pull(self, node: Any, saved: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        gradient = cotangents[0]
        for hook in list(self.hooks.values()):
            changed = hook(gradient)
            if changed is not None:
                if not isinstance(changed, Tensor):
                    raise TypeError(f"expected Variable, but hook returned '{type(changed).__name__}'")
                gradient = changed
        return [gradient]

    def push(self, node: Any, tangents: Sequence[Any]) -> tuple[Any, ...]:
        return (tangents[0],)

    def rule(self, derivatives: Sequence[bool], backward: bool) -> Any:
        raise NotImplementedError(
            "a hook that calls functions of JAX, within a transform of jtorch.func; make it a custom "
            "autograd.Function"
        )


def register(recording: Any, tensor: Tensor, hook: Callable[..., Any]) -> RemovableHandle:
    """Register a hook of a tensor through which a gradient of the transform leads.

    Raises:
        NotImplementedError: what was computed of the tensor before would not see the hook.
    """
    value = value_of(tensor)
    known = recording.hooked.get(value.slot)
    if known is None:
        if recording is not modes.captured:
            raise _refused("from within another transform")
        if tensor._view is not None:
            raise _refused("on a view")
        if any(value.slot in slots for _, slots in nodes(recording.flat)):
            raise _refused("after the tensor has been used")
        known = Hooked(tensor)
        level, modes.level = modes.level, GRAD
        try:
            # The transform's own derivative only: those around differentiate the identity.
            made = recording.note_call(known, True, (False,))
        finally:
            modes.level = level
        new = value_of(made[0])
        tensor._storage.value = new
        recording.hooked[new.slot] = known
    elif not any(call.call is known for call in recording.calls):
        raise _refused("after a gradient has passed the hooks before it")
    handle = RemovableHandle(known.hooks)
    known.hooks[handle.id] = hook
    return handle


def _refused(what: str) -> NotImplementedError:
    return NotImplementedError(
        f"Tensor.register_hook() {what}, in a function that a transform of jtorch.func differentiates; "
        "register it on a new tensor (x.clone()) before that is used"
    )
