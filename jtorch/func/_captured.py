"""Uses of tensors that transformed functions take from outside, each as it was at that time."""

from __future__ import annotations

from typing import Any

from jtorch.dispatch import modes
from jtorch.tape import modified
from jtorch.tensor import Tensor
from jtorch.tensor._bridge import describe
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import Value

__all__ = ["Captured"]


class Captured:
    """One use of a value from outside.

    Attributes:
        value: that was used.
        tensor: that has it and a history, which is that of this use; ``None``: none matters.
        edge: where gradients of the tensor went at that time.
        version: of the tensor at that time.
    """

    __slots__ = ("edge", "tensor", "value", "version")

    def __init__(self, value: Value) -> None:
        self.value = value
        self.tensor: Tensor | None = None
        self.edge: Any = None
        self.version = 0

    @classmethod
    def now(cls, tensor: Tensor) -> Captured:
        """A use of a tensor as it is."""
        use = cls(value_of(tensor))
        use.belongs_to(tensor)
        return use

    def belongs_to(self, tensor: Tensor) -> None:
        """An outer backward goes on to this tensor, if it has a history or a tangent."""
        if tensor._tracked or (modes.duals is not None and modes.duals.of(tensor) is not None):
            self.tensor, self.edge, self.version = tensor, tensor._edge(), _version(tensor)

    def operand(self) -> Tensor:
        """The tensor that is an operand of the transform, with the contents of that time.

        Raises:
            RuntimeError: it has a history and other contents since.
        """
        if self.tensor is None:
            return from_value(self.value)
        found = _version(self.tensor)
        if found != self.version:
            raise modified(describe(self.value.aval), "", found, self.version)
        return self.tensor

    def former(self) -> Tensor:
        """:meth:`operand`, also if the function that was noted has written to the tensor afterwards."""
        tensor = self.tensor
        if tensor is None or _version(tensor) == self.version or self.edge is None or self.edge[0] is tensor:
            return self.operand()
        made = from_value(self.value)
        made._fn, made._nr = self.edge
        return made


def _version(tensor: Tensor) -> int:
    own = tensor._own_version
    return tensor._storage.version if own is None else own.version
