"""Convolutions whose kernel's places move (``torchvision.ops.deform_conv2d``)."""

from __future__ import annotations

import math
from typing import Any

import jtorch
from jtorch import nn
from jtorch.nn import functional as F
from jtorch.nn import init
from jtorch.tensor import Tensor

__all__ = ["DeformConv2d", "deform_conv2d"]


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = (1, 1),
    padding: int | tuple[int, int] = (0, 0),
    dilation: int | tuple[int, int] = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """A convolution whose samples are taken, bilinearly, at moved places; beyond the image is 0.

    Args:
        input: ``(N, C, H, W)``.
        offset: ``(N, 2 * G * Kh * Kw, Ho, Wo)``: per group of channels and place of the kernel how far down
            and how far right it moves, at each place of the result.
        weight: ``(O, C / groups, Kh, Kw)``.
        bias: ``(O,)``.
        stride: pixels from one result to the next.
        padding: of the image.
        dilation: pixels from one place of the kernel to the next.
        mask: ``(N, G * Kh * Kw, Ho, Wo)``: factors of the samples.

    Returns:
        ``(N, O, Ho, Wo)``.

    Raises:
        RuntimeError: shapes that do not fit.

    Reference: Zhu et al., "Deformable ConvNets v2", 2018, https://arxiv.org/abs/1811.11168
    """
    down, right = _pair(stride)
    images, channels, height, width = input.shape
    out_channels, per_group, kernel_height, kernel_width = weight.shape
    places = kernel_height * kernel_width
    groups = offset.shape[1] // (2 * places)
    if not groups:
        raise RuntimeError(
            "the shape of the offset tensor at dimension 1 is not valid. It should "
            "be a multiple of 2 * weight.size[2] * weight.size[3].\n"
            f"Got offset.shape[1]={offset.shape[1]}, while 2 * weight.size[2] * weight.size[3]={2 * places}"
        )
    size = [
        (s + 2 * p - (d * (k - 1) + 1)) // t + 1
        for s, p, d, k, t in zip(
            (height, width), _pair(padding), _pair(dilation), weight.shape[2:], (down, right), strict=True
        )
    ]
    _check(input, offset, weight, mask, size, groups)
    moved = _places(offset.reshape(images, groups, places, 2, *size), weight, stride, padding, dilation)
    # Places of pixels as `grid_sample` counts them: from -1 to 1 over the whole width of the pixels.
    grid = (2 * moved.flip(3) + 1) / jtorch.tensor([width, height], dtype=moved.dtype, device=moved.device)[
        :, None, None
    ] - 1
    grid = grid.permute(0, 1, 2, 4, 5, 3).reshape(images * groups, places * size[0], size[1], 2)
    parts = input.reshape(images * groups, channels // groups, height, width)
    samples = F.grid_sample(parts, grid, align_corners=False)
    samples = samples.reshape(images, groups, channels // groups, places, *size)
    if mask is not None:
        samples = samples * mask.reshape(images, groups, 1, places, *size)
    sets = channels // per_group
    columns = samples.reshape(images, sets, per_group, places, *size)
    kernels = weight.reshape(sets, out_channels // sets, per_group, places)
    made = jtorch.einsum("nsckyx,sock->nsoyx", columns, kernels).reshape(images, out_channels, *size)
    return made if bias is None else made + bias[:, None, None]


def _places(offset: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any) -> Tensor:
    """Where samples are taken, in pixels: ``(N, G, K, 2, Ho, Wo)``, downwards first."""
    places = []
    for side in (0, 1):
        results = jtorch.arange(offset.shape[4 + side], device=offset.device) * _pair(stride)[side]
        kernel = jtorch.arange(weight.shape[2 + side], device=offset.device) * _pair(dilation)[side]
        places.append(kernel[:, None] + results - _pair(padding)[side])
    (rows, columns), (height, width) = places, offset.shape[4:]
    kernel_height, kernel_width = weight.shape[2:]
    shape = (kernel_height, kernel_width, height, width)
    fixed = jtorch.stack(
        [rows[:, None, :, None].expand(shape), columns[None, :, None, :].expand(shape)], dim=2
    )
    return offset + fixed.reshape(kernel_height * kernel_width, 2, height, width)


def _check(
    input: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None, size: list[int], groups: int
) -> None:
    places = weight.shape[2] * weight.shape[3]
    if input.shape[1] % weight.shape[1] or weight.shape[0] % (input.shape[1] // weight.shape[1]):
        raise RuntimeError(
            f"weights {tuple(weight.shape)} do not fit {input.shape[1]} channels of the input in equal groups"
        )
    wanted = {"offset": (offset, 2 * groups * places), "mask": (mask, groups * places)}
    for name, (tensor, channels) in wanted.items():
        shape = (input.shape[0], channels, *size)
        if tensor is not None and tuple(tensor.shape) != shape:
            raise RuntimeError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")
    if input.shape[1] % groups:
        raise RuntimeError(f"{groups} groups of offsets do not divide {input.shape[1]} channels")


class DeformConv2d(nn.Module):
    """Module form of :func:`deform_conv2d`: it holds ``weight`` and ``bias``.

    Raises:
        ValueError: channels that ``groups`` does not divide.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{name} must be divisible by groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = _pair(kernel_size), _pair(stride)
        self.padding, self.dilation = _pair(padding), _pair(dilation)
        self.weight = nn.Parameter(jtorch.empty(out_channels, in_channels // groups, *self.kernel_size))
        if bias:
            self.bias: nn.Parameter | None = nn.Parameter(jtorch.empty(out_channels))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Random weights, as a convolution has them."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """See :func:`deform_conv2d`."""
        return deform_conv2d(
            input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask
        )

    def __repr__(self) -> str:
        parts = [
            f"{self.in_channels}",
            f"{self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        parts += [f"padding={self.padding}"] if self.padding != (0, 0) else []
        parts += [f"dilation={self.dilation}"] if self.dilation != (1, 1) else []
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias is None else []
        return f"{type(self).__name__}({', '.join(parts)})"
