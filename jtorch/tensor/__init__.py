"""Tensors: storage and views, indexing, creation, conversion, printing."""

from jtorch.tensor._core import Tensor
from jtorch.tensor._size import Size

__all__ = ["Size", "Tensor"]
