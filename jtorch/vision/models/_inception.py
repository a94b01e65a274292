"""What GoogLeNet and Inception v3 share."""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch import nn
from jtorch.errors import warn_user
from jtorch.nn import functional as F
from jtorch.tensor import Tensor

__all__ = ["BasicConv2d"]


class BasicConv2d(nn.Module):
    """A convolution without bias, batch norm, ReLU.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kwargs: further arguments of the convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def warn_initialization(name: str) -> None:
    """Warn that drawing the first weights was not asked for."""
    warn_user(
        f"The default weight initialization of {name} will be changed in future releases of torchvision. If "
        "you wish to keep the old behavior (which leads to long initialization times due to "
        "scipy/scipy#11299), please set init_weights=True.",
        FutureWarning,
    )


def draw_truncated(model: nn.Module, std: float) -> None:
    """Draw weights from a normal distribution cut off at -2 and 2.

    Args:
        model: whose convolutions and linear layers are meant; their biases stay as they are.
        std: of the layers that have no ``stddev``.
    """
    for m in model.modules():
        if isinstance(m, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(m.weight, mean=0.0, std=float(getattr(m, "stddev", std)), a=-2, b=2)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)


def transform_input(x: Tensor) -> Tensor:
    """Images normalized with ImageNet's means and deviations, as if normalized with 0.5 and 0.5."""
    channels = [
        x[:, i : i + 1] * (std / 0.5) + (mean - 0.5) / 0.5
        for i, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)])
    ]
    return jtorch.cat(channels, 1)
