"""Switches of recording (``torch.autograd.grad_mode``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from jtorch.tensor._autograd import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = [
    "enable_grad", "enforce_grad_layout_policy", "inference_mode", "no_grad", "set_grad_enabled",
    "set_multithreading_enabled",
]  # fmt: skip


class _WithoutEffect:
    """A switch of PyTorch's engine that has nothing to switch here."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator."""
        return function

    def clone(self) -> Self:
        """Another one like it."""
        return type(self)(self.mode)


class set_multithreading_enabled(_WithoutEffect):
    """Accepted and without effect: the backward pass of a program runs as one XLA program.

    Args:
        mode: whether PyTorch would run backward passes of several devices in several threads.
    """


class enforce_grad_layout_policy(_WithoutEffect):
    """Accepted and without effect: gradients are row-major, and XLA chooses the real layout.

    Args:
        enable: whether PyTorch would give gradients the strides of their parameters.
    """

    def __init__(self, enable: bool = True) -> None:
        super().__init__(enable)
