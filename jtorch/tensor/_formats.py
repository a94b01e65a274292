"""Strides of new tensors: by memory format, or after those of another tensor."""

from __future__ import annotations

from collections.abc import Sequence

from jtorch.tensor._layout import channels_last, contiguous_format, memory_format, preserve_format

__all__ = ["format_strides", "iteration_order", "strides_in_order", "strides_like"]


def strides_in_order(shape: Sequence[int], order: Sequence[int], least: int = 1) -> tuple[int, ...]:
    """Strides of a dense tensor whose dimensions lie in memory in this order, outermost first.

    Dimensions of size 0 count as ``least``.
    """
    strides = [0] * len(shape)
    step = 1
    for d in reversed(order):
        strides[d] = step
        step *= max(shape[d], least)
    return tuple(strides)


def format_strides(shape: Sequence[int], format: memory_format | None) -> tuple[int, ...] | None:
    """Strides of a new tensor of that format; ``None`` if it is row-major.

    Raises:
        RuntimeError: the format needs another number of dimensions.
    """
    if format is None or format is contiguous_format or format is preserve_format:
        return None
    rank = 4 if format is channels_last else 5
    if len(shape) != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {format.name} format")
    strides = strides_in_order(shape, (0, *range(2, rank), 1))
    return None if strides == strides_in_order(shape, range(rank)) else strides


def strides_like(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """Strides of a new dense tensor that keeps the order of another's dimensions (``preserve_format``).

    A tensor that is dense keeps its strides. One with gaps or overlaps gets the order of its strides, largest
    first; dimensions of stride 0 stay where they are.
    """
    if _dense(shape, strides):
        return strides
    order = iteration_order(shape, [strides])
    dense = strides_in_order(shape, order)
    return None if dense == strides_in_order(shape, range(len(shape))) else dense


def _dense(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    step = 1
    for s, n in sorted((s, n) for s, n in zip(strides, shape, strict=True) if n != 1):
        if n == 0:
            return True
        if s != step:
            return False
        step *= n
    return True


def iteration_order(shape: Sequence[int], operands: Sequence[Sequence[int]]) -> list[int]:
    """Dimensions outermost first, as a walk over operands of these strides visits memory in order.

    The comparisons are those of PyTorch's TensorIterator: an insertion sort from the innermost dimension
    outwards in which strides of 0 decide nothing, and ties keep their order unless the sizes differ.
    """
    order = list(range(len(shape) - 1, -1, -1))

    def compare(a: int, b: int) -> int:
        for strides in operands:
            if strides[a] == 0 or strides[b] == 0:
                continue
            if strides[a] != strides[b]:
                return -1 if strides[a] < strides[b] else 1
            if shape[a] > shape[b]:
                return 1
        return 0

    for i in range(1, len(order)):
        at = i
        for j in range(i - 1, -1, -1):
            found = compare(order[j], order[at])
            if found > 0:
                order[j], order[at] = order[at], order[j]
                at = j
            elif found < 0:
                break
    return order[::-1]
