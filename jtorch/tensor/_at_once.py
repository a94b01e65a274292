"""Exact operations on host memory, computed at once with NumPy while samples are made; some of them anywhere.

A data set transforms thousands of small tensors, each in a few operations and each read right away by
whoever makes the batch, so there is nothing to fuse, and recording an operation takes longer than NumPy takes
to do it.
Here are only operations whose results IEEE arithmetic fixes to the last bit: it makes no difference to values
where they are computed. Whatever a function below does not take (other dtypes, history, memory that is not
row-major, bad arguments) is recorded as anywhere else.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.dispatch import INFERENCE, modes
from jtorch.ops._registry import OPS
from jtorch.tensor._core import Tensor, host_contents, seen_contents
from jtorch.tensor._storage import Storage
from jtorch.trace import Value, from_host, settings

__all__ = ["at_once", "compute_at_once"]

Array = np.ndarray[Any, Any]
Quick = Callable[[Sequence[Any]], Tensor | None]

_new = object.__new__
_FLOATS, _INTEGERS = "fd", "Bbhilq"
#: Integers that float32 holds exactly.
_EXACT = 1 << 24


def compute_at_once() -> None:
    """Switch this on for the rest of this thread: for the processes that make batches."""
    modes.at_once = True
    errors = _errors()
    if errors:
        np.seterrcall(errors.pop("call"))
        np.seterr(**errors)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Switch this on while samples are made in the process that trains."""
    if modes.at_once or modes.level == INFERENCE or settings.session is not None:
        yield
        return
    modes.at_once = True
    try:
        with np.errstate(**_errors()):
            yield
    finally:
        modes.at_once = False


def _errors() -> dict[str, Any]:
    """Settings of ``numpy.errstate``: what NumPy would warn of is reported to the function below."""
    if np.geterrcall() is not None:
        return {}
    return {**{kind: "call" for kind, mode in np.geterr().items() if mode == "warn"}, "call": _report}


def _report(kind: str, flag: int) -> None:
    # Infinities are no news where PyTorch computes. Asking for silence around each operation would take
    # longer than the operation.
    if sys._getframe(1).f_globals is not globals():
        warnings.warn(f"{kind} encountered", RuntimeWarning, stacklevel=2)


def _tensor(array: Any, like: Tensor | None = None) -> Tensor:
    """A tensor of a new array, which may have the aval of another tensor."""
    result: Tensor = _new(Tensor)
    storage = result._storage = _new(Storage)
    if like is not None and type(array) is np.ndarray:
        view = like._view
        aval = like._aval() if view is None else view.aval
        if aval.shape == array.shape:
            value = storage.value = _new(Value)
            value.aval, value.host = aval, array
            return result
    storage.value = from_host(np.asarray(array))
    return result


# ---- arithmetic and comparison


def _pair(x: Any, y: Any, integers: str) -> tuple[Any, Any, Any] | None:
    """Two operands for a NumPy function that computes in the tensor's dtype, and the tensor."""
    tensor, number = (x, y) if type(x) is Tensor else (y, x)
    array = host_contents(tensor)
    if array is None:
        return None
    char = array.dtype.char
    kind = type(number)
    if kind is Tensor:
        other = host_contents(number)
        if other is None or other.dtype is not array.dtype or char not in _FLOATS + integers:
            return None
        return array, other, tensor
    if kind is float:
        if char not in _FLOATS:
            return None
    elif kind is not int or not (-_EXACT <= number <= _EXACT if char in _FLOATS else char in integers):
        return None
    return (array, number, tensor) if tensor is x else (number, array, tensor)


def _arithmetic(function: Callable[..., Any], integers: str = _INTEGERS, swap: bool = False) -> Quick:
    def quick(args: Sequence[Any]) -> Tensor | None:
        x, y = args[0], args[1]
        if len(args) > 2 and args[2] != 1:
            return None
        if type(y) is float and not swap:
            # The usual case: the result is like the tensor, and nothing can be wrong with the number.
            array = host_contents(x)
            if array is None or array.dtype.char not in _FLOATS or not array.ndim:
                return None
            result: Tensor = _new(Tensor)
            value = _new(Value)
            value.aval, value.host = x._aval(), function(array, y)
            result._storage = storage = _new(Storage)
            storage.value = value
            return result
        operands = _pair(y, x, integers) if swap else _pair(x, y, integers)
        if operands is None:
            return None
        a, b, tensor = operands
        try:
            return _tensor(function(a, b), tensor)
        except (ArithmeticError, ValueError, TypeError):
            return None  # what is wrong is said where it is checked

    return quick


_divide_floats: Quick = _arithmetic(np.divide, "")


