"""In which order of memory PyTorch would allocate the result of a pointwise operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from jtorch.tensor._storage import contiguous_strides

__all__ = ["pointwise_strides"]

Shape = tuple[int, ...]


@lru_cache(4096)
def pointwise_strides(shape: Shape, operands: tuple[tuple[Shape, Shape], ...]) -> Shape | None:
    """Strides of the result of a pointwise op (PyTorch's TensorIterator).

    Dimensions are sorted by the operands' strides, the first operand that tells two apart deciding.

    Args:
        shape: of the result.
        operands: shape and strides of each operand, empty for numbers.

    Returns:
        The strides, ``None`` for row-major.
    """
    if all(s == shape for s, _ in operands):
        first = operands[0][1]
        if all(_fits(s, t, range(len(s) - 1, -1, -1)) for s, t in operands):
            return None
        if len(shape) == 4 and all(_fits(s, t, (1, 3, 2, 0)) for s, t in operands):
            return _filled(shape, (1, 3, 2, 0))
        if all(t == first for _, t in operands) and _dense(shape, first):
            return first
    ndim = len(shape)
    spread = [_broadcast(s, t, shape) for s, t in operands]
    order = list(range(ndim - 1, -1, -1))
    for i in range(1, ndim):
        at = i
        for before in range(i - 1, -1, -1):
            verdict = _compare(shape, spread, order[before], order[at])
            if verdict > 0:
                order[before], order[at] = order[at], order[before]
                at = before
            elif verdict < 0:
                break
    return _filled(shape, order)


def _filled(shape: Shape, order: Sequence[int]) -> Shape | None:
    strides = [0] * len(shape)
    step = 1
    for d in order:
        strides[d] = step
        step *= max(shape[d], 1)
    result = tuple(strides)
    return None if result == contiguous_strides(shape) else result


def _fits(shape: Shape, strides: Shape, order: Iterable[int]) -> bool:
    """Whether memory is filled in this order of dimensions, innermost first; sizes of 1 fit anywhere."""
    step = 1
    for d in order:
        if shape[d] != 1 and strides[d] != step:
            return False
        step *= shape[d]
    return True


def _dense(shape: Shape, strides: Shape) -> bool:
    return _fits(shape, strides, sorted(range(len(shape)), key=lambda d: (strides[d], shape[d] != 1)))


def _broadcast(shape: Shape, strides: Shape, to: Shape) -> Shape:
    extra = len(to) - len(shape)
    return (0,) * extra + tuple(
        0 if n == 1 and m != 1 else s for n, s, m in zip(shape, strides, to[extra:], strict=True)
    )


def _compare(shape: Shape, operands: Sequence[Shape], a: int, b: int) -> int:
    """Positive if dimension ``a`` belongs outside ``b``, negative if inside, 0 if operands do not tell."""
    for strides in operands:
        if strides[a] == 0 or strides[b] == 0:
            continue
        if strides[a] != strides[b]:
            return -1 if strides[a] < strides[b] else 1
        if shape[a] > shape[b]:
            return 1
    return 0
