"""The backward pass: walk the graph from the newest node to the oldest and hand gradients on.

Gradients are plain trace values; they become tensors where a user can see them (hooks, custom functions,
``.grad``,
``create_graph``). What a tensor is, the tensor layer tells by setting :data:`bridge`.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol

import numpy as np

from jtorch.dispatch import GRAD, modes
from jtorch.errors import warn_user, with_hint
from jtorch.tape import _replay
from jtorch.tape._node import Node, OpNode, set_engine
from jtorch.trace import Value, host_array, record

__all__ = [
    "FREED", "Bridge", "as_tensor", "call_node", "is_running", "modified", "run_backward", "run_hooks",
    "run_post_hooks", "run_pre_hooks", "running", "set_bridge",
]  # fmt: skip


class Bridge(Protocol):
    """What the tensor layer provides."""

    def wrap(self, value: Value) -> Any:
        """A tensor of a value, outside any graph."""

    def unwrap(self, tensor: Any) -> Value:
        """The value of a tensor."""

    def add(self, a: Any, b: Any) -> Any:
        """The sum of two gradients: values, or tensors if either is one."""

    def saved_tensors(self, node: OpNode) -> list[Any]:
        """What a node saved, as tensors that are part of the graph they came from."""

    def apply(self, plan: Any, operands: Sequence[Any]) -> list[Any]:
        """Run a planned operation on tensors, recording its history."""

    def source_name(self, node: OpNode, operand: int) -> str:
        """Which output of which node an operand is now (-1: the node's own result); empty for leaves."""

    def is_tensor(self, x: Any) -> bool:
        """Whether an object is a tensor."""

    def is_dual(self, x: Any) -> bool:
        """Whether an object is a tensor that has a tangent."""

    def zeros(self, aval: Any) -> Any:
        """A tensor of zeros."""

    def fit(self, gradient: Any, aval: Any, place: int, node: Node) -> Any:
        """A gradient that the user made, in the shape and dtype of operand number ``place``."""

    def connect(self, node: Any, saved: Sequence[Any]) -> list[Any]:
        """Unpacked operands as part of the graph that the packed ones came from."""

    def row(self, gradient: Any, i: int) -> Any:
        """Entry ``i`` of a batch."""

    def stack(self, rows: Sequence[Any]) -> Any:
        """The batch of some entries."""

    def read_saved(self, node: OpNode, name: str) -> Any:
        """The operand, or the result, that PyTorch keeps in the node's attribute of that name."""

    def describe(self, aval: Any) -> str:
        """Legacy type name and sizes: ``torch.FloatTensor [3]``."""

    def accumulate(self, leaf: Any, gradient: Any, create_graph: bool) -> None:
        """Add a gradient to ``leaf.grad`` after the leaf's hooks."""

    def reduce_to(self, leaf: Any, gradient: Any) -> Any:
        """The gradient after the leaf's hooks."""


bridge: Bridge


def set_bridge(implementation: Bridge) -> None:
    """Called once by the tensor layer."""
    global bridge
    bridge = implementation


FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
    "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or "
    "if you need to access saved tensors after calling backward."
)


