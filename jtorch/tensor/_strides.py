"""In which order of memory PyTorch would allocate the result of a pointwise operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from jtorch.ops._sizes import InconclusiveDimensionOperation
from jtorch.tensor._storage import contiguous_strides

__all__ = [
    "COLUMNS",
    "KEEPS_CHANNELS_LAST",
    "KEEPS_ORDER",
    "column_strides",
    "image_strides",
    "pointwise_strides",
]

Shape = tuple[int, ...]

#: Ops on images whose results have their channels last in memory if the operands have.
KEEPS_CHANNELS_LAST = frozenset({
    "_batch_norm", "cat", "channel_shuffle", "conv2d", "conv_transpose2d",
    "nn.functional.adaptive_avg_pool2d", "nn.functional.adaptive_max_pool2d", "nn.functional.avg_pool2d",
    "nn.functional.glu", "nn.functional.group_norm", "nn.functional.interpolate",
    "nn.functional.local_response_norm", "nn.functional.lp_pool2d", "nn.functional.max_pool2d",
    "nn.functional.pad", "nn.functional.upsample", "pixel_shuffle", "pixel_unshuffle", "prelu",
})  # fmt: skip

#: Ops whose results have the memory order of their first operand.
KEEPS_ORDER = frozenset({
    "_index_put", "argsort", "diagonal_scatter", "frexp", "index_fill", "msort", "select_scatter",
    "slice_scatter", "sort",
})  # fmt: skip

#: Numbers of the results that LAPACK leaves column by column in memory.
COLUMNS = {
    "_cholesky": (0,), "cholesky_inverse": (0,), "cholesky_solve": (0,), "geqrf": (0,),
    "linalg.cholesky_ex": (0,), "linalg.eig": (1,), "linalg.eigh": (1,), "linalg.householder_product": (0,),
    "linalg.inv_ex": (0,), "linalg.ldl_factor_ex": (0,), "linalg.ldl_solve": (0,), "linalg.lstsq": (0,),
    "linalg.lu_factor_ex": (0,), "linalg.lu_solve": (0,), "linalg.qr": (0, 1), "linalg.solve_ex": (0,),
    "linalg.solve_triangular": (0,), "linalg.svd": (0, 2), "lu_solve": (0,), "ormqr": (0,), "qr": (0, 1),
    "svd": (0,), "triangular_solve": (0, 1),
}  # fmt: skip


def column_strides(shape: Shape) -> Shape | None:
    """Strides of matrices that lie column by column in memory; ``None`` for row-major."""
    ndim = len(shape)
    return None if ndim < 2 else _filled(shape, (ndim - 2, ndim - 1, *range(ndim - 3, -1, -1)))


@lru_cache(4096)
def image_strides(name: str, shape: Shape, operands: tuple[tuple[Shape, Shape], ...]) -> Shape | None:
    """Strides of the result of one of :data:`KEEPS_CHANNELS_LAST`.

    Args:
        name: of the op.
        shape: of the result.
        operands: shape and strides of each tensor.

    Returns:
        The strides, ``None`` for row-major.
    """
    if len(shape) != 4:
        return None
    last = [_channels_last(s, t) for s, t in operands]
    # A weight counts as much as its images; what is joined has to agree.
    kept = all(last) if name == "cat" else any(last[:2]) if name.startswith("conv") else last[0]
    return _filled(shape, (1, 3, 2, 0)) if kept else None


def _channels_last(shape: Shape, strides: Shape) -> bool:
    if len(shape) != 4 or 0 in shape:
        return False
    least = 0
    for d in (1, 3, 2, 0):
        if strides[d] < least or (d == 0 and least == strides[1]):
            return False
        least = strides[d] * shape[d]
    return strides[1] != 0


@lru_cache(4096)
def pointwise_strides(shape: Shape, operands: tuple[tuple[Shape, Shape], ...]) -> Shape | None:
    """Strides of the result of a pointwise op (PyTorch's TensorIterator).

    Dimensions are sorted by the operands' strides, the first operand that tells two apart deciding.

    Args:
        shape: of the result.
        operands: shape and strides of each operand, empty for numbers.

    Returns:
        The strides, ``None`` for row-major, and if they depend on a size that varies.
    """
    try:
        return _pointwise_strides(shape, operands)
    except InconclusiveDimensionOperation:
        return None


def _pointwise_strides(shape: Shape, operands: tuple[tuple[Shape, Shape], ...]) -> Shape | None:
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
