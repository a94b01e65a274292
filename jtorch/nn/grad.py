"""Gradients of convolutions by one operand, as functions (``torch.nn.grad``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.nn import functional as F
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import enable_grad, grad
from jtorch.tensor._creation import zeros

__all__ = [
    "conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight",
]  # fmt: skip


def _by_input(convolve: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def gradient(
        input_size: Any,
        weight: Tensor,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        # A convolution is linear in its input, so any input has this gradient.
        x = zeros(tuple(input_size), dtype=grad_output.dtype, device=grad_output.device, requires_grad=True)
        with enable_grad():
            out = convolve(x, weight.detach(), None, stride, padding, dilation, groups)
        found: Tensor = grad(out, x, grad_output)[0]
        return found

    return _named(gradient, name, "input, whose shape is given")


def _by_weight(convolve: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def gradient(
        input: Tensor,
        weight_size: Any,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        w = zeros(tuple(weight_size), dtype=grad_output.dtype, device=grad_output.device, requires_grad=True)
        with enable_grad():
            out = convolve(input.detach(), w, None, stride, padding, dilation, groups)
        found: Tensor = grad(out, w, grad_output)[0]
        return found

    return _named(gradient, name, "weight, whose shape is given")


def _named(function: Callable[..., Tensor], name: str, operand: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Gradient of ``{name.partition('_')[0]}`` by its {operand}, from that of its output."
    return function


conv1d_input, conv1d_weight = _by_input(F.conv1d, "conv1d_input"), _by_weight(F.conv1d, "conv1d_weight")
conv2d_input, conv2d_weight = _by_input(F.conv2d, "conv2d_input"), _by_weight(F.conv2d, "conv2d_weight")
conv3d_input, conv3d_weight = _by_input(F.conv3d, "conv3d_input"), _by_weight(F.conv3d, "conv3d_weight")
