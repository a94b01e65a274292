"""Plans: what one call of an op amounts to, worked out once per kind of call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from jax.interpreters.partial_eval import dce_jaxpr

from jtorch import dtypes
from jtorch.devices import CPU, META, device
from jtorch.dispatch._argument_types import check_arguments, wrong_type
from jtorch.dispatch._derivative_names import derivative_node
from jtorch.dispatch._promotion import number_dtype, result_dtype
from jtorch.dtypes import COMPLEX, FLOAT, HALF, dtype, from_numpy_dtype
from jtorch.errors import drop_jax_note
from jtorch.ops._checks import TYPE_CHECKS
from jtorch.ops._plain import converted
from jtorch.ops._registry import LIST, OPERAND, OPS, Op
from jtorch.trace import NUMBER_KINDS, Aval, Signature, aval_of, spec
from jtorch.trace._jaxprs import apply_equation, walk
from jtorch.trace._meshes import in_no_mesh, outside_meshes, pull_back

__all__ = ["Baked", "Plan", "clear_plans", "common_device", "plan_call"]

DIFFERENTIABLE = FLOAT


class Plan:
    """One operation, ready to be recorded: a pure function of its operands with known result avals.

    Attributes:
        fn: ``fn(*operand arrays) -> tuple``; operands in order, Python numbers as 0-dim arrays.
        jaxpr: the trace of it that inferred the shapes, from which derivatives are made.
        operands: an :class:`Aval` or the type of a Python number, each.
        outputs: avals of the results.
        signature: in the trace; ``None`` on the meta device.
        node: name of the autograd node, or ``None``.
        saved: positions of operands that the backward reads (their values are kept, their versions checked).
        checks: what must not be modified, if PyTorch's backward reads other things than the operands that
            this one's reads: positions of operands, and ``-1 - n`` for result n; else ``None``.
        watched: what must not be modified, though this backward does not read it, in the same numbers, each
            with the position of the operand that has to require grad for it (``None``: any).
        single: there is one result, not a tuple.
    """

    __slots__ = (
        "_backwards",
        "_checked",
        "_jvps",
        "_kept",
        "_reached",
        "_vjps",
        "checks",
        "differentiable",
        "fn",
        "frees",
        "jaxpr",
        "moved",
        "node",
        "node_class",
        "operands",
        "outputs",
        "returns",
        "saved",
        "signature",
        "single",
        "title",
        "watched",
    )

    def __init__(
        self,
        title: str,
        fn: Callable[..., tuple[Any, ...]],
        operands: Sequence[Aval | type],
        *,
        device: device,
        node: str | None,
        saved: Sequence[int] | None = None,
        checks: frozenset[int] | None = None,
        watched: Sequence[tuple[int, int | None]] = (),
        single: bool = True,
        returns: Any = None,
    ) -> None:
        self.title, self.fn, self.operands = title, fn, tuple(operands)
        self.node, self.single, self.returns = node, single, returns
        # jit keeps the trace that infers the shapes; programs take it from there, equation by equation.
        traced = jax.jit(fn, inline=True)
        try:
            with outside_meshes():
                self.jaxpr = traced.trace(*(spec(x) for x in self.operands)).jaxpr
        except Exception as error:
            drop_jax_note(error)
            raise
        shapes = self.jaxpr.out_avals
        self.outputs = tuple(aval_of(tuple(s.shape), from_numpy_dtype(s.dtype), device) for s in shapes)
        self.signature: Any = (
            None if device is META else Signature(title, fn, self.operands, self.outputs, traced)
        )
        self.differentiable = node is not None and any(
            a.dtype.category >= DIFFERENTIABLE for a in self.outputs
        )
        self.saved = frozenset(range(len(self.operands)) if saved is None else saved)
        self.checks, self.watched = checks, watched
        #: a backward frees something, so that a second one is an error
        self.frees = any(isinstance(self.operands[i], Aval) for i in self.saved)
        #: positions of 0-dim CPU operands that go along to the op's device
        self.moved: tuple[int, ...] = ()
        #: class of the autograd node, filled in by the tape
        self.node_class: Any = None
        self._vjps: dict[Any, Plan] = {}
        #: gradients that were made to see what they read
        self._backwards: dict[Any, Callable[..., tuple[Any, ...]]] = {}
        self._jvps: dict[tuple[int, ...], tuple[Plan, frozenset[int]]] = {}
        self._kept: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._checked: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._reached: dict[tuple[int, ...], tuple[int, ...]] = {}

    def __repr__(self) -> str:
        return f"<plan {self.title}{list(self.operands)} -> {list(self.outputs)}>"

    def kept(self, needs: tuple[int, ...]) -> tuple[int, ...]:
        """Positions of the operands that the gradients of ``needs`` read, in order.

        PyTorch saves, say, both factors of a product only if both require grad.
        """
        found = self._kept.get(needs)
        if found is None:
            found = self._kept[needs] = _kept(self, needs)
        return found

    def checked(self, needs: tuple[int, ...]) -> tuple[int, ...]:
        """What must not be modified until ``needs`` have gradients: operands, and ``-1 - n`` for result n."""
        found = self._checked.get(needs)
        if found is None:
            found = self.kept(needs)
            if self.checks is not None:
                results = sorted((i for i in self.checks if i < 0), reverse=True)
                found = (*(i for i in sorted(self.saved) if i in self.checks), *results)
            if self.watched:
                found = (
                    *found,
                    *(i for i, of in self.watched if i not in found and (of is None or of in needs)),
                )
            self._checked[needs] = found
        return found

    def reached(self, needs: tuple[int, ...]) -> tuple[int, ...]:
        """Numbers of the results that may have a gradient with respect to these operands."""
        found = self._reached.get(needs)
        if found is None:
            found = self._reached[needs] = _reached(self, needs)
        return found

    def vjp(self, needs: tuple[int, ...], given: tuple[int, ...]) -> Plan:
        """The plan of the gradient.

        Its operands are those of :meth:`kept` in order, then a cotangent per output in ``given``; its
        results the gradients of the operands in ``needs``.

        Args:
            needs: positions of operands to differentiate.
            given: numbers of the outputs that have a cotangent; the others' are zero.
        """
        key = (needs, given)
        found = self._vjps.get(key)
        if found is None:
            found = self._vjps[key] = _vjp_plan(self, needs, given)
        return found

    def jvp(self, needs: tuple[int, ...]) -> tuple[Plan, frozenset[int]]:
        """The plan of the forward derivative, and positions of the operands that it reads.

        Its operands are those of the plan, then a tangent per position in ``needs``; its results the tangents
        of the results in :attr:`moving`.
        """
        found = self._jvps.get(needs)
        if found is None:
            found = self._jvps[needs] = _jvp_plan(self, needs)
        return found

    @property
    def moving(self) -> list[int]:
        """Numbers of the results that can have a derivative."""
        return [i for i, a in enumerate(self.outputs) if a.dtype.category >= DIFFERENTIABLE]

    def batched(self, size: int, plain: int) -> Plan:
        """The plan for a batch: operands from the ``plain``-th on, and results, have a leading dimension."""
        key = ("batch", size, plain)
        found = self._vjps.get(key)
        if found is None:
            found = self._vjps[key] = _batched_plan(self, size, plain)
        return found


def _batched_plan(plan: Plan, size: int, plain: int) -> Plan:
    axes = tuple(None if i < plain else 0 for i in range(len(plan.operands)))
    operands: list[Aval | type] = []
    for x, axis in zip(plan.operands, axes, strict=True):
        if axis is not None:
            assert isinstance(x, Aval)
            x = aval_of((size, *x.shape), x.dtype, x.device)
        operands.append(x)
    return Plan(
        plan.title + "_batched",
        jax.vmap(plan.fn, axes, axis_size=size),
        operands,
        device=plan.outputs[0].device,
        node=plan.node,
        single=plan.single,
    )


def _kept(plan: Plan, needs: tuple[int, ...]) -> tuple[int, ...]:
    saved = tuple(sorted(plan.saved))
    if not any(isinstance(plan.operands[i], Aval) for i in saved):
        return saved
    others = [
        i
        for i, x in enumerate(plan.operands)
        if i not in needs and (isinstance(x, type) or x.dtype.category >= DIFFERENTIABLE)
    ]
    if not others and not plan.title.endswith("_backward"):
        return saved  # as PyTorch's node keeps it; a derivative keeps what its own derivative reads
    given = plan.reached(needs)
    specs = [spec(plan.operands[i]) for i in saved] + [spec(plan.outputs[i]) for i in given]
    with outside_meshes():
        closed = jax.make_jaxpr(_backward_function(plan, needs, given, saved))(*specs)
    # Numbers are kept in any case.
    stays = [isinstance(plan.operands[i], type) for i in saved] + [True] * len(given)
    jaxpr, read = dce_jaxpr(closed.jaxpr, [True] * len(needs), stays)
    # Once made, the gradient serves for its plan as well.
    kept = tuple(i for i, is_read in zip(saved, read, strict=False) if is_read)
    again = _backward_function(plan, needs, given, kept)
    plan._backwards[needs, given] = partial(_evaluated, ClosedJaxpr(jaxpr, closed.consts), again)
    return kept


def _reached(plan: Plan, needs: tuple[int, ...]) -> tuple[int, ...]:
    jaxpr = plan.jaxpr.jaxpr
    moved = {jaxpr.invars[i] for i in needs}
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("stop_gradient", "forwards_only"):
            continue
        if any(not isinstance(v, Literal) and v in moved for v in equation.invars):
            moved.update(v for v in equation.outvars if jnp.issubdtype(v.aval.dtype, jnp.inexact))
    return tuple(i for i in plan.moving if not isinstance(v := jaxpr.outvars[i], Literal) and v in moved)


def _backward_function(
    plan: Plan, needs: tuple[int, ...], given: tuple[int, ...], kept: tuple[int, ...]
) -> Callable[..., tuple[Any, ...]]:
    count = len(kept)
    shapes = plan.operands

    def backward(*arrays: Any) -> tuple[Any, ...]:
        saved = dict(zip(kept, arrays[:count], strict=True))
        # Operands that the gradient does not depend on are known by shape alone.
        primals = [saved[i] if i in saved else _zeros(shapes[i]) for i in range(len(shapes))]
        wanted = tuple(primals[i] for i in needs)

        def forward(*wanted: Any) -> tuple[Any, ...]:
            full = list(primals)
            for i, x in zip(needs, wanted, strict=True):
                full[i] = x
            results = _results(plan, full)
            return tuple(results[i] for i in given)

        def tangents(*moves: Any) -> tuple[Any, ...]:
            moved: tuple[Any, ...] = jax.jvp(forward, wanted, moves)[1]
            return moved

        # PyTorch's gradient of a complex operand is the conjugate of JAX's.
        cotangents = tuple(_conj(c) for c in arrays[count:])
        if in_no_mesh():
            # What jax.vjp does, but it looks at each primitive by itself, for half as much time again.
            gradients = jax.linear_transpose(tangents, *wanted)(cotangents)
        else:
            gradients = pull_back(forward, wanted, cotangents)
        return tuple(_conj(g) for g in gradients)

    return backward


def _vjp_plan(plan: Plan, needs: tuple[int, ...], given: tuple[int, ...]) -> Plan:
    kept = plan.kept(needs)
    made = plan._backwards.pop((needs, given), None)
    return Plan(
        plan.title + "_backward",
        _backward_function(plan, needs, given, kept) if made is None else made,
        [*(plan.operands[i] for i in kept), *(plan.outputs[i] for i in given)],
        device=plan.outputs[0].device,
        node=derivative_node(plan.node or plan.title),
        single=False,
    )


def _jvp_plan(plan: Plan, needs: tuple[int, ...]) -> tuple[Plan, frozenset[int]]:
    given, count = plan.moving, len(plan.operands)

    def forward(*arrays: Any) -> tuple[Any, ...]:
        primals, tangents = arrays[:count], arrays[count:]

        def moved(*wanted: Any) -> tuple[Any, ...]:
            full = list(primals)
            for i, x in zip(needs, wanted, strict=True):
                full[i] = x
            results = _results(plan, full)
            return tuple(results[i] for i in given)

        made: tuple[Any, ...] = jax.jvp(moved, tuple(primals[i] for i in needs), tangents)[1]
        return made

    made = Plan(
        plan.title + "_jvp",
        forward,
        [*plan.operands, *(plan.operands[i] for i in needs)],
        device=plan.outputs[0].device,
        node=plan.node,  # that of a linear operation, whose derivative is the operation itself
        single=False,
    )
    with outside_meshes():
        jaxpr = jax.make_jaxpr(forward)(*map(spec, made.operands)).jaxpr
    _, read = dce_jaxpr(jaxpr, [True] * len(given))
    return made, frozenset(i for i in range(count) if read[i])


def evaluate(closed: ClosedJaxpr, operands: Sequence[Any]) -> list[Any]:
    """The results of a jaxpr, with the jitted functions that it calls written out.

    Differentiating it costs a fraction of differentiating the function that it was traced from, whose
    ``jax.numpy`` calls are each differentiated as functions of their own.
    """
    return walk(closed.jaxpr, closed.consts, operands, _step)


def _step(equation: Any, given: list[Any]) -> Any:
    if equation.primitive.name == "jit":
        return evaluate(equation.params["jaxpr"], given)
    return apply_equation(equation, given)


def _evaluated(closed: ClosedJaxpr, function: Callable[..., Any], *operands: Any) -> tuple[Any, ...]:
    """What ``function`` makes of these operands, by the trace of it where that holds."""
    return tuple(evaluate(closed, operands) if in_no_mesh() else function(*operands))


def _results(plan: Plan, operands: Sequence[Any]) -> Sequence[Any]:
    """The results of the plan's function, by its trace where that holds."""
    return evaluate(plan.jaxpr, operands) if in_no_mesh() else plan.fn(*operands)


