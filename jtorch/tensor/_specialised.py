"""Functions that apply an op to arguments of the types it usually gets.

``run`` in ``_core.py`` defines what it means to apply an op, and takes anything. A loop calls an op with the
same types of arguments again and again; for those a function is written out here that has no loops and
looks at nothing that cannot be there: about a third of the bytecode. It returns ``None`` whenever it meets
something else, having changed nothing, and then ``run`` goes its own way.

Inside of a transform of ``jtorch.func`` operands are values without contents. A second function, called
where the first one meets such an operand, notes the operation as the recording of the transform
(``func/_recording.py``) does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

from jtorch.dispatch import GRAD, INFERENCE, Plan, modes, told_apart
from jtorch.ops._registry import OPERAND, STATIC, Op
from jtorch.tape import sequence, tape_of
from jtorch.tensor import _core
from jtorch.tensor._attaching import SAVED_IN_INFERENCE, class_of
from jtorch.tensor._core import Tensor
from jtorch.tensor._forms import check_types
from jtorch.tensor._orders import POINTWISE
from jtorch.tensor._storage import Storage
from jtorch.tensor._strides import COLUMNS, KEEPS_CHANNELS_LAST, KEEPS_ORDER
from jtorch.trace import LOCK, TracedValue, Value, full, settings
from jtorch.trace._read_numbers import ReadNumber

__all__ = ["specialise"]

#: Calls with the same types before a function is written for them: most ops of a program run once.
CALLS = 3

_counts: dict[tuple[Op, tuple[type, ...]], int] = {}
_NONE = type(None)
_NUMBERS = {float: "float", int: "int", bool: "bool"}
#: How an operand can lead to a gradient.
_NOWHERE, _TO_NODE, _TO_LEAF = range(3)


def specialise(op: Op, kinds: tuple[type, ...]) -> bool:
    """Check the types of a call's arguments, and note it; write the function if they come often."""
    check_types(op, kinds)
    if any(_core.takes_part(k) for k in kinds):
        return True
    key = op, kinds
    count = _counts[key] = _counts.get(key, 0) + 1
    if count >= CALLS:
        del _counts[key]
        op.variants[kinds] = _variant(op, kinds) or False
    return False


def _variant(op: Op, kinds: tuple[type, ...]) -> Callable[..., Tensor | None] | None:
    lines = _Lines(op, kinds)
    if not lines.fits:
        return None
    names: dict[str, Any] = {
        "GRAD": GRAD, "INFERENCE": INFERENCE, "INSIDE": TracedValue.graph, "LOCK": LOCK, "Storage": Storage,
        "Tensor": Tensor, "TracedValue": TracedValue, "Value": Value, "defaults": op.defaults, "full": full,
        "known": lines.known, "modes": modes, "new": object.__new__, "prepare": lines.prepare, "ref": ref,
        "settings": settings, "tape_of": tape_of,
    }  # fmt: skip
    # A name below the package's folder: reports name the user's line, not this code.
    title = f"{__file__}: {op.name} of {len(kinds)} arguments"
    exec(compile(lines.source(), title, "exec"), names)
    if lines.tensors:
        exec(compile(lines.source_inside(), title, "exec"), names)
    return names["variant"]  # type: ignore[no-any-return]