def run_backward(
    roots: Sequence[tuple[Any, int, Any]],
    *,
    keep_graph: bool,
    create_graph: bool,
    inputs: Sequence[tuple[Any, int]] | None,
    accumulate: bool,
    batch: int = 0,
) -> list[Any]:
    """Propagate gradients from roots.

    Args:
        roots: ``(node or leaf, output, gradient)`` each; gradients are values, or tensors if
            ``create_graph``.
        keep_graph: do not free what the nodes saved.
        create_graph: record the backward itself.
        inputs: edges whose gradients are wanted; ``None``: all leaves.
        accumulate: add into ``.grad`` of leaves; else return the gradients of ``inputs``.
        batch: size of a leading dimension that the roots' gradients have, and all others then too; 0 if none.

    Returns:
        Gradients of ``inputs`` in order, ``None`` where nothing arrived.

    Raises:
        RuntimeError: a node was freed before, or a saved value was modified in place.
    """
    recording = None
    task = Task(roots, inputs)
    tasks = _running.tasks
    tasks.append(task)
    if inputs is None and accumulate and not create_graph and len(roots) == 1 and not modes.anomaly:
        root, nr, gradient = roots[0]
        if isinstance(root, OpNode) and root.plan.signature is not None:
            graph = root.plan.signature.recorder.graph
            replay, recording = _replay.find(graph, root, nr, gradient)
            if replay is not None:
                try:
                    for leaf, value in _replay.play(replay, graph, gradient, keep_graph):
                        bridge.accumulate(leaf, value, False)
                finally:
                    tasks.pop().ended = True
                return []
    # The walk makes thousands of objects and no garbage: a collection in its middle would only cost.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _walk(roots, recording, keep_graph, create_graph, inputs, accumulate, task, batch)
    finally:
        tasks.pop().ended = True
        if collecting:
            gc.enable()


def _walk(
    roots: Sequence[tuple[Any, int, Any]],
    recording: _replay.Recording | None,
    keep_graph: bool,
    create_graph: bool,
    inputs: Sequence[tuple[Any, int]] | None,
    accumulate: bool,
    task: Task,
    batch: int,
) -> list[Any]:
    """The pass itself, node by node."""
    anomaly = modes.anomaly
    heap: list[tuple[int, Node]] = []
    pending: dict[Node, list[Any]] = {}
    leaves: dict[Any, Any] = {}
    wanted = None if inputs is None else {(id(target), nr): i for i, (target, nr) in enumerate(inputs)}
    found: list[Any] = [None] * (0 if inputs is None else len(inputs))
    useful = task.useful = None if wanted is None else _leads_to(roots, wanted)
    add = bridge.add

    def send(target: Any, nr: int, gradient: Any) -> None:
        if isinstance(target, Node):
            if useful is not None and target not in useful:
                return
            buffer = pending.get(target)
            if buffer is None:
                buffer = pending[target] = [None] * target.outputs
                heappush(heap, (-target.number, target))
            if nr >= 0:
                old = buffer[nr]
                buffer[nr] = gradient if old is None else add(old, gradient)
        elif wanted is None or (id(target), 0) in wanted:
            # In the order in which the gradients are complete.
            old = leaves.pop(target, None)
            leaves[target] = gradient if old is None else add(old, gradient)

    for target, nr, gradient in roots:
        send(target, nr, gradient)
    while heap:
        node = heappop(heap)[1]
        gradients = pending.pop(node)
        if node.tensor_hooks is not None:
            _run_tensor_hooks(node, gradients, create_graph)
        if node.retained is not None:
            _retain(node, gradients)
        if wanted is not None:
            for nr in range(node.outputs):
                place = wanted.get((id(node), nr))
                if place is not None:
                    found[place] = gradients[nr]
            if useful is not None and not useful[node]:
                continue
        if node._pre_hooks is not None:
            gradients = run_pre_hooks(node, gradients, create_graph)
        if recording is not None and type(node).__base__ is OpNode:
            if node.saved is None:  # type: ignore[attr-defined]
                recording = None
            else:
                recording.step(node, gradients)  # type: ignore[arg-type]
        if anomaly:
            results = _watched_step(node, gradients, keep_graph, create_graph, batch)
        else:
            results = _step(node, gradients, keep_graph, create_graph, batch)
        if node._post_hooks is not None:
            results = run_post_hooks(node, results, gradients, create_graph)
        for edge, result in zip(node.edges, results, strict=True):
            if edge is not None:
                if result is not None:
                    send(edge[0], edge[1], result)
                elif isinstance(edge[0], Node):
                    # Nothing flows there, but the node runs, as in PyTorch.
                    send(edge[0], -1, None)
    if recording is not None:
        recording.finish(leaves, recording.graph.notes, roots[0][0].plan.signature.recorder.graph)
    for leaf, gradient in leaves.items():
        if accumulate:
            bridge.accumulate(leaf, gradient, create_graph)
        else:
            assert wanted is not None
            found[wanted[id(leaf), 0]] = bridge.reduce_to(leaf, gradient)
    return found


