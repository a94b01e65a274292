"""``<view>_copy``: what a view function shows, as a tensor of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.tensor import _methods as methods
from jtorch.tensor import _views as views
from jtorch.tensor._core import Tensor

__all__ = ["COPIES"]


def _copying(view: Callable[..., Any], name: str) -> Callable[..., Any]:
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        made = view(input, *args, **kwargs)
        if isinstance(made, Tensor):
            return methods.clone(made)
        return tuple(methods.clone(part) for part in made)

    function.__name__ = function.__qualname__ = name
    function.__module__ = "jtorch"
    function.__doc__ = f"A copy of what :func:`{name.removesuffix('_copy')}` shows (``torch.{name}``)."
    return function


def _slice(input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    d = views.wrap_dim(dim, input._aval().ndim)
    first, last, step = slice(start, end, step).indices(input._aval().shape[d])
    return views.slice_dim(input, d, first, max(-(-(last - first) // step), 0), step)


def _view(input: Tensor, *size: Any, dtype: Any = None) -> Tensor:
    return methods.view(input, *size, dtype=dtype)


_VIEWS: dict[str, Callable[..., Any]] = {
    "alias": views.alias,
    "as_strided": views.as_strided,
    "detach": lambda input: input.detach(),
    "diagonal": views.diagonal,
    "expand": lambda input, size, *, implicit=False: views.expand(input, views.sizes_from((size,))),
    "narrow": views.narrow,
    "permute": views.permute,
    "select": views.select,
    "slice": _slice,
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

#: The functions by name, for the top-level namespace.
COPIES = {f"{name}_copy": _copying(view, f"{name}_copy") for name, view in _VIEWS.items()}

Tensor.narrow_copy = COPIES["narrow_copy"]  # type: ignore[attr-defined]
