"""Arrays of JAX as tensors, wherever one is given in the place of a tensor."""

from __future__ import annotations

import jax

from jtorch.devices import device, device_of
from jtorch.tensor._core import Tensor, from_value
from jtorch.trace import from_jax

__all__ = ["of_jax"]


def of_jax(array: jax.Array, where: device) -> Tensor:
    """A tensor on an array, without a copy.

    Args:
        array: its device is that of the tensor.
        where: the device of a tracer, which does not tell.
    """
    if not isinstance(array, jax.core.Tracer):
        where = device_of(array)
    return from_value(from_jax(array, where))
