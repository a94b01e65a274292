"""Errors of compilation, under the names that PyTorch gives them (``torch._dynamo.exc``)."""

from __future__ import annotations

__all__ = ["FailOnRecompileLimitHit", "TorchDynamoException", "Unsupported"]


class TorchDynamoException(RuntimeError):
    """Base of the errors of :func:`jtorch.compile`."""


class Unsupported(TorchDynamoException):
    """A function compiled with ``fullgraph=True`` does what one graph cannot hold."""


class FailOnRecompileLimitHit(TorchDynamoException):
    """A function compiled with ``fullgraph=True`` had to be recorded too often."""
