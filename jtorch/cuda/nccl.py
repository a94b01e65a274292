"""NCCL (``torch.cuda.nccl``): XLA calls it on its own, for programs on several GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jtorch.cuda._kind import refused
from jtorch.errors import warn_user

__all__ = ["all_gather", "all_reduce", "broadcast", "is_available", "reduce", "reduce_scatter", "version"]

_INSTEAD = "use JAX's collectives (jax.lax.psum and the like) or arrays that are spread over devices"


def is_available(tensors: Sequence[Any]) -> bool:
    """``False``, with PyTorch's warning: NCCL cannot be called directly."""
    warn_user("PyTorch is not compiled with NCCL support")
    return False


version = refused("nccl.version", "JAX does not tell NCCL's version")
all_gather = refused("nccl.all_gather", _INSTEAD)
all_reduce = refused("nccl.all_reduce", _INSTEAD)
broadcast = refused("nccl.broadcast", _INSTEAD)
reduce = refused("nccl.reduce", _INSTEAD)
reduce_scatter = refused("nccl.reduce_scatter", _INSTEAD)
