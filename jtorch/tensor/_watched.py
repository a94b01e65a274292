"""Nodes made while someone watches: anomaly mode, hooks on saved values or none, tangents of saved values."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jtorch.dispatch import NO_GRAD, Plan, modes
from jtorch.tape import Node, Packed, PackedNode, node_class
from jtorch.trace import Value

__all__ = ["pack", "user_stack", "watched_node"]

_PACKAGE = str(Path(__file__).parent.parent) + "/"


def user_stack() -> str:
    """Where the program is now, outside of jtorch."""
    frames = [f for f in traceback.extract_stack() if not f.filename.startswith(_PACKAGE)]
    return "".join(traceback.format_list(frames))


def pack(tensor: Any) -> Packed:
    """A saved tensor as the innermost pack hook wants it kept.

    Raises:
        RuntimeError: the hook changed the tensor.
    """
    hook, unpack, tie = modes.saved_hooks[-1]
    counter = tensor._own_version or tensor._storage
    version, level = counter.version, modes.level
    modes.level = NO_GRAD
    try:
        content = hook(tensor)
    finally:
        modes.level = level
    if counter.version != version:
        raise RuntimeError(
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack "
            "hook cannot be modified by in-place operations as this can lead to unexpected side-effects. "
            "Please open an issue if you need to perform in-place operations on the input to a pack hook."
        )
    return Packed(content, unpack, tie)


def _itself(content: Any) -> Any:
    return content


def watched_node(
    plan: Plan,
    cls: Any,
    tensors: Sequence[Any],
    edges: Any,
    needs: tuple[int, ...],
    saved: list[Any],
    checks: list[Any],
) -> Node:
    """The autograd node of an operation, made by ``cls`` unless saved values go to hooks or have tangents."""
    node: Node
    if modes.saved_hooks:
        kept = plan.kept(needs)
        packed = [
            pack(tensors[i]) if isinstance(x, Value) and tensors[i] is not None else x
            for x, i in zip(saved, kept, strict=True)
        ]
        node = node_class(cls.__name__, PackedNode)(plan, edges, needs, packed)
    elif modes.duals is not None and any(t is not None and modes.duals.of(t) is not None for t in tensors):
        kept = plan.kept(needs)
        packed = [
            Packed(modes.duals.copy(tensors[i]), _itself, None)
            if isinstance(x, Value) and tensors[i] is not None
            else x
            for x, i in zip(saved, kept, strict=True)
        ]
        node = node_class(cls.__name__, PackedNode)(plan, edges, needs, packed)
    else:
        node = cls(plan, edges, needs, saved, () if modes.unchecked else checks)
    if modes.anomaly:
        node.trace = user_stack()
    return node
