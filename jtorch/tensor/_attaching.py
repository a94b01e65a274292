"""The place of results in the autograd graph: the node of an operation that just ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

from jtorch import dtypes
from jtorch.dispatch import Plan, modes
from jtorch.tape import node_class, tape_of
from jtorch.tensor._watched import watched_node
from jtorch.trace import TracedValue

__all__ = ["SAVED_IN_INFERENCE", "attach", "class_of"]


SAVED_IN_INFERENCE = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
    "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
    "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
)


def class_of(plan: Plan) -> Any:
    cls = plan.node_class
    if cls is None:
        cls = plan.node_class = node_class(plan.node or plan.title)
    return cls


def attach(plan: Plan, tensors: Sequence[Any], operands: Sequence[Any], results: Sequence[Any]) -> None:
    """Make the autograd node of an operation that just ran."""
    edges: list[Any] = []
    needed: list[int] = []
    for i, t in enumerate(tensors):
        if t is None:
            edges.append(None)
        elif t._fn is not None:
            edges.append((t._fn, t._nr))
            needed.append(i)
        elif t._requires:
            edges.append((t, 0))
            needed.append(i)
        else:
            edges.append(None)
    needs = tuple(needed)
    saved = [operands[i] for i in plan._kept.get(needs) or plan.kept(needs)]
    checks: list[Any] = []
    for i in plan._checked.get(needs) or plan.checked(needs):
        if i < 0:
            storage = results[-1 - i]._storage
            checks.append((ref(storage), storage.version, i))
        elif (t := tensors[i]) is not None:
            if t._inference:
                raise RuntimeError(SAVED_IN_INFERENCE)
            counter = t._own_version
            if counter is None:
                counter = t._storage
            checks.append((ref(counter), counter.version, i))
    cls = plan.node_class
    if cls is None:
        cls = class_of(plan)
    watch = modes.watch
    if watch:
        node = watched_node(plan, cls, tensors, edges, needs, saved, checks)
    else:
        node = cls(plan, edges, needs, saved, checks)
    signature = plan.signature
    if signature is not None:  # the meta device records nothing that could be replayed
        graph = signature.recorder.graph
        tape = graph.notes
        if tape is None:
            tape = tape_of(graph)
        if watch or type(results[0]._storage.value) is TracedValue:
            tape.whole = False
            if modes.captured is not None and type(results[0]._storage.value) is TracedValue:
                modes.captured.note(tensors, operands)
        elif tape.whole:
            tape.add(node, graph.nodes)
    if plan.single:
        results[0]._fn = node
        return
    for nr, r in enumerate(results):
        if plan.outputs[nr].dtype.category >= dtypes.FLOAT:
            r._fn = node
            if nr:
                r._nr = nr
