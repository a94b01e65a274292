"""One call of a function as a program, without running it: ahead-of-time compilation and export."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax

from jtorch.compiler._assembly import Assembly
from jtorch.compiler._compiled import CompiledFunction
from jtorch.compiler._errors import Unsupported
from jtorch.compiler._guards import Guards
from jtorch.compiler._keys import tensors_in
from jtorch.compiler._recorded import Recorded
from jtorch.compiler._results import NotReplayable
from jtorch.compiler._session import Session
from jtorch.compiler._undoing import host_state
from jtorch.dispatch import NO_GRAD, modes
from jtorch.nn.modules._names import module_names
from jtorch.tape import sequence
from jtorch.trace import compiler_options, flush_all, nodes, results, settings, tolerant
from jtorch.trace._scopes import named

__all__ = ["lowered", "program_of", "recorded_call"]


def recorded_call(f: Any, args: Any, kwargs: Any) -> tuple[Recorded, list[Any]]:
    """Record a call and take back what it changed; returns it with the tensors among its arguments.

    Raises:
        Unsupported: it reads values, or does something else that a program cannot repeat.
    """
    made = getattr(f, "_compiled_function", None)
    function = made.function if isinstance(made, CompiledFunction) else f
    owner = getattr(function, "__self__", None) or function
    name = getattr(function, "__qualname__", type(owner).__name__)
    tensors: list[Any] = []
    tensors_in((args, kwargs), tensors)
    flush_all("compile")
    session = Session(True, name)
    guards = Guards(function, args, kwargs)
    views = {i: session.stand_in(t, t._read()) for i, t in enumerate(tensors) if t._view is not None}
    start = next(sequence)
    undo = host_state(guards, session)
    try:
        with module_names():
            result = session.run(function, args, kwargs)
            body = None if session.graph is None else named(session.graph)
    finally:
        undo()
    if session.broken is not None:
        raise Unsupported(f"{name} cannot be recorded as one graph: {session.broken}")
    assembly = Assembly(session, guards, tensors, views, start)
    try:
        assembly.take(result, apart=True)
        del result
        assembly.plan_backward()
        assembly.assemble()
    except NotReplayable as error:
        assembly.undo()
        session.broken = str(error)
        session.materialize()
        raise Unsupported(f"{name} cannot be recorded as one graph: {error}") from None
    recorded = assembly.commit()
    recorded.body = body
    return recorded, tensors


def program_of(recorded: Recorded, platform: str | None = None) -> Any:
    """A pure function ``(leaves, floats, ints) -> live outputs`` of a recording, for one platform or all."""
    body, live = recorded.body, recorded.live
    if recorded.differentiable is not None:
        body = body or recorded.differentiable.before
        live = [slot for slot in live if slot < recorded.differentiable.outputs]

    body = body or nodes(recorded.graph.flat)

    def program(leaves: Sequence[Any], floats: Any, ints: Any) -> list[Any]:
        return results(body, leaves, floats, ints, live, platform)

    return program


def lowered(f: Any, args: Any, kwargs: Any) -> Any:
    """See :func:`jtorch.compiler.lower`."""
    session, settings.session = settings.session, None
    try:
        recorded, tensors = recorded_call(f, args, kwargs)
    finally:
        settings.session = session
    values = recorded.gather(tensors)
    assert values is not None
    recorded.recorded_numbers(values)
    leaves = [None if v is None else jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype.numpy) for v in values]
    donated = [leaf for i, leaf in enumerate(leaves) if i in recorded.donate]
    kept = [leaf for i, leaf in enumerate(leaves) if i not in recorded.donate]
    order = [*recorded.donate, *(i for i in range(len(leaves)) if i not in recorded.donate)]
    program = program_of(recorded, recorded.device.platform)
    graph = recorded.graph

    def step(given: Any, rest: Any, floats: Any, ints: Any) -> Any:
        full: list[Any] = [None] * len(order)
        for i, x in zip(order, (*given, *rest), strict=True):
            full[i] = x
        return program(full, floats, ints)

    level, modes.level = modes.level, NO_GRAD
    try:
        with jax.enable_x64(True):
            numbers = (
                jax.ShapeDtypeStruct((len(graph.floats),), "float64"),
                jax.ShapeDtypeStruct((len(graph.ints),), "int64"),
            )
            stage = jax.jit(step, donate_argnums=0).lower(donated, kept, *numbers)
            return Lowered(stage, recorded.device.platform)
    finally:
        modes.level = level


class Lowered:
    """A lowered program; what it lacks is taken from JAX's (``jax.stages.Lowered``)."""

    def __init__(self, stage: Any, platform: str) -> None:
        self._stage, self._platform = stage, platform

    def compile(self) -> Any:
        """Compile for the device; the result has ``cost_analysis()`` and ``memory_analysis()``."""
        with jax.enable_x64(True):
            return tolerant(lambda: partial(self._stage.compile, compiler_options(self._platform)))[1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)
