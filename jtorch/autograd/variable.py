"""The old name of tensors (``torch.autograd.Variable``)."""

from __future__ import annotations

from typing import Any

from jtorch.tensor import Tensor

__all__ = ["Variable"]


class VariableMeta(type):
    """Every tensor is a variable."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=VariableMeta):
    """``Variable(data, requires_grad=False)`` is a tensor on the memory of ``data``."""

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Any:
        """A leaf on the same memory."""
        return data.detach().requires_grad_(requires_grad)
