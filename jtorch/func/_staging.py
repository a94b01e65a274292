"""A JAX trace that can be entered for a while and be finished, or not: ``jax.make_jaxpr`` in two halves.

``jax.make_jaxpr`` takes a millisecond even of an empty function. What a transform of this package calls
rarely asks for a tracer at all; then nothing but the two assignments of :meth:`Staging.__enter__` and
``__exit__`` is done.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import jax

# JAX has no public way to stage what happens between two points of time.
from jax._src import core, source_info_util
from jax._src.interpreters.partial_eval import DynamicJaxprTrace

__all__ = ["Staging"]

_INFO = core.DebugInfo("jtorch.func", "function", None, None)


class _Spare(threading.local):
    """Traces that were entered and saw nothing, to be entered again: making one takes 3 microseconds."""

    def __init__(self) -> None:
        self.traces: list[Any] = []


_spare = _Spare()


class Staging:
    """Within: operations on tracers of this trace, and those that JAX's own functions make, are staged.

    Attributes:
        effects: whether operations with effects (``jax.debug.print``) were staged.
    """

    def __init__(self) -> None:
        self.outside = core.trace_ctx.trace
        self.trace: Any = None

    def __enter__(self) -> None:
        spare = _spare.traces
        if spare and spare[-1].parent_trace is self.outside:
            self.trace = spare.pop()
        else:
            spare.clear()
            self.trace = DynamicJaxprTrace(_INFO, parent_trace=self.outside)
        core.trace_ctx.set_trace(self.trace)

    def __exit__(self, *_: object) -> None:
        core.trace_ctx.set_trace(self.outside)
        trace, spare = self.trace, _spare.traces
        if self.used or not self._again():
            trace.invalidate()  # it and its tracers refer to each other
            spare.clear()
        else:
            spare.append(trace)

    @property
    def used(self) -> bool:
        """Whether anything was staged."""
        frame = self.trace.frame
        return bool(frame.tracing_eqns or frame.invars or frame.constvar_to_val)

    def _again(self) -> bool:
        """Whether the trace around this one is a lasting one."""
        outside = self.outside
        return outside is core.eval_trace or (
            type(outside) is DynamicJaxprTrace and outside.frame.debug_info is _INFO
        )

    def argument(self, shape: Sequence[int], dtype: Any) -> Any:
        """The tracer of one more argument."""
        return self.trace.new_arg(core.ShapedArray(tuple(shape), dtype), source_info_util.current())

    @property
    def effects(self) -> bool:
        frame = self.trace.frame
        return bool(frame.tracing_eqns) and any(equation.effects for equation in frame.get_eqns())

    def here(self) -> Any:
        """Within: back in this trace, whatever transform of JAX was entered since."""
        return core.set_current_trace(self.trace)

    def around(self) -> Any:
        """Within: outside of this trace."""
        return core.set_current_trace(self.outside)

    def finish(self, results: Sequence[Any]) -> Any:
        """What was staged, as a closed jaxpr."""
        source = source_info_util.current()
        found = [self.trace.to_jaxpr_tracer(jax.numpy.asarray(r), source) for r in results]
        jaxpr, consts = self.trace.frame.to_jaxpr(self.trace, found, _INFO, source)
        return core.ClosedJaxpr(jaxpr, consts)
