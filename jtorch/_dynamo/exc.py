"""Errors of compilation (``torch._dynamo.exc``)."""

from jtorch.compiler._errors import (
    FailOnRecompileLimitHit,
    InvalidBackend,
    RecompileError,
    TorchDynamoException,
    Unsupported,
    UserError,
)

__all__ = [
    "FailOnRecompileLimitHit",
    "InvalidBackend",
    "RecompileError",
    "TorchDynamoException",
    "Unsupported",
    "UserError",
]
