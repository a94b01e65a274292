"""The lazy graph and its executor: knows arrays and JAX, no Tensor, no autograd."""

from jtorch.trace._executor import (
    clear_programs,
    computed,
    flush,
    flush_all,
    host_array,
    run_small_programs_inline,
    start_compilation_cache,
    synchronize,
)
from jtorch.trace._explain import explain
from jtorch.trace._graph import LOCK, Signature, record, recorder, recorders, settings, verify
from jtorch.trace._metrics import counters, metrics, reset_metrics, user_line
from jtorch.trace._value import Aval, TracedValue, Value, aval_of, from_host, from_jax

__all__ = [
    "LOCK",
    "Aval",
    "Signature",
    "TracedValue",
    "Value",
    "aval_of",
    "clear_programs",
    "computed",
    "counters",
    "explain",
    "flush",
    "flush_all",
    "from_host",
    "from_jax",
    "host_array",
    "metrics",
    "record",
    "recorder",
    "recorders",
    "reset_metrics",
    "run_small_programs_inline",
    "settings",
    "start_compilation_cache",
    "synchronize",
    "user_line",
    "verify",
]
