"""Errors of compilation (``torch._dynamo.exc``)."""

from jtorch.compiler._errors import FailOnRecompileLimitHit, InvalidBackend, TorchDynamoException, Unsupported

__all__ = ["FailOnRecompileLimitHit", "InvalidBackend", "TorchDynamoException", "Unsupported"]