def _zeros(x: Aval | type) -> Any:
    if isinstance(x, Aval):
        return jnp.zeros(x.shape, x.dtype.numpy)
    return jnp.zeros((), NUMBER_KINDS[x])


def _conj(x: Any) -> Any:
    return jnp.conj(x) if jnp.iscomplexobj(x) else x


class Baked:
    """A number that is part of the program: 2 and 2.0 differ, and it is no default."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Baked) and type(self.value) is type(other.value) and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


def clear_plans() -> None:
    """Forget every plan of an op; needed when something that plans depend on changes (the default dtype)."""
    for op in OPS.values():
        op.plans.clear()
        op.variants.clear()


def common_device(name: str, avals: Sequence[Aval]) -> device:
    """The device of an op's tensors; 0-dim CPU tensors go along with any.

    Raises:
        RuntimeError: tensors on different devices.
    """
    found: device | None = None
    for a in avals:
        if a.device is found:
            continue
        if found is None or (found is CPU and _scalar_on_cpu(avals, found)):
            found = a.device
        elif not (a.device is CPU and a.ndim == 0):
            first, second = sorted((str(found), str(a.device)), reverse=True)
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{first} and {second}!"
            )
    return CPU if found is None else found


def _scalar_on_cpu(avals: Sequence[Aval], found: device) -> bool:
    return all(a.ndim == 0 for a in avals if a.device is found)


def plan_call(op: Op, args: Sequence[Any]) -> Plan:
    """Work out a call: check devices and dtypes, promote, infer result shapes.

    Args:
        op: the op.
        args: per parameter: an :class:`Aval`, the type of a Python number, a number at its default
            or baked in,
            ``None``, a static value, or a tuple of avals for a list.

    Raises:
        RuntimeError, TypeError, IndexError, ...: bad input, with PyTorch's texts.
    """
    operands: list[Aval | type] = []
    raw: set[int] = set()
    places: list[Any] = []  # per parameter: index into operands, list of those, or a constant
    promoted: list[int] = []
    args = [x.value if type(x) is Baked else x for x in args]
    if args and args[0] is None and op.kinds[0] == OPERAND and op.defaults[0] is not None:
        raise wrong_type(op, 0, "Tensor", None)
    for parameter, kind, x in zip(op.params, op.kinds, args, strict=True):
        if kind == LIST and x is not None:
            places.append(("list", [len(operands) + i for i in range(len(x))]))
            if parameter in op.promoted:
                promoted.extend(len(operands) + i for i in range(len(x)))
            operands.extend(x)
        elif kind == OPERAND and (isinstance(x, Aval) or x in _NUMBERS):
            places.append(("operand", len(operands)))
            if parameter in op.promoted:
                promoted.append(len(operands))
            if parameter in op.raw:
                raw.add(len(operands))
            operands.append(x)
        elif kind == OPERAND and x is not None and parameter in op.promoted and op.promote:
            places.append(("number", x))
        else:
            if type(x) is int and not -(1 << 63) <= x < 1 << 64:
                # A loop or a shape of such a size would never end.
                raise ValueError("Overflow when unpacking long long")
            places.append(("constant", x))
    avals = [x for x in operands if isinstance(x, Aval)]
    check_arguments(op, args, not avals)
    check = TYPE_CHECKS.get(op.name)
    if check is not None:
        check(*args)
    where = common_device(op.name, avals)
    moved = [i for i, x in enumerate(operands) if isinstance(x, Aval) and x.device is not where]
    operands = [aval_of(x.shape, x.dtype, where) if isinstance(x, Aval) else x for x in operands]
    compute, output = _compute_dtypes(op, operands, promoted, places)
    casts = _casts(op, operands, promoted, compute, output)
    casts = [None if i in raw else c for i, c in enumerate(casts)]
    rounded = _rounded_first(op, operands, promoted, places, output)
    if output is not None:
        places = [(what, _in_half(x, output) if what == "number" else x) for what, x in places]
    keyword = [(p, i) for i, p in enumerate(op.params) if i >= op.positional]
    pure = op.cpu if op.cpu is not None and where is CPU else op.fn
    single_box = [True]

    def fn(*arrays: Any) -> tuple[Any, ...]:
        if rounded:
            arrays = tuple(
                converted(jnp.asarray(x), output) if i in rounded else x for i, x in enumerate(arrays)
            )
        arrays = tuple(
            x if c is None else converted(jnp.asarray(x), c) for x, c in zip(arrays, casts, strict=True)
        )
        values = []
        for what, place in places:
            if what == "operand":
                values.append(arrays[place])
            elif what == "list":
                values.append(tuple(arrays[i] for i in place))
            else:
                values.append(place)
        result = pure(*values[: op.positional], **{p: values[i] for p, i in keyword})
        single_box[0] = not isinstance(result, tuple | list)
        results = (result,) if single_box[0] else tuple(result)
        if output is not None:
            results = tuple(r.astype(output) if r.dtype == compute else r for r in results)
        return results

    node = op.node if isinstance(op.node, str) or op.node is None else _node_name(op, args)
    saves = _saves(op, args)
    plan = Plan(
        op.name,
        fn,
        operands,
        device=where,
        node=node,
        saved=_saved(op, saves, places, operands),
        checks=_checks(op, saves, places),
        watched=_watched(op, args, places),
        returns=op.returns,
    )
    plan.single = single_box[0]
    plan.moved = tuple(moved)
    return plan


_NUMBERS = frozenset({bool, int, float, complex})


def _node_name(op: Op, args: Sequence[Any]) -> str:
    assert callable(op.node)
    shapes = [a.shape if isinstance(a, Aval) else None for a in args]
    statics = {p: x for p, x in zip(op.params, args, strict=True) if p in op.static}
    return op.node(shapes, statics)


def _saves(op: Op, args: Sequence[Any]) -> frozenset[str] | None:
    if not callable(op.saves):
        return op.saves
    names = op.saves(dict(zip(op.params, args, strict=True)))
    return None if names is None else frozenset(names.split())


def _saved(
    op: Op, saves: frozenset[str] | None, places: Sequence[Any], operands: Sequence[Aval | type]
) -> list[int] | None:
    if saves is None or not saves <= op.places.keys():
        # jax.vjp recomputes results from the operands, so these are kept; PyTorch's rule is checked apart.
        return None
    kept = [i for i, x in enumerate(operands) if isinstance(x, type)]
    for parameter, (what, place) in zip(op.params, places, strict=True):
        if what == "operand" and parameter in saves and place not in kept:
            kept.append(place)
        elif what == "list" and parameter in saves:
            kept.extend(place)
    return kept


def _checks(op: Op, saves: frozenset[str] | None, places: Sequence[Any]) -> frozenset[int] | None:
    """``Plan.checks`` of an op whose backward reads results."""
    if saves is None or saves <= op.places.keys():
        return None
    return frozenset(n for name in saves if name != "intermediate" for n in _numbers(op, name, places))


def _watched(op: Op, args: Sequence[Any], places: Sequence[Any]) -> list[tuple[int, int | None]]:
    watches = op.watches
    if callable(watches):
        watches = tuple(watches(dict(zip(op.params, args, strict=True))).split())
    found: list[tuple[int, int | None]] = []
    for entry in watches:
        name, _, of = entry.partition("@")
        needed: Sequence[int | None] = _numbers(op, of, places) if of else [None]
        found += [(n, of_number) for n in _numbers(op, name, places) for of_number in needed]
    return found


def _numbers(op: Op, name: str, places: Sequence[Any]) -> list[int]:
    """Positions of the operands that a parameter holds, or ``-1 - n`` for a result's name."""
    if name in op.places:
        what, place = places[op.places[name]]
        return list(place) if what == "list" else [place] if what == "operand" else []
    fields = ["result", "result1"] if op.returns is None else op.returns.split()[1:]
    return [-1 - fields.index(name)]


