"""``torch._foreach_*``: one operation for each tensor of a list; XLA fuses them like any others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.tensor._core import Tensor

_UNARY = [
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "frac",
    "lgamma", "log", "log10", "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign",
    "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
]  # fmt: skip
_BINARY = [
    "add", "clamp_max", "clamp_min", "div", "lerp", "maximum", "minimum", "mul", "pow", "sub", "addcdiv",
    "addcmul",
]  # fmt: skip
_ONE_WAY = ["clone", "copy_", "max", "norm", "zero_"]
#: Names of PyTorch's parameters for what may be one number for all, or one for each.
_NUMBERS = ("scalar", "scalars", "other", "exponent", "weight", "weights", "value", "ord")
#: Operations of tensors alone, and what does the same with a number.
_WITH_NUMBER = {"maximum": "clamp_min", "minimum": "clamp_max"}


def _per_tensor(value: Any, count: int, name: str) -> Sequence[Any]:
    """An argument for each tensor of the list."""
    if isinstance(value, Tensor) and value.dim():
        if name not in ("addcdiv", "addcmul"):
            raise RuntimeError(
                f"scalar tensor expected to be 0 dim but it has {value.dim()} dimensions and "
                f"{value.numel()} elements."
            )
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        if any(isinstance(v, Tensor) for v in value):
            raise RuntimeError(
                f"Tensor lists must have the same number of tensors, got {count} and {len(value)}"
            )
        raise RuntimeError("Tensor list must have same number of elements as scalar list.")
    return value


def _apply(name: str, tensor: Any, arguments: Sequence[Any], options: dict[str, Any]) -> Any:
    if name.startswith(("addcdiv", "addcmul")) and len(arguments) == 3:
        arguments, options = arguments[:2], {"value": arguments[2]}
    plain = name.removesuffix("_")
    if plain in _WITH_NUMBER and not isinstance(arguments[0], Tensor):
        name = name.replace(plain, _WITH_NUMBER[plain])
    if not isinstance(tensor, Tensor):
        return tensor ** arguments[0]
    method = getattr(tensor, name, None)
    if method is None:  # maximum_ and minimum_ are not among tensors' methods
        return tensor.copy_(getattr(tensor, plain)(*arguments, **options))
    return method(*arguments, **options)


def _make(name: str) -> Callable[..., Any]:
    plain = name.removesuffix("_")

    def foreach(self: Any, *args: Any, **kwargs: Any) -> Any:
        numbers = [kwargs.pop(key) for key in _NUMBERS if key in kwargs]
        tensors = self
        if not isinstance(self, list | tuple) and args:  # one number to the power of each tensor
            tensors = [self] * len(args[0])
        if not tensors:
            raise RuntimeError("Tensor list must have at least one tensor.")
        columns = [_per_tensor(value, len(tensors), plain) for value in [*args, *numbers]]
        rows: Any = zip(*columns, strict=True) if columns else [()] * len(tensors)
        made = [_apply(name, tensor, row, kwargs) for tensor, row in zip(tensors, rows, strict=True)]
        return list(tensors) if name != plain else tuple(made)

    foreach.__name__ = foreach.__qualname__ = f"_foreach_{name}"
    foreach.__doc__ = f"``{name}`` of each tensor of a list."
    return foreach


NAMES = [*_UNARY, *_BINARY, *(f"{name}_" for name in [*_UNARY, *_BINARY]), *_ONE_WAY]
for _name in NAMES:
    globals()[f"_foreach_{_name}"] = _make(_name)