def _divide(args: Sequence[Any]) -> Tensor | None:
    x, y = args
    made = _divide_floats(args)
    if made is not None or type(x) is not Tensor:
        return made
    array = host_contents(x)
    if array is None or array.dtype.char not in _INTEGERS or type(y) not in (int, float):
        return None
    if dtypes.get_default_dtype() is not dtypes.float32 or not -_EXACT <= y <= _EXACT:
        return None
    return _tensor(np.divide(array, np.float32(y), dtype=np.float32, casting="unsafe"))


def _comparison(function: Callable[..., Any]) -> Quick:
    def quick(args: Sequence[Any]) -> Tensor | None:
        x, y = args[0], args[1]
        if type(x) is not Tensor or (type(y) is int and not 0 <= y < 128):
            return None
        operands = _pair(x, y, _INTEGERS)
        if operands is None:
            return None
        try:
            return _tensor(function(operands[0], operands[1]))
        except (ArithmeticError, ValueError):
            return None

    return quick


def _unary(function: Callable[..., Any], integers: str = _INTEGERS) -> Quick:
    def quick(args: Sequence[Any]) -> Tensor | None:
        array = host_contents(args[0])
        if array is None or array.dtype.char not in _FLOATS + integers:
            return None
        return _tensor(function(array), args[0])

    return quick


# ---- moving elements


#: (number of dims, flipped ones) -> index that flips them
_flips: dict[tuple[int, Any], tuple[slice, ...]] = {}


def _flip(args: Sequence[Any]) -> Tensor | None:
    array, dims = host_contents(args[0]), args[1]
    if array is None:
        return None
    if type(dims) is list:
        dims = tuple(dims)
    ndim = array.ndim
    key = _flips.get((ndim, dims))
    if key is None:
        key = _flipping(ndim, dims if type(dims) is tuple else (dims,))
        if key is None:
            return None
        _flips[ndim, dims] = key
    return _tensor(array[key].copy(), args[0])


def _flipping(ndim: int, dims: tuple[Any, ...]) -> tuple[slice, ...] | None:
    key = [slice(None)] * ndim
    for d in dims:
        if type(d) is not int or not -ndim <= d < ndim or key[d].step is not None:
            return None
        key[d] = slice(None, None, -1)
    return tuple(key)


def _follows() -> bool:
    """Whether a result has to follow from the operands: somebody records or differentiates what is done."""
    return not modes.at_once and (settings.session is not None or modes.captured is not None or modes.watch)


def _clone(args: Sequence[Any]) -> Tensor | None:
    array = None if _follows() else host_contents(args[0])
    return None if array is None else _tensor(array.copy(), args[0])


def _joined(function: Callable[..., Any], any_size: bool) -> Quick:
    def quick(args: Sequence[Any]) -> Tensor | None:
        tensors, dim = args[0], args[1]
        if type(tensors) not in (list, tuple) or not tensors or type(dim) is not int:
            return None
        if _follows():
            return None
        arrays = []
        for t in tensors:
            array = seen_contents(t)
            if array is None:
                return None
            arrays.append(array)
        first = arrays[0]
        if not first.ndim and any_size:
            return None
        dtype, shape, ndim = first.dtype, first.shape, first.ndim
        for a in arrays:
            if a.dtype is not dtype or a.ndim != ndim or not (any_size or a.shape == shape):
                return None
        try:
            return _tensor(function(arrays, dim))
        except ValueError:
            return None

    return quick


def _cast(args: Sequence[Any]) -> Tensor | None:
    array, dtype = host_contents(args[0]), args[1]
    # What NumPy and C convert to the same numbers, without a word.
    if (
        array is None
        or array.dtype.char not in _INTEGERS
        or not (dtype.is_floating_point and dtype.itemsize > 2)
    ):
        return None
    return _tensor(array.astype(dtype.numpy))


for _name, _function in {
    "add": _arithmetic(np.add),
    "sub": _arithmetic(np.subtract),
    "rsub": _arithmetic(np.subtract, swap=True),
    "mul": _arithmetic(np.multiply),
    "div": _divide,
    "neg": _unary(np.negative),
    "abs": _unary(np.abs),
    "reciprocal": _unary(np.reciprocal, ""),
    "eq": _comparison(np.equal),
    "ne": _comparison(np.not_equal),
    "lt": _comparison(np.less),
    "le": _comparison(np.less_equal),
    "gt": _comparison(np.greater),
    "ge": _comparison(np.greater_equal),
    "flip": _flip,
    "_clone": _clone,
    "_to_copy": _cast,
    "stack": _joined(np.stack, any_size=False),
    "cat": _joined(np.concatenate, any_size=True),
}.items():
    OPS[_name].quick = _function

# Which tensors are drawn from a memory differs from step to step, and so does whether one is drawn twice (as
# a state and as what follows another): recorded, each such batch would be a structure of its own. So would
# copies that are changed in places that differ (CutMix).
for _name in ("stack", "cat", "_clone"):
    OPS[_name].quick_always = True
