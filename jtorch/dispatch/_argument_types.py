"""Types of arguments that are no operands, and numbers where PyTorch wants a tensor: its errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from jtorch.dtypes import dtype
from jtorch.errors import type_name, wrong_argument
from jtorch.ops._registry import STATIC, Op

__all__ = ["check_arguments", "wrong_type"]

_NUMBERS = frozenset({bool, int, float, complex})
#: Flags that functions written in Python look at themselves, whatever their type is.
_TRUTH = frozenset({"antialias", "return_indices", "nn.functional.gaussian_nll_loss full"})


def wrong_type(op: Op, i: int, wanted: str, given: Any) -> TypeError:
    """PyTorch's error for an argument, or one of a type, other than the parameter at place ``i`` has."""
    kind = given if isinstance(given, type) else type(given)
    return wrong_argument(
        f"{op.title}(): argument '{op.params[i]}' (position {i + 1}) must be {wanted}, not {type_name(kind)}",
        kind,
    )


def _is_int(x: Any) -> bool:
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


#: annotation of a static parameter -> what PyTorch calls its type, and whether a value has it
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("bool", lambda x: isinstance(x, bool)),
    "int": ("int", _is_int),
    "float": ("float", lambda x: isinstance(x, int | float | np.integer | np.floating)),
    "str": ("str", lambda x: isinstance(x, str)),
    "dtype": ("torch.dtype", lambda x: isinstance(x, dtype)),
    "Sizes": ("tuple of ints", _is_int),
    "Dim": ("tuple of ints", lambda x: isinstance(x, int | np.integer)),  # std(False): unbiased
    "Sequence[int]": ("tuple of ints", lambda x: False),  # tuples are looked at apart
    "tuple[int, ...]": ("tuple of ints", _is_int),
}


@cache
def _rules(op: Op) -> list[tuple[int, bool, str, Callable[[Any], bool]]]:
    """Of each static parameter with a plain type: its place, whether it may be ``None``, type and check."""
    annotations = inspect.unwrap(op.fn).__annotations__
    found = []
    for i, (parameter, kind) in enumerate(zip(op.params, op.kinds, strict=True)):
        annotation = annotations.get(parameter)
        if (
            kind != STATIC
            or not isinstance(annotation, str)
            or not _TRUTH.isdisjoint((parameter, f"{op.name} {parameter}"))
        ):
            continue
        plain = annotation.removesuffix(" | None").rpartition("dtypes.")[2]
        optional = plain != annotation or op.defaults[i] is None
        if plain in _KINDS and (plain != "bool" or not optional):
            found.append((i, optional or plain in ("Dim", "Sizes"), *_KINDS[plain]))
    return found


def check_arguments(op: Op, args: Sequence[Any], alone: bool) -> None:
    """Refuse static arguments of other types than PyTorch's, and numbers where it wants tensors.

    Args:
        op: the op.
        args: as ``plan_call`` gets them.
        alone: there is no tensor among them.

    Raises:
        TypeError: with PyTorch's text for a function of one form.
    """
    if op.name[0] != "_" and "._" not in op.name:
        for i, optional, wanted, fits in _rules(op):
            x = args[i]
            if (optional and x is None) or fits(x):
                continue
            if not (wanted == "tuple of ints" and isinstance(x, tuple)):
                raise wrong_type(op, i, wanted, type(x))
            for place, element in enumerate(x):
                # PyTorch looks at the first element only: one that says yes or no is none of several sizes.
                says = place == 0 and isinstance(element, bool) and wanted == "tuple of ints"
                if says or (element is not None and not isinstance(element, int | np.integer)):
                    raise TypeError(
                        f"{op.title}(): argument '{op.params[i]}' (position {i + 1}) must be tuple of ints, "
                        f"but found element of type {type_name(type(element))} at pos {place}"
                    )
    for i, (parameter, x) in enumerate(zip(op.params, args, strict=True)):
        if parameter in op.static or x is op.defaults[i]:
            continue
        kind = x if isinstance(x, type) else type(x)
        if kind in _NUMBERS and not _takes_number(op, i, alone):
            raise wrong_type(op, i, "Tensor", kind)
        if x is None and i < op.required and inspect.unwrap(op.fn).__annotations__.get(parameter) == "Array":
            raise wrong_type(op, i, "Tensor", type(None))


def _takes_number(op: Op, i: int, alone: bool) -> bool:
    """Whether the operand at place ``i`` may be a Python number."""
    if op.numbers is not None:
        return op.params[i] in op.numbers and (not alone or op.name in _OF_NUMBERS)
    return op.name[0] == "_" or (i >= op.required and op.params[i] != "bias")


#: Arithmetic that needs no tensor.
_OF_NUMBERS = frozenset({"add", "div", "div.mode", "floor_divide", "mul", "sub"})
