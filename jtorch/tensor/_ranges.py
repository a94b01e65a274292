"""Ranges: numbers evenly spaced, with the last bits that PyTorch's kernels give them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch import dtypes
from jtorch.devices import as_device
from jtorch.dtypes import INT, dtype
from jtorch.ops._sizes import is_symbolic_dim
from jtorch.tensor._arguments import as_dtype, check_layout, filled, into, make, number_of, out_dtype
from jtorch.tensor._core import Tensor

__all__ = ["arange", "linspace", "logspace", "range"]


#: Lanes of PyTorch's vectorised kernels (256 bits, two registers at a time): they decide a range's last bits.
_LANES = {dtypes.float64: 4, dtypes.float32: 8, dtypes.float16: 16, dtypes.bfloat16: 16}


_ARANGE_FORMS = (
    " * (Number end, *, Tensor out = None, torch.dtype dtype = None, torch.layout layout = None, "
    "torch.device device = None, bool pin_memory = False, bool requires_grad = False)\n * (Number start, "
    "Number end, *, torch.dtype dtype = None, torch.layout layout = None, torch.device device = None, bool "
    "pin_memory = False, bool requires_grad = False)\n * (Number start, Number end, Number step = 1, *, "
    "Tensor out = None, torch.dtype dtype = None, torch.layout layout = None, torch.device device = None, "
    "bool pin_memory = False, bool requires_grad = False)\n"
)


def arange(
    *args: Any, start: Any = None, end: Any = None, step: Any = None, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from ``start`` (0) up to but without ``end``, ``step`` (1) apart (``torch.arange``).

    Raises:
        RuntimeError: a step of 0, or in the wrong direction.
    """
    names = ["end"] if len(args) == 1 and start is None and end is None else ["start", "end", "step"]
    given = {"start": start, "end": end, "step": step}
    if len(args) > 3 or any(given[n] is not None for n in names[: len(args)]) or (not args and end is None):
        kinds = ", ".join(type(a).__name__ for a in args)
        raise TypeError(
            "arange() received an invalid combination of arguments - got "
            f"({kinds}), but expected one of:\n{_ARANGE_FORMS}"
        )
    given.update(zip(names, args, strict=False))
    if given["end"] is None:
        raise TypeError('arange() missing 1 required positional arguments: "end"')
    if any(map(is_symbolic_dim, given.values())):
        d = dtypes.int64 if dtype is None else as_dtype(dtype, "arange")
        numbers = jnp.arange(given["start"] or 0, given["end"], given["step"] or 1, d.numpy)
        return make(numbers, as_device(device))
    low, high, by = (
        default if given[n] is None else number_of(given[n], "arange", n, i + (len(args) > 1))
        for i, (n, default) in enumerate((("start", 0), ("end", 0), ("step", 1)))
    )
    check_layout(layout, pin_memory, "arange")
    if dtype is not None:
        d = as_dtype(dtype, "arange")
    elif all(isinstance(x, int) for x in (low, high, by)):
        d = dtypes.int64
    else:
        d = dtypes.get_default_dtype()
    if out is not None:
        return into(out, _arange(low, high, by, out_dtype("arange", out)), requires_grad=requires_grad)
    return make(_arange(low, high, by, d), as_device(device), requires_grad)


def _check_range(start: Any, end: Any, step: Any) -> None:
    if any(isinstance(x, complex) and x.imag for x in (start, end, step)):
        raise RuntimeError("value cannot be converted to type double without overflow")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (step > 0 and end < start) or (step < 0 and end > start):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def _arange(start: Any, end: Any, step: Any, d: dtype) -> np.ndarray[Any, Any]:
    _check_range(start, end, step)
    if d.category == dtypes.BOOL or d.is_complex or d in dtypes.FLOAT8:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{dtypes.scalar_type_name(d)}'")
    if d.category == INT:
        if d is dtypes.int64:
            first, by = int(start), int(step)
            if by == 0:
                raise ValueError("step must be nonzero")
            count = max(-((first - int(end)) // by), 0)
        else:
            first, by, count = int(start), int(step), math.ceil((end - start) / step)
        if by == 1:
            return np.arange(first, first + count, dtype=d.numpy)
        return (first + by * np.arange(count, dtype=np.int64)).astype(d.numpy)
    count = math.ceil((end - start) / step)
    lanes = _LANES[d]
    index = np.arange(count)
    wide: Any = np.longdouble if d is dtypes.float64 else np.float64
    narrow = d.numpy
    first, by = wide(start), wide(step)
    if d in dtypes.HALF:
        wide = np.float32
        first, by = wide(start), wide(step)
    # Each vector starts at its rounded first element; what is left after the last pair goes one by one.
    whole = count // (2 * lanes) * (2 * lanes)
    head = index[:whole]
    vectors = (first + by * (head[::lanes]).astype(wide)).astype(narrow).astype(wide)
    body = (vectors[:, None] + by * np.arange(lanes).astype(wide)).reshape(-1)
    tail = first + by * index[whole:].astype(wide)
    return np.concatenate([body, tail]).astype(narrow)


def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from ``start`` up to and with ``end`` (``torch.range``, deprecated: see :func:`arange`)."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with Python's range builtin. Instead, use torch.arange, which produces values in "
        "[start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    low, high = number_of(start, "range", "start", 1), number_of(end, "range", "end", 2)
    by = number_of(step, "range", "step", 3)
    check_layout(layout, pin_memory, "range")
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "range")
    if out is not None:
        d = out_dtype("range", out)
    _check_range(low, high, by)
    count = math.floor((high - low) / by) + 1
    if d.category == INT:
        array: Any = (int(low) + int(by) * np.arange(count)).astype(d.numpy)
    else:
        array = (low + by * np.arange(count).astype(np.float64)).astype(d.numpy)
    if out is not None:
        return into(out, array, requires_grad=requires_grad)
    return make(array, as_device(device), requires_grad)


def _bounds(name: str, start: Any, end: Any, steps: Any) -> tuple[Any, Any, int]:
    tensors = [x for x in (start, end) if isinstance(x, Tensor)]
    if any(x._aval().ndim for x in tensors):
        dims = [x._aval().ndim if isinstance(x, Tensor) else 0 for x in (start, end)]
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got start with {dims[0]} "
            f"dimension(s) and end with {dims[1]} dimension(s)."
        )
    if steps is None or isinstance(steps, float | str | complex):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got "
            f"({', '.join(type(x).__name__ for x in (start, end, steps) if x is not None)}), but expected "
            "one of:\n"
            + "".join(
                f" * ({a} start, {b} end, int steps, *, Tensor out = None, torch.dtype dtype = None, "
                "torch.layout layout = None, torch.device device = None, bool pin_memory = False, bool "
                "requires_grad = False)\n"
                for a, b in (
                    ("Tensor", "Tensor"),
                    ("Number", "Tensor"),
                    ("Tensor", "Number"),
                    ("Number", "Number"),
                )
            )
        )
    count = int(steps)
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    return number_of(start, name, "start", 1), number_of(end, name, "end", 2), count


