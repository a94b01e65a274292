"""Streams and events of GPUs (``torch.cuda.streams``)."""

from __future__ import annotations

from typing import Any

from jtorch import _accelerators
from jtorch.cuda._kind import KIND as _kind
from jtorch.cuda._kind import refused

__all__ = ["Event", "ExternalStream", "Stream"]


class Event(_accelerators.Event):
    """A point in the work of a GPU; recording it waits for the work before it.

    Args:
        enable_timing: whether :meth:`elapsed_time` may be asked.
        blocking: accepted.
        interprocess: accepted.
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        if not _kind.is_available():
            raise RuntimeError("Tried to instantiate dummy base class Event")
        super().__init__(_kind, enable_timing)


class Stream(_accelerators.Stream):
    """A queue of work; XLA has one order of work per GPU, so all streams are one."""

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any) -> None:
        if not _kind.is_available():
            raise RuntimeError("torch.cuda.Stream requires CUDA support")
        super().__init__(_kind, device, priority)
        self.cuda_stream = 0


ExternalStream = refused(
    "ExternalStream",
    "XLA has one queue of work per GPU; Tensor.__dlpack__(stream=...) hands memory to another",
)
