"""PyTorch's type promotion of mixed operands (``torch.result_type``).

Operands fall into three classes: tensors with dimensions, 0-dim tensors, Python numbers. A lower class only
matters if its category (bool, integer, floating, complex) is higher.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jtorch import dtypes
from jtorch.dtypes import BOOL, COMPLEX, FLOAT, dtype, promote_types
from jtorch.trace import Aval

__all__ = ["number_dtype", "result_dtype"]


def number_dtype(kind: type) -> dtype:
    """The dtype that a Python number of this type has by itself."""
    if kind is bool:
        return dtypes.bool_
    if kind is int:
        return dtypes.int64
    if kind is float:
        return dtypes.get_default_dtype()
    return dtypes.get_default_dtype().to_complex()


def result_dtype(operands: Iterable[Any]) -> dtype:
    """Common dtype of operands.

    Args:
        operands: an :class:`Aval`, or the type of a Python number, each.
    """
    dims: dtype | None = None
    zero: dtype | None = None
    wrapped: dtype | None = None
    for x in operands:
        if isinstance(x, Aval):
            if x.ndim:
                dims = x.dtype if dims is None else promote_types(dims, x.dtype)
            else:
                zero = x.dtype if zero is None else promote_types(zero, x.dtype)
        else:
            d = number_dtype(x)
            wrapped = d if wrapped is None else promote_types(wrapped, d)
    found = _combine(dims, _combine(zero, wrapped))
    assert found is not None, "promotion without operands"
    return found


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    if higher is None:
        return lower
    if lower is None or higher.category == COMPLEX:
        return higher
    if higher.category == FLOAT:
        return higher.to_complex() if lower.category == COMPLEX else higher
    if higher.category == BOOL or lower.category >= FLOAT:
        return promote_types(higher, lower)
    return higher