class _Lines:
    """Writes the function for an op and types of its arguments.

    Attributes:
        fits: whether there can be one.
        known: what :meth:`prepare` found out, by the key of the op's plans.
    """

    def __init__(self, op: Op, kinds: tuple[type, ...]) -> None:
        self.op, self.kinds = op, kinds
        self.known: dict[Any, Any] = {}
        self.key: list[str] = []  # of the plan
        self.operands: list[tuple[str, str]] = []  # expression and series ("leaf", "float", "int") of each
        self.tensors: list[int] = []  # arguments that are tensors
        self.places: list[int] = []  # their places among the operands
        self.checks: list[str] = []
        complete = len(kinds) == len(op.params) and not op.host and op.name not in COLUMNS
        self.fits = complete and all(map(self._argument, range(len(kinds))))

    def _argument(self, i: int) -> bool:
        op, kind = self.op, self.kinds[i]
        if op.kinds[i] == STATIC or kind is _NONE:
            self.key.append(f"a{i}")
            return not issubclass(kind, Tensor | ReadNumber)
        if op.kinds[i] != OPERAND:
            return False
        if issubclass(kind, Tensor):
            self.key.append(f"v{i}.aval")
            self.places.append(len(self.operands))
            self.tensors.append(i)
            self.operands.append((f"v{i}", "leaf"))
            return True
        if kind not in _NUMBERS or op.params[i] in op.baked:
            return False
        if type(op.defaults[i]) is kind:
            # The default itself is part of the program.
            self.checks.append(f"a{i} is not defaults[{i}]")
            self.key.append(f"a{i}")
            return True
        if kind is int:
            self.checks.append(f"not -9223372036854775808 <= a{i} < 9223372036854775808")
        self.key.append(_NUMBERS[kind])
        if kind is float:
            self.operands.append((f"a{i}", "float"))
        else:
            self.operands.append((f"int(a{i})" if kind is bool else f"a{i}", "int"))
        return True

    def source(self) -> str:
        args = ", ".join(f"a{i}" for i in range(len(self.kinds)))
        lines = [f"def variant({args}):"]
        put = lines.append
        if self.checks:
            put(f" if {' or '.join(self.checks)}: return None")
        put(" level = modes.level")
        for i in self.tensors:
            put(f" if a{i}._view is None:")
            put(f"  v{i} = a{i}._storage.value")
            put(f"  if v{i} is None: v{i} = a{i}._storage.read()")
            put(" else:")
            put(f"  v{i} = a{i}._read()")
            put(f"  if a{i}._abase is not None and level == GRAD:")
            put(f"   a{i}._renew()")
            put(f"   if a{i}._fn is None and not a{i}._requires and a{i}._abase._tracked: return None")
            if self.op.promote is not None or self.op.name in POINTWISE | KEEPS_CHANNELS_LAST | KEEPS_ORDER:
                put(f" if a{i}._strides is not None: return None")
        put(f" try: found = known[({''.join(k + ', ' for k in self.key)})]")
        put(" except (KeyError, TypeError):")
        put(f"  found = prepare(({''.join(k + ', ' for k in self.key)}))")
        put(" if found is None: return None")
        put(" recorder, number, aval, nbytes, attachers = found")
        put(" way = 0")
        if self.tensors:
            put(" if level == GRAD and attachers is not None:")
            for place, i in enumerate(self.tensors):
                put(f"  if a{i}._fn is not None: way += {_TO_NODE * 3**place}")
                put(f"  elif a{i}._requires: way += {_TO_LEAF * 3**place}")
            put("  if way and modes.watch: return None")
        put(" with LOCK:")
        put("  graph = recorder.graph")
        put("  if graph.nodes >= settings.cap: return None")
        slots = []
        inside = f"return inside(found, level, way, {self._given()})"
        leaves = [name for name, series in self.operands if series == "leaf"]
        for j, (name, series) in enumerate(self.operands):
            if series == "leaf":
                leaves.remove(name)
                put(f"  there = {name}.graph")
                put(f"  if there is graph: s{j} = {name}.slot")
                put("  elif there is None:")
                if leaves:
                    put(f"   if {' or '.join(f'{n}.graph is INSIDE' for n in leaves)}: {inside}")
                put("   leaves = graph.leaves")
                put(f"   s{j} = {name}.slot = -1 - 3 * len(leaves)")
                put(f"   leaves.append({name})")
                put(f"   {name}.graph = graph")
                put(f"  else: {inside}")
        for j, (name, series) in enumerate(self.operands):
            slots.append(f"s{j}")
            if series != "leaf":
                put(f"  numbers = graph.{series}s")
                put(f"  s{j} = {-2 if series == 'float' else -3} - 3 * len(numbers)")
                put(f"  numbers.append({name})")
        put(f"  graph.flat += (number, {', '.join(slots)})")
        put("  graph.nodes += 1")
        put("  graph.nbytes += nbytes")
        put("  outputs = graph.outputs")
        put("  value = new(Value)")
        put("  value.aval = aval")
        put("  value.graph = graph")
        put("  value.slot = len(outputs)")
        put("  outputs.append(ref(value))")
        put("  if graph.nbytes >= settings.max_bytes: full(recorder)")
        put(" result = new(Tensor)")
        put(" result._storage = storage = new(Storage)")
        put(" storage.value = value")
        if self.tensors:
            put(" if way:")
            put(f"  result._fn = attachers[way](graph, storage, {self._given()})")
            put("  return result")
        put(" if level == INFERENCE: result._inference = True")
        put(" return result")
        return "\n".join(lines)

    def _given(self) -> str:
        """Tensors and operands, as arguments of a function."""
        return ", ".join([f"a{i}" for i in self.tensors] + [name for name, _ in self.operands])

    def source_inside(self) -> str:
        """As ``Recording.apply`` and ``note``, where an operand belongs to the innermost transform."""
        names = [f"o{j}" for j in range(len(self.operands))]
        given = ", ".join([f"a{i}" for i in self.tensors] + names)
        values = [names[j] for j in self.places]
        lines = [f"def inside(found, level, way, {given}):"]
        put = lines.append
        put(" at = modes.captured")
        put(" if at is None or (level != GRAD and modes.functional): return None")
        for v in values:
            put(f" r{v} = {v}.recording")
        put(f" if {' and '.join(f'r{v} is not at' for v in values)}: return None")
        for v in values if len(values) > 1 else ():
            unknown = f"(type({v}) is not Value if r{v} is None else r{v}.left)"
            put(f" if r{v} is not at and {unknown}: return None")
        put(" recorder, number, aval, _, attachers = found")
        for n, (place, i) in enumerate(zip(self.places, self.tensors, strict=True)):
            history = f"a{i} if way // {3**n} % 3 else None"
            put(f" s{place} = o{place}.slot if ro{place} is at else at.take(o{place}, {history})")
        for j, (_, series) in enumerate(self.operands):
            if series != "leaf":
                put(f" s{j} = {-2 if series == 'float' else -3} - 3 * len(at.{series}s)")
                put(f" at.{series}s.append(o{j})")
        put(f" at.flat += (number, {', '.join(f's{j}' for j in range(len(names)))})")
        put(" value = new(TracedValue)")
        put(" value.aval = aval")
        put(" value.recording = at")
        put(" value.slot = at.count")
        put(" at.count += 1")
        put(" result = new(Tensor)")
        put(" result._storage = storage = new(Storage)")
        put(" storage.value = value")
        put(" if way:")
        put("  graph = recorder.graph")
        put("  tape_of(graph).whole = False")
        put(f"  result._fn = attachers[way](graph, storage, {given})")
        put(" elif level == INFERENCE: result._inference = True")
        put(" return result")
        return "\n".join(lines)

    def prepare(self, key: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """What the function needs to know of a plan; ``None`` if the plan is not there or not simple."""
        parts = zip(key, self.op.kinds, strict=True)
        try:
            plan = self.op.plans.get(tuple(told_apart(x) if kind == STATIC else x for x, kind in parts))
        except TypeError:
            return None
        if plan is None or plan.signature is None or not plan.single or plan.moved:
            return None
        signature = plan.signature
        if signature.single is None:
            return None
        attachers = _Attachers(plan, self) if plan.differentiable else None
        found = signature.recorder, signature.id, signature.single, signature.nbytes, attachers
        self.known[key] = found
        return found


class _Attachers(dict[int, Any]):
    """Functions that make a plan's autograd node, by how its operands lead to gradients (base 3 digits)."""

    def __init__(self, plan: Plan, lines: _Lines) -> None:
        self.plan, self.places, self.operands = plan, lines.places, len(lines.operands)

    def __missing__(self, way: int) -> Callable[..., Any]:
        ways = [way // 3**n % 3 for n in range(len(self.places))]
        needs = tuple(place for place, w in zip(self.places, ways, strict=True) if w)
        found = self[way] = _attacher(self.plan, self.places, ways, self.operands, needs)
        return found


_attachers: dict[Any, Any] = {}


def _attacher(
    plan: Plan, places: Sequence[int], ways: Sequence[int], operands: int, needs: tuple[int, ...]
) -> Callable[..., Any]:
    kept, checked = plan.kept(needs), plan.checked(needs)
    key = tuple(places), tuple(ways), operands, kept, checked
    make = _attachers.get(key)
    if make is None:
        names: dict[str, Any] = {
            "INFERENCE": SAVED_IN_INFERENCE, "new": object.__new__, "ref": ref, "sequence": sequence,
            "tape_of": tape_of, "needs": needs,
        }  # fmt: skip
        source = _attacher_source(places, ways, operands, kept, checked)
        exec(compile(source, f"<node of {operands} operands>", "exec"), names)
        make = _attachers[key] = names["make"]
    return make(plan, class_of(plan))  # type: ignore[no-any-return]


def _attacher_source(
    places: Sequence[int], ways: Sequence[int], operands: int, kept: Sequence[int], checked: Sequence[int]
) -> str:
    """As :func:`jtorch.tensor._attaching.attach` and ``Tape.add``, for an op with one result."""
    tensor_at = {place: n for n, place in enumerate(places)}
    edges, tape = ["None"] * operands, ["-1"] * operands
    for place, way in zip(places, ways, strict=True):
        if way == _TO_NODE:
            edges[place], tape[place] = f"(f{place}, t{place}._nr)", f"f{place}.index << 20 | t{place}._nr"
        elif way == _TO_LEAF:
            edges[place], tape[place] = f"(t{place}, 0)", f"-2 - n{place}"
    given = ", ".join([f"t{p}" for p in places] + [f"o{j}" for j in range(operands)])
    lines = ["def make(plan, cls):", f" def attach(graph, storage, {given}):"]
    put = lines.append
    for place, way in zip(places, ways, strict=True):
        if way == _TO_NODE:
            put(f"  f{place} = t{place}._fn")
    checks = []
    for j in checked:
        if j < 0:
            checks.append(f"(ref(storage), storage.version, {j})")
        elif j in tensor_at:
            put(f"  if t{j}._inference: raise RuntimeError(INFERENCE)")
            put(f"  c{j} = t{j}._own_version")
            put(f"  if c{j} is None: c{j} = t{j}._storage")
            checks.append(f"(ref(c{j}), c{j}.version, {j})")
    put("  node = new(cls)")
    put("  node.plan = plan")
    put(f"  node.edges = [{', '.join(edges)}]")
    put("  node.needs = needs")
    put(f"  node.saved = [{', '.join(f'o{j}' for j in kept)}]")
    put(f"  node.checks = checks = [{', '.join(checks)}]")
    put("  node.number = next(sequence)")
    put("  tape = graph.notes")
    put("  if tape is None: tape = tape_of(graph)")
    put("  if tape.whole:")
    for place, way in zip(places, ways, strict=True):
        if way == _TO_NODE:
            put(f"   if f{place}.tape is not tape:")
            put("    tape.whole = False")
            put("    return node")
        elif way == _TO_LEAF:
            put(f"   n{place} = tape.numbers.get(id(t{place}))")
            put(f"   if n{place} is None: n{place} = tape.add_leaf(t{place})")
    put(f"   tape.flat += (plan, graph.nodes, {', '.join(tape)})")
    put("   nodes = tape.nodes")
    put("   node.tape = tape")
    put("   node.index = len(nodes)")
    put("   nodes.append(node)")
    if checks:
        put("   tape.checks += checks")
    put("  return node")
    put(" return attach")
    return "\n".join(lines)


_core.specialise = specialise