class Task:
    """A backward pass under way.

    Attributes:
        number: unique, from 1.
        ended: it is over.
        useful: nodes that lead to the inputs, if gradients of only these are wanted.
    """

    __slots__ = ("_reached", "ended", "inputs", "number", "roots", "useful")

    def __init__(self, roots: Any, inputs: Any) -> None:
        self.roots, self.inputs = roots, inputs
        self.number = next(_numbers)
        self.ended = False
        self.useful: dict[Node, bool] | None = None
        self._reached: set[int] | None = None

    def will_run(self, edge: Any) -> bool:
        """Whether a gradient of ``edge`` is computed in this pass."""
        if edge is None:
            return False
        target = edge[0]
        if self.useful is not None and isinstance(target, Node):
            return target in self.useful
        if self.inputs is not None and not any(target is t for t, _ in self.inputs):
            return False
        if self._reached is None:
            self._reached = {id(t) for t, _, _ in self.roots}
            stack = [t for t, _, _ in self.roots if isinstance(t, Node)]
            while stack:
                for following in stack.pop().edges:
                    if following is not None and id(following[0]) not in self._reached:
                        self._reached.add(id(following[0]))
                        if isinstance(following[0], Node):
                            stack.append(following[0])
        return id(target) in self._reached


class _Running(threading.local):
    def __init__(self) -> None:
        self.tasks: list[Task] = []


_running = _Running()


_numbers = count(1)


def is_running() -> bool:
    """Whether this thread is inside a backward pass."""
    return bool(_running.tasks)


def running() -> Task:
    """The innermost backward pass of this thread."""
    return _running.tasks[-1]


def _step(
    node: Node, gradients: list[Any], keep_graph: bool, create_graph: bool, batch: int = 0
) -> Sequence[Any]:
    """Gradients of a node's operands, ``None`` where none is wanted."""
    if not isinstance(node, OpNode):
        if batch:
            return _row_by_row(node, gradients, keep_graph, create_graph, batch)
        return node.backward(gradients, keep_graph, create_graph)  # type: ignore[attr-defined, no-any-return]
    for reference, version, operand in node.checks:
        storage = reference()
        if storage is not None and storage.version != version:
            raise _modified(node, operand, storage.version, version)
    if node.saved is None:
        raise with_hint(RuntimeError(FREED), f"the node is {node.name()}")
    given = tuple(i for i, g in enumerate(gradients) if g is not None)
    results: list[Any] = [None] * len(node.edges)
    if not node.needs or not given:
        if not keep_graph:
            node.release()
        return results
    plan = node.plan.vjp(node.needs, given)
    if batch:
        plan = plan.batched(batch, len(node.saved))
    if create_graph or any(not isinstance(gradients[i], Value) for i in given):
        operands = [*bridge.saved_tensors(node), *(as_tensor(gradients[i]) for i in given)]
        made = bridge.apply(plan, operands)
    elif plan.signature is None:
        made = without_data(plan)
    else:
        made = record(plan.signature, [*node.saved, *(gradients[i] for i in given)])
        if plan.signature.single is not None:
            made = [made]
    if not keep_graph:
        node.release()
    for i, gradient in zip(node.needs, made, strict=True):
        results[i] = gradient
    return results


def without_data(plan: Any) -> list[Value]:
    """The results of a plan on the meta device."""
    return [bridge.unwrap(bridge.zeros(aval)) for aval in plan.outputs]


def _row_by_row(
    node: Node, gradients: list[Any], keep_graph: bool, create_graph: bool, batch: int
) -> Sequence[Any]:
    """A step of a batched pass through a node that knows no batches."""
    rows = []
    for i in range(batch):
        row = [None if g is None else bridge.row(g, i) for g in gradients]
        rows.append(node.backward(row, keep_graph or i < batch - 1, create_graph))  # type: ignore[attr-defined]
    return [None if column[0] is None else bridge.stack(column) for column in zip(*rows, strict=True)]