def _compute_dtypes(
    op: Op, operands: Sequence[Aval | type], promoted: Sequence[int], places: Sequence[Any]
) -> tuple[Any, Any]:
    """NumPy dtypes to compute in and to return (``None``: as computed)."""
    if op.promote is None:
        if op.opmath:
            first = next((x for x in operands if isinstance(x, Aval)), None)
            if first is not None and first.dtype in HALF:
                return np.dtype(np.float32), first.dtype.numpy
        return None, None
    members: list[Any] = [operands[i] for i in promoted]
    members += [
        type(x) for what, x in places if what == "number" and isinstance(x, bool | int | float | complex)
    ]
    if not members:
        return None, None
    common = result_dtype(members)
    if op.promote == "float" and common.category < FLOAT:
        common = dtypes.get_default_dtype()
    if op.opmath and common in HALF:
        return np.dtype(np.float32), common.numpy
    return common.numpy, None


def _casts(
    op: Op, operands: Sequence[Aval | type], promoted: Sequence[int], compute: Any, output: Any
) -> list[Any]:
    """The dtype each operand is converted to on entry (``None``: left alone)."""
    members = frozenset(promoted)
    first = next((x for x in operands if isinstance(x, Aval)), None)
    casts: list[Any] = []
    for i, x in enumerate(operands):
        if op.promote is not None and i in members:
            casts.append(compute)
        elif isinstance(x, Aval):
            casts.append(compute if output is not None and x.dtype.numpy == output else None)
        else:
            casts.append(_number_cast(x, first, compute if output is not None else None))
    return casts


