"""The place of views in the autograd graph, which follows that of their base."""

from __future__ import annotations

from typing import Any

from jtorch.dispatch import Plan
from jtorch.tape import Node, note_hook, tape_of
from jtorch.tensor._attaching import class_of
from jtorch.tensor._history import chain, creation_error

__all__ = ["autograd_base", "move_retained", "refresh", "seen_base", "view_fn"]


def autograd_base(tensor: Any) -> Any:
    """The tensor whose history that of a view is derived from; ``None`` if it is no view.

    Raises:
        NotImplementedError: a leaf that was viewed before its dimensions were changed in place.
    """
    base = tensor._abase
    if base is not None and base._turned is not None:
        if base._turned is base:
            raise NotImplementedError(
                "a view of a leaf whose dimensions were changed in place after it was made (t_, unsqueeze_, "
                "...); take the view anew"
            )
        base = tensor._abase = base._turned
    return base


def seen_base(tensor: Any) -> Any:
    """The tensor that ``tensor`` is a view of, as users see it; ``None`` if it is no view."""
    base = tensor._abase
    if base is None or base._stands_for is None:
        return base
    owner = base._stands_for()
    return None if owner is tensor else base if owner is None else owner


def refresh(tensor: Any) -> None:
    """Derive a view's history anew: its base was written to."""
    base, old = autograd_base(tensor), tensor._fn
    if old is None and not base._tracked:
        return
    if tensor._creation:
        raise creation_error(tensor, indirect=True)
    assert tensor._view is not None
    steps = tensor._view.steps()[-tensor._adepth :]
    fn = chain(steps, base._edge())
    if tensor._retains:
        move_retained(tensor, fn, 0)
    tensor._fn, tensor._nr = fn, 0
    own = tensor._own_version
    tensor._seen = tensor._storage.version if own is None else own.version


def move_retained(tensor: Any, fn: Node, nr: int) -> None:
    """The gradient that ``.grad`` keeps is that of the tensor's newest history."""
    held = tensor._fn.retained
    if held is None or tensor._nr not in held:
        return  # its dimensions were changed in place: it keeps the gradient from before, as in PyTorch
    entry = held.pop(tensor._nr)
    note_hook()
    if fn.retained is None:
        fn.retained = {}
    fn.retained[nr] = entry


def view_fn(plan: Plan, edge: Any, numbers: tuple[int, ...]) -> Node:
    """The autograd node of a view, which is not recorded before it is read."""
    needs = () if edge is None else (0,)
    node: Node = class_of(plan)(plan, [edge] + [None] * len(numbers), needs, list(numbers), ())
    if plan.signature is not None:
        graph = plan.signature.recorder.graph
        tape = tape_of(graph)
        if tape.whole:
            tape.add(node, graph.nodes)  # type: ignore[arg-type]
    return node
