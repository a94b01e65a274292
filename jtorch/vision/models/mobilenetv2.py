"""MobileNet V2 (``torchvision.models.mobilenetv2``).

Reference: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018,
https://arxiv.org/abs/1801.04381
"""

from __future__ import annotations

from functools import partial
from typing import Any

from jtorch import nn
from jtorch.nn import functional as F
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import NEWER, SIMPLE, entry
from jtorch.vision.models._utils import (
    Layer,
    _make_divisible,
    build,
    draw,
    handle_legacy_interface,
    initialize,
)
from jtorch.vision.ops.misc import Conv2dNormActivation

__all__ = [
    "MobileNetV2",
    "MobileNet_V2_Weights",
    "mobilenet_v2",
]


class InvertedResidual(nn.Module):
    """To more channels, a 3x3 convolution within each, and back; with a shortcut where shapes agree.

    Args:
        inp: channels of the input.
        oup: channels of the output.
        stride: 1 or 2.
        expand_ratio: channels between, in channels of the input.
        norm_layer: batch norm by default.

    Raises:
        ValueError: another stride.
    """

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        self.stride = stride
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        hidden = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        block = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(block(inp, hidden, kernel_size=1))
        layers += [
            block(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


#: Expansion, channels, blocks, stride of each stage.
_STAGES = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


class MobileNetV2(nn.Module):
    """Inverted residuals, for images ``(N, 3, H, W)``.

    Args:
        num_classes: number of logits.
        width_mult: factor of all channels.
        inverted_residual_setting: (expansion, channels, blocks, stride) of each stage.
        round_nearest: channels are multiples of this.
        block: :class:`InvertedResidual` by default.
        norm_layer: batch norm by default.
        dropout: probability, before the linear layer.

    Raises:
        ValueError: the setting is empty or does not consist of four numbers each.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None,
        round_nearest: int = 8,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        make = InvertedResidual if block is None else block
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        setting = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not setting or len(setting[0]) != 4:
            raise ValueError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {setting}"
            )
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        outer = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        features: list[nn.Module] = [outer(3, channels, stride=2)]
        for expansion, width, count, stride in setting:
            out = _make_divisible(width * width_mult, round_nearest)
            for i in range(count):
                step = stride if i == 0 else 1
                features.append(make(channels, out, step, expand_ratio=expansion, norm_layer=norm))
                channels = out
        features.append(outer(channels, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        initialize(
            self,
            conv=draw(nn.init.kaiming_normal_, mode="fan_out"),
            linear=draw(nn.init.normal_, 0, 0.01),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), (1, 1)).flatten(1))


class MobileNet_V2_Weights(WeightsEnum):
    """Published weights of :func:`mobilenet_v2`."""

    IMAGENET1K_V1 = entry(
        "mobilenet_v2-b0353104", 3_504_872, (71.878, 90.286), 0.301, 13.555,
        "tree/main/references/classification#mobilenetv2", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "mobilenet_v2-7ebf99e0", 3_504_872, (72.154, 90.822), 0.301, 13.598,
        "issues/3995#new-recipe-with-reg-tuning", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


@register_model()
@handle_legacy_interface(weights=("pretrained", MobileNet_V2_Weights.IMAGENET1K_V1))
def mobilenet_v2(
    *, weights: MobileNet_V2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MobileNetV2:
    """MobileNet V2."""
    chosen = MobileNet_V2_Weights.verify(weights)
    return build(MobileNetV2, weights=chosen, progress=progress, **kwargs)