def as_tensor(gradient: Any) -> Any:
    """A gradient as a tensor."""
    return bridge.wrap(gradient) if isinstance(gradient, Value) else gradient


def _modified(node: OpNode, operand: int, found: int, expected: int) -> RuntimeError:
    """The error for a saved value that was written to; ``operand`` is ``-1 - n`` for the own result n."""
    aval = node.plan.outputs[-1 - operand] if operand < 0 else node.plan.operands[operand]
    return modified(bridge.describe(aval), bridge.source_name(node, operand), found, expected)


def modified(value: str, source: str, found: int, expected: int) -> RuntimeError:
    """PyTorch's error for a saved value that was written to.

    Args:
        value: type and sizes.
        source: which output of which node it is; empty if of none.
        found: the version it has.
        expected: the version it had when it was saved.
    """
    source = f", which is {source}," if source else ""
    text = (
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{value}]{source} is at version {found}; expected version {expected} instead. Hint: "
    )
    if modes.anomaly:
        text += (
            "the backtrace further above shows the operation that failed to compute its gradient. The "
            "variable in question was changed in there or anywhere later. Good luck!"
        )
    else:
        text += (
            "enable anomaly detection to find the operation that failed to compute its gradient, with "
            "torch.autograd.set_detect_anomaly(True, check_nan=False)."
        )
    return RuntimeError(text)


def _leads_to(roots: Sequence[tuple[Any, int, Any]], wanted: dict[tuple[int, int], int]) -> dict[Node, bool]:
    """Nodes on a path to a wanted edge.

    ``True`` where the path goes on beyond the node, so that it has to run.
    """
    useful: dict[Node, bool] = {}
    targets = {identity for identity, _ in wanted}
    stack: list[tuple[Node, bool]] = [(target, False) for target, _, _ in roots if isinstance(target, Node)]
    seen: dict[Node, bool] = {}
    while stack:
        node, done = stack.pop()
        if done:
            beyond = False
            for edge in node.edges:
                if edge is None:
                    continue
                target = edge[0]
                if isinstance(target, Node):
                    beyond = beyond or target in useful
                else:
                    beyond = beyond or id(target) in targets
            if beyond or id(node) in targets:
                useful[node] = beyond
            continue
        if node in seen:
            continue
        seen[node] = True
        stack.append((node, True))
        for edge in node.edges:
            if edge is not None and isinstance(edge[0], Node) and edge[0] not in seen:
                stack.append((edge[0], False))
    return useful


def _watched_step(
    node: Node, gradients: list[Any], keep_graph: bool, create_graph: bool, batch: int
) -> Sequence[Any]:
    """A step of anomaly mode: show where the operation was, should it fail."""
    try:
        results = _step(node, gradients, keep_graph, create_graph, batch)
        if modes.anomaly_check_nan:
            _check_nan(node, results)
    except Exception:
        place = f"Error detected in {node.name()}. "
        if node.trace is None:
            place += (
                "No forward pass information available. Enable detect anomaly during forward pass for more "
                "information."
            )
        else:
            place += f"Traceback of forward call that caused the error:\n{node.trace}"
        warn_user(place)
        raise
    return results


def call_node(node: Node, gradients: Sequence[Any]) -> list[Any]:
    """Gradients of a node's operands as tensors, from gradients of its results; frees nothing."""
    create_graph = modes.level == GRAD
    if len(gradients) != node.outputs:
        raise TypeError(f"expected {node.outputs} arguments, got {len(gradients)} instead")
    for i, g in enumerate(gradients):
        if g is not None and not bridge.is_tensor(g):
            raise TypeError(f"argument {i} is not a Variable")
    plan = getattr(node, "plan", None)
    avals = (None,) * len(gradients) if plan is None else plan.outputs
    fitted = [
        g if g is None or aval is None else bridge.fit(g, aval, i, node)
        for i, (g, aval) in enumerate(zip(gradients, avals, strict=True))
    ]
    values = [g if g is None or create_graph else bridge.unwrap(g) for g in fitted]
    results = _step(node, values, True, create_graph)
    return [None if r is None else as_tensor(r) for r in results]


