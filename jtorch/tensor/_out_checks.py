"""What PyTorch asks of an ``out=`` tensor: a dtype that some ops do not convert to, and memory of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from jtorch.dtypes import BOOL, FLOAT, INT, int32, scalar_type_name
from jtorch.errors import warn_user
from jtorch.ops._checks import c_name
from jtorch.ops._registry import Op
from jtorch.tensor._core import Tensor
from jtorch.tensor._storage import contiguous_strides, strides_of

__all__ = ["check_memory", "check_out_dtype", "takes_dtype_of"]

_STRUCTURED = "Expected out tensor to have dtype {c_want}, but got {c_got} instead"

#: Ops that write only results of their own dtype into ``out``, with the text for another one. All others
#: convert within a category.
_EXACT = {
    "all": "all only supports bool tensor for result, got: {got}",
    "amax": "Expected the dtype for input and out to match, but got {want} for input's dtype and {got} for "
    "out's dtype.",
    "complex": "Expected object of scalar type {want} but got scalar type {got} for argument 'out'",
    "any": "any only supports bool tensor for result, got: {got}",
    "diff": "expected scalar_type {want} but found {got}",
    "dot": "result dtype {got} does not match input dtype {want}",
    "float_power": "the output given to float_power has dtype {got} but the operation's result requires "
    "dtype {want}",
    "index_select": "index_select(): self and result must have the same scalar type",
    "inner": "tensordot: Expected the output tensor to have dtype {want}, but got an output tensor with "
    "dtype {got}",
    "isneginf": "isneginf does not support non-boolean outputs.",
    "isposinf": "isposinf does not support non-boolean outputs.",
    "linalg.matrix_norm": "linalg.matrix_norm expected out tensor dtype {want} but got: {got}",
    "linalg.multi_dot": "multi_dot(): expected out tensor to have dtype {c_want} but got {c_got}",
    "linalg.norm": "linalg.norm expected out tensor dtype {want} but got: {got}",
    "linalg.solve_triangular": "expected scalar type {want} but found {got}",
    "linalg.vecdot": "linalg.vecdot: Expected out of dtype{want} but found {got}",
    "logcumsumexp": "expected scalar_type {want} but found {got}",
    "_masked_select": "masked_select(): self and result must have the same scalar type",
    "nan_to_num": "nan_to_num: dtype of out: {got} should be same as input: {want}",
    "nanquantile": "quantile() out tensor must be same dtype as the input tensor",
    "nansum": "nansum: provided dtype must match dtype of result. Got {got} and {want}.",
    "nonzero": "nonzero: Expected out tensor to have scalar type {want} but got scalar type{got}",
    "ormqr": "torch.ormqr: Expected input and result to have the same dtype, but input has dtype{want} and "
    "result has "
    "dtype {got}",
    "quantile": "quantile() out tensor must be same dtype as the input tensor",
    "searchsorted": "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or "
    "Long(int64) depending on whether out_int32 flag is True, but we got output tensor's dtype {got} and "
    "out_int32 flag is {narrow}",
    "signbit": "signbit does not support non-boolean outputs.",
    "take": "take(): self and out expected to have the same dtype, but got self.dtype = {want} and "
    "out.dtype = {got}",
    "where": "Expected out type to be {want} but got {got}",
}
_EXACT["bucketize"] = _EXACT["searchsorted"]
_EXACT["amin"] = _EXACT["amax"]
_EXACT["polar"] = _EXACT["complex"]
_EXACT["tensordot"] = _EXACT["inner"]
_EXACT["vdot"] = _EXACT["dot"]
for _name in [
    "addmm",
    "aminmax",
    "addmv",
    "argmax",
    "argmin",
    "baddbmm",
    "bmm",
    "cross",
    "cumprod",
    "cumsum",
    "diag",
    "gather",
    "index_add",
    "index_copy",
    "isin",
    "linalg.cross",
    "linalg.det",
    "linalg.eigvalsh",
    "linalg.inv",
    "linalg.ldl_solve",
    "linalg.lu_solve",
    "linalg.svdvals",
    "linalg.vector_norm",
    "log_softmax",
    "lu_solve",
    "matmul",
    "mean",
    "mm",
    "msort",
    "mv",
    "norm",
    "prod",
    "renorm",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "softmax",
    "sum",
    "take_along_dim",
    "tril",
    "triu",
]:
    _EXACT[_name] = _STRUCTURED
for _name in [
    "abs",
    "ceil",
    "conj_physical",
    "floor",
    "frac",
    "neg",
    "nn.functional.hardshrink",
    "nn.functional.softplus",
    "nn.functional.softshrink",
    "round",
    "sgn",
    "sign",
    "trunc",
    "fft.ifft",
    "fft.ihfft",
]:
    _EXACT[_name] = "Found dtype {got} but expected {want}"


def check_out_dtype(op: Op, out: Tensor, result: Tensor) -> None:
    """The dtype of ``out`` is the result's, for the ops that insist on it."""
    got, want = out._aval().dtype, result._aval().dtype
    if got is want or op.name not in _EXACT:
        return
    if got.category < want.category and (op.name == "mean" or _EXACT[op.name].startswith("Found")):
        return  # a loss of category is the more general error
    names = {"got": scalar_type_name(got), "want": scalar_type_name(want), "narrow": want is int32}
    raise RuntimeError(_EXACT[op.name].format(c_got=c_name(got), c_want=c_name(want), **names))


