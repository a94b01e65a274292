"""PyTorch's surface on JAX's engine: ``import jtorch as torch``."""

from __future__ import annotations

from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import Any as _Any

from jtorch import _collector
from jtorch import dtypes as _dtypes
from jtorch import ops as _ops
from jtorch._install import install
from jtorch.devices import device
from jtorch.dtypes import dtype, finfo, iinfo
from jtorch.tensor import Size, Tensor
from jtorch.tensor import _at_once as _at_once
from jtorch.tensor import _bridge as _bridge
from jtorch.tensor import _calls as _calls
from jtorch.tensor import _derive as _derive
from jtorch.tensor import _guarded as _guarded
from jtorch.tensor import _pickling as _pickling
from jtorch.tensor._aten import aten as _aten
from jtorch.tensor._autocast import *  # noqa: F403
from jtorch.tensor._autograd import (
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from jtorch.tensor._conversion import *  # noqa: F403
from jtorch.tensor._creation import *  # noqa: F403
from jtorch.tensor._distributions import *  # noqa: F403
from jtorch.tensor._distributions import _dirichlet_grad as _dirichlet_grad
from jtorch.tensor._distributions import _sample_dirichlet as _sample_dirichlet
from jtorch.tensor._distributions import _standard_gamma as _standard_gamma
from jtorch.tensor._distributions import _standard_gamma_grad as _standard_gamma_grad
from jtorch.tensor._functions import *  # noqa: F403
from jtorch.tensor._gradient_scaling import *  # noqa: F403
from jtorch.tensor._indexing import *  # noqa: F403
from jtorch.tensor._interop import *  # noqa: F403
from jtorch.tensor._layout import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    jagged,
    layout,
    memory_format,
    preserve_format,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from jtorch.tensor._legacy import *  # noqa: F403
from jtorch.tensor._printing import set_printoptions
from jtorch.tensor._random import *  # noqa: F403
from jtorch.tensor._settings import get_float32_matmul_precision, set_float32_matmul_precision
from jtorch.tensor._storages import *  # noqa: F403
from jtorch.tensor._switches import *  # noqa: F403
from jtorch.tensor._symbolic import *  # noqa: F403
from jtorch.torch_version import __version__ as __version__
from jtorch.trace import (
    explain,
    metrics,
    reset_metrics,
    run_small_programs_inline,
    start_compilation_cache,
    synchronize,
)

for _d in _dtypes.ALL:
    globals()[_d.name] = _d
for _name, _d in _dtypes.ALIASES.items():
    globals()[_name] = _d
for _name, _f in _derive.derived[""].items():
    if not callable(globals().get(_name)):  # `trace` is the engine's package as well
        globals()[_name] = _f
_guarded.guard(globals())

#: An index that inserts a dimension.
newaxis = None

_ops.aten = _aten  # type: ignore[attr-defined]

start_compilation_cache()
run_small_programs_inline()

#: Namespaces that load when first named: ``import jtorch`` stays quick.
# fmt: off
_NAMESPACES = frozenset(
    [
        "_C", "_dynamo", "_inductor", "accelerator", "amp", "autograd", "backends", "compare", "compiler",
        "cpu", "cuda", "distributed", "distributions", "export", "fft", "func", "futures", "fx", "hub", "jit",
        "library", "linalg", "masked", "mps", "mtia", "multiprocessing", "nn", "optim", "overrides",
        "profiler", "random", "safetensors", "serialization", "signal", "special", "testing", "utils",
        "version", "vision", "xpu",
    ]
)
# fmt: on
#: Names that are found in a namespace, which loads when they are used.
_ELSEWHERE = {
    name: namespace
    for namespace, names in {
        "_device_modules": "Event Stream get_device_module",
        "amp": "GradScaler autocast",
        "compiler": "compile scan",
        "func": "vmap",
        "futures": "Future",
        "serialization": "load save",
        "nn._flat": (
            "adaptive_max_pool1d binary_cross_entropy_with_logits convolution cosine_embedding_loss "
            "hinge_embedding_loss kl_div margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d "
            "max_pool3d poisson_nll_loss triplet_margin_loss"
        ),
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> _Any:
    if name in _NAMESPACES:
        return _import_module(f"jtorch.{name}")
    if name == "torch":
        return _import_module("jtorch")  # PyTorch's module holds itself, too
    if name.startswith("_foreach_"):
        found = getattr(_import_module("jtorch.tensor._foreach"), name, None)
        if found is not None:
            return found
    if name in _ELSEWHERE:
        return getattr(_import_module(f"jtorch.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module 'jtorch' has no attribute '{name}'")


_collector.resume()
