"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jtorch.nn.modules.module import typename
from jtorch.tensor import Tensor
from jtorch.tensor._core import call

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _check_param_device(param: Tensor, old: Any) -> Any:
    if old is not None and param.device is not old:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
    return param.device


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, one after the other.

    Raises:
        TypeError: they are on different devices.
    """
    where, parts = None, []
    for param in parameters:
        where = _check_param_device(param, where)
        parts.append(param.view(-1))
    return call("cat", parts, 0)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give parameters their elements from a vector.

    Raises:
        TypeError: it is no tensor, or the parameters are on different devices.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    where, start = None, 0
    for param in parameters:
        where = _check_param_device(param, where)
        size = param.numel()
        param.data = vec[start : start + size].view_as(param).data  # type: ignore[attr-defined]
        start += size
