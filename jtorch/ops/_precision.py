"""How exactly float32 matrix products are computed."""

from __future__ import annotations

from jax.lax import Precision

__all__ = ["precision", "set_precision"]

_precision = Precision.HIGHEST


def precision() -> Precision:
    """The precision of products: full float32, unless ``set_float32_matmul_precision`` allowed less."""
    return _precision


def set_precision(value: Precision) -> None:
    """Change it for the ops traced from now on; programs that exist keep theirs."""
    global _precision
    _precision = value
