"""Attention's fast path (``torch.backends.mha``): a switch that is kept and changes nothing.

Every operation is compiled by XLA with what is around it; there are no kernels of inference apart.
"""

__all__ = ["get_fastpath_enabled", "set_fastpath_enabled"]

_enabled = [True]


def get_fastpath_enabled() -> bool:
    """What :func:`set_fastpath_enabled` set."""
    return _enabled[0]


def set_fastpath_enabled(value: bool) -> None:
    """Kept, and changes nothing."""
    _enabled[0] = bool(value)
