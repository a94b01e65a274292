"""Process-wide numerical settings."""

from __future__ import annotations

from jax.lax import Precision

from jtorch.dispatch import clear_plans
from jtorch.ops._cudnn_lstm import cudnn_enabled, set_cudnn_enabled
from jtorch.ops._precision import precision, set_precision

__all__ = ["allow_cudnn", "cudnn_allowed", "get_float32_matmul_precision", "set_float32_matmul_precision"]

_LEVELS = {"highest": Precision.HIGHEST, "high": Precision.HIGH, "medium": Precision.DEFAULT}


def set_float32_matmul_precision(precision: str) -> None:
    """How exactly float32 products are computed (``torch.set_float32_matmul_precision``).

    Args:
        precision: ``"highest"`` (full float32), ``"high"`` (TF32 or three bfloat16 products) or ``"medium"``
            (one bfloat16 or TF32 product), where the hardware has them.

    Raises:
        RuntimeError: another word.
    """
    if precision not in _LEVELS:
        raise RuntimeError(f"{precision} is not a valid float32 matmul precision")
    set_precision(_LEVELS[precision])
    clear_plans()


def get_float32_matmul_precision() -> str:
    """The level set by :func:`set_float32_matmul_precision`."""
    return next(name for name, level in _LEVELS.items() if level is precision())


def allow_cudnn(value: bool) -> None:
    """Whether recurrent networks may run by cuDNN from now on (``torch.backends.cudnn.enabled``)."""
    if value != cudnn_enabled():
        set_cudnn_enabled(value)
        clear_plans()


def cudnn_allowed() -> bool:
    """What :func:`allow_cudnn` set."""
    return cudnn_enabled()