def read_saved(node: OpNode, name: str) -> Any:
    """``grad_fn._saved_self`` and the like.

    Raises:
        RuntimeError: the graph was freed.
    """
    if node.saved is None:
        raise RuntimeError(FREED)
    return bridge.read_saved(node, name)


def _replaced(hook: Any, old: Any, new: Any) -> Any:
    """What a hook returned, checked against what it got."""
    if not bridge.is_tensor(new):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    mine, given = as_tensor(old), new
    name = getattr(hook, "__name__", type(hook).__name__)
    if mine.dtype is not given.dtype:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {mine.type()} got {given.type()})"
        )
    if mine.device != given.device:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {mine.type()} got {given.type()})"
        )
    if mine.shape != given.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    return new


def run_hooks(hooks: dict[int, Any], gradient: Any, create_graph: bool) -> Any:
    """A gradient after hooks on the tensor that it belongs to."""
    for hook in list(hooks.values()):
        changed = hook(as_tensor(gradient))
        if changed is not None:
            changed = _replaced(hook, gradient, changed)
            gradient = changed if create_graph else bridge.unwrap(changed)
    return gradient


def _run_tensor_hooks(node: Node, gradients: list[Any], create_graph: bool) -> None:
    for nr, hooks in node.tensor_hooks.items():
        if gradients[nr] is not None:
            gradients[nr] = run_hooks(hooks, gradients[nr], create_graph)


def _retain(node: Node, gradients: list[Any]) -> None:
    for nr, reference in node.retained.items():
        tensor = reference()
        if tensor is not None and gradients[nr] is not None:
            tensor._store_grad(gradients[nr])


def _replaced_all(hook: Any, old: Sequence[Any], new: Any) -> list[Any]:
    if not isinstance(new, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(new).__name__}'")
    if len(new) != len(old):
        name = getattr(hook, "__name__", type(hook).__name__)
        raise RuntimeError(
            f"hook '{name}' has returned an incorrect number of values (got {len(new)}, but expected "
            f"{len(old)})"
        )
    return [n if n is None or o is None else _replaced(hook, o, n) for o, n in zip(old, new, strict=True)]


def run_pre_hooks(node: Node, gradients: list[Any], create_graph: bool) -> list[Any]:
    """Gradients of a node's results after its own hooks on them."""
    for hook in list(node._pre_hooks.values()):
        changed = hook(tuple(None if g is None else as_tensor(g) for g in gradients))
        if changed is not None:
            gradients = _taken(_replaced_all(hook, gradients, changed), create_graph)
    return gradients


def run_post_hooks(
    node: Node, results: Sequence[Any], gradients: Sequence[Any], create_graph: bool
) -> Sequence[Any]:
    """Gradients of a node's operands after its own hooks on them."""
    for hook in list(node._post_hooks.values()):
        outer = tuple(None if g is None else as_tensor(g) for g in gradients)
        inner = tuple(None if g is None else as_tensor(g) for g in results)
        changed = hook(inner, outer)
        if changed is not None:
            results = _taken(_replaced_all(hook, results, changed), create_graph)
    return results


def _taken(gradients: Sequence[Any], create_graph: bool) -> list[Any]:
    return [g if g is None or create_graph or isinstance(g, Value) else bridge.unwrap(g) for g in gradients]


def _check_nan(node: Node, results: Sequence[Any]) -> None:
    """Anomaly mode: stop at the first node that makes a nan."""
    for i, result in enumerate(results):
        if result is None:
            continue
        array = host_array(result if isinstance(result, Value) else bridge.unwrap(result))
        if array.dtype.kind in "fcV" and np.isnan(array).any():
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")


set_engine(call_node, read_saved)