def _space_dtype(name: str, dtype: Any, out: Any, start: Any, end: Any) -> dtypes.dtype:
    if out is not None:
        return out_dtype(name, out)
    if dtype is not None:
        return as_dtype(dtype, name)
    d = dtypes.get_default_dtype()
    return d.to_complex() if isinstance(start, complex) or isinstance(end, complex) else d


def linspace(
    start: Any, end: Any, steps: Any = None, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers evenly spaced from ``start`` to ``end``, both included (``torch.linspace``)."""
    low, high, count = _bounds("linspace", start, end, steps)
    check_layout(layout, pin_memory, "linspace")
    d = _space_dtype("linspace", dtype, out, low, high)
    if d.category == dtypes.BOOL or d in dtypes.FLOAT8:
        raise NotImplementedError(f"\"linspace_cpu\" not implemented for '{dtypes.scalar_type_name(d)}'")
    array = _linspace(low, high, count, d)
    if out is not None:
        return into(out, array, requires_grad=requires_grad)
    return make(array, as_device(device), requires_grad)


def _linspace(start: Any, end: Any, count: int, d: dtype) -> np.ndarray[Any, Any]:
    """Counted from both ends, with the step rounded to the type."""
    if count == 1:
        return filled((1,), start, d)
    step_type: Any
    wide: Any
    index = np.arange(count)
    if d.category == INT:
        low: Any = float(int(start))
        high: Any = float(int(end))
        step_type, wide = np.float64, np.longdouble
    else:
        step_type = d.numpy.type
        low, high = filled((), start, d)[()], filled((), end, d)[()]
        # Real types: one rounding per element, as a fused multiply-add has; complex ones: as written.
        wide = d.numpy.type if d.is_complex else np.longdouble if d.itemsize == 8 else np.float64
    if not count:
        return np.empty((0,), d.numpy)
    step = wide(step_type(step_type(high - low) / step_type(count - 1)))
    half = count // 2
    up, down = index[:half].astype(wide), (count - 1 - index[half:]).astype(wide)
    both = np.concatenate([wide(low) + step * up, wide(high) - step * down])
    if d.category == INT:
        both = both.astype(np.float64)
    return both.astype(d.numpy)


def logspace(
    start: Any, end: Any, steps: Any = None, base: float = 10.0, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to evenly spaced powers (``torch.logspace``)."""
    low, high, count = _bounds("logspace", start, end, steps)
    check_layout(layout, pin_memory, "logspace")
    d = _space_dtype("logspace", dtype, out, low, high)
    if d.category == dtypes.BOOL or d in dtypes.FLOAT8:
        raise NotImplementedError(f"\"logspace_cpu\" not implemented for '{dtypes.scalar_type_name(d)}'")
    if count == 1:
        array = np.full((1,), base**low).astype(d.numpy)
    elif d.is_complex:
        with np.errstate(all="ignore"):
            array = np.power(np.complex128(base), np.linspace(low, high, count, dtype=np.complex128))
    else:
        array = _powers(float(base), low, high, count, d)
    with np.errstate(all="ignore"):
        array = array.astype(d.numpy)
    if out is not None:
        return into(out, array, requires_grad=requires_grad)
    return make(array, as_device(device), requires_grad)


def _powers(base: float, low: Any, high: Any, count: int, d: dtype) -> np.ndarray[Any, Any]:
    """Powers in float64, counted from the nearer end; the ends are of the result's type."""
    with np.errstate(all="ignore"):
        ends = np.asarray([low, high]).astype(d.numpy)
        first, last = ends.astype(np.float64)
        apart = last - first if d.category == INT else (ends[1:] - ends[:1]).astype(np.float64)[0]
        step = apart / (count - 1)
        index = np.arange(count)
        half = count // 2
        exponents = np.where(index < half, first + step * index, last - step * (count - index - 1))
        powers = np.array([_power(base, x) for x in exponents.tolist()])
        narrow = d.category == INT and d.itemsize <= 4 and d is not dtypes.uint32
        return powers.astype(np.int32) if narrow else powers


def _power(base: float, exponent: float) -> float:
    """C's pow, which NumPy's vectors differ from in the last bit."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan
