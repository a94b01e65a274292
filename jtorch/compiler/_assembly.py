"""From what a session saw to something that can be run again."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any
from weakref import ref

from jtorch.compiler._aliases import Aliases
from jtorch.compiler._differentiable import Differentiable
from jtorch.compiler._guards import Guards
from jtorch.compiler._recorded import Recorded, Result, Target, view_numbers
from jtorch.compiler._results import NotReplayable, Unsettled, flatten
from jtorch.compiler._session import Draw, Numbers, Session
from jtorch.devices import jax_device
from jtorch.dispatch import INFERENCE, modes
from jtorch.tape import Node
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import _ones
from jtorch.tensor._core import from_value
from jtorch.trace import Graph, Value, host_array, nodes, recorder, settings, verify
from jtorch.trace._executor import DONATE_BYTES, spared
from jtorch.trace._read_numbers import ReadNumber
from jtorch.trace._stretches import stretch

__all__ = ["Assembly"]


class Assembly:
    """Works out one recording. Until :meth:`commit` nothing is changed, so that the call can go on as usual.

    Args:
        session: over, but not left.
        guards: what was found from the function before the call.
        tensors: the tensors among the arguments.
        views: ``{number of an argument: placeholder}`` of those that are views.
        start: number of the last autograd node made before the call.
    """

    def __init__(
        self, session: Session, guards: Guards, tensors: Sequence[Any], views: dict[int, Value], start: int
    ) -> None:
        self.session, self.guards, self.tensors, self.start = session, guards, tensors, start
        assert session.graph is not None
        self.graph = session.graph
        self.recorded = Recorded(guards, self.graph, jax_device(self.graph.device))
        self.recorded.forks, self.recorded.initial = session.forks, session.computed
        self.recorded.generators = session.generators
        self.numbers = {id(t): i for i, t in reversed(list(enumerate(tensors)))}
        self.views = {id(p): i for i, p in views.items()}
        self.cotangents: dict[int, int] = {}
        self.finals: list[tuple[Any, Value, int, int]] = []
        self.grads: list[tuple[Target, Any, Any]] = []
        self.state: dict[int, Any] = {}
        self.watched: list[Any] = []
        #: nodes of the results' history, by ``id``
        self.kept: dict[int, Any] = {}

    # ---- results

    def take(self, result: Any, apart: bool = False) -> None:
        """Note what each tensor of the result is; with ``apart`` each may have memory of its own."""
        found: list[Any] = []
        rebuild = self.recorded.rebuild = flatten(result, found)
        self.recorded.single = isinstance(result, Tensor)
        places = {id(t): i for i, t in reversed(list(enumerate(found)))}
        if len(places) < len(found):  # some come several times
            once = {i: n for n, i in enumerate(sorted(places.values()))}
            order = [once[places[id(t)]] for t in found]
            found = [found[i] for i in sorted(places.values())]
            self.recorded.rebuild = lambda made: rebuild([made[n] for n in order])
        if not apart:
            aliases = Aliases(found, (*self.tensors, *self.guards.tensors.values()))
            if aliases.made:
                self.recorded.rebuild = aliases.rebuilding(self.recorded.rebuild)
                self.recorded.single, self.recorded.aliased = False, True
                self.watched += [(alias, alias.tensor) for alias in aliases.made.values()]
                found = aliases.take_others()
        for t in found:
            r = Result()
            if type(t) is ReadNumber:
                known = t.recorded()
                if known is None:
                    raise NotReplayable("it returns a number of an earlier call")
                r.values, r.compute = known
            elif id(t) in self.numbers:
                r.same = self.numbers[id(t)]
            elif id(t) in self.guards.tensors:
                r.same = t
            else:
                self._fresh(r, t)
                self.watched.append((r, ref(t)))
            self.recorded.results.append(r)

    def _fresh(self, r: Result, t: Any) -> None:
        if id(t._storage) in self.session.touched:
            raise NotReplayable("it returns a view of a tensor from outside")
        if t._hooks or t._retains or t._grad is not None:
            raise NotReplayable("it returns a tensor with hooks or a gradient")
        r.value, r.kind = t._read(), type(t)
        if t._strides is not None and _dense(t):
            r.strides = t._strides
        if t._requires:
            r.attributes["_requires"] = True
        edge = t._edge()
        r.edge = None if edge is None or edge[0] is t else edge

    def plan_backward(self) -> None:
        """If results have a history that a backward can walk, record that backward now."""
        roots: dict[tuple[int, int], Any] = {}
        for r in self.recorded.results:
            if r.edge is not None:
                roots.setdefault((id(r.edge[0]), r.edge[1]), (r.edge, r.value))
        if not roots:
            return
        boundary, holds = self._boundary([edge[0] for edge, _ in roots.values()])
        if not holds and all(id(target) in self.guards.tensors for target, _ in boundary.values()):
            # The nodes keep nothing of this call: the results of all calls may share them.
            for r in self.recorded.results:
                if r.edge is not None:
                    r.attributes.update(_fn=r.edge[0], _nr=r.edge[1])
            return
        self.recorded.differentiable = Differentiable(self, roots, boundary)

    def _boundary(self, start: list[Any]) -> tuple[dict[tuple[int, int], Any], bool]:
        """Edges that leave what was recorded, and whether a node inside keeps values."""
        boundary: dict[tuple[int, int], Any] = {}
        holds = False
        seen = self.kept
        stack = list(start)
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen[id(node)] = node
            saved: Any = getattr(node, "saved", _NOTHING)
            if saved is None:
                continue
            holds = holds or saved is _NOTHING or any(isinstance(x, Value) for x in saved)
            for edge in node.edges:
                if edge is None:
                    continue
                if isinstance(edge[0], Node) and edge[0].number > self.start:
                    stack.append(edge[0])
                else:
                    boundary[id(edge[0]), edge[1]] = edge
        return boundary, holds

    # ---- effects

    def _effects(self) -> None:
        """Which storages and gradients the call changed."""
        session, recorded = self.session, self.recorded
        for t in session.touched.values():
            final = t.storage.__dict__["value"]
            if final is not t.placeholder:
                counts = t.storage.version - t.version, t.storage.writes - t.writes
                self.finals.append((t.storage, final, *counts))
        for log in session.grads.values():
            tensor = log.tensor
            final = tensor.__dict__.get("_grad")
            target = Target(tensor=tensor, argument=self.numbers.get(id(tensor), -1))
            if target.argument < 0 and id(tensor) not in self.guards.tensors:
                raise NotReplayable("it uses the gradient of a tensor that was not found from the function")
            if log.read:
                recorded.asked.append((target, log.initial is not None))
            if final is log.initial and log.read:
                continue  # a call that finds another one is recorded anew
            if final is not None and not (
                final._view is None and id(final._storage) in session.fresh and final._fn is None
            ):
                raise NotReplayable("it sets a gradient to a tensor from elsewhere")
            self.grads.append((target, final, log.initial))
        for optimizer in self.guards.optimizers:
            self._new_state(optimizer)
            self.guards.visit_state(optimizer)

    def _new_state(self, optimizer: Any) -> None:
        """State that an optimizer made in this call: later calls find it, so it is read like any other."""
        session = self.session
        for state in list(optimizer.state.values()):
            for t in list(state.values()) if isinstance(state, dict) else ():
                storage = t._storage if isinstance(t, Tensor) else None
                first = session.initial.get(id(storage))
                if storage is None or id(storage) not in session.fresh or first is None:
                    continue
                final = storage.__dict__.get("value")
                if final is not first:
                    assert final is not None
                    self.finals.append((storage, final, storage.version, storage.writes))
                    self.state[id(first)] = storage

    # ---- operands

    def assemble(self) -> None:
        """Find the sources of all operands, and check that nothing else came in or went out.

        Raises:
            NotReplayable: something did.
        """
        recorded, graph = self.recorded, self.graph
        reason = self.guards.broken()
        if reason is not None:
            raise Unsettled(f"it changes what it depends on: {reason}")
        if self.session.warned is not None:  # again, or for the only time?
            raise Unsettled("it warns: " + self.session.warned.partition("\n")[0])
        self._effects()
        wanted = [final for _, final, _, _ in self.finals]
        wanted += [g.__dict__["_storage"].__dict__["value"] for _, g, _ in self.grads if g is not None]
        wanted += [r.value for r in recorded.results if r.value is not None]
        wanted += [value for r in recorded.results for value in r.values]
        self._no_escape(wanted)
        self.kept.clear()
        slots = {v.slot for v in wanted if v.graph is graph and v.slot >= 0}
        if recorded.differentiable is not None:
            slots |= recorded.differentiable.saved
        recorded.live = sorted(slots)
        places = {slot: i for i, slot in enumerate(recorded.live)}

        def place(value: Value) -> int:
            if value.graph is graph and value.slot >= 0:
                return places[value.slot]
            if value.graph is not graph:
                graph.add_leaf(value)
            return -1 - (-value.slot - 1) // 3

        self._place(place)
        avals = [aval for signature, _ in nodes(graph.flat) for aval in signature.outputs]
        recorded.avals = [avals[slot] for slot in recorded.live]
        recorded.actions = self.session.actions
        self._sources()
        if recorded.forks:
            self._decisions()
        if recorded.differentiable is not None:
            recorded.differentiable.place(self, places)

    def _decisions(self) -> None:
        """The part after the last decision, and whether each part finds what it reads."""
        session, recorded = self.session, self.recorded
        if session.rewinds:
            raise NotReplayable("it draws random numbers a second time (checkpointing) and decides")
        piece = recorded.last = stretch(self.graph.flat, *session.cut, recorded.live)
        read = {s for s in (*piece.inputs, *recorded.live) if s >= 0}
        if not read <= {*session.computed, *piece.outputs}:
            raise NotReplayable("a value from before a decision is gone after it")
        moved = False
        for action in session.actions[: recorded.forks[-1].actions]:
            if type(action) is Numbers and moved:
                raise NotReplayable("it steps a schedule and then an optimizer before it decides")
            moved = moved or type(action) not in (Numbers, Draw)

    def _place(self, place: Any) -> None:
        recorded, session = self.recorded, self.session
        arguments = {id(t._storage): i for i, t in reversed(list(enumerate(self.tensors)))}
        held = {
            id(log.initial._storage): Target(tensor=log.tensor, argument=self.numbers.get(id(log.tensor), -1))
            for log in session.grads.values()
            if log.initial is not None
        }
        self.arguments, self.held = arguments, held
        for storage, final, versions, writes in self.finals:
            number = arguments.get(id(storage), -1)
            if id(storage) in held:
                recorded.written.append((held[id(storage)], True, place(final), versions, writes))
            else:
                target = Target(argument=number) if number >= 0 else Target(storage=storage)
                recorded.written.append((target, False, place(final), versions, writes))
        for target, final, _ in self.grads:
            where = None if final is None else place(final.__dict__["_storage"].__dict__["value"])
            recorded.stored.append((target, where))
        for r in recorded.results:
            if r.value is not None:
                r.ref = place(r.value)
            r.refs = [place(value) for value in r.values]

    def _sources(self) -> None:
        """Where each leaf comes from in another call."""
        session, recorded, graph = self.session, self.recorded, self.graph
        touched = {id(t.placeholder): t.storage for t in session.touched.values()}
        touched |= self.state
        drawn = {id(a.placeholder): i for i, a in enumerate(session.actions) if type(a) is Draw}
        known = {id(t.__dict__["_storage"]) for t in self.guards.tensors.values()}
        constant = set(session.constants) | {id(v) for v in _ones.values()}
        changed = {id(storage) for storage, _, _, _ in self.finals}
        for number, t in enumerate(self.tensors):
            if id(t._storage) in known:
                recorded.pinned.append((number, t))
            else:
                recorded.others.append(number)
        recorded.reached = {id(s): s for s in (t._storage for t in self.guards.tensors.values())}
        used: set[int] = set()
        recorded.template = [None] * len(graph.leaves)
        often = spared(graph.flat, [leaf.aval for leaf in graph.leaves])
        for i, leaf in enumerate(graph.leaves):
            key = id(leaf)
            if key in self.cotangents:
                continue
            if key in self.views:
                recorded.arguments.append((i, self.views[key]))
            elif key in touched:
                storage = touched[key]
                number = self.arguments.get(id(storage), -1)
                if id(storage) in self.held:
                    recorded.gradients.append((i, self.held[id(storage)], leaf.aval))
                elif number >= 0 and self.tensors[number]._view is None:
                    recorded.arguments.append((i, number))
                elif number >= 0:
                    raise NotReplayable("it reads or writes more of an argument than the view that was given")
                elif id(storage) in known:
                    recorded.storages.append((i, storage, leaf.aval))
                    used.add(id(storage))
                    if id(storage) in changed and leaf.aval.nbytes >= DONATE_BYTES and i not in often:
                        recorded.donate.append(i)
                else:
                    shape = tuple(leaf.aval.shape)
                    raise NotReplayable(f"it reads a tensor of shape {shape} that cannot be found from it")
            elif key in drawn:
                recorded.draws[drawn[key]] = i
            elif key in constant:
                recorded.template[i] = leaf
            else:
                raise NotReplayable("it reads a value that something outside has kept")
        for storage, _, _, _ in self.finals:
            if id(storage) not in self.held and id(storage) not in self.arguments:
                if id(storage) not in known:
                    raise NotReplayable("it changes a tensor that cannot be found from it")
                used.add(id(storage))
        for number, t in enumerate(self.tensors):
            if id(t._storage) in changed:  # where its elements are in the memory that is written
                recorded.views.append((number, view_numbers(t)))
        self.guards.fix(used)

    def _no_escape(self, wanted: list[Any]) -> None:
        """Nothing that was computed may be held by anyone but results, changed storages and gradients.

        Raises:
            NotReplayable: something is, say an attribute or a list.
        """
        graph = self.graph
        if graph.notes is not None:
            graph.notes.close()
            graph.notes = None
        allowed = {id(storage) for storage, _, _, _ in self.finals}
        allowed |= {id(g.__dict__["_storage"]) for _, g, _ in self.grads if g is not None}
        accounted = {id(v) for v in wanted}
        for node in self.kept.values():
            accounted.update(id(x) for x in getattr(node, "saved", None) or () if isinstance(x, Value))
        constants = self.session.constants
        for key in [k for k, v in constants.items() if v.pending]:
            del constants[key]
        if self._held(accounted, allowed):
            gc.collect()  # what only cycles keep
        if self._held(accounted, allowed):
            what = "number that it reads" if self.session.numbers_held() else "tensor that it computes"
            raise NotReplayable(f"a {what} is kept elsewhere (an attribute, a list)")

    def _held(self, accounted: set[int], allowed: set[int]) -> bool:
        """Whether somebody has a tensor or number of this call: a value, or a storage that holds one."""
        if self._stored(allowed) or self.session.numbers_held():
            return True
        if any(tensor() is not None for _, tensor in self.watched):
            return True
        outputs = self.graph.outputs
        if self.recorded.differentiable is not None:
            outputs = outputs[: self.recorded.differentiable.outputs]  # the others are its gradients
        return any(v is not None and id(v) not in accounted for v in (o() for o in outputs))

    def _stored(self, allowed: set[int]) -> bool:
        drawn = {id(a.placeholder) for a in self.session.actions if type(a) is Draw}
        for reference in self.session.made:
            storage = reference()
            if storage is not None and id(storage) not in allowed:
                value = storage.__dict__.get("value")
                if value is None:
                    continue
                if id(value) in drawn or (value.graph is self.graph and value.slot >= 0):
                    return True
        return False

    # ---- the end

    def commit(self) -> Recorded:
        """Take back what the call changed: the first run of the program makes the same changes."""
        session = self.session
        session.uninstall()
        session.forget_cached()
        owner = recorder(self.graph.device)
        if settings.verify:
            verify(self.graph)
        owner.graph, owner.unfinished = Graph(self.graph.device), False
        for leaf in self.graph.leaves:
            leaf.graph = None
        for t in session.touched.values():
            t.storage.__dict__["value"] = None if t.buffer is not None else t.value
            t.storage.version, t.storage.writes = t.version, t.writes
        for first, storage in self.state.items():
            storage.value = next(v for v in self.graph.leaves if id(v) == first)
            storage.version = storage.writes = 0
        for target, _, initial in self.grads:
            target.of(self.tensors)._grad = initial
        for r in self.recorded.results:
            r.value, r.edge, r.values = None, None, ()
        if self.recorded.last is None and self.recorded.differentiable is None:
            self.recorded.leave_out_spent()
        self.graph.leaves = [_Gone] * len(self.graph.leaves)
        self.graph.outputs = []
        # What the recording keeps of this call would keep the first run from overwriting state in its memory,
        # and the second would be another program.
        for held in (session.touched, session.constants, session.initial, session.shown):
            held.clear()
        return self.recorded

    def undo(self) -> None:
        """Forget the backward that was recorded along."""
        if self.recorded.differentiable is not None:
            self.recorded.differentiable.undo()

    def give_up(self) -> Any:
        """The result for a call that goes on unrecorded, after its own was let go."""
        tensors: list[Any] = []
        alive = {id(r): tensor for r, tensor in self.watched}
        for r in self.recorded.results:
            if r.compute is not None:
                tensors.append(r.compute([host_array(value).item() for value in r.values]))
                continue
            found = self.tensors[r.same] if type(r.same) is int else r.same
            if found is None and id(r) in alive:
                found = alive[id(r)]()
            if found is None:
                found = from_value(r.value)
                found.__dict__.update(r.attributes)
                if r.strides is not None:
                    found._storage.strides = found._strides = r.strides
                if r.edge is not None:
                    found._fn, found._nr = r.edge
                if modes.level == INFERENCE:
                    found._inference = True
            tensors.append(found)
        return self.recorded.rebuild(tensors)


_Gone: Any = None
_NOTHING: Any = object()


def _dense(t: Any) -> bool:
    """Whether the elements fill their memory without gaps or overlaps."""
    expected = 1
    for n, s in sorted(zip(t._aval().shape, t._strides, strict=True), key=lambda x: x[1]):
        if n != 1:
            if s != expected:
                return False
            expected *= n
    return True
