"""The lazy graph and its executor: knows arrays and JAX, no Tensor, no autograd."""

from jtorch.trace._executor import (
    clear_programs,
    computed,
    flush,
    flush_all,
    fused,
    host_array,
    leave_xla,
    listen,
    load_host_engine,
    operand,
    postpone,
    run_small_programs_inline,
    start_compilation_cache,
    synchronize,
)
from jtorch.trace._explain import explain
from jtorch.trace._graph import (
    LOCK,
    NUMBER_KINDS,
    Graph,
    Signature,
    full,
    leave_session,
    nodes,
    record,
    recorder,
    recorders,
    series,
    session,
    settings,
    spec,
    spend,
    verify,
)
from jtorch.trace._metrics import counters, metrics, reset_metrics, user_line
from jtorch.trace._options import compiler_options, jit, tolerant
from jtorch.trace._program import Program, evaluate, results
from jtorch.trace._stopping import detaching, forwards_only, stop_gradient, stopped, stops
from jtorch.trace._value import (
    Aval,
    TracedValue,
    Value,
    Withheld,
    aligned,
    aval_of,
    from_host,
    from_jax,
    host_copy,
    now,
    tick,
)

__all__ = [
    "LOCK", "NUMBER_KINDS", "Aval", "Graph", "Program", "Signature", "TracedValue", "Value", "Withheld",
    "aligned", "aval_of", "clear_programs", "compiler_options", "computed", "counters", "detaching",
    "evaluate", "explain", "flush", "flush_all", "forwards_only", "from_host", "from_jax", "full",
    "fused", "host_array", "host_copy", "jit", "leave_session", "leave_xla", "listen",
    "load_host_engine", "metrics", "nodes", "now", "operand", "postpone", "record", "recorder",
    "recorders", "reset_metrics", "results", "run_small_programs_inline", "series", "session",
    "settings", "spec", "spend", "start_compilation_cache", "stop_gradient", "stopped", "stops",
    "synchronize", "tick", "tolerant", "user_line", "verify",
]  # fmt: skip
