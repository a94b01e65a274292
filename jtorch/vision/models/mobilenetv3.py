"""MobileNet V3 (``torchvision.models.mobilenetv3``).

Reference: Howard et al., "Searching for MobileNetV3", 2019, https://arxiv.org/abs/1905.02244
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import NEWER, SCRATCH, entry
from jtorch.vision.models._utils import (
    Layer,
    _make_divisible,
    build,
    draw,
    handle_legacy_interface,
    initialize,
)
from jtorch.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation

__all__ = [
    "MobileNetV3",
    "MobileNet_V3_Large_Weights",
    "MobileNet_V3_Small_Weights",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
]


class InvertedResidualConfig:
    """One line of the paper's tables 1 and 2.

    Args:
        input_channels: of the block.
        kernel: size of the middle convolution.
        expanded_channels: of the middle convolution.
        out_channels: of the block.
        use_se: gate channels by their means.
        activation: ``"HS"`` (hard swish) or ``"RE"`` (ReLU).
        stride: of the middle convolution.
        dilation: of the middle convolution.
        width_mult: factor of all channels.
    """

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ) -> None:
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """A multiple of 8."""
        return _make_divisible(channels * width_mult, 8)


_GATES = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidual(nn.Module):
    """The block that a :class:`InvertedResidualConfig` describes.

    Args:
        cnf: sizes.
        norm_layer: behind each convolution.
        se_layer: gates channels.

    Raises:
        ValueError: the stride is neither 1 nor 2.
    """

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Layer,
        se_layer: Layer = _GATES,
    ) -> None:
        super().__init__()
        if not (1 <= cnf.stride <= 2):
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        width = cnf.expanded_channels
        block = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation)
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(block(cnf.input_channels, width, kernel_size=1))
        stride = 1 if cnf.dilation > 1 else cnf.stride
        layers.append(block(width, width, cnf.kernel, stride, dilation=cnf.dilation, groups=width))
        if cnf.use_se:
            layers.append(se_layer(width, _make_divisible(width // 4, 8)))
        layers.append(block(width, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        return result + input if self.use_res_connect else result


class MobileNetV3(nn.Module):
    """Inverted residuals, for images ``(N, 3, H, W)``.

    Args:
        inverted_residual_setting: the blocks.
        last_channel: between the two linear layers.
        num_classes: number of logits.
        block: :class:`InvertedResidual` by default.
        norm_layer: batch norm with an eps of 0.001 and a momentum of 0.01 by default.
        dropout: probability, before the last linear layer.
        kwargs: ignored, as in torchvision.

    Raises:
        ValueError: there are no blocks.
        TypeError: the setting is not a list of :class:`InvertedResidualConfig`.
    """

    def __init__(
        self,
        inverted_residual_setting: list[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not (
            isinstance(setting, Sequence) and all(isinstance(s, InvertedResidualConfig) for s in setting)
        ):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")
        make = InvertedResidual if block is None else block
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if norm_layer is None else norm_layer
        outer = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        last_in = setting[-1].out_channels
        self.features = nn.Sequential(
            outer(3, setting[0].input_channels, kernel_size=3, stride=2),
            *(make(cnf, norm) for cnf in setting),
            outer(last_in, 6 * last_in, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last_in, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialize(
            self,
            conv=draw(nn.init.kaiming_normal_, mode="fan_out"),
            linear=draw(nn.init.normal_, 0, 0.01),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


#: Input channels, kernel, expanded channels, output channels, gates, activation, stride. In the last blocks,
#: from the number of which there are three, channels may be halved and strides become dilations.
_BLOCKS: dict[str, list[tuple[int, int, int, int, bool, str, int]]] = {
    "mobilenet_v3_large": [
        (16, 3, 16, 16, False, "RE", 1),
        (16, 3, 64, 24, False, "RE", 2),
        (24, 3, 72, 24, False, "RE", 1),
        (24, 5, 72, 40, True, "RE", 2),
        (40, 5, 120, 40, True, "RE", 1),
        (40, 5, 120, 40, True, "RE", 1),
        (40, 3, 240, 80, False, "HS", 2),
        (80, 3, 200, 80, False, "HS", 1),
        (80, 3, 184, 80, False, "HS", 1),
        (80, 3, 184, 80, False, "HS", 1),
        (80, 3, 480, 112, True, "HS", 1),
        (112, 3, 672, 112, True, "HS", 1),
        (112, 5, 672, 160, True, "HS", 2),
        (160, 5, 960, 160, True, "HS", 1),
        (160, 5, 960, 160, True, "HS", 1),
    ],
    "mobilenet_v3_small": [
        (16, 3, 16, 16, True, "RE", 2),
        (16, 3, 72, 24, False, "RE", 2),
        (24, 3, 88, 24, False, "RE", 1),
        (24, 5, 96, 40, True, "HS", 2),
        (40, 5, 240, 40, True, "HS", 1),
        (40, 5, 240, 40, True, "HS", 1),
        (40, 5, 120, 48, True, "HS", 1),
        (48, 5, 144, 48, True, "HS", 1),
        (48, 5, 288, 96, True, "HS", 2),
        (96, 5, 576, 96, True, "HS", 1),
        (96, 5, 576, 96, True, "HS", 1),
    ],
}
_LAST_CHANNEL = {"mobilenet_v3_large": 1280, "mobilenet_v3_small": 1024}


def _mobilenet_v3_conf(
    arch: str, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False, **kwargs: Any
) -> tuple[list[InvertedResidualConfig], int]:
    """The blocks and the last width; a reduced tail has half of the channels, for dense predictions."""
    if arch not in _BLOCKS:
        raise ValueError(f"Unsupported model type {arch}")
    divider, dilation = 2 if reduced_tail else 1, 2 if dilated else 1
    setting = []
    blocks = _BLOCKS[arch]
    for i, (inp, kernel, expanded, out, se, activation, stride) in enumerate(blocks, start=3 - len(blocks)):
        # The tail: i = 0 makes its width, which the next two blocks have as input too.
        tail = divider if i >= 0 else 1
        inner = divider if i > 0 else 1
        cnf = InvertedResidualConfig(
            inp // inner, kernel, expanded // inner, out // tail, se, activation, stride,
            dilation if i >= 0 else 1, width_mult,
        )  # fmt: skip
        setting.append(cnf)
    return setting, InvertedResidualConfig.adjust_channels(_LAST_CHANNEL[arch] // divider, width_mult)


def _mobilenet_v3(arch: str, weights: WeightsEnum | None, progress: bool, **kwargs: Any) -> MobileNetV3:
    setting, last_channel = _mobilenet_v3_conf(arch, **kwargs)
    return build(MobileNetV3, setting, last_channel, weights=weights, progress=progress, **kwargs)


class MobileNet_V3_Large_Weights(WeightsEnum):
    """Published weights of :func:`mobilenet_v3_large`."""

    IMAGENET1K_V1 = entry(
        "mobilenet_v3_large-8738ca79", 5_483_032, (74.042, 91.34), 0.217, 21.114,
        "tree/main/references/classification#mobilenetv3-large--small", SCRATCH,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "mobilenet_v3_large-5c1a4163", 5_483_032, (75.274, 92.566), 0.217, 21.107,
        "issues/3995#new-recipe-with-reg-tuning", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Small_Weights(WeightsEnum):
    """Published weights of :func:`mobilenet_v3_small`."""

    IMAGENET1K_V1 = entry(
        "mobilenet_v3_small-047dcff4", 2_542_856, (67.668, 87.402), 0.057, 9.829,
        "tree/main/references/classification#mobilenetv3-large--small", NEWER,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", MobileNet_V3_Large_Weights.IMAGENET1K_V1))
def mobilenet_v3_large(
    *, weights: MobileNet_V3_Large_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MobileNetV3:
    """MobileNet V3, large."""
    chosen = MobileNet_V3_Large_Weights.verify(weights)
    return _mobilenet_v3("mobilenet_v3_large", chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MobileNet_V3_Small_Weights.IMAGENET1K_V1))
def mobilenet_v3_small(
    *, weights: MobileNet_V3_Small_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MobileNetV3:
    """MobileNet V3, small."""
    chosen = MobileNet_V3_Small_Weights.verify(weights)
    return _mobilenet_v3("mobilenet_v3_small", chosen, progress, **kwargs)
