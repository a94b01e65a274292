"""Errors of compilation, under the names that PyTorch gives them (``torch._dynamo.exc``)."""

from __future__ import annotations

__all__ = [
    "ConstraintViolationError",
    "FailOnRecompileLimitHit",
    "InvalidBackend",
    "RecompileError",
    "TorchDynamoException",
    "Unsupported",
    "UserError",
]


class TorchDynamoException(RuntimeError):
    """Base of the errors of :func:`jtorch.compile`."""


class InvalidBackend(TorchDynamoException):
    """No backend has the name that :func:`jtorch.compile` was given."""


class Unsupported(TorchDynamoException):
    """A function compiled with ``fullgraph=True`` does what one graph cannot hold."""


class UserError(TorchDynamoException):
    """The arguments of :func:`jtorch.export.export` do not fit each other, or the function."""


class ConstraintViolationError(RuntimeError):
    """A size of the arguments of :func:`jtorch.export.export` is not as ``dynamic_shapes`` says."""


class RecompileError(TorchDynamoException):
    """A function had to be recorded anew while ``config.error_on_recompile`` is set."""


class FailOnRecompileLimitHit(TorchDynamoException):
    """A function compiled with ``fullgraph=True`` had to be recorded too often."""