#: What takes a single second operand, or a number, as it is to compute with a half type in float32.
_EXACT_SECOND = frozenset({"mul", "div", "floor_divide"})


def _rounded_first(
    op: Op, operands: Sequence[Aval | type], promoted: Sequence[int], places: Sequence[Any], output: Any
) -> frozenset[int]:
    """Numbers and tensors of other types that become the half type of the result before the op computes.

    The ``alpha`` of sums and differences is one of these numbers.
    """
    if output is None or op.promote is None:
        return frozenset()
    found = {
        i
        for n, i in enumerate(promoted)
        if not (isinstance(x := operands[i], Aval) and x.dtype.numpy == output)
        and not (n == 1 and op.name in _EXACT_SECOND and (isinstance(x, type) or math.prod(x.shape) == 1))
    }
    if "alpha" in op.params and (place := places[op.params.index("alpha")])[0] == "operand":
        found.add(place[1])
    return frozenset(found)


def _in_half(number: Any, half: Any) -> Any:
    """A number that is part of a program, as the half type has it; whole ones stay so if it has them."""
    if isinstance(number, bool | complex):
        return number
    with np.errstate(over="ignore"):
        rounded = float(np.asarray(number).astype(half))
    return number if rounded == number else rounded


def _number_cast(kind: type, first: Aval | None, wide: Any) -> Any:
    """A free number (``alpha``, ``eps``) is weakly typed beside the op's first tensor."""
    if first is None:
        return number_dtype(kind).numpy
    d: dtype = first.dtype
    if kind is complex:
        return d.to_complex().numpy if d.category >= FLOAT else number_dtype(kind).numpy
    if d.category < FLOAT and kind is float:
        return dtypes.get_default_dtype().numpy
    if d.category < dtypes.INT:
        return number_dtype(kind).numpy
    if d.category == COMPLEX:
        return d.to_real().numpy
    # Half precision keeps small numbers such as eps, as PyTorch's float32 arithmetic does.
    return np.dtype(np.float32) if d in HALF else d.numpy
