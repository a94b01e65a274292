"""Tensors as text, character for character as PyTorch 2.13 prints them.

Everything here works on NumPy arrays and plain values: the caller evaluates a tensor, or gathers only the
entries that :func:`edge_indices` names, and hands over what :func:`tensor_str` puts around the numbers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PrintOptions",
    "edge_indices",
    "format_array",
    "format_spec",
    "get_printoptions",
    "printoptions",
    "set_printoptions",
    "tensor_str",
]


@dataclasses.dataclass
class PrintOptions:
    """How tensors are printed; the defaults are PyTorch's.

    Attributes:
        precision: digits after the decimal point.
        threshold: a tensor with more elements than this is summarised.
        edgeitems: entries that a summary keeps at each end of each dimension.
        linewidth: characters after which a line is wrapped.
        sci_mode: whether floats are printed in scientific notation; ``None`` decides for each tensor.
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed; options left at ``None`` keep their values.

    As in PyTorch, ``sci_mode`` does not: a call that leaves it out sets it back to ``None``.

    Args:
        precision: digits after the decimal point (default 4).
        threshold: a tensor with more elements than this is summarised (default 1000).
        edgeitems: entries that a summary keeps at each end of each dimension (default 3).
        linewidth: characters after which a line is wrapped (default 80).
        profile: ``"default"``, ``"short"`` or ``"full"``: values for those of the four that are not given.
            PyTorch ignores any other name, and so does this.
        sci_mode: scientific notation always (``True``), never (``False``) or where the values call for it.
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    chosen.update((name, value) for name, value in given.items() if value is not None)
    for name, value in chosen.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The current options, as keywords for :func:`set_printoptions`."""
    return dataclasses.asdict(_options)


@contextlib.contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """Print with other options inside a ``with`` block; takes what :func:`set_printoptions` takes."""
    before = get_printoptions()
    try:
        set_printoptions(**kwargs)
        yield
    finally:
        set_printoptions(**before)


def edge_indices(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], ...] | None:
    """The entries of each dimension that a summary shows, or ``None`` where a tensor is printed whole.

    ``array[numpy.ix_(*edge_indices(array.shape))]`` is all of a summarised array that has to reach the host.
    """
    if not shape or math.prod(shape) <= _options.threshold:
        return None
    edge = max(_options.edgeitems, 0)
    return tuple(np.r_[:edge, size - edge : size] if size > 2 * edge else np.arange(size) for size in shape)


def format_array(array: NDArray[Any], indent: int, shape: tuple[int, ...] | None = None) -> str:
    """The numbers of a tensor, in brackets and lines.

    Args:
        array: the values, of any NumPy or ml_dtypes type.
        indent: the column that the text starts at; later lines are indented to it.
        shape: the tensor's, if ``array`` holds only the entries that :func:`edge_indices` names.

    Returns:
        Text without ``tensor(`` and suffixes: ``"[1., 2.]"``.
    """
    shape = array.shape if shape is None else shape
    if 0 in shape:
        return "[]"
    indices = edge_indices(shape)
    elided = [False] * len(shape)
    if indices is not None:
        if _options.edgeitems <= 0:
            return "[...]"
        elided = [len(kept) < size for kept, size in zip(indices, shape, strict=True)]
        if array.shape == shape:
            array = array[np.ix_(*indices)]
    texts, width = _element_texts(array.reshape(-1))
    if not shape:
        return texts[0]
    innermost = indent + len(shape) - 1
    per_line = max(1, math.floor((_options.linewidth - innermost) / width))
    return _nested(np.array(texts, dtype=object).reshape(array.shape), elided, indent, per_line)


def _nested(texts: NDArray[Any], elided: list[bool], indent: int, per_line: int) -> str:
    """Elements as nested brackets; dimension d skips entries in its middle where ``elided[d]``."""
    if texts.ndim == 1:
        items: list[str] = texts.tolist()
        if elided[0]:
            items.insert(len(items) // 2, " ...")
        rows = [", ".join(items[start : start + per_line]) for start in range(0, len(items), per_line)]
        separator = ",\n"
    else:
        rows = [_nested(part, elided[1:], indent + 1, per_line) for part in texts]
        if elided[0]:
            rows.insert(len(rows) // 2, "...")
        separator = "," + "\n" * (texts.ndim - 1)
    return "[" + (separator + " " * (indent + 1)).join(rows) + "]"


def _element_texts(values: NDArray[Any]) -> tuple[list[str], int]:
    """The text of each of these flat values, and the columns that one takes in a line."""
    if values.dtype.kind != "c":
        texts, width = _padded(values)
        return texts, width + 2  # a comma and a space
    real, real_width = _padded(values.real)
    imag, imag_width = _padded(values.imag)
    texts = []
    for left, right in zip(real, imag, strict=True):
        # PyTorch strips the padding between the parts, so columns of complex numbers need not align.
        part = right.lstrip() + "j"
        texts.append(left + part if part[0] in "+-" else f"{left}+{part}")
    return texts, real_width + imag_width + 3


def _padded(values: NDArray[Any]) -> tuple[list[str], int]:
    """Real values as right-aligned texts, and the width that PyTorch assumes they have."""
    if values.dtype.kind in "biu":
        texts = [str(value) for value in values.tolist()]
        width = max(map(len, texts))
    else:
        with np.errstate(all="ignore"):  # widening a signaling nan
            floats = values.astype(np.float64)
        counted = np.isfinite(floats) & (floats != 0)
        if values.dtype.name == "float8_e8m0fnu":
            counted = np.ones_like(counted)  # has no zero and no inf, and PyTorch calls its nan finite
        texts, width = _float_texts(floats, counted)
    return [text.rjust(width) for text in texts], width


def _float_texts(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> tuple[list[str], int]:
    """Floats as texts not yet aligned, and the width of the widest of those counted: finite and not zero."""
    measured = values[counted]
    if measured.size == 0:
        # Only zeros, nan and inf: PyTorch measures nothing, so it aligns nothing and ignores sci_mode.
        return [_integral_text(value) for value in values.tolist()], 1
    write = _float_style(measured)
    texts = [write(value) for value in values.tolist()]
    return texts, max(len(text) for text, count in zip(texts, counted.tolist(), strict=True) if count)


def _float_style(measured: NDArray[np.float64]) -> Callable[[float], str]:
    """The notation for an array whose finite nonzero values are these: scientific, integral or fixed."""
    magnitudes = np.abs(measured)
    low, high = float(magnitudes.min()), float(magnitudes.max())
    scientific = _options.sci_mode
    if scientific is None:
        scientific = high / low > 1000 or high > 1e8 or low < 1e-4
    if not scientific and bool((measured == np.ceil(measured)).all()):
        return _integral_text
    return f"{{:.{_options.precision}{'e' if scientific else 'f'}}}".format


def _integral_text(value: float) -> str:
    text = f"{value:.0f}"
    return f"{text}." if math.isfinite(value) else text


def tensor_str(
    array: NDArray[Any] | None,
    *,
    shape: tuple[int, ...],
    dtype_name: str,
    default_dtype_name: str = "float32",
    default_complex_name: str = "complex64",
    device_str: str = "cpu",
    is_default_device: bool = True,
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    is_parameter: bool = False,
    is_meta: bool = False,
    prefix: str = "tensor(",
    tangent: str | None = None,
) -> str:
    """The whole text of a tensor, as ``repr`` returns it.

    Args:
        array: the values, or only those that :func:`edge_indices` names; ``None`` on the meta device.
        shape: the tensor's.
        dtype_name: ``"float32"``, shown as ``torch.float32`` where the numbers alone do not tell it.
        default_dtype_name: of ``get_default_dtype()``.
        default_complex_name: the complex type of the same precision.
        device_str: ``"cuda:0"``, shown unless ``is_default_device``.
        is_default_device: whether new tensors are placed on that device.
        requires_grad: shown for leaves.
        grad_fn_name: ``"AddmmBackward0"``, shown instead; ``None`` for leaves.
        is_parameter: whether the text starts with ``Parameter containing:``.
        is_meta: whether there are no values to show.
        prefix: for a subclass, its name and an opening bracket.
        tangent: text of a dual tensor's tangent.
    """
    known = {default_dtype_name}
    suffixes = [] if is_default_device else [f"device='{device_str}'"]
    if is_meta:
        body, shows_size = "...", True
    elif 0 in shape:
        body, shows_size = "[]", len(shape) != 1
    else:
        assert array is not None, "only meta tensors have no values"
        body, shows_size = format_array(array, len(prefix), shape), _options.edgeitems == 0
        known |= {default_complex_name, "int64", "bool"}
    if shows_size:
        suffixes.append(f"size={tuple(shape)}")
    if dtype_name not in known:
        suffixes.append(f"dtype=torch.{dtype_name}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    text = _with_suffixes(prefix + body, suffixes, len(prefix))
    return _as_parameter(text, prefix) if is_parameter else text


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """Append suffixes and the closing bracket; a suffix that would pass the line's end starts a new line."""
    # PyTorch counts 2 more than the last line's length: for the comma and the bracket.
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def _as_parameter(text: str, prefix: str) -> str:
    if prefix != "tensor(":
        text = f"Parameter({text})"  # as PyTorch marks parameters of a subclass
    return "Parameter containing:\n" + text


def format_spec(tensor: object, spec: str, item: Callable[[], complex] | None) -> str:
    """What ``Tensor.__format__`` returns: an f-string's text for a tensor.

    Args:
        tensor: the tensor itself.
        spec: the part after the colon, ``".2f"``.
        item: reads the number of a 0-dim tensor; ``None`` where PyTorch does not format the number:
            for tensors with dims, on the meta device, and for parameters and other subclasses.

    Raises:
        TypeError: a nonempty ``spec`` without a number to apply it to.
        ValueError: the number's type does not know ``spec``.
    """
    if item is None:
        return object.__format__(tensor, spec)
    return format(item(), spec)
