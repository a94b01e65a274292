"""Blocks that many models are made of (``torchvision.ops.misc``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import jtorch
from jtorch import nn
from jtorch.nn.functional import interpolate
from jtorch.tensor import Tensor

__all__ = [
    "MLP",
    "Conv2dNormActivation",
    "Conv3dNormActivation",
    "ConvNormActivation",
    "FrozenBatchNorm2d",
    "Permute",
    "SqueezeExcitation",
    "interpolate",
]

_Layer = Callable[..., nn.Module]
_Size = int | tuple[int, ...]


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose statistics, weight and bias are buffers: nothing in it is trained.

    Args:
        num_features: channels C of inputs ``(N, C, H, W)``.
        eps: added to the variance.
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", jtorch.ones(num_features))
        self.register_buffer("bias", jtorch.zeros(num_features))
        self.register_buffer("running_mean", jtorch.zeros(num_features))
        self.register_buffer("running_var", jtorch.ones(num_features))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        # Weights of a BatchNorm2d fit but for its count of batches.
        state_dict.pop(prefix + "num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Tensor) -> Tensor:
        """(x - running_mean) / sqrt(running_var + eps) * weight + bias, per channel."""
        weight, bias, mean, var = (
            b.reshape(1, -1, 1, 1) for b in (self.weight, self.bias, self.running_mean, self.running_var)
        )
        scale = weight * (var + self.eps).rsqrt()
        return x * scale + (bias - mean * scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


def _as_tuple(x: Any, n: int) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))


class ConvNormActivation(nn.Sequential):
    """Convolution, normalization and activation in a row; see its 2-d and 3-d forms."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size = 3,
        stride: _Size = 1,
        padding: _Size | str | None = None,
        groups: int = 1,
        norm_layer: _Layer | None = nn.BatchNorm2d,
        activation_layer: _Layer | None = nn.ReLU,
        dilation: _Size = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
        conv_layer: _Layer = nn.Conv2d,
    ) -> None:
        if padding is None:
            if isinstance(kernel_size, int) and isinstance(dilation, int):
                padding = (kernel_size - 1) // 2 * dilation
            else:
                dims = len(kernel_size) if isinstance(kernel_size, Sequence) else len(dilation)  # type: ignore[arg-type]
                kernel_size, dilation = _as_tuple(kernel_size, dims), _as_tuple(dilation, dims)
                padding = tuple((k - 1) // 2 * d for k, d in zip(kernel_size, dilation, strict=False))
        if bias is None:
            bias = norm_layer is None
        layers = [
            conv_layer(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding,
                dilation=dilation,
                groups=groups,
                bias=bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**({} if inplace is None else {"inplace": inplace})))
        super().__init__(*layers)
        self.out_channels = out_channels
        if type(self) is ConvNormActivation:
            warnings.warn(
                "Don't use ConvNormActivation directly, please use Conv2dNormActivation and "
                "Conv3dNormActivation instead.",
                stacklevel=2,
            )


class Conv2dNormActivation(ConvNormActivation):
    """A 2-d convolution, then normalization and activation, each of which may be left out.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: of the convolution.
        stride: of the convolution.
        padding: on each side; ``None``: what keeps the size at stride 1.
        groups: of the convolution.
        norm_layer: made with ``out_channels``; ``None``: left out.
        activation_layer: made with ``inplace``; ``None``: left out.
        dilation: of the convolution.
        inplace: given to the activation; ``None``: not given.
        bias: of the convolution; ``None``: only without ``norm_layer``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: _Layer | None = nn.BatchNorm2d,
        activation_layer: _Layer | None = nn.ReLU,
        dilation: int | tuple[int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer, activation_layer,
            dilation, inplace, bias, nn.Conv2d,
        )  # fmt: skip


class Conv3dNormActivation(ConvNormActivation):
    """A 3-d convolution, then normalization and activation; arguments as :class:`Conv2dNormActivation`'s."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int] = 3,
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] | str | None = None,
        groups: int = 1,
        norm_layer: _Layer | None = nn.BatchNorm3d,
        activation_layer: _Layer | None = nn.ReLU,
        dilation: int | tuple[int, int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer, activation_layer,
            dilation, inplace, bias, nn.Conv3d,
        )  # fmt: skip


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate that is computed from all channels' means.

    Args:
        input_channels: of input and output.
        squeeze_channels: between the two 1x1 convolutions.
        activation: behind the first convolution.
        scale_activation: behind the second one; gives the gate.

    Reference: Hu et al., "Squeeze-and-Excitation Networks", 2017, https://arxiv.org/abs/1709.01507
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: _Layer = nn.ReLU,
        scale_activation: _Layer = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def _scale(self, input: Tensor) -> Tensor:
        return self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(input)))))

    def forward(self, input: Tensor) -> Tensor:
        """Input times its gates, ``(N, C, H, W)``."""
        return self._scale(input) * input


class MLP(nn.Sequential):
    """Linear layers with normalization, activation and dropout between them, and dropout at the end.

    Args:
        in_channels: features of the input.
        hidden_channels: features behind each linear layer.
        norm_layer: made with the layer's features; ``None``: left out.
        activation_layer: between the layers.
        inplace: given to activation and dropout; ``None``: not given.
        bias: of the linear layers.
        dropout: probability.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: list[int],
        norm_layer: _Layer | None = None,
        activation_layer: _Layer | None = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        options: dict[str, Any] = {} if inplace is None else {"inplace": inplace}
        layers: list[nn.Module] = []
        features = in_channels
        for hidden in hidden_channels[:-1]:
            layers.append(nn.Linear(features, hidden, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(hidden))
            assert activation_layer is not None
            layers.append(activation_layer(**options))
            layers.append(nn.Dropout(dropout, **options))
            features = hidden
        layers.append(nn.Linear(features, hidden_channels[-1], bias=bias))
        layers.append(nn.Dropout(dropout, **options))
        super().__init__(*layers)


class Permute(nn.Module):
    """A view with dimensions in another order.

    Args:
        dims: the input's dimensions in the order of the output.
    """

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """``x.permute(dims)``."""
        return jtorch.permute(x, self.dims)
