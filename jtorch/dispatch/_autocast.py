"""Automatic mixed precision: which operations run in half precision, which in float32, and the state of it.

The lists are those of PyTorch 2.13 (``autocast_mode.h`` and ``autocast_mode.cpp`` of ATen), by the names of
ops here. Where PyTorch composes a function of listed ones and here it is one op, the op itself is listed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jtorch import dtypes
from jtorch.dtypes import dtype

__all__ = [
    "AutocastState", "autocast_state", "common_precision", "policy_of", "without_autocast",
]  # fmt: skip

#: What PyTorch uses for each type of device unless told otherwise.
DEFAULT_DTYPES = {
    "cpu": dtypes.bfloat16,
    "cuda": dtypes.float16,
    "mps": dtypes.float16,
    "tpu": dtypes.bfloat16,
    "xla": dtypes.bfloat16,
}


class AutocastState(threading.local):
    """Autocast of this thread.

    Attributes:
        hook: ``hook(op, args) -> args`` that casts the arguments of a call; ``None`` where nothing is to do.
        idle: what ``hook`` is while autocast is off; not ``None`` while dual tensors want operations to be
            applied the general way.
        installed: the same hook, whether or not it is in use.
        enabled: types of devices that are switched on.
        cache: tensors by ``id``, each with its version and the tensor that it was cast to.
        nesting: depth of ``autocast`` blocks.
    """

    hook: Callable[[Any, Sequence[Any]], Sequence[Any]] | None = None
    idle: Callable[[Any, Sequence[Any]], Sequence[Any]] | None = None
    installed: Callable[[Any, Sequence[Any]], Sequence[Any]] | None = None
    nesting = 0
    cache_enabled = True

    def __init__(self) -> None:
        self.enabled: set[str] = set()
        self.dtypes: dict[str, dtype] = dict(DEFAULT_DTYPES)
        self.cache: dict[int, tuple[Any, int, Any]] = {}

    def enable(self, kind: str, enabled: bool) -> None:
        """Switch one type of device on or off."""
        if enabled:
            self.enabled.add(kind)
        else:
            self.enabled.discard(kind)
        self.hook = type(self).installed if self.enabled else self.idle

    def set_idle(self, hook: Callable[[Any, Sequence[Any]], Sequence[Any]] | None) -> None:
        """Say what the hook is while autocast is off."""
        if self.hook is self.idle:
            self.hook = hook
        self.idle = hook

    def snapshot(self) -> tuple[frozenset[str], dict[str, dtype], bool]:
        """What is switched on and how, for :meth:`as_in`."""
        return frozenset(self.enabled), dict(self.dtypes), self.cache_enabled

    @contextmanager
    def as_in(self, snapshot: tuple[frozenset[str], dict[str, dtype], bool]) -> Iterator[None]:
        """Inside, autocast is as when the snapshot was taken, with a cache of its own."""
        saved, cache, hook = self.snapshot(), self.cache, self.hook
        enabled, kinds, self.cache_enabled = snapshot
        self.enabled, self.dtypes, self.cache = set(enabled), dict(kinds), {}
        self.hook = type(self).installed if enabled else self.idle
        try:
            yield
        finally:
            self.enabled, self.dtypes, self.cache_enabled = set(saved[0]), saved[1], saved[2]
            self.cache, self.hook = cache, hook


autocast_state = AutocastState()


def without_autocast(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function whose operations are not to be cast: PyTorch's in-place and ``out=`` forms."""
    saved, autocast_state.hook = autocast_state.hook, autocast_state.idle
    try:
        return function(*args, **kwargs)
    finally:
        autocast_state.hook = saved


