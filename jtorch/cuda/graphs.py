"""Recorded launches (``torch.cuda.graphs``): XLA runs whole programs in any case."""

from __future__ import annotations

from typing import Any

from jtorch._accelerators import StreamContext
from jtorch.cuda._kind import refuse, refused
from jtorch.cuda.streams import Stream
from jtorch.trace import session

__all__ = ["CUDAGraph", "graph", "graph_pool_handle", "is_current_stream_capturing", "make_graphed_callables"]

_RECORDED = "use torch.compile, which records and replays a call"


def is_current_stream_capturing() -> bool:
    """Whether a function is being recorded (``jtorch.compile``)."""
    return session() is not None


class CUDAGraph:
    """A recorded sequence of CUDA's launches: not available, XLA runs whole programs in any case.

    Raises:
        RuntimeError: there is no GPU.
        NotImplementedError: there is one.
    """

    def __new__(cls, *_: Any, **__: Any) -> CUDAGraph:  # noqa: D102
        refuse("CUDAGraph", _RECORDED)


class graph(StreamContext):
    """Recording of a block as a :class:`CUDAGraph`: not available.

    Raises:
        RuntimeError: there is no GPU.
        NotImplementedError: there is one.
    """

    def __init__(
        self, cuda_graph: Any, pool: Any = None, stream: Any = None, capture_error_mode: str = "global"
    ) -> None:
        super().__init__(Stream())  # raises without a GPU
        CUDAGraph()


def graph_pool_handle() -> Any:
    """Not supported: see :class:`CUDAGraph`."""
    refuse("graph_pool_handle", _RECORDED, "_graph_pool_handle")


make_graphed_callables = refused("make_graphed_callables", _RECORDED)
