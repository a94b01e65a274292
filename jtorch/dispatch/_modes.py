"""Thread-local modes: whether operations are recorded for autograd."""

from __future__ import annotations

import threading

__all__ = ["GRAD", "INFERENCE", "NO_GRAD", "Modes", "modes"]

GRAD, NO_GRAD, INFERENCE = range(3)


class Modes(threading.local):
    """Modes of this thread.

    Attributes:
        level: ``GRAD``: history is recorded; ``NO_GRAD``: it is not; ``INFERENCE``: nor can results ever have any.
        anomaly: the backward keeps and shows tracebacks; ``anomaly_check_nan``: and stops at the first nan.
    """

    level = GRAD
    anomaly = False
    anomaly_check_nan = True


modes = Modes()
