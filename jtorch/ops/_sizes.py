"""Sizes that vary: dimensions that stand for many sizes while :func:`jtorch.export.export` traces."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jax.errors import InconclusiveDimensionOperation

__all__ = ["InconclusiveDimensionOperation", "is_symbolic_dim", "size_from", "surely"]


def is_symbolic_dim(n: Any) -> bool:
    """Whether a size is a symbolic dimension; as ``jax.export``'s function, which takes long to import."""
    return hasattr(n, "dimension_as_value")


def surely(test: Callable[[], bool]) -> bool:
    """Whether a condition on sizes holds; ``False`` where it holds for some only.

    For choices between ways to the same result: those for all sizes are on the side of ``False``.
    """
    try:
        return bool(test())
    except InconclusiveDimensionOperation:
        return False


def size_from(n: Any) -> int:
    """A size as an int, or as the dimension that it is.

    Raises:
        TypeError: it is neither.
    """
    return n if is_symbolic_dim(n) else operator.index(n)
