"""Elements of tensors as NumPy views of memory on the host."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from jtorch.tensor._storage import strides_of

__all__ = ["strided_host"]


def strided_host(tensor: Any, memory: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A tensor's elements as a NumPy view of its storage's memory."""
    view = tensor._view
    if view is None:
        return memory
    aval = view.aval
    size = aval.dtype.itemsize
    if not aval.size:
        return np.empty(aval.shape, aval.dtype.numpy)
    if tensor._strides is None and memory.flags.c_contiguous:
        return np.ndarray(aval.shape, aval.dtype.numpy, memory, tensor._offset * size)
    strides = strides_of(tensor)
    if not memory.flags.c_contiguous:
        start = np.lib.array_utils.byte_bounds(memory)[0] + tensor._offset * size
        return _at_address(memory, start, aval.shape, [s * size for s in strides], aval.dtype.numpy)
    return np.ndarray(
        aval.shape, aval.dtype.numpy, memory, tensor._offset * size, [s * size for s in strides]
    )


def _at_address(owner: Any, address: int, shape: Any, strides: Any, kind: Any) -> np.ndarray[Any, Any]:
    class Holder:
        __array_interface__: ClassVar[dict[str, Any]] = {
            "shape": tuple(shape),
            "typestr": np.dtype(kind).str,
            "data": (address, not owner.flags.writeable),
            "strides": tuple(strides),
            "version": 3,
        }
        keep = owner

    return np.asarray(Holder())
