"""Names of autograd nodes that depend on the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["by_dim", "by_number"]

Shapes = Sequence[Any]


def by_dim(name: str, whole: int = 0) -> Callable[[Shapes, Mapping[str, Any]], str]:
    """Number ``whole`` for the reduction of everything, the next one where ``dim`` is given."""

    def node(shapes: Shapes, static: Mapping[str, Any]) -> str:
        return f"{name}Backward{whole if static['dim'] is None else whole + 1}"

    return node


def by_number(
    name: str, *, tensors: int, numbers: Mapping[int, int]
) -> Callable[[Shapes, Mapping[str, Any]], str]:
    """Number ``tensors`` for a call with tensors; ``numbers[i]`` if parameter ``i`` is a Python number."""

    def node(shapes: Shapes, static: Mapping[str, Any]) -> str:
        return f"{name}Backward{next((n for i, n in numbers.items() if shapes[i] is None), tensors)}"

    return node
