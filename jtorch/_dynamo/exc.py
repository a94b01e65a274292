"""Errors of compilation (``torch._dynamo.exc``)."""

from jtorch.compiler._errors import FailOnRecompileLimitHit, TorchDynamoException, Unsupported

__all__ = ["FailOnRecompileLimitHit", "TorchDynamoException", "Unsupported"]
