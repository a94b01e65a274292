"""``<view>_copy``: what a view function shows, as a tensor of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.tensor import _methods as methods
from jtorch.tensor import _views as views
from jtorch.tensor._core import Tensor
from jtorch.tensor._derive import derived
from jtorch.tensor._inplace import write_out
from jtorch.tensor._layout import contiguous_format

__all__ = ["slice_view"]


#: What PyTorch calls the forms that write several results.
_OUT_NAMES = {
    "split_copy": "split_copy_Tensor_out()",
    "split_with_sizes_copy": "split_with_sizes_copy_out",
    "unbind_copy": "unbind_copy_int_out",
}


def _copying(view: Callable[..., Any], name: str) -> Callable[..., Any]:
    def function(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        made = view(input, *args, **kwargs)
        if isinstance(made, Tensor):
            copy = methods.clone(made, memory_format=contiguous_format)
            return copy if out is None else write_out(out, copy, name)
        copies = tuple(methods.clone(part, memory_format=contiguous_format) for part in made)
        if out is None:
            return copies
        if len(out) != len(copies):
            raise RuntimeError(
                f"{_OUT_NAMES[name]} expected an out= argument of size {len(copies)}, got size {len(out)}"
            )
        for target, copy in zip(out, copies, strict=True):
            write_out(target, copy, name)
        return None

    function.__name__ = function.__qualname__ = name
    function.__module__ = "jtorch"
    function.__doc__ = (
        f"A copy of what :func:`{name.removesuffix('_copy')}` shows (``torch.{name}``); of several views, "
        "a tuple of copies, or nothing if they go to ``out``."
    )
    return function


def slice_view(input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    """Every ``step``-th element from ``start`` up to ``end`` along a dimension, as a view."""
    d = views.wrap_dim(dim, input._aval().ndim)
    first, last, step = slice(start, end, step).indices(input._aval().shape[d])
    return views.slice_dim(input, d, first, max(-(-(last - first) // step), 0), step)


def _narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """:func:`narrow` with the checks of its copying form."""
    shape = input._aval().shape
    if shape and dim >= len(shape):
        raise RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.  (Could this "
            "error message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
    if shape and length < 0 and -len(shape) <= dim:
        first = int(start) + (shape[dim] if start < 0 else 0)
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({shape[dim]}).")
    return views.narrow(input, dim, start, length)


def _view(input: Tensor, *size: Any, dtype: Any = None) -> Tensor:
    return methods.view(input, *size, dtype=dtype)


_VIEWS: dict[str, Callable[..., Any]] = {
    "alias": views.alias,
    "as_strided": views.as_strided,
    "detach": lambda input: input.detach(),
    "diagonal": views.diagonal,
    "expand": lambda input, size, *, implicit=False: views.expand(input, views.sizes_from((size,))),
    "narrow": _narrow,
    "permute": views.permute,
    "select": views.select,
    "slice": slice_view,
    "split": views.split,
    "split_with_sizes": views.split,
    "squeeze": views.squeeze,
    "t": views.t,
    "transpose": views.transpose,
    "unbind": views.unbind,
    "unfold": views.unfold,
    "unsqueeze": views.unsqueeze,
    "view": _view,
    "view_as_complex": views.view_as_complex,
    "view_as_real": views.view_as_real,
}

for _name, _of in _VIEWS.items():
    derived[""][f"{_name}_copy"] = _copying(_of, f"{_name}_copy")

Tensor.narrow_copy = derived[""]["narrow_copy"]  # type: ignore[attr-defined]
