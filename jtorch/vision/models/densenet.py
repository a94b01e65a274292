"""DenseNet (``torchvision.models.densenet``).

Reference: Huang et al., "Densely Connected Convolutional Networks", 2016, https://arxiv.org/abs/1608.06993
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

import jtorch
from jtorch import nn
from jtorch.nn import functional as F
from jtorch.tensor import Tensor
from jtorch.utils.checkpoint import checkpoint
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import PORTED, entry
from jtorch.vision.models._utils import build, draw, handle_legacy_interface, initialize

__all__ = [
    "DenseNet",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
]


class _DenseLayer(nn.Module):
    """Adds ``growth_rate`` channels, computed from all channels so far."""

    def __init__(
        self,
        num_input_features: int,
        growth_rate: int,
        bn_size: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, width, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def bn_function(self, inputs: list[Tensor]) -> Tensor:
        """Up to the second norm, which needs the most memory."""
        return self.conv1(self.relu1(self.norm1(jtorch.cat(inputs, 1))))

    def forward(self, input: Tensor | list[Tensor]) -> Tensor:
        inputs = [input] if isinstance(input, Tensor) else input
        if self.memory_efficient and any(t.requires_grad for t in inputs):
            x = checkpoint(lambda *tensors: self.bn_function(list(tensors)), *inputs, use_reentrant=False)
        else:
            x = self.bn_function(inputs)
        x = self.conv2(self.relu2(self.norm2(x)))
        if self.drop_rate > 0:
            x = F.dropout(x, p=self.drop_rate, training=self.training)
        return x


class _DenseBlock(nn.ModuleDict):
    """Layers, each of which sees the outputs of all before it."""

    _version = 2

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        for i in range(num_layers):
            features = num_input_features + i * growth_rate
            layer = _DenseLayer(features, growth_rate, bn_size, drop_rate, memory_efficient)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, init_features: Tensor) -> Tensor:
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return jtorch.cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer channels, half the size."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, kernel_size=1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


def _stem(width: int) -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        conv0=nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False),
        norm0=nn.BatchNorm2d(width),
        relu0=nn.ReLU(inplace=True),
        pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )


class DenseNet(nn.Module):
    """Dense blocks with transitions between them, for images ``(N, 3, H, W)`` with sides of at least 29.

    Args:
        growth_rate: channels that each layer adds.
        block_config: layers in each block.
        num_init_features: channels behind the first convolution.
        bn_size: channels inside a layer, in growth rates.
        drop_rate: of dropout behind each layer.
        num_classes: number of logits.
        memory_efficient: compute parts again in backward, rather than keep them.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(_stem(num_init_features))
        features = num_init_features
        for i, layers in enumerate(block_config, start=1):
            block = _DenseBlock(layers, features, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i}", block)
            features += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(features, features // 2))
                features //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(features))
        self.classifier = nn.Linear(features, num_classes)
        # Linear layers keep their weights; their biases become 0.
        initialize(self, conv=draw(nn.init.kaiming_normal_), linear=lambda m: None)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        # The published files have `norm.1` where modules are called `norm1` today.
        for key in list(state_dict):
            if key.startswith(prefix) and (new := _OLD_KEY.sub(r"\1\2", key)) != key:
                state_dict[new] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


_OLD_KEY = re.compile(
    r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$"
)


def _densenet(
    growth_rate: int,
    block_config: tuple[int, ...],
    num_init_features: int,
    weights: WeightsEnum | None,
    progress: bool,
    **kwargs: Any,
) -> DenseNet:
    shape = (growth_rate, block_config, num_init_features)
    return build(DenseNet, *shape, weights=weights, progress=progress, **kwargs)


class DenseNet121_Weights(WeightsEnum):
    """Published weights of :func:`densenet121`."""

    IMAGENET1K_V1 = entry(
        "densenet121-a639ec97", 7_978_856, (74.434, 91.972), 2.834, 30.845,
        "pull/116", PORTED, min_size=29,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class DenseNet161_Weights(WeightsEnum):
    """Published weights of :func:`densenet161`."""

    IMAGENET1K_V1 = entry(
        "densenet161-8d451a50", 28_681_000, (77.138, 93.56), 7.728, 110.369,
        "pull/116", PORTED, min_size=29,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class DenseNet169_Weights(WeightsEnum):
    """Published weights of :func:`densenet169`."""

    IMAGENET1K_V1 = entry(
        "densenet169-b2777c0a", 14_149_480, (75.6, 92.806), 3.36, 54.708,
        "pull/116", PORTED, min_size=29,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class DenseNet201_Weights(WeightsEnum):
    """Published weights of :func:`densenet201`."""

    IMAGENET1K_V1 = entry(
        "densenet201-c1103571", 20_013_928, (76.896, 93.37), 4.291, 77.373,
        "pull/116", PORTED, min_size=29,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", DenseNet121_Weights.IMAGENET1K_V1))
def densenet121(
    *, weights: DenseNet121_Weights | None = None, progress: bool = True, **kwargs: Any
) -> DenseNet:
    """DenseNet-121."""
    chosen = DenseNet121_Weights.verify(weights)
    return _densenet(32, (6, 12, 24, 16), 64, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", DenseNet161_Weights.IMAGENET1K_V1))
def densenet161(
    *, weights: DenseNet161_Weights | None = None, progress: bool = True, **kwargs: Any
) -> DenseNet:
    """DenseNet-161."""
    chosen = DenseNet161_Weights.verify(weights)
    return _densenet(48, (6, 12, 36, 24), 96, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", DenseNet169_Weights.IMAGENET1K_V1))
def densenet169(
    *, weights: DenseNet169_Weights | None = None, progress: bool = True, **kwargs: Any
) -> DenseNet:
    """DenseNet-169."""
    chosen = DenseNet169_Weights.verify(weights)
    return _densenet(32, (6, 12, 32, 32), 64, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", DenseNet201_Weights.IMAGENET1K_V1))
def densenet201(
    *, weights: DenseNet201_Weights | None = None, progress: bool = True, **kwargs: Any
) -> DenseNet:
    """DenseNet-201."""
    chosen = DenseNet201_Weights.verify(weights)
    return _densenet(32, (6, 12, 48, 32), 64, chosen, progress, **kwargs)
