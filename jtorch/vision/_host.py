"""Images as NumPy arrays: work on host tensors without XLA costs microseconds and runs in workers."""

from __future__ import annotations

from typing import Any

import numpy as np

from jtorch.devices import CPU
from jtorch.dispatch import GRAD, modes
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.trace import TracedValue, from_host

__all__ = ["contents", "host_array", "to_tensor"]

Array = np.ndarray[Any, Any]


def host_array(tensor: Tensor) -> Array | None:
    """Contents of a CPU tensor outside autograd and JAX's transforms, not to be written to; else ``None``."""
    if tensor._aval().device is not CPU or (modes.level == GRAD and tensor.requires_grad):
        return None
    if type(tensor._storage.value) is TracedValue:
        return None
    return tensor._host()


def contents(data: Any) -> Array:
    """A tensor's contents, wherever it lies, not to be written to; anything else as an array."""
    return data._host() if isinstance(data, Tensor) else np.asarray(data)


def to_tensor(array: Array, *sources: Array) -> Tensor:
    """A tensor of an array that nobody writes to from now on; copied if it shares memory with ``sources``."""
    array = np.ascontiguousarray(array)
    if any(np.may_share_memory(array, s) for s in sources):
        array = array.copy()
    return from_value(from_host(array))
