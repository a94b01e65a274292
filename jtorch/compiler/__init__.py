"""Compiling whole functions (``torch.compiler``); :func:`compile` is also ``jtorch.compile``.

>>> import jtorch as torch
>>> @torch.compile
... def f(x, y):
...     return torch.sin(x) + y
>>> f(torch.tensor([0.0]), torch.tensor([1.0]))
tensor([1.])
"""

from jtorch.compiler._api import (
    allow_in_graph,
    assume_constant_result,
    compile,
    cudagraph_mark_step_begin,
    disable,
    explain,
    get_default_backend,
    is_compiling,
    is_dynamo_compiling,
    is_exporting,
    list_backends,
    load_cache_artifacts,
    lower,
    nested_compile_region,
    reset,
    save_cache_artifacts,
    set_default_backend,
    set_enable_guard_collectives,
    set_stance,
    skip_all_guards_unsafe,
    substitute_in_graph,
    wrap_numpy,
)
from jtorch.compiler._config import config
from jtorch.compiler._module import OptimizedModule
from jtorch.compiler._scan import scan

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "compile", "config",
    "cudagraph_mark_step_begin", "disable", "explain", "get_default_backend", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "load_cache_artifacts", "lower",
    "nested_compile_region", "reset", "save_cache_artifacts", "scan", "set_default_backend",
    "set_enable_guard_collectives", "set_stance", "skip_all_guards_unsafe", "substitute_in_graph",
    "wrap_numpy",
]  # fmt: skip
