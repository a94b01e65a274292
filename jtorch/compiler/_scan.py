"""Many steps as one program: ``lax.scan`` around a recorded step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.compiler._compiled import CompiledFunction
from jtorch.compiler._lowering import program_of
from jtorch.compiler._recorded import Recorded
from jtorch.compiler._results import flatten
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value, value_of
from jtorch.tensor._derive import derived
from jtorch.trace import Value, aval_of, computed, counters, flush_all, jit, tolerant
from jtorch.trace._meshes import beside_meshes

__all__ = ["scan"]

_steps: WeakKeyDictionary[Any, CompiledFunction] = WeakKeyDictionary()


def scan(step: Callable[..., Any], *xs: Tensor) -> Any:
    """Call ``step`` on each entry of ``xs`` in turn, all steps being one program.

    For small steps over data that is on the device already, an epoch costs one call instead of one per step::

        losses = torch.scan(step, X.reshape(-1, 32, 4), Y.reshape(-1, 32))

    What the step changes (parameters, optimizer state, buffers, gradients) changes as if it had been called
    in a loop; learning rates, schedules, step counts and random numbers advance from step to step. The first
    entries run one by one to record the step; entries of a step that cannot be replayed all do.

    Args:
        step: a function, compiled or not; it returns tensors in any structure, or ``None``. Results with a
            history that a backward could still walk keep the steps from being one program: detach them.
        *xs: tensors of equal length; step ``i`` gets ``xs[0][i], xs[1][i], ...``.

    Returns:
        The results of all steps, stacked along a new first dimension.

    Raises:
        ValueError: no tensors, no entries, or different lengths.
    """
    if not xs or any(x.dim() == 0 for x in xs):
        raise ValueError("scan(): expected tensors with a first dimension to step over")
    length = xs[0].size(0)
    if not length or any(x.size(0) != length for x in xs):
        raise ValueError(f"scan(): expected equal lengths above 0, got {[x.size(0) for x in xs]}")
    made = _compiled(step)
    results: list[Any] = []
    for i in range(length):
        args = [x[i] for x in xs]
        recorded, values = made.find(args)
        if recorded is not None and values is not None and _scannable(recorded):
            rest = _run(recorded, values, [x[i:] for x in xs], length - i)
            return _stacked(results, rest, recorded)
        results.append(made(*args))
    return _joined(results)


def _compiled(step: Any) -> CompiledFunction:
    made = getattr(step, "_compiled_function", None)
    if made is None:
        made = _steps.get(step)
        if made is None:
            made = _steps[step] = CompiledFunction(step, False)
    return made


def _scannable(recorded: Recorded) -> bool:
    results = recorded.results
    if recorded.aliased:
        return False
    return recorded.differentiable is None and all(r.same is None and r.compute is None for r in results)


class _Plan:
    """What is carried from step to step of a recording.

    Attributes:
        carried: ``(leaf, ref)``: leaves that a step reads and replaces.
        made: refs of what a step replaces without reading it.
        fixed: leaves that stay the same; ``drawn``: leaves of random numbers; ``given``: of the arguments.
    """

    def __init__(self, recorded: Recorded) -> None:
        leaf_of: dict[Any, int] = {id(s): leaf for leaf, s, _ in recorded.storages}
        grads = {(id(t.tensor), t.argument): leaf for leaf, t, _ in recorded.gradients}
        self.targets: list[tuple[int, int]] = []  # per written: (leaf or -1, ref)
        for target, of_gradient, ref, _, _ in recorded.written:
            if of_gradient:
                leaf = grads.get((id(target.tensor), target.argument), -1)
            else:
                leaf = leaf_of.get(id(target.storage), -1)
            self.targets.append((leaf, ref))
        self.stored = [ref for _, ref in recorded.stored if ref is not None]
        self.carried = [(leaf, ref) for leaf, ref in self.targets if leaf >= 0]
        self.made = [ref for leaf, ref in self.targets if leaf < 0] + self.stored
        self.given = recorded.arguments
        self.drawn = list(recorded.draws.values())
        taken = {leaf for leaf, _ in self.carried} | {leaf for leaf, _ in self.given} | set(self.drawn)
        self.fixed = [i for i in range(len(recorded.template)) if i not in taken]
        self.build = partial(jit, self._program(recorded), recorded.device.platform, donate_argnums=0)
        self.call: Any = None

    def _program(self, recorded: Recorded) -> Any:
        step, size = program_of(recorded, recorded.device.platform), len(recorded.template)
        refs = [r.ref for r in recorded.results]

        def program(carry: Any, fixed: Any, ints: Any, given: Any, drawn: Any, floats: Any) -> Any:
            def body(state: Any, per: Any) -> Any:
                leaves: list[Any] = [None] * size
                for i, x in zip(self.fixed, fixed, strict=True):
                    leaves[i] = x
                for (i, _), x in zip(self.carried, state[0], strict=True):
                    leaves[i] = x
                for (i, _), x in zip(self.given, per[0], strict=True):
                    leaves[i] = x
                for i, x in zip(self.drawn, per[1], strict=True):
                    leaves[i] = x
                out = step(leaves, per[2], ints)

                def value(ref: int) -> Any:
                    return out[ref] if ref >= 0 else leaves[-1 - ref]

                after = [value(ref) for _, ref in self.carried], [value(ref) for ref in self.made]
                return after, [value(ref) for ref in refs]

            return jax.lax.scan(body, carry, (given, drawn, floats))

        return program


def _run(recorded: Recorded, values: list[Any], xs: Sequence[Tensor], count: int) -> list[Any]:
    """All steps in one program; returns the stacked results."""
    plan = recorded.scanned
    if plan is None:
        plan = recorded.scanned = _Plan(recorded)
        counters.programs_compiled += 1
    else:
        counters.cache_hits += 1
    flush_all("scan")
    floats, draws = [], []
    for i in range(count):
        mine: list[Any] = list(values)
        if i:
            for action in recorded.actions:
                if hasattr(action, "source"):
                    action.source.holds()
        floats.append(list(recorded.act(mine)))
        draws.append([np.asarray(mine[leaf].host) for leaf in plan.drawn])
    with beside_meshes():
        carried = [jnp.array(_array(values[leaf]), copy=True) for leaf, _ in plan.carried]
        empty = [
            jnp.zeros(a.shape, a.dtype.numpy) for a in (_aval(recorded, ref, values) for ref in plan.made)
        ]
        operands = (
            (carried, empty),
            [_array(values[leaf]) for leaf in plan.fixed],
            np.array(recorded.graph.ints, np.int64),
            [computed(value_of(xs[number])) for _, number in plan.given],
            [np.stack(column) for column in zip(*draws, strict=True)],
            np.array(floats, np.float64),
        )
        if plan.call is None:
            plan.call, results = tolerant(plan.build, *operands)
        else:
            results = plan.call(*operands)
    (carry, made), out = results
    carry, made = list(carry), list(made)
    after: list[Any] = []
    for leaf, _ in plan.targets:
        after.append(carry.pop(0) if leaf >= 0 else made.pop(0))
    _store(recorded, after, made, count, values)
    counters.nodes += recorded.graph.nodes * count
    return [
        from_value(_value(recorded, r.ref, values, a)) for r, a in zip(recorded.results, out, strict=True)
    ]


def _store(recorded: Recorded, after: list[Any], gradients: list[Any], count: int, values: list[Any]) -> None:
    """The state after the last step."""
    written = zip(recorded.written, after, strict=True)
    for (target, of_gradient, ref, versions, writes), array in written:
        storage = target.storage
        if storage is None:
            storage = (target.tensor._grad if of_gradient else target.tensor)._storage
        value = Value(_aval(recorded, ref, values))
        value.array = array
        if storage.buffer is None:
            storage.value = value
            storage.version += versions * count
            storage.writes += writes * count
        else:
            storage.write(value)
    for target, where in recorded.stored:
        if where is None:
            target.tensor._grad = None
        else:
            value = Value(_aval(recorded, where, values))
            value.array = gradients.pop(0)
            target.tensor._grad = from_value(value)


def _aval(recorded: Recorded, ref: int, values: list[Any]) -> Any:
    return recorded.avals[ref] if ref >= 0 else values[-1 - ref].aval


def _value(recorded: Recorded, ref: int, values: list[Any], array: Any) -> Value:
    one = _aval(recorded, ref, values)
    value = Value(aval_of(tuple(array.shape), one.dtype, one.device))
    value.array = array
    return value


def _array(value: Any) -> Any:
    return computed(value)


def _stacked(first: list[Any], rest: list[Any], recorded: Recorded) -> Any:
    """Results of steps that ran alone, before those of the program."""
    if not first:
        return rest[0] if recorded.single else recorded.rebuild(rest)
    cat, stack = derived[""]["cat"], derived[""]["stack"]
    columns: list[list[Any]] = [[] for _ in rest]
    for result in first:
        found: list[Any] = []
        flatten(result, found)
        for column, t in zip(columns, found, strict=True):
            column.append(t.detach())
    full = [cat([stack(c, 0), r], 0) for c, r in zip(columns, rest, strict=True)]
    return full[0] if recorded.single else recorded.rebuild(full)


def _joined(results: list[Any]) -> Any:
    stack = derived[""]["stack"]
    columns: list[list[Any]] = []
    build: Any = None
    for result in results:
        found: list[Any] = []
        build = flatten(result, found)
        columns.append(found)
    return build([stack(list(column), 0) for column in zip(*columns, strict=True)])
