"""SqueezeNet (``torchvision.models.squeezenet``).

Reference: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
size", 2016, https://arxiv.org/abs/1602.07360
"""

from __future__ import annotations

from typing import Any

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import SIMPLE, entry
from jtorch.vision.models._utils import build, draw, handle_legacy_interface, initialize

__all__ = [
    "SqueezeNet",
    "SqueezeNet1_0_Weights",
    "SqueezeNet1_1_Weights",
    "squeezenet1_0",
    "squeezenet1_1",
]


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then 1x1 and 3x3 convolutions side by side.

    Args:
        inplanes: channels of the input.
        squeeze_planes: channels between.
        expand1x1_planes: channels of the output from the 1x1 convolution.
        expand3x3_planes: channels of the output from the 3x3 convolution.
    """

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        wide = self.expand3x3_activation(self.expand3x3(x))
        return jtorch.cat([narrow, wide], 1)


#: By version: the first convolution (channels, size), then (squeezed, expanded) channels or "M" for pooling.
_LAYERS: dict[str, tuple[tuple[int, int], list[tuple[int, int] | str]]] = {
    "1_0": (
        (96, 7),
        ["M", (16, 64), (16, 64), (32, 128), "M", (32, 128), (48, 192), (48, 192), (64, 256), "M", (64, 256)],
    ),
    "1_1": (
        (64, 3),
        ["M", (16, 64), (16, 64), "M", (32, 128), (32, 128), "M", (48, 192), (48, 192), (64, 256), (64, 256)],
    ),
}


def _features(version: str) -> nn.Sequential:
    (channels, size), rest = _LAYERS[version]
    layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel_size=size, stride=2), nn.ReLU(inplace=True)]
    for item in rest:
        if isinstance(item, str):
            layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
        else:
            layers.append(Fire(channels, item[0], item[1], item[1]))
            channels = 2 * item[1]
    return nn.Sequential(*layers)


class SqueezeNet(nn.Module):
    """Fire modules and a convolution to the logits, for images ``(N, 3, H, W)``.

    Args:
        version: ``"1_0"``, or ``"1_1"``, which needs less than half of the work.
        num_classes: number of logits.
        dropout: probability, before the last convolution.

    Raises:
        ValueError: another version.
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        if version not in _LAYERS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.features = _features(version)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        normal, uniform = draw(nn.init.normal_, mean=0.0, std=0.01), draw(nn.init.kaiming_uniform_)
        initialize(self, conv=lambda m: normal(m) if m is last else uniform(m))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


class SqueezeNet1_0_Weights(WeightsEnum):
    """Published weights of :func:`squeezenet1_0`."""

    IMAGENET1K_V1 = entry(
        "squeezenet1_0-b66bff10", 1_248_424, (58.092, 80.42), 0.819, 4.778,
        "pull/49#issuecomment-277560717", SIMPLE, min_size=21,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class SqueezeNet1_1_Weights(WeightsEnum):
    """Published weights of :func:`squeezenet1_1`."""

    IMAGENET1K_V1 = entry(
        "squeezenet1_1-b8a52dc0", 1_235_496, (58.178, 80.624), 0.349, 4.729,
        "pull/49#issuecomment-277560717", SIMPLE, min_size=17,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", SqueezeNet1_0_Weights.IMAGENET1K_V1))
def squeezenet1_0(
    *, weights: SqueezeNet1_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SqueezeNet:
    """SqueezeNet 1.0."""
    chosen = SqueezeNet1_0_Weights.verify(weights)
    return build(SqueezeNet, "1_0", weights=chosen, progress=progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", SqueezeNet1_1_Weights.IMAGENET1K_V1))
def squeezenet1_1(
    *, weights: SqueezeNet1_1_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SqueezeNet:
    """SqueezeNet 1.1."""
    chosen = SqueezeNet1_1_Weights.verify(weights)
    return build(SqueezeNet, "1_1", weights=chosen, progress=progress, **kwargs)
