"""Arm's kernels (``torch.backends.kleidiai``): not used, XLA's CPU compiler does without."""

__all__ = ["is_available"]


def is_available() -> bool:
    """``False``."""
    return False
