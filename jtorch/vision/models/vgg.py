"""VGG, with and without batch normalization (``torchvision.models.vgg``).

Reference: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
https://arxiv.org/abs/1409.1556
"""

from __future__ import annotations

from typing import Any

from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import FEATURES, SCRATCH, entry
from jtorch.vision.models._utils import build, draw, handle_legacy_interface, initialize

__all__ = [
    "VGG",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]


class VGG(nn.Module):
    """Convolutions, then three linear layers, for images ``(N, 3, H, W)`` with sides of at least 32.

    Args:
        features: gives 512 channels.
        num_classes: number of logits.
        init_weights: draw weights as in torchvision; otherwise they keep the layers' defaults.
        dropout: probability, behind the first two linear layers.
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initialize(
                self,
                conv=draw(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"),
                linear=draw(nn.init.normal_, 0, 0.01),
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_layers(cfg: list[str | int], batch_norm: bool = False) -> nn.Sequential:
    """The convolutional part.

    Args:
        cfg: channels of a 3x3 convolution each, or ``"M"`` for a maximum over 2x2.
        batch_norm: put a batch norm behind each convolution.
    """
    layers: list[nn.Module] = []
    channels = 3
    for item in cfg:
        if isinstance(item, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, item, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(item))
        layers.append(nn.ReLU(inplace=True))
        channels = item
    return nn.Sequential(*layers)


def _stages(*repeats: int) -> list[str | int]:
    cfg: list[str | int] = []
    for channels, count in zip((64, 128, 256, 512, 512), repeats, strict=True):
        cfg += [channels] * count + ["M"]
    return cfg


#: The paper's columns A, B, D and E.
cfgs: dict[str, list[str | int]] = {
    "A": _stages(1, 1, 2, 2, 2),
    "B": _stages(2, 2, 2, 2, 2),
    "D": _stages(2, 2, 3, 3, 3),
    "E": _stages(2, 2, 4, 4, 4),
}


def _vgg(cfg: str, batch_norm: bool, weights: WeightsEnum | None, progress: bool, **kwargs: Any) -> VGG:
    if weights is not None:
        kwargs["init_weights"] = False
    features = make_layers(cfgs[cfg], batch_norm=batch_norm)
    return build(VGG, features, weights=weights, progress=progress, **kwargs)


class VGG11_Weights(WeightsEnum):
    """Published weights of :func:`vgg11`."""

    IMAGENET1K_V1 = entry(
        "vgg11-8a719046", 132_863_336, (69.02, 88.628), 7.609, 506.84,
        "tree/main/references/classification#alexnet-and-vgg", SCRATCH, min_size=32,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    """Published weights of :func:`vgg11_bn`."""

    IMAGENET1K_V1 = entry(
        "vgg11_bn-6002323d", 132_868_840, (70.37, 89.81), 7.609, 506.881,
        "tree/main/references/classification#alexnet-and-vgg", SCRATCH, min_size=32,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    """Published weights of :func:`vgg13`."""

    IMAGENET1K_V1 = entry(
        "vgg13-19584684", 133_047_848, (69.928, 89.246), 11.308, 507.545,
        "tree/main/references/classification#alexnet-and-vgg", SCRATCH, min_size=32,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    """Published weights of :func:`vgg13_bn`."""

    IMAGENET1K_V1 = entry(
        "vgg13_bn-abd245e5", 133_053_736, (71.586, 90.374), 11.308, 507.59,
        "tree/main/references/classification#alexnet-and-vgg", SCRATCH, min_size=32,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    """Published weights of :func:`vgg16`."""

    IMAGENET1K_V1 = entry(
        "vgg16-397923af", 138_357_544, (71.592, 90.382), 15.47, 527.796,
        "tree/main/references/classification#alexnet-and-vgg", SCRATCH, min_size=32,
    )  # fmt: skip
    IMAGENET1K_FEATURES = entry(
        "vgg16_features-amdegroot-88682ab5", 138_357_544, None, 15.47, 527.802,
        "https://github.com/amdegroot/ssd.pytorch#training-ssd", FEATURES,
        min_size=32, mean=(0.48235, 0.45882, 0.40784), std=(1 / 255.0, 1 / 255.0, 1 / 255.0),
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    """Published weights of :func:`vgg16_bn`."""

    IMAGENET1K_V1 = entry(
        "vgg16_bn-6c64b313", 138_365_992, (73.36, 91.516), 15.47, 527.866,
        "tree/main/references/classification#alexnet-and-vgg", SCRATCH, min_size=32,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    """Published weights of :func:`vgg19`."""

    IMAGENET1K_V1 = entry(
        "vgg19-dcbb9e9d", 143_667_240, (72.376, 90.876), 19.632, 548.051,
        "tree/main/references/classification#alexnet-and-vgg", SCRATCH, min_size=32,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    """Published weights of :func:`vgg19_bn`."""

    IMAGENET1K_V1 = entry(
        "vgg19_bn-c79401a0", 143_678_248, (74.218, 91.842), 19.632, 548.143,
        "tree/main/references/classification#alexnet-and-vgg", SCRATCH, min_size=32,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", VGG11_Weights.IMAGENET1K_V1))
def vgg11(*, weights: VGG11_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-11, column A of the paper."""
    chosen = VGG11_Weights.verify(weights)
    return _vgg("A", False, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", VGG11_BN_Weights.IMAGENET1K_V1))
def vgg11_bn(*, weights: VGG11_BN_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-11 with batch norm."""
    chosen = VGG11_BN_Weights.verify(weights)
    return _vgg("A", True, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", VGG13_Weights.IMAGENET1K_V1))
def vgg13(*, weights: VGG13_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-13, column B of the paper."""
    chosen = VGG13_Weights.verify(weights)
    return _vgg("B", False, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", VGG13_BN_Weights.IMAGENET1K_V1))
def vgg13_bn(*, weights: VGG13_BN_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-13 with batch norm."""
    chosen = VGG13_BN_Weights.verify(weights)
    return _vgg("B", True, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", VGG16_Weights.IMAGENET1K_V1))
def vgg16(*, weights: VGG16_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-16, column D of the paper."""
    chosen = VGG16_Weights.verify(weights)
    return _vgg("D", False, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", VGG16_BN_Weights.IMAGENET1K_V1))
def vgg16_bn(*, weights: VGG16_BN_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-16 with batch norm."""
    chosen = VGG16_BN_Weights.verify(weights)
    return _vgg("D", True, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", VGG19_Weights.IMAGENET1K_V1))
def vgg19(*, weights: VGG19_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-19, column E of the paper."""
    chosen = VGG19_Weights.verify(weights)
    return _vgg("E", False, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", VGG19_BN_Weights.IMAGENET1K_V1))
def vgg19_bn(*, weights: VGG19_BN_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-19 with batch norm."""
    chosen = VGG19_BN_Weights.verify(weights)
    return _vgg("E", True, chosen, progress, **kwargs)
