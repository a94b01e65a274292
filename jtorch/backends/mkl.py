"""Intel's math library (``torch.backends.mkl``): not used, XLA's CPU compiler does without."""

from __future__ import annotations

__all__ = ["is_available", "verbose"]

VERBOSE_OFF, VERBOSE_ON = 0, 1


def is_available() -> bool:
    """``False``."""
    return False


class verbose:
    """A block in which the library would report its kernels; there are none."""

    def __init__(self, enable: int) -> None:
        self.enable = enable

    def __enter__(self) -> verbose | None:
        return None if self.enable == VERBOSE_OFF else self

    def __exit__(self, *_: object) -> None:
        return None
