"""Layout of convolution weights."""

from __future__ import annotations

from typing import Any

from jtorch.nn.modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module: Any, kinds: tuple[type, ...], memory_format: Any) -> Any:
    if isinstance(module, kinds):
        weight = module.weight  # type: ignore[attr-defined]
        weight.data = weight.detach().clone(memory_format=memory_format)
    for child in module.children():
        _convert(child, kinds, memory_format)
    return module


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Lay out the weights of all two-dimensional convolutions in another order.

    XLA chooses its own inside.
    """
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Lay out the weights of all three-dimensional convolutions in another order.

    XLA chooses its own inside.
    """
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