#: Half precision on every device: sums of products.
_PRODUCTS = (
    "nn.functional.linear matmul mm bmm addmm addbmm baddbmm conv1d conv2d conv3d conv_tbc conv_transpose1d "
    "conv_transpose2d conv_transpose3d prelu _scaled_dot_product_attention linalg.vecdot chain_matmul "
    "linalg.multi_dot _matrix_power cov corrcoef"
)
_CPU = {
    # Where something is summed: PyTorch makes matrix products of these then.
    "contraction": "einsum tensordot inner",
    "lower": _PRODUCTS + " _rnn_tanh _rnn_tanh.packed _rnn_relu _rnn_relu.packed rnn_tanh_cell rnn_relu_cell",
    # PyTorch composes these of half-precision products and float32 states.
    "recurrent": "_lstm _lstm.packed _gru _gru.packed lstm_cell gru_cell",
    "fp32": "nn.functional.avg_pool3d nn.functional.binary_cross_entropy nn.functional.grid_sample "
    "grid_sampler grid_sampler_2d grid_sampler_3d nn.functional.max_unpool1d polar prod quantile "
    "nanquantile stft cdist trace cholesky_inverse cholesky_solve lu_solve linalg.lu_solve "
    "nn.functional.adaptive_avg_pool3d nn.functional.adaptive_max_pool3d "
    "nn.functional.max_unpool2d nn.functional.max_unpool3d _fractional_max_pool2d "
    "_fractional_max_pool3d nn.functional.binary_cross_entropy_with_logits nn.functional.l1_loss "
    "nn.functional.smooth_l1_loss nn.functional.mse_loss nn.functional.huber_loss "
    "nn.functional.kl_div nn.functional.multilabel_margin_loss nn.functional.nll_loss "
    "nn.functional.multi_margin_loss nn.functional.poisson_nll_loss nn.functional.soft_margin_loss "
    "nn.functional.cross_entropy cosine_embedding_loss hinge_embedding_loss margin_ranking_loss "
    "triplet_margin_loss _ctc_loss fft.fft fft.ifft fft.fft2 fft.ifft2 fft.fftn fft.ifftn fft.rfft "
    "fft.irfft fft.rfft2 fft.irfft2 fft.rfftn fft.irfftn fft.hfft fft.ihfft linalg.cond "
    "linalg.matrix_rank linalg.svd linalg.svdvals linalg.eig linalg.eigvals linalg.eigh "
    "linalg.eigvalsh linalg.lstsq linalg.qr linalg.inv_ex linalg.cholesky_ex "
    "linalg.householder_product linalg.solve_ex _tensorsolve geqrf ormqr qr svd triangular_solve "
    "_cholesky",
    "promote": "cat stack index_copy",
    "by mode": "nn.functional.pad",
    # float32, but as they are where positions are asked for.
    "unless indices": "nn.functional.max_pool3d",
}
_ACCELERATOR = {
    "lower": _PRODUCTS
    + " einsum addmv addr mv _lstm _lstm.packed _gru _gru.packed _rnn_tanh _rnn_tanh.packed _rnn_relu "
    "_rnn_relu.packed lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
    "fp32": "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow "
    "nn.functional.softplus nn.functional.layer_norm layer_norm _native_layer_norm rms_norm "
    "nn.functional.group_norm group_norm cosine_similarity nn.functional.poisson_nll_loss "
    "cosine_embedding_loss nn.functional.nll_loss nn.functional.cross_entropy hinge_embedding_loss "
    "nn.functional.kl_div nn.functional.l1_loss nn.functional.smooth_l1_loss nn.functional.huber_loss "
    "nn.functional.mse_loss margin_ranking_loss nn.functional.multilabel_margin_loss "
    "nn.functional.soft_margin_loss triplet_margin_loss nn.functional.multi_margin_loss "
    "nn.functional.binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp "
    "_upsample_bilinear2d_aa",
    "fp32_result": "prod softmax nn.functional.softmax nn.functional.softmin log_softmax "
    "nn.functional.log_softmax cumprod cumsum linalg.vector_norm linalg.matrix_norm sum norm "
    "linalg.norm",
    "promote": "addcdiv addcmul atan2 bilinear cross linalg.cross dot vdot nn.functional.grid_sample "
    "grid_sampler grid_sampler_2d grid_sampler_3d _index_put tensordot inner scatter_add cat stack",
    "by mode": "nn.functional.interpolate nn.functional.upsample nn.functional.upsample_nearest "
    "nn.functional.upsample_bilinear",
    "banned": "nn.functional.binary_cross_entropy",
}


def _by_name(lists: dict[str, str]) -> dict[str, str]:
    return {name: policy for policy, names in lists.items() for name in names.split()}


POLICIES = {"cpu": _by_name(_CPU)}
POLICIES["cuda"] = POLICIES["mps"] = POLICIES["tpu"] = POLICIES["xla"] = _by_name(_ACCELERATOR)


def policy_of(name: str, kind: str) -> str | None:
    """What autocast does to the op of that name on that type of device; ``None``: nothing."""
    return POLICIES[kind].get(name)


def common_precision(found: Sequence[dtype], lower: dtype) -> dtype:
    """The widest of half precision and float32 among floating operands.

    Raises:
        RuntimeError: another half type than autocast's.
    """
    for d in found:
        if d is dtypes.float64:
            continue
        if d is dtypes.float32:
            return dtypes.float32
        if d is not lower:
            raise RuntimeError("Unexpected floating ScalarType in at::autocast::prioritize")
    return lower
