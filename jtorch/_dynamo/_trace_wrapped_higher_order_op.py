"""Indexing inside of ``vmap`` (``torch._dynamo._trace_wrapped_higher_order_op``)."""

from __future__ import annotations

from types import TracebackType

__all__ = ["TransformGetItemToIndex"]


class TransformGetItemToIndex:
    """In its block, ``x[i]`` with a 0-dimensional tensor ``i`` reads no value: inside of ``vmap``, too.

    That is how jtorch indexes everywhere, so there is nothing to switch.
    """

    def __enter__(self) -> TransformGetItemToIndex:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass
