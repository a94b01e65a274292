"""History of views: how it is made again after the base was written to, and when that is forbidden."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp

from jtorch.dispatch import Plan
from jtorch.ops._written_parts import written
from jtorch.tape import Node, node_class
from jtorch.trace import Aval

__all__ = [
    "KEPT_VIEWS", "MADE_IN_FUNCTION", "MADE_IN_INFERENCE", "MADE_IN_NO_GRAD", "MADE_WITH_OTHERS",
    "STRIDED_VIEWS", "chain", "check_source", "composed", "composed_put", "creation_error", "short_name",
]  # fmt: skip

#: ``Tensor._creation``: circumstances under which autograd cannot follow a later in-place change of a view.
MADE_WITH_OTHERS, MADE_IN_NO_GRAD, MADE_IN_INFERENCE, MADE_IN_FUNCTION = range(1, 5)

#: View ops that strides cannot express keep their name when history is made again.
KEPT_VIEWS = frozenset({"_view.view_as_real", "_view.view_as_complex"})

#: View ops that only say which element is where.
STRIDED_VIEWS = frozenset({
    "_view.alias", "_view.as_strided", "_view.diagonal", "_view.expand", "_view.part", "_view.permute",
    "_view.reshape", "_view.select", "_view.slice", "_view.unfold",
})  # fmt: skip


def short_name(node: Any) -> str:
    """A node's name in errors: ``Mul`` for ``MulBackward0``, ``Squeeze1`` for ``SqueezeBackward1``."""
    return re.sub(r"Backward0?(\d*)$", r"\1", node.name())


def creation_error(view: Any, *, indirect: bool) -> RuntimeError:
    """PyTorch's error for a view that must not be written to.

    Args:
        view: the tensor.
        indirect: its base or another view of that was written to.
    """
    creation, fn = view._creation, view._fn
    what = "its base or another view of its base has been" if indirect else "is being"
    if creation in (MADE_IN_NO_GRAD, MADE_IN_INFERENCE) or fn is None:
        start = "A view was created in"
        if fn is not None:
            start = f"Output {view._nr} of {short_name(fn)} is a view of a view which was created in"
        if creation == MADE_IN_INFERENCE:
            text = f"{start} inference mode and {what} modified inplace in normal mode."
        else:
            text = f"{start} no_grad mode and {what} modified inplace with grad mode enabled."
    else:
        text = f"Output {view._nr} of {short_name(fn)} is a view and {what} modified inplace."
    return RuntimeError(text + _REASONS[creation])


def check_source(node: Any, nr: int) -> None:
    """Refuse a saved view whose base was written to, if it was one of several made at once.

    Raises:
        RuntimeError: as :func:`creation_error`.
    """
    first = node
    while getattr(first, "plan", None) is not None and first.plan.title.startswith("_view."):
        if first.plan.title in ("_view.split", "_view.unbind"):
            view = SimpleNamespace(_creation=MADE_WITH_OTHERS, _fn=node, _nr=nr)
            raise creation_error(view, indirect=True)
        edge = first.edges[0]
        first = None if edge is None else edge[0]


_AMBIGUOUS = (
    " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by "
    "moving both the view and the inplace either both inside the {0} block (if you don't want the inplace "
    "to be tracked) or both outside (if you want the inplace to be tracked)."
)
_REASONS = {
    MADE_WITH_OTHERS: (
        " This view is the output of a function that returns multiple views. Such functions do not allow "
        "the output views to be modified inplace. You should replace the inplace operation by an "
        "out-of-place one."
    ),
    MADE_IN_NO_GRAD: _AMBIGUOUS.format("no_grad"),
    MADE_IN_INFERENCE: _AMBIGUOUS.format("inference_mode"),
    MADE_IN_FUNCTION: (
        " This view was created inside a custom Function (or because an input was returned as-is) and the "
        "autograd logic to handle view+inplace would override the custom backward associated with the "
        "custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by "
        "cloning the output of the custom Function."
    ),
}


def chain(steps: Sequence[Any], edge: Any) -> Node:
    """New history of a view: its steps applied to the base as it is now.

    As in PyTorch, steps that strides express become one ``AsStridedBackward0``; after the first step that
    they do not, each is a node.

    Args:
        steps: of the view, from the base outwards.
        edge: where the base's gradient goes; ``None`` if nowhere.
    """
    split = next((i for i, s in enumerate(steps) if s.plan.title in KEPT_VIEWS), len(steps))
    node: Node | None = None
    if split:
        node = _strided(steps[:split], edge)
    for step in steps[split:]:
        previous = edge if node is None else (node, 0)
        if step.plan.title in KEPT_VIEWS:
            node = _node(step.plan, node_class(step.plan.node), previous, step.numbers)
        else:
            node = _strided((step,), previous)
    assert node is not None, "a view has a step"
    return node


def _strided(steps: Sequence[Any], edge: Any) -> Node:
    plan = steps[0].plan if len(steps) == 1 else composed(steps)
    return _node(plan, _AS_STRIDED, edge, [n for s in steps for n in s.numbers])


_AS_STRIDED = node_class("AsStridedBackward0")


def _node(plan: Plan, cls: Any, edge: Any, numbers: Sequence[Any]) -> Node:
    made: Node = cls(plan, [edge] + [None] * len(numbers), () if edge is None else (0,), list(numbers), ())
    return made


_plans: dict[tuple[Plan, ...], Plan] = {}


def composed(steps: Sequence[Any]) -> Plan:
    """The plan of several view steps in one."""
    plans = tuple(s.plan for s in steps)
    found = _plans.get(plans)
    if found is not None:
        return found
    counts = [len(s.numbers) for s in steps]

    def fn(x: Any, *numbers: Any) -> tuple[Any, ...]:
        at = 0
        for plan, count in zip(plans, counts, strict=True):
            (x,) = plan.fn(x, *numbers[at : at + count])
            at += count
        return (x,)

    operands: list[Aval | type] = [plans[0].operands[0]]
    operands += [kind for plan in plans for kind in plan.operands[1:]]
    _plans[plans] = made = Plan(
        "_view.steps",
        fn,
        operands,
        device=plans[-1].outputs[0].device,
        node="AsStridedBackward0",
        saved=range(1, len(operands)),
    )
    return made


@cache
def composed_put(plans: tuple[Plan, ...], source: Aval, new: Aval) -> Plan:
    """The plan that writes through several view steps at once: elements go where the steps show their places.

    Args:
        plans: of the steps, all among :data:`STRIDED_VIEWS`.
        source: what the first step applies to.
        new: what the last one shows.
    """
    numbers = [kind for plan in plans for kind in plan.operands[1:]]

    def fn(base: Any, new: Any, *numbers: Any) -> tuple[Any, ...]:
        at = 0
        place = jnp.arange(base.size).reshape(base.shape)
        for plan in plans:
            count = len(plan.operands) - 1
            (place,) = plan.fn(place, *numbers[at : at + count])
            at += count
        return (written(base.reshape(-1).at[place].set(new)).reshape(base.shape),)

    return Plan(
        "_put.steps",
        fn,
        [source, new, *numbers],
        device=source.device,
        node="CopySlices",
        saved=range(2, 2 + len(numbers)),
    )
