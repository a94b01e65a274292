"""Recorded functions that gradients flow through: one operation forwards, one backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import jax.numpy as jnp

from jtorch.compiler._results import NotReplayable
from jtorch.dispatch import NO_GRAD, Plan, modes
from jtorch.tape import node_class, run_backward, tape_of
from jtorch.trace import Signature, Value, Withheld, evaluate, nodes, record, series

__all__ = ["Differentiable"]

_TWICE = "torch.compile with aot_autograd does not currently support double backward"
_NODE = "CompiledFunctionBackward"


class CompiledPlan(Plan):
    """A recorded graph as one operation.

    Args:
        title: its name in programs.
        fn: evaluates it.
        operands: their avals, and the types of numbers.
        outputs: avals of the results.
    """

    __slots__ = ()

    def __init__(self, title: str, fn: Any, operands: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.title, self.fn, self.operands, self.outputs = title, fn, tuple(operands), tuple(outputs)
        self.node, self.single, self.returns = _NODE, False, None
        self.signature = Signature(title, fn, self.operands, self.outputs)
        self.differentiable, self.checks, self.frees = True, None, True
        self.saved: frozenset[int] = frozenset()
        self.moved, self.watched, self.node_class = (), (), None
        self._vjps, self._kept, self._checked = {}, {}, {}


class ForwardPlan(CompiledPlan):
    """What was recorded; its gradient is the recorded backward."""

    __slots__ = ("owner",)

    def __init__(
        self, title: str, fn: Any, operands: Sequence[Any], outputs: Sequence[Any], owner: Any
    ) -> None:
        super().__init__(title, fn, operands, outputs)
        self.owner = owner

    def kept(self, needs: tuple[int, ...]) -> tuple[int, ...]:
        """Whose history each saved value has where the backward is recorded (``create_graph=True``).

        Values that were computed on the way stand behind a first operand that wants a gradient: whatever is
        made of them cannot be differentiated, but has a history that says so.
        """
        owner = self.owner
        on_the_way = len(owner.saved_places) + owner.floats + owner.ints
        return (*owner.saved_leaves, *([needs[0]] * on_the_way))

    def vjp(self, needs: tuple[int, ...], given: tuple[int, ...]) -> Plan:
        """The recorded backward, for cotangents of the outputs in ``given``."""
        key = (needs, given)
        found = self._vjps.get(key)
        if found is None:
            found = self._vjps[key] = self.owner.backward(given)
        return found


class BackwardPlan(CompiledPlan):
    """The recorded backward, which has no backward of its own, as in PyTorch."""

    __slots__ = ()

    def kept(self, needs: tuple[int, ...]) -> tuple[int, ...]:
        """Nothing: its gradients are refused."""
        return ()

    def vjp(self, needs: tuple[int, ...], given: tuple[int, ...]) -> Plan:
        """Refuse."""
        raise RuntimeError(_TWICE)

    def batched(self, size: int, plain: int) -> Plan:
        """The plan for a batch of cotangents, which has no backward either."""
        made = super().batched(size, plain)
        return BackwardPlan(made.title, made.fn, made.operands, made.outputs)


class Differentiable:
    """The two operations of a recording whose results have a history.

    Args:
        assembly: the recording that is being worked out; its session is still on.
        roots: ``{(id of node, output): (edge, value)}`` of the results.
        boundary: edges that leave what was recorded.

    Attributes:
        saved: outputs of the forward that the backward reads.
    """

    def __init__(self, assembly: Any, roots: dict[Any, Any], boundary: dict[Any, Any]) -> None:
        session = assembly.session
        graph: Any = assembly.graph
        self.graph = graph
        self.name = f"compiled {session.name}"
        for _, value in roots.values():
            if value.graph is not graph or value.slot < 0:
                raise NotReplayable("a result with a history is not computed by it")
        self.length, self.outputs = len(graph.flat), len(graph.outputs)
        self.counts = graph.nodes, graph.nbytes, len(graph.leaves), len(graph.floats), len(graph.ints)
        self.roots = [(edge, value.slot) for edge, value in roots.values()]
        if len({slot for _, slot in self.roots}) != len(self.roots):
            raise NotReplayable("two of its results with different histories share one value")
        edges = list(boundary.values())
        cotangents = []
        for k, (_, value) in enumerate(roots.values()):
            made = Value(value.aval)
            made.array = Withheld(lambda: session.leave("reads a gradient in its backward"))
            session.constants[id(made)] = made
            assembly.cotangents[id(made)] = k
            cotangents.append(made)
        self.cotangents = cotangents
        hooks = [(t, t._hooks) for t, _ in edges if getattr(t, "_hooks", None)]
        level = modes.level
        modes.level = NO_GRAD
        try:
            for t, _ in hooks:
                t._hooks = None  # they run when the gradients arrive
            given = [(e[0], e[1], c) for (e, _), c in zip(self.roots, cotangents, strict=True)]
            found = run_backward(given, keep_graph=True, create_graph=False, inputs=edges, accumulate=False)
        except Exception as error:
            # Most likely nobody will ask for this backward; if someone does, the error is raised then.
            self.undo()
            raise NotReplayable(f"a backward through its results would fail: {error}") from None
        finally:
            modes.level = level
            for t, kept in hooks:
                t._hooks = kept
        if session.broken is not None:
            self.undo()
            raise NotReplayable("its backward reads values")
        self.gradients = [(e, g) for e, g in zip(edges, found, strict=True) if g is not None]
        self.after = nodes(graph.flat[self.length :])
        self.before = nodes(graph.flat[: self.length])
        read = {slot for _, slots in self.after for slot in slots}
        read |= {g.slot for _, g in self.gradients if g.graph is graph}
        self.saved = {slot for slot in read if 0 <= slot < self.outputs}
        self.leaves = sorted(series(slot)[1] for slot in read if slot < 0 and series(slot)[0] == 0)

    def undo(self) -> None:
        """Take the backward out of the graph again."""
        graph: Any = self.graph
        graph.nodes, graph.nbytes, leaves, floats, ints = self.counts
        for leaf in graph.leaves[leaves:]:
            leaf.graph = None
        del graph.flat[self.length :], graph.outputs[self.outputs :], graph.leaves[leaves:]
        del graph.floats[floats:], graph.ints[ints:]

    def place(self, assembly: Any, places: dict[int, int]) -> None:
        """Once the leaves are known: which operand each gradient belongs to."""
        recorded, graph = assembly.recorded, assembly.graph
        kinds = {i for i, leaf in enumerate(graph.leaves) if id(leaf) in assembly.cotangents}
        self.operands = [i for i in range(len(graph.leaves)) if i not in kinds]
        position = {leaf: p for p, leaf in enumerate(self.operands)}
        numbers = {}
        for leaf, number in recorded.arguments:
            edge = assembly.tensors[number]._edge()
            if edge is not None:
                numbers[id(edge[0]), edge[1]] = (position[leaf], number)
        tensors = {}
        storages = {id(s): leaf for leaf, s, _ in recorded.storages}
        for t in assembly.guards.tensors.values():
            leaf = storages.get(id(t.__dict__["_storage"]))
            if leaf is not None and t._requires and t._view is None:
                tensors[id(t), 0] = (position[leaf], t)
        self.edges: list[tuple[int, Any]] = []
        order = []
        for edge, gradient in self.gradients:
            key = (id(edge[0]), edge[1])
            target = numbers.get(key) or tensors.get(key)
            if target is None:
                raise NotReplayable("a gradient leaves it through a tensor that cannot be found from it")
            order.append((target[0], target[1], gradient))
        order.sort(key=lambda x: x[0])
        self.edges = [(p, target) for p, target, _ in order]
        self.needs = tuple(p for p, _, _ in order)
        self.results = [self._where(g, graph) for _, _, g in order]
        leaf_of = {id(graph.leaves[i]): i for i in kinds}
        self.cotangent_leaves = [leaf_of.get(id(c), -1) for c in self.cotangents]
        self.floats, self.ints = len(graph.floats), len(graph.ints)
        self.live = recorded.live
        self.root_places = [places[slot] for _, slot in self.roots]
        for r in recorded.results:
            if r.edge is not None:
                r.slot = places[r.value.slot]
        self.saved_slots = sorted(self.saved)
        self.saved_places = [places[slot] for slot in self.saved_slots]
        drop = set(self.leaves) - kinds
        self.saved_leaves = [position[leaf] for leaf in self.operands if leaf in drop]
        self.cotangent_avals = [c.aval for c in self.cotangents]
        self.storages = {position[leaf]: s for leaf, s, _ in recorded.storages}
        leaves = [graph.leaves[i].aval for i in self.operands]
        begin, self.first = assembly.session.cut
        self.last = nodes(graph.flat[begin : self.length])
        read = {slot for _, slots in self.last for slot in slots} | {*self.live}
        self.carried = sorted(slot for slot in read if 0 <= slot < self.first)
        made = [aval for signature, _ in nodes(graph.flat[:begin]) for aval in signature.outputs]
        self.kinds = [*([float] * self.floats), *([int] * self.ints)]
        self.avals = [*leaves, *(made[slot] for slot in self.carried), *self.kinds]
        self.size = len(graph.leaves)
        self.plan = ForwardPlan(self.name, self._forward, self.avals, recorded.avals, self)
        self.node_type = node_class(_NODE)
        del self.cotangents, self.gradients

    def _where(self, gradient: Value, graph: Any) -> int:
        if gradient.graph is not graph:
            graph.add_leaf(gradient)
        return gradient.slot

    # ---- the operations

    def _unpack(self, arrays: Sequence[Any]) -> tuple[list[Any], Sequence[Any], Sequence[Any]]:
        leaves: list[Any] = [None] * self.size
        count = len(self.operands)
        for i, array in zip(self.operands, arrays[:count], strict=True):
            leaves[i] = array
        return leaves, arrays[count : count + self.floats], arrays[count + self.floats :]

    def _forward(self, *arrays: Any) -> tuple[Any, ...]:
        """What comes after the last decision, of leaves, earlier results and numbers."""
        begin = len(self.operands)
        stop = begin + len(self.carried)
        outputs: list[Any] = [None] * self.first
        for slot, array in zip(self.carried, arrays[begin:stop], strict=True):
            outputs[slot] = array
        outputs = evaluate(self.last, *self._unpack([*arrays[:begin], *arrays[stop:]]), outputs)
        return tuple(outputs[slot] for slot in self.live)

    def backward(self, given: tuple[int, ...]) -> Plan:
        """The backward as an operation of: saved operands, saved outputs, numbers, cotangents."""
        roots = [self.root_places.index(g) for g in given]
        saved, slots = self.saved_leaves, self.saved_slots

        def fn(*arrays: Any) -> tuple[Any, ...]:
            it = iter(arrays)
            operands: list[Any] = [None] * len(self.operands)
            for p in saved:
                operands[p] = next(it)
            outputs: list[Any] = [None] * self.outputs
            for slot in slots:
                outputs[slot] = next(it)
            numbers = [next(it) for _ in range(self.floats + self.ints)]
            leaves, floats, ints = self._unpack([*operands, *numbers])
            passed = dict(zip(roots, it, strict=True))
            for k, (leaf, aval) in enumerate(zip(self.cotangent_leaves, self.cotangent_avals, strict=True)):
                if leaf >= 0:
                    leaves[leaf] = passed[k] if k in passed else jnp.zeros(aval.shape, aval.dtype.numpy)
            outputs = evaluate(self.after, leaves, floats, ints, outputs)
            return tuple(outputs[s] if s >= 0 else leaves[series(s)[1]] for s in self.results)

        operands = [self.avals[p] for p in saved] + [self.plan.outputs[p] for p in self.saved_places]
        operands += self.kinds
        operands += [self.cotangent_avals[k] for k in roots]
        results = [self.avals[p] for p in self.needs]
        return BackwardPlan(self.name + "_backward", fn, operands, results)

    def record(
        self, values: list[Any], floats: list[float], tensors: Sequence[Any], computed: dict[int, Any]
    ) -> tuple[list[Any], Any]:
        """Record the forward; returns its results and the node through which gradients come back."""
        plan = self.plan
        operands = [values[i] for i in self.operands]
        numbers = [*floats, *self.graph.ints]
        earlier = []
        for slot, aval in zip(self.carried, self.avals[len(operands) :], strict=False):
            value = Value(aval)
            value.array = computed[slot]
            earlier.append(value)
        made = record(plan.signature, [*operands, *earlier, *numbers])
        if plan.signature.single is not None:
            made = [made]
        edges: list[Any] = [None] * len(plan.operands)
        for p, target in self.edges:
            edges[p] = tensors[target]._edge() if type(target) is int else (target, 0)
        saved = [operands[p] for p in self.saved_leaves] + [made[p] for p in self.saved_places] + numbers
        storages = self.storages
        checks = [(ref(storages[p]), storages[p].version, p) for p in self.saved_leaves if p in storages]
        node = self.node_type(plan, edges, self.needs, saved, checks)
        graph = plan.signature.recorder.graph
        tape = tape_of(graph)
        if tape.whole:
            tape.add(node, graph.nodes)
        return made, node
