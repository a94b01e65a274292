"""Tensors that are functions of a length: window functions, frequencies, the places of triangles."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.devices import as_device
from jtorch.dtypes import FLOAT, dtype
from jtorch.tensor._arguments import as_dtype, check_layout, into, make, out_dtype
from jtorch.tensor._core import Tensor
from jtorch.tensor._derive import derived
from jtorch.tensor._layout import strided

__all__: list[str] = []

Floats = np.ndarray[Any, np.dtype[np.float64]]


def _install(space: str, function: Callable[..., Any], name: str = "") -> None:
    function.__name__ = function.__qualname__ = name or function.__name__
    function.__module__ = "jtorch"
    derived[space][function.__name__] = function


def _with_options(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """State the arguments behind ``**options``, which are those of general_cosine."""
    own = inspect.signature(function)
    given = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    options = list(inspect.signature(general_cosine).parameters.values())[3:]
    function.__signature__ = own.replace(parameters=[*given, *options])  # type: ignore[attr-defined]
    return function


# --- torch.signal.windows ---


def _points(start: float, step: float, count: int) -> Floats:
    return start + step * np.arange(count, dtype=np.float64)


def _finish(
    name: str,
    M: int,
    values: Callable[[int], Floats],
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    """Check what all windows have in common, and make the tensor; of 0 and 1 points all windows are the same.

    Raises:
        ValueError: a negative length, another layout, other types than float32 and float64.
    """
    d = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, name)
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not None and layout is not strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if d not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {d}")
    window = values(M) if M > 1 else np.ones(M)
    return make(window.astype(d.numpy), as_device(device), requires_grad)


def _divisions(m: int, sym: bool) -> int:
    """Steps from the first point of a window to its end: a periodic one leaves out its last point."""
    return m - 1 if sym else m


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Weighted cosines of rising frequency with alternating signs (``torch.signal.windows.general_cosine``).

    Args:
        M: points.
        a: weights; that of the constant first.
        sym: symmetric, for filters; else periodic, for spectra.
        dtype: float32 or float64.
        layout: strided.
        device: where.
        requires_grad: of the result.

    Raises:
        TypeError: weights that are no list.
        ValueError: no weights; a negative length; another type or layout.
    """
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    weights = list(a)
    if not weights:
        raise ValueError("Coefficients cannot be empty")

    def values(m: int) -> Floats:
        k = _points(0, 2 * math.pi / _divisions(m, sym), m)
        out = np.zeros(m)
        for i, weight in enumerate(weights):
            out += (-1) ** i * weight * np.cos(i * k)
        return out

    return _finish("general_cosine", M, values, dtype, layout, device, requires_grad)


@_with_options
def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """A constant less a cosine (``torch.signal.windows.general_hamming``); options as general_cosine's."""
    return general_cosine(M, a=[alpha, 1 - alpha], sym=sym, **options)


@_with_options
def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Hamming's 0.54 - 0.46 * cosine (``torch.signal.windows.hamming``); options as general_cosine's."""
    return general_hamming(M, sym=sym, **options)


@_with_options
def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Hann's window, 0.5 - 0.5 * cosine (``torch.signal.windows.hann``); options as general_cosine's."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


@_with_options
def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Blackman's window of three cosines (``torch.signal.windows.blackman``); options as general_cosine's."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **options)


@_with_options
def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Nuttall's window of four cosines (``torch.signal.windows.nuttall``); options as general_cosine's.

    Reference: Nuttall, "Some windows with very good sidelobe behavior", 1981,
    https://doi.org/10.1109/TASSP.1981.1163506
    """
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Triangle from 0 to 1 and back (``torch.signal.windows.bartlett``); options as general_cosine's."""
    return _finish(
        "bartlett", M, lambda m: 1 - np.abs(_points(-1, 2 / _divisions(m, sym), m)),
        dtype, layout, device, requires_grad,
    )  # fmt: skip


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Half a period of the sine (``torch.signal.windows.cosine``); options as general_cosine's."""

    def values(m: int) -> Floats:
        step = math.pi / (m if sym else m + 1)
        return np.sin(_points(0.5 * step, step, m))

    return _finish("cosine", M, values, dtype, layout, device, requires_grad)


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-abs(n - center) / tau) (``torch.signal.windows.exponential``).

    Args:
        M: points.
        center: of the peak; the middle by default.
        tau: decay, positive.
        sym: symmetric, for filters; else periodic, for spectra.
        dtype: float32 or float64.
        layout: strided.
        device: where.
        requires_grad: of the result.

    Raises:
        ValueError: a ``center`` for a symmetric window, a ``tau`` that is not positive, a negative length.
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def values(m: int) -> Floats:
        middle = _divisions(m, sym) / 2 if center is None else center
        return np.exp(-np.abs(_points(-middle, 1, m)) / tau)

    return _finish("exponential", M, values, dtype, layout, device, requires_grad)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-x ** 2 / 2) with x in standard deviations from the middle (``torch.signal.windows.gaussian``).

    Raises:
        ValueError: a ``std`` that is not positive, a negative length, another type or layout.
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _finish(
        "gaussian", M, lambda m: np.exp(-0.5 * (_points(-_divisions(m, sym) / 2, 1, m) / std) ** 2),
        dtype, layout, device, requires_grad,
    )  # fmt: skip


