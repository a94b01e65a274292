"""ShuffleNet V2 (``torchvision.models.shufflenetv2``).

Reference: Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", 2018,
https://arxiv.org/abs/1807.11164
"""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import SCRATCH, entry
from jtorch.vision.models._utils import Layer, build, handle_legacy_interface

__all__ = [
    "ShuffleNetV2",
    "ShuffleNet_V2_X0_5_Weights",
    "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights",
    "ShuffleNet_V2_X2_0_Weights",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels ``(N, C, H, W)`` of groups in turn: the first of each group, the second of each, and so on."""
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def _conv_norm(inp: int, out: int, size: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inp, out, size, stride, size // 2, bias=False, groups=groups)
    return [conv, nn.BatchNorm2d(out)]


class InvertedResidual(nn.Module):
    """Half of the channels pass by, or are only made smaller; the halves are then mixed.

    Args:
        inp: channels of the input.
        oup: channels of the output.
        stride: 1 to 3.

    Raises:
        ValueError: another stride, or other channels at stride 1.
    """

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not (1 <= stride <= 3):
            raise ValueError("illegal stride value")
        self.stride = stride
        half = oup // 2
        if stride == 1 and inp != half << 1:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride == 1 "
                "then inp should be equal to oup // 2 << 1."
            )
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                *_conv_norm(inp, inp, 3, stride, inp), *_conv_norm(inp, half), nn.ReLU(inplace=True)
            )
        self.branch2 = nn.Sequential(
            *_conv_norm(inp if stride > 1 else half, half),
            nn.ReLU(inplace=True),
            *_conv_norm(half, half, 3, stride, half),
            *_conv_norm(half, half),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, rest = x.chunk(2, dim=1)
            halves = (kept, self.branch2(rest))
        else:
            halves = (self.branch1(x), self.branch2(x))
        return channel_shuffle(jtorch.cat(halves, dim=1), 2)


class ShuffleNetV2(nn.Module):
    """Three stages of blocks, for images ``(N, 3, H, W)``.

    Args:
        stages_repeats: blocks in each stage.
        stages_out_channels: behind the first convolution, each stage, and the last convolution.
        num_classes: number of logits.
        inverted_residual: makes a block.

    Raises:
        ValueError: there are not three stages, or not five numbers of channels.
    """

    def __init__(
        self,
        stages_repeats: list[int],
        stages_out_channels: list[int],
        num_classes: int = 1000,
        inverted_residual: Layer = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        self._stage_out_channels = stages_out_channels
        first, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(*_conv_norm(3, first, 3, 2), nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        stages = []
        before = first
        for repeats, width in zip(stages_repeats, widths, strict=True):
            blocks = [inverted_residual(before, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*blocks))
            before = width
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = nn.Sequential(*_conv_norm(before, last), nn.ReLU(inplace=True))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


def _shufflenetv2(
    stages_out_channels: list[int], weights: WeightsEnum | None, progress: bool, **kwargs: Any
) -> ShuffleNetV2:
    sizes = ([4, 8, 4], stages_out_channels)
    return build(ShuffleNetV2, *sizes, weights=weights, progress=progress, **kwargs)


class ShuffleNet_V2_X0_5_Weights(WeightsEnum):
    """Published weights of :func:`shufflenet_v2_x0_5`."""

    IMAGENET1K_V1 = entry(
        "shufflenetv2_x0.5-f707e7126e", 1_366_792, (60.552, 81.746), 0.04, 5.282,
        "https://github.com/ericsun99/Shufflenet-v2-Pytorch", SCRATCH,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_0_Weights(WeightsEnum):
    """Published weights of :func:`shufflenet_v2_x1_0`."""

    IMAGENET1K_V1 = entry(
        "shufflenetv2_x1-5666bf0f80", 2_278_604, (69.362, 88.316), 0.145, 8.791,
        "https://github.com/ericsun99/Shufflenet-v2-Pytorch", SCRATCH,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_5_Weights(WeightsEnum):
    """Published weights of :func:`shufflenet_v2_x1_5`."""

    IMAGENET1K_V1 = entry(
        "shufflenetv2_x1_5-3c479a10", 3_503_624, (72.996, 91.086), 0.296, 13.557,
        "pull/5906", SCRATCH, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X2_0_Weights(WeightsEnum):
    """Published weights of :func:`shufflenet_v2_x2_0`."""

    IMAGENET1K_V1 = entry(
        "shufflenetv2_x2_0-8be3c8ee", 7_393_996, (76.23, 93.006), 0.583, 28.433,
        "pull/5906", SCRATCH, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1))
def shufflenet_v2_x0_5(
    *, weights: ShuffleNet_V2_X0_5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNet V2 with 0.5 times the channels."""
    chosen = ShuffleNet_V2_X0_5_Weights.verify(weights)
    return _shufflenetv2([24, 48, 96, 192, 1024], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1))
def shufflenet_v2_x1_0(
    *, weights: ShuffleNet_V2_X1_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNet V2 with 1.0 times the channels."""
    chosen = ShuffleNet_V2_X1_0_Weights.verify(weights)
    return _shufflenetv2([24, 116, 232, 464, 1024], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ShuffleNet_V2_X1_5_Weights.IMAGENET1K_V1))
def shufflenet_v2_x1_5(
    *, weights: ShuffleNet_V2_X1_5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNet V2 with 1.5 times the channels."""
    chosen = ShuffleNet_V2_X1_5_Weights.verify(weights)
    return _shufflenetv2([24, 176, 352, 704, 1024], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ShuffleNet_V2_X2_0_Weights.IMAGENET1K_V1))
def shufflenet_v2_x2_0(
    *, weights: ShuffleNet_V2_X2_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNet V2 with 2.0 times the channels."""
    chosen = ShuffleNet_V2_X2_0_Weights.verify(weights)
    return _shufflenetv2([24, 244, 488, 976, 2048], chosen, progress, **kwargs)
