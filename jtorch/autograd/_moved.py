"""Custom functions of dual tensors: their own forward derivative, ``jvp``, by PyTorch's rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.dtypes import FLOAT
from jtorch.tensor import Tensor
from jtorch.tensor._bridge import zeros
from jtorch.tensor._core import from_value
from jtorch.tensor._duals import set_tangent, tangent_of, without_tangents

__all__ = ["differentiate"]


def differentiate(
    node: Any, arguments: Sequence[Any], results: Sequence[Any]
) -> Callable[[Sequence[Any]], None] | None:
    """Run the ``jvp`` of a function that was just called.

    Args:
        node: of the function.
        arguments: of the call.
        results: of the call, before they are part of a graph.

    Returns:
        What gives the results, once they are part of the graph, their tangents; ``None`` if no argument has
        one.

    Raises:
        RuntimeError: what ``jvp`` returned does not fit the results.
        NotImplementedError: the function has no ``jvp``.
    """
    tangents = [tangent_of(x) for x in arguments]
    if all(t is None for t in tangents):
        return None
    given = [_given(node, x, t) for x, t in zip(arguments, tangents, strict=True)]
    with without_tangents():
        node._shown = tuple(node.saved_for_forward or ())
        try:
            made = node.apply_jvp(*given)
        finally:
            node._shown = None
            node.saved_for_forward = ()
    made = made if isinstance(made, tuple) else (made,)
    if len(made) != len(results):
        raise RuntimeError(
            "Function's jvp returned an invalid number of forward gradients (expected "
            f"{len(results)} but got {len(made)})"
        )
    taken = {id(x): t for x, t in zip(arguments, tangents, strict=True)}
    fixed = {id(x) for x in node.non_differentiable}
    dirty = {id(x) for x in node.dirty_tensors}
    for i, (r, t) in enumerate(zip(results, made, strict=True)):
        if t is not None:
            _check(i, r, t, fixed, dirty, taken)

    def give(connected: Sequence[Any]) -> None:
        for r, t in zip(connected, made, strict=True):
            if t is not None:
                set_tangent(r, t)

    return give


def _given(node: Any, x: Any, tangent: Tensor | None) -> Any:
    """The tangent of an argument as ``jvp`` gets it."""
    if tangent is not None or not isinstance(x, Tensor) or not node.materialize_grads:
        return tangent
    return from_value(zeros(x._aval())) if x._aval().dtype.category >= FLOAT else None


def _check(
    i: int, result: Any, tangent: Any, fixed: set[int], dirty: set[int], taken: dict[int, Any]
) -> None:
    if not isinstance(tangent, Tensor):
        raise RuntimeError(f"expected Variable or None (got {type(tangent).__name__}) for grad output {i}.")
    moving = isinstance(result, Tensor) and result._aval().dtype.category >= FLOAT
    if not moving or id(result) in fixed:
        raise RuntimeError(
            f"Function's jvp returned a gradient at position {i}, but  the corresponding forward output is "
            "not a differentiable Tensor.You should return None at that position instead."
        )
    if id(result) in dirty:
        if taken.get(id(result)) is not None and tangent is not taken[id(result)]:
            raise RuntimeError(
                "An inplace custom Function is not modifying the forward mode gradients inplace. If the "
                "forward is modifying an input inplace, then the jvp function must modify the corresponding "
                "gradient inplace."
            )
    elif tangent._abase is None and (id(result) in taken or _shows(result, taken)):
        raise RuntimeError(
            "A custom Function's forward is returning a view (or an input as-is) but the jvp is not "
            "returning a view."
        )


def _shows(result: Tensor, taken: dict[int, Any]) -> bool:
    """Whether a result is a view of an argument."""
    return result._abase is not None and id(result._abase) in taken
