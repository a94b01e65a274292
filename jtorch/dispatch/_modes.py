"""Thread-local modes: whether operations are recorded for autograd."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from jtorch.trace import Value, _executor, computed, forwards_only, stop_gradient

__all__ = ["GRAD", "INFERENCE", "NO_GRAD", "Modes", "modes", "stopping"]

GRAD, NO_GRAD, INFERENCE = range(3)


class Modes(threading.local):
    """Modes of this thread.

    Attributes:
        level: ``GRAD``: history is recorded; ``NO_GRAD``: it is not; ``INFERENCE``: nor can results ever have
            any.
        grad_in_inference: at level ``INFERENCE``: history was switched on inside, which is only reported.
        anomaly: the backward keeps and shows tracebacks; ``anomaly_check_nan``: and stops at the first nan.
        saved_hooks: ``(pack, unpack, tie)`` for values that operations save, innermost last.
        hooks_refused: why ``saved_hooks`` must not be used; ``None`` if they may.
        unchecked: saved values may be modified in place.
        functional: inside a transform of ``jtorch.func``, where ``no_grad`` has to stop gradients of tracers.
        host_draws: random numbers that are drawn while a transform traces become operands, not constants.
        captured: the recording of the transform under way (``func/_recording.py``): it notes the operations
            of the function that is transformed, and what they take from outside.
        mapped: the ``vmap`` calls under way, innermost last.
        derivatives: per transform that differentiates, innermost last, whether it goes forwards.
        duals: the open level of forward-mode differentiation (``tensor/_duals.py``).
        watch: nodes are made in another way than usual, so that recording has more to do.
        at_once: samples are being made: exact operations on host memory are computed at their line.
    """

    level = GRAD
    grad_in_inference = False
    anomaly = False
    anomaly_check_nan = True
    saved_hooks: tuple[tuple[Any, Any, Any], ...] = ()
    hooks_refused: str | None = None
    unchecked = False
    functional = False
    host_draws = False
    captured: Any = None
    mapped: tuple[Any, ...] = ()
    derivatives: tuple[bool, ...] = ()
    duals: Any = None
    at_once = False
    watch = False

    def set(self, **changes: Any) -> None:
        """Change modes and keep ``watch`` up to date."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.watch = bool(self.anomaly or self.saved_hooks or self.unchecked or self.duals is not None)


modes = Modes()


def stopping() -> Callable[[Any], Any] | None:
    """What keeps the gradients of a transform from flowing through an operation; ``None``: they flow."""
    if not modes.functional or modes.level == GRAD:
        return None
    # As in PyTorch `no_grad` is nothing to forward derivatives, inference mode stops them as well.
    return forwards_only if modes.level == NO_GRAD else stop_gradient


def _concrete(value: Value) -> Any:
    captured = modes.captured
    return computed(value) if captured is None else captured.array(value)


def _note_traced(signature: Any, operands: Any) -> Any:
    captured = modes.captured
    return None if captured is None else captured.apply(signature, operands)


_executor.note_traced = _note_traced
_executor.stopping = stopping
_executor.concrete = _concrete