#: Ops that compute in the dtype of ``out`` unless one is given, with its lowest category.
_IN_OUT_DTYPE = {"cumprod": INT, "cumsum": INT, "mean": FLOAT, "nansum": FLOAT, "prod": BOOL, "sum": BOOL}


def takes_dtype_of(op: Op, out: Any, operands: Sequence[Any]) -> Sequence[Any]:
    """The arguments of an op of which the dtype may be that of ``out``."""
    lowest = _IN_OUT_DTYPE.get(op.name)
    if lowest is None or not isinstance(out, Tensor):
        return operands
    place, dtype = op.params.index("dtype"), out._aval().dtype
    given = operands[0]._aval().dtype
    if operands[place] is not None or dtype.category < min(lowest, given.category):
        return operands
    if given.is_complex and dtype.category in (INT, FLOAT):
        warn_user("Casting complex values to real discards the imaginary part")
    return [*operands[:place], dtype, *operands[place + 1 :]]


#: Ops that read their operands after they have begun to write: not even the same memory will do.
_APART = frozenset(
    {"cat", "gather", "index_select", "kthvalue", "masked_select", "put", "scatter", "scatter_add", "take"}
)

_ON_OPERAND = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
    "memory location. Please clone() the tensor before performing the operation."
)


def check_memory(name: str, out: Tensor, shape: tuple[int, ...], operands: Sequence[Any]) -> None:
    """No element of ``out``, once it has the result's shape, lies on another, and none in part on an operand.

    Raises:
        RuntimeError: it does.
    """
    size = math.prod(shape)
    if name in _APART and any(x is out for x in _tensors(operands)):
        raise RuntimeError(_ON_OPERAND)
    if not size or size > out._aval().size:
        return  # it gets memory of its own
    strides = strides_of(out) if out._aval().shape == shape else contiguous_strides(shape)
    if any(s == 0 and n > 1 for s, n in zip(strides, shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )
    for x in _tensors(operands):
        if x._storage is not out._storage or not _meet(_span(x), _span(out, shape, strides)):
            continue
        if (
            x._offset == out._offset
            and x._aval().shape == shape
            and strides_of(x) == strides
            and name not in _APART
        ):
            continue
        raise RuntimeError(_ON_OPERAND)


def _tensors(operands: Sequence[Any]) -> Iterator[Tensor]:
    for x in operands:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, list | tuple):
            yield from (y for y in x if isinstance(y, Tensor))


def _span(x: Tensor, shape: tuple[int, ...] = (), strides: tuple[int, ...] | None = None) -> tuple[int, int]:
    """First and last element in memory, of this or its own shape; an empty stretch of no elements."""
    if strides is None:
        shape, strides = x._aval().shape, strides_of(x)
    if 0 in shape:
        return x._offset, x._offset - 1
    return x._offset, x._offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


def _meet(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1] and a[0] <= a[1] and b[0] <= b[1]
