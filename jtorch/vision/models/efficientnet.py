"""EfficientNet and EfficientNet V2 (``torchvision.models.efficientnet``).

References:
    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019,
    https://arxiv.org/abs/1905.11946
    Tan and Le, "EfficientNetV2: Smaller Models and Faster Training", 2021, https://arxiv.org/abs/2104.00298
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import NEWER, PORTED, entry
from jtorch.vision.models._utils import (
    Layer,
    _make_divisible,
    build,
    draw,
    handle_legacy_interface,
    initialize,
)
from jtorch.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from jtorch.vision.ops.stochastic_depth import StochasticDepth
from jtorch.vision.transforms._presets import InterpolationMode

__all__ = [
    "EfficientNet",
    "EfficientNet_B0_Weights",
    "EfficientNet_B1_Weights",
    "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights",
    "EfficientNet_B4_Weights",
    "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights",
    "EfficientNet_B7_Weights",
    "EfficientNet_V2_L_Weights",
    "EfficientNet_V2_M_Weights",
    "EfficientNet_V2_S_Weights",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
]


@dataclass
class _MBConvConfig:
    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Layer

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """A multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of :class:`MBConv`.

    Args:
        expand_ratio: channels inside, in channels of the input.
        kernel: size of the middle convolution.
        stride: of the first block.
        input_channels: of the first block.
        out_channels: of each block.
        num_layers: number of blocks.
        width_mult: factor of all channels.
        depth_mult: factor of the number of blocks.
        block: :class:`MBConv` by default.
    """

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Layer | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            MBConv if block is None else block,
        )

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """Rounded up."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of :class:`FusedMBConv`; arguments as :class:`MBConvConfig`'s."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Layer | None = None,
    ) -> None:
        make = FusedMBConv if block is None else block
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, make)


class _Residual(nn.Module):
    """What both blocks share: a shortcut where shapes agree, and dropping of the other branch."""

    def __init__(self, cnf: _MBConvConfig) -> None:
        super().__init__()
        if not (1 <= cnf.stride <= 2):
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels

    def _finish(self, cnf: _MBConvConfig, layers: list[nn.Module], stochastic_depth_prob: float) -> None:
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        return self.stochastic_depth(result) + input if self.use_res_connect else result


