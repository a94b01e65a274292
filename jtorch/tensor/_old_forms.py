"""Orders of arguments from before PyTorch 1.5 that PyTorch still takes, with a warning."""

from __future__ import annotations

from typing import Any

from jtorch.errors import warn_user
from jtorch.tensor._core import Tensor

__all__ = ["arranged"]

#: Functions that scale a sum, with the names of their two factors.
_PRODUCTS = {
    "addbmm": ("Tensor", "batch1", "batch2"),
    "addmm": ("Tensor", "mat1", "mat2"),
    "addmv": ("Tensor", "mat", "vec"),
    "addr": ("Tensor", "vec1", "vec2"),
    "baddbmm": ("Tensor", "batch1", "batch2"),
}
_POINTWISE = {
    "addcdiv": ("Number value", "tensor1", "tensor2"),
    "addcmul": ("Number value", "tensor1", "tensor2"),
}
_warned: set[str] = set()


def arranged(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """More positional arguments than a function takes today, as it takes them; ``None``: an error."""
    if name in ("add", "sub", "rsub") and len(args) == 3:
        first, second, third = args
        if name != "rsub" and isinstance(third, Tensor) and not isinstance(second, Tensor):
            _warn(
                name,
                "Tensor input, Number alpha, Tensor other",
                "Tensor input, Tensor other, *, Number alpha = 1",
            )
            return (first, third), {**kwargs, "alpha": second}
        if not isinstance(second, Tensor) and not isinstance(third, Tensor):
            return (first, second), {**kwargs, "alpha": third}
    if name in _POINTWISE and len(args) == 4:
        _, one, two = _POINTWISE[name]
        _warn(
            name,
            f"Tensor input, Number value, Tensor {one}, Tensor {two}",
            f"Tensor input, Tensor {one}, Tensor {two}, *, Number value = 1",
        )
        return (args[0], args[2], args[3]), {**kwargs, "value": args[1]}
    if name in _PRODUCTS and len(args) in (4, 5):
        return _product(name, args, kwargs)
    return None


def _product(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """``f(beta, input, alpha, a, b)``, as a method ``input.f(beta, alpha, a, b)``, both also without."""
    a, b = args[-2:]
    numbers = [x for x in args[:-2] if not isinstance(x, Tensor)]
    tensors = [x for x in args[:-2] if isinstance(x, Tensor)]
    if len(tensors) != 1 or not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return None
    _, one, two = _PRODUCTS[name]
    middle = ", Number alpha" if len(numbers) == 2 else ""
    _warn(
        name,
        f"Number beta, Tensor input{middle}, Tensor {one}, Tensor {two}",
        f"Tensor input, Tensor {one}, Tensor {two}, *, Number beta = 1, Number alpha = 1",
    )
    scales = dict(zip(("beta", "alpha"), numbers, strict=False))
    return (tensors[0], a, b), {**kwargs, **scales}


def _warn(name: str, old: str, new: str) -> None:
    """PyTorch's warning, once per process, whatever the function."""
    if _warned:
        return
    _warned.add(name)
    warn_user(
        f"This overload of {name} is deprecated:\n\t{name}({old}, *, Tensor out = None)\n"
        f"Consider using one of the following signatures instead:\n\t{name}({new}, Tensor out = None)"
    )
