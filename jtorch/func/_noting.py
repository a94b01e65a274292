"""A function of tensors as a function of arrays, for those who put it into an operation of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.func._function import Function
from jtorch.func._recording import Recording
from jtorch.func._running import where_of
from jtorch.tensor import Tensor

__all__ = ["noted"]


def noted(function: Callable[[list[Tensor]], Any], tensors: Sequence[Tensor]) -> tuple[Function, bool]:
    """Call a function of a list of tensors and note what it does.

    Args:
        function: returns a tensor, or a list or tuple of tensors.
        tensors: it is called with others that have their shapes and types.

    Returns:
        What it does, with the tensors from outside that it uses as further operands, and whether it returns
        one tensor.

    Raises:
        NotImplementedError: it calls functions of JAX whose operations cannot be compared from call to call.
        TypeError: it returns something else.
        RuntimeError: it changes its arguments.
    """
    with Recording(tensors, forwards=False, wanted=len(tensors)) as recording:
        output = function(list(recording.inputs))
        single = isinstance(output, Tensor)
        results = [output] if single else output
        if not isinstance(results, list | tuple) or not all(isinstance(t, Tensor) for t in results):
            raise TypeError(f"expected a tensor or a list of tensors, got {type(output).__name__}")
        if recording.written():
            raise RuntimeError("the function changes its arguments in place")
        found = recording.function(results, where_of(tensors))
    if found.key is None:
        raise NotImplementedError(
            "a function that calls functions of JAX with derivatives or effects of their own; "
            "write it with jtorch's operations"
        )
    return found, single
