"""The order of contractions (``torch.backends.opt_einsum``): JAX depends on ``opt_einsum`` and uses it."""

__all__ = ["enabled", "is_available", "strategy"]

enabled = True
strategy = "auto"


def is_available() -> bool:
    """``True``."""
    return True
