"""The memory order of results: which operands it follows, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jtorch.ops._registry import Op
from jtorch.tensor._formats import strides_like
from jtorch.tensor._storage import strides_of
from jtorch.tensor._strides import (
    COLUMNS,
    KEEPS_CHANNELS_LAST,
    KEEPS_ORDER,
    column_strides,
    image_strides,
    pointwise_strides,
)

__all__ = ["POINTWISE", "order_by_columns", "order_results"]

#: Pointwise ops that promote nothing.
POINTWISE = frozenset({
    "_to_copy", "ceil", "complex", "conj", "conj_physical", "flip", "fliplr", "flipud",
    "float_power", "floor", "frac", "heaviside", "isclose", "isfinite", "isinf", "isnan",
    "isneginf", "isposinf", "isreal", "lerp", "logical_and", "logical_not", "logical_or",
    "logical_xor", "nan_to_num", "nn.functional.binary_cross_entropy", "nn.functional.normalize",
    "nn.functional.relu", "polar", "positive", "relu", "round", "sgn", "sigmoid", "sign", "signbit", "tanh",
    "trunc",
})  # fmt: skip


def order_results(
    op: Op,
    args: Sequence[Any],
    tensors: Sequence[Any],
    results: Sequence[Any],
    *,
    strided: bool,
    single: bool,
) -> None:
    """Give results the order of memory that PyTorch's have; so far they are row-major.

    Args:
        op: the op.
        args: its arguments.
        tensors: those among its operands, with ``None`` for numbers.
        results: what changes.
        strided: some operand is not row-major.
        single: the op has one result.
    """
    name = op.name
    if strided and name in KEEPS_CHANNELS_LAST:
        for r in results:
            r._storage.strides = r._strides = _image_strides(op, r, tensors)
    elif strided and single and (op.promote is not None or name in POINTWISE):
        [r] = results
        r._storage.strides = r._strides = _pointwise_strides(r, tensors)
    elif strided and name in KEEPS_ORDER:
        for r in results:
            r._storage.strides = r._strides = strides_like(r._aval().shape, strides_of(tensors[0]))
    elif name in COLUMNS:
        order_by_columns(op, args, results)


def _pointwise_strides(result: Any, tensors: Sequence[Any]) -> tuple[int, ...] | None:
    """Memory order of a pointwise result, from operands of which some are not row-major."""
    shape = result._aval().shape
    operands: list[Any] = []
    for t in tensors:
        if t is None or not t._aval().ndim:
            operands.append(((), ()))
        else:
            mine = t._aval().shape
            sizes = zip(reversed(mine), reversed(shape), strict=False)
            if len(mine) > len(shape) or any(m not in (1, n) for m, n in sizes):
                return None
            operands.append((mine, strides_of(t)))
    return pointwise_strides(shape, tuple(operands))


def _image_strides(op: Op, result: Any, tensors: Sequence[Any]) -> tuple[int, ...] | None:
    operands = []
    for t in tensors:
        if t is not None:
            shape = t._aval().shape
            operands.append((shape, strides_of(t)))
    return image_strides(op.name, result._aval().shape, tuple(operands))


def order_by_columns(op: Op, args: Sequence[Any], results: Sequence[Any]) -> None:
    """Give the matrices among results of LAPACK the memory order that it leaves them in."""
    if op.name in ("linalg.solve_ex", "linalg.lu_solve") and not args[op.places["left"]]:
        return  # solved as the transposed system
    for i in COLUMNS[op.name]:
        r = results[i]
        strides = column_strides(r._aval().shape)
        if strides is not None:
            r._storage.strides = r._strides = strides