class MBConv(_Residual):
    """To more channels, a convolution within each, gates, and back.

    Args:
        cnf: sizes.
        stochastic_depth_prob: of dropping the block in training, per image.
        norm_layer: behind each convolution.
        se_layer: gates channels.

    Raises:
        ValueError: the stride is neither 1 nor 2.
    """

    def __init__(
        self,
        cnf: MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Layer,
        se_layer: Layer = SqueezeExcitation,
    ) -> None:
        super().__init__(cnf)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(conv(cnf.input_channels, width, kernel_size=1))
        layers += [
            conv(width, width, kernel_size=cnf.kernel, stride=cnf.stride, groups=width),
            se_layer(width, max(1, cnf.input_channels // 4), activation=partial(nn.SiLU, inplace=True)),
            conv(width, cnf.out_channels, kernel_size=1, activation_layer=None),
        ]
        self._finish(cnf, layers, stochastic_depth_prob)


class FusedMBConv(_Residual):
    """A full convolution to more channels, and back.

    Args:
        cnf: sizes.
        stochastic_depth_prob: of dropping the block in training, per image.
        norm_layer: behind each convolution.

    Raises:
        ValueError: the stride is neither 1 nor 2.
    """

    def __init__(self, cnf: FusedMBConvConfig, stochastic_depth_prob: float, norm_layer: Layer) -> None:
        super().__init__(cnf)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        full = partial(conv, cnf.input_channels, kernel_size=cnf.kernel, stride=cnf.stride)
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers += [full(width), conv(width, cnf.out_channels, kernel_size=1, activation_layer=None)]
        else:
            layers.append(full(cnf.out_channels))
        self._finish(cnf, layers, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """Stages of blocks, for images ``(N, 3, H, W)``.

    Args:
        inverted_residual_setting: the stages.
        dropout: probability, before the linear layer.
        stochastic_depth_prob: of dropping the last block; earlier ones are dropped less often.
        num_classes: number of logits.
        norm_layer: batch norm by default.
        last_channel: channels at the end; four times those of the last stage by default.

    Raises:
        ValueError: there are no stages.
        TypeError: the setting is not a list of configurations.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not (isinstance(setting, Sequence) and all(isinstance(s, _MBConvConfig) for s in setting)):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        outer = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [outer(3, setting[0].input_channels, kernel_size=3, stride=2)]
        done, total = 0, sum(cnf.num_layers for cnf in setting)
        for cnf in setting:
            later = _later(cnf)
            probabilities = [
                stochastic_depth_prob * float(i) / total for i in range(done, done + cnf.num_layers)
            ]
            done += cnf.num_layers
            layers.append(
                nn.Sequential(*(cnf.block(later if i else cnf, p, norm) for i, p in enumerate(probabilities)))
            )
        before = setting[-1].out_channels
        last = 4 * before if last_channel is None else last_channel
        layers.append(outer(before, last, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(last, num_classes))
        initialize(self, conv=draw(nn.init.kaiming_normal_, mode="fan_out"), linear=_uniform)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _later(cnf: _MBConvConfig) -> _MBConvConfig:
    """For the blocks of a stage behind the first one."""
    made = copy.copy(cnf)
    made.input_channels, made.stride = cnf.out_channels, 1
    return made


def _uniform(linear: nn.Module) -> None:
    bound = 1.0 / math.sqrt(linear.out_features)
    nn.init.uniform_(linear.weight, -bound, bound)


#: Stages of B0, which the other sizes of the first version scale.
_B = [
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
]
#: Stages of the second version: the first three are fused.
_V2 = {
    "s": [
        (1, 3, 1, 24, 24, 2),
        (4, 3, 2, 24, 48, 4),
        (4, 3, 2, 48, 64, 4),
        (4, 3, 2, 64, 128, 6),
        (6, 3, 1, 128, 160, 9),
        (6, 3, 2, 160, 256, 15),
    ],
    "m": [
        (1, 3, 1, 24, 24, 3),
        (4, 3, 2, 24, 48, 5),
        (4, 3, 2, 48, 80, 5),
        (4, 3, 2, 80, 160, 7),
        (6, 3, 1, 160, 176, 14),
        (6, 3, 2, 176, 304, 18),
        (6, 3, 1, 304, 512, 5),
    ],
    "l": [
        (1, 3, 1, 32, 32, 4),
        (4, 3, 2, 32, 64, 7),
        (4, 3, 2, 64, 96, 7),
        (4, 3, 2, 96, 192, 10),
        (6, 3, 1, 192, 224, 19),
        (6, 3, 2, 224, 384, 25),
        (6, 3, 1, 384, 640, 7),
    ],
}


def _efficientnet_conf(arch: str, **kwargs: Any) -> tuple[list[MBConvConfig | FusedMBConvConfig], int | None]:
    """Stages and last width of a model, by name; B0 to B7 with ``width_mult``, ``depth_mult``."""
    if arch.startswith("efficientnet_b"):
        return [MBConvConfig(*row, **kwargs) for row in _B], None
    size = arch.removeprefix("efficientnet_v2_")[:1]
    if not arch.startswith("efficientnet_v2_") or size not in _V2:
        raise ValueError(f"Unsupported model type {arch}")
    rows = _V2[size]
    fused = [FusedMBConvConfig(*row) for row in rows[:3]]
    return [*fused, *(MBConvConfig(*row) for row in rows[3:])], 1280


def _efficientnet_v1(
    scale: tuple[float, float],
    dropout: float,
    weights: WeightsEnum | None,
    progress: bool,
    **kwargs: Any,
) -> EfficientNet:
    width, depth = scale
    setting, last = _efficientnet_conf("efficientnet_b", width_mult=width, depth_mult=depth)
    probability = kwargs.pop("dropout", dropout)
    return build(
        EfficientNet, setting, probability, weights=weights, progress=progress, last_channel=last, **kwargs
    )


def _efficientnet_v2(
    size: str, dropout: float, weights: WeightsEnum | None, progress: bool, **kwargs: Any
) -> EfficientNet:
    setting, last = _efficientnet_conf(f"efficientnet_v2_{size}")
    probability = kwargs.pop("dropout", dropout)
    return build(
        EfficientNet, setting, probability, weights=weights, progress=progress, last_channel=last,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-03), **kwargs,
    )  # fmt: skip


_SLOW_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


class EfficientNet_B0_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_b0`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_b0_rwightman-7f5810bc", 5_288_548, (77.692, 93.532), 0.386, 20.451,
        "tree/main/references/classification#efficientnet-v1", PORTED,
        resize_size=256, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_b1`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_b1_rwightman-bac287d4", 7_794_184, (78.642, 94.186), 0.687, 30.134,
        "tree/main/references/classification#efficientnet-v1", PORTED,
        crop_size=240, resize_size=256, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "efficientnet_b1-c27df63c", 7_794_184, (79.838, 94.934), 0.687, 30.136,
        "issues/3995#new-recipe-with-lr-wd-crop-tuning", NEWER,
        crop_size=240, resize_size=255, interpolation=InterpolationMode.BILINEAR,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_b2`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_b2_rwightman-c35c1473", 9_109_994, (80.608, 95.31), 1.088, 35.174,
        "tree/main/references/classification#efficientnet-v1", PORTED,
        crop_size=288, resize_size=288, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_b3`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_b3_rwightman-b3899882", 12_233_232, (82.008, 96.054), 1.827, 47.184,
        "tree/main/references/classification#efficientnet-v1", PORTED,
        crop_size=300, resize_size=320, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_b4`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_b4_rwightman-23ab8bcd", 19_341_616, (83.384, 96.594), 4.394, 74.489,
        "tree/main/references/classification#efficientnet-v1", PORTED,
        crop_size=380, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_b5`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_b5_lukemelas-1a07897c", 30_389_784, (83.444, 96.628), 10.266, 116.864,
        "tree/main/references/classification#efficientnet-v1", PORTED,
        crop_size=456, resize_size=456, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_b6`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_b6_lukemelas-24a108a5", 43_040_704, (84.008, 96.916), 19.068, 165.362,
        "tree/main/references/classification#efficientnet-v1", PORTED,
        crop_size=528, resize_size=528, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_b7`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_b7_lukemelas-c5b4e57e", 66_347_960, (84.122, 96.908), 37.746, 254.675,
        "tree/main/references/classification#efficientnet-v1", PORTED,
        crop_size=600, resize_size=600, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_S_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_v2_s`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_v2_s-dd5fe13b", 21_458_488, (84.228, 96.878), 8.366, 82.704,
        "tree/main/references/classification#efficientnet-v2", NEWER,
        min_size=33, crop_size=384, resize_size=384, interpolation=InterpolationMode.BILINEAR,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_M_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_v2_m`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_v2_m-dc08266a", 54_139_356, (85.112, 97.156), 24.582, 208.01,
        "tree/main/references/classification#efficientnet-v2", NEWER,
        min_size=33, crop_size=480, resize_size=480, interpolation=InterpolationMode.BILINEAR,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_L_Weights(WeightsEnum):
    """Published weights of :func:`efficientnet_v2_l`."""

    IMAGENET1K_V1 = entry(
        "efficientnet_v2_l-59c71312", 118_515_272, (85.808, 97.788), 56.08, 454.573,
        "tree/main/references/classification#efficientnet-v2", PORTED,
        min_size=33,
        crop_size=480,
        resize_size=480,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B0_Weights.IMAGENET1K_V1))
def efficientnet_b0(
    *, weights: EfficientNet_B0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet B0."""
    chosen = EfficientNet_B0_Weights.verify(weights)
    return _efficientnet_v1((1.0, 1.0), 0.2, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B1_Weights.IMAGENET1K_V1))
def efficientnet_b1(
    *, weights: EfficientNet_B1_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet B1."""
    chosen = EfficientNet_B1_Weights.verify(weights)
    return _efficientnet_v1((1.0, 1.1), 0.2, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B2_Weights.IMAGENET1K_V1))
def efficientnet_b2(
    *, weights: EfficientNet_B2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet B2."""
    chosen = EfficientNet_B2_Weights.verify(weights)
    return _efficientnet_v1((1.1, 1.2), 0.3, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B3_Weights.IMAGENET1K_V1))
def efficientnet_b3(
    *, weights: EfficientNet_B3_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet B3."""
    chosen = EfficientNet_B3_Weights.verify(weights)
    return _efficientnet_v1((1.2, 1.4), 0.3, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B4_Weights.IMAGENET1K_V1))
def efficientnet_b4(
    *, weights: EfficientNet_B4_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet B4."""
    chosen = EfficientNet_B4_Weights.verify(weights)
    return _efficientnet_v1((1.4, 1.8), 0.4, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B5_Weights.IMAGENET1K_V1))
def efficientnet_b5(
    *, weights: EfficientNet_B5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet B5."""
    chosen = EfficientNet_B5_Weights.verify(weights)
    return _efficientnet_v1((1.6, 2.2), 0.4, chosen, progress, norm_layer=_SLOW_NORM, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B6_Weights.IMAGENET1K_V1))
def efficientnet_b6(
    *, weights: EfficientNet_B6_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet B6."""
    chosen = EfficientNet_B6_Weights.verify(weights)
    return _efficientnet_v1((1.8, 2.6), 0.5, chosen, progress, norm_layer=_SLOW_NORM, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B7_Weights.IMAGENET1K_V1))
def efficientnet_b7(
    *, weights: EfficientNet_B7_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet B7."""
    chosen = EfficientNet_B7_Weights.verify(weights)
    return _efficientnet_v1((2.0, 3.1), 0.5, chosen, progress, norm_layer=_SLOW_NORM, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_V2_S_Weights.IMAGENET1K_V1))
def efficientnet_v2_s(
    *, weights: EfficientNet_V2_S_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet V2, size S."""
    chosen = EfficientNet_V2_S_Weights.verify(weights)
    return _efficientnet_v2("s", 0.2, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_V2_M_Weights.IMAGENET1K_V1))
def efficientnet_v2_m(
    *, weights: EfficientNet_V2_M_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet V2, size M."""
    chosen = EfficientNet_V2_M_Weights.verify(weights)
    return _efficientnet_v2("m", 0.3, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_V2_L_Weights.IMAGENET1K_V1))
def efficientnet_v2_l(
    *, weights: EfficientNet_V2_L_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet V2, size L."""
    chosen = EfficientNet_V2_L_Weights.verify(weights)
    return _efficientnet_v2("l", 0.4, chosen, progress, **kwargs)