def _kaiser(m: int, beta: float, sym: bool) -> Floats:
    x = np.minimum(_points(-1, 2 / _divisions(m, sym), m), 1)
    return np.i0(beta * np.sqrt(1 - x**2)) / np.i0(np.float64(beta))


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Kaiser's window, i0(beta sqrt(1 - x ** 2)) / i0(beta), -1 <= x <= 1 (``torch.signal.windows.kaiser``).

    Raises:
        ValueError: a negative ``beta`` or length, another type or layout.
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _finish("kaiser", M, lambda m: _kaiser(m, beta, sym), dtype, layout, device, requires_grad)


for _function in (
    bartlett, blackman, cosine, exponential, gaussian, general_cosine, general_hamming, hamming, hann, kaiser,
    nuttall,
):  # fmt: skip
    _install("signal.windows", _function)


# --- torch.hann_window and the like ---


def _old(
    name: str, length: int, values: Callable[[int], Floats], dtype: Any, layout: Any, device: Any,
    pin_memory: bool, requires_grad: bool,
) -> Tensor:  # fmt: skip
    d: dtype = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, name)
    check_layout(layout, pin_memory, name)
    if d.category != FLOAT:
        short = {"int64": "long int", "int32": "int", "bool": "bool", "uint8": "unsigned char"}.get(
            d.name, d.name
        )
        raise RuntimeError(
            f"{name} expects floating point dtypes, got: TensorOptions(dtype={short}, device=cpu, "
            "layout=Strided "
            "(default), requires_grad=false (default), pinned_memory=false, memory_format=(nullopt))"
        )
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    window = values(length) if length > 1 else np.ones(length)
    return make(window.astype(d.numpy), as_device(device), requires_grad)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Alpha - beta * cosine (``torch.hamming_window``), periodic unless told otherwise.

    Raises:
        RuntimeError: a negative length, a type that is not floating.
    """

    def values(m: int) -> Floats:
        return alpha - beta * np.cos(_points(0, 2 * math.pi / _divisions(m, not periodic), m))

    return _old("hamming_window", window_length, values, dtype, layout, device, pin_memory, requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.5 - 0.5 * cosine (``torch.hann_window``), periodic unless told otherwise.

    Raises:
        RuntimeError: a negative length, a type that is not floating.
    """

    def values(m: int) -> Floats:
        return 0.5 - 0.5 * np.cos(_points(0, 2 * math.pi / _divisions(m, not periodic), m))

    return _old("hann_window", window_length, values, dtype, layout, device, pin_memory, requires_grad)


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.42 - 0.5 * cosine + 0.08 * cosine of twice the frequency (``torch.blackman_window``).

    Raises:
        RuntimeError: a negative length, a type that is not floating.
    """

    def values(m: int) -> Any:
        # In the window's own type and PyTorch's order: the ends are its rounding error, not 0.
        given = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, "blackman_window")
        kind = given.numpy
        step, small, half, middle = (
            kind.type(x) for x in (math.pi / _divisions(m, not periodic), 0.08, 0.5, 0.42)
        )
        k = np.arange(m).astype(kind) * step
        return np.cos(k * kind.type(4)) * small - np.cos(k * kind.type(2)) * half + middle

    return _old("blackman_window", window_length, values, dtype, layout, device, pin_memory, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Triangle from 0 to 1 and back (``torch.bartlett_window``), periodic unless told otherwise.

    Raises:
        RuntimeError: a negative length, a type that is not floating.
    """

    def values(m: int) -> Floats:
        return 1 - np.abs(_points(-1, 2 / _divisions(m, not periodic), m))

    return _old("bartlett_window", window_length, values, dtype, layout, device, pin_memory, requires_grad)


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Kaiser's window (``torch.kaiser_window``), periodic unless told otherwise.

    Raises:
        RuntimeError: a negative length, a type that is not floating.
    """

    def values(m: int) -> Floats:
        return _kaiser(m, beta, not periodic)

    return _old("kaiser_window", window_length, values, dtype, layout, device, pin_memory, requires_grad)


for _old_function in (hamming_window, hann_window, blackman_window, bartlett_window, kaiser_window):
    _install("", _old_function)


# --- frequencies and triangles ---


def _frequencies(
    name: str, counts: np.ndarray[Any, Any], size: int, n: int, d: float, out: Any, dtype: Any, layout: Any,
    device: Any, requires_grad: bool,
) -> Tensor:  # fmt: skip
    check_layout(layout, False, name)
    if size < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {size}: [{size}]")
    with np.errstate(all="ignore"):
        values = counts / np.float64(n * d)
    if out is not None:
        return into(out, values.astype(out_dtype(name, out).numpy), requires_grad=requires_grad)
    to: dtype = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, name)
    if not (to.is_floating_point or to.is_complex):
        raise RuntimeError(f"{name} requires a floating point or complex dtype")
    return make(values.astype(to.numpy), as_device(device), requires_grad)


def fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Frequencies of the ``n`` points of ``torch.fft.fft``, for samples ``d`` apart; negative ones last."""
    counts = np.concatenate([np.arange((n + 1) // 2), np.arange(-(n // 2), 0)])
    return _frequencies("fftfreq", counts, n, n, d, out, dtype, layout, device, requires_grad)


def rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Frequencies of the points of ``torch.fft.rfft``, for ``n`` samples that are ``d`` apart."""
    size = int(n / 2) + 1
    counts = np.arange(size)
    return _frequencies("rfftfreq", counts, size, n, d, out, dtype, layout, device, requires_grad)


_install("fft", fftfreq)
_install("fft", rfftfreq)


def _triangle(
    name: str, places: Callable[..., Any], row: int, col: int, offset: int, dtype: Any, layout: Any,
    device: Any, pin_memory: bool, requires_grad: bool,
) -> Tensor:  # fmt: skip
    check_layout(layout, pin_memory, name)
    for parameter, count in (("row", row), ("col", col)):
        if count < 0:
            raise RuntimeError(f"{parameter} must be non-negative, got{count}")
    to: dtype = dtypes.int64 if dtype is None else as_dtype(dtype, name)
    if to not in (dtypes.int64, dtypes.int32):
        raise NotImplementedError(f"\"{name}\" not implemented for '{dtypes.scalar_type_name(to)}'")
    return make(np.stack(places(row, offset, col)).astype(to.numpy), as_device(device), requires_grad)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Rows and columns of a matrix's lower triangle, row by row (``torch.tril_indices``).

    Raises:
        RuntimeError: a negative size.
    """
    return _triangle(
        "tril_indices", np.tril_indices, row, col, offset, dtype, layout, device, pin_memory, requires_grad
    )


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Rows and columns of a matrix's upper triangle, row by row (``torch.triu_indices``).

    Raises:
        RuntimeError: a negative size.
    """
    return _triangle(
        "triu_indices", np.triu_indices, row, col, offset, dtype, layout, device, pin_memory, requires_grad
    )


_install("", tril_indices)
_install("", triu_indices)
