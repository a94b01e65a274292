"""GoogLeNet, that is Inception v1 (``torchvision.models.googlenet``).

Reference: Szegedy et al., "Going Deeper with Convolutions", 2014, https://arxiv.org/abs/1409.4842
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jtorch
from jtorch import nn
from jtorch.errors import warn_user
from jtorch.nn import functional as F
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._inception import BasicConv2d, draw_truncated, transform_input, warn_initialization
from jtorch.vision.models._meta import PORTED, entry
from jtorch.vision.models._utils import Layer, _ovewrite_named_param, build, handle_legacy_interface

__all__ = [
    "GoogLeNet",
    "GoogLeNetOutputs",
    "GoogLeNet_Weights",
    "_GoogLeNetOutputs",
    "googlenet",
]


class GoogLeNetOutputs(NamedTuple):
    """What the model returns in training, if it has auxiliary classifiers."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


_GoogLeNetOutputs = GoogLeNetOutputs


class Inception(nn.Module):
    """Four branches side by side; the third has 3x3 convolutions where the paper has 5x5 ones.

    Args:
        in_channels: of the input.
        ch1x1: of the first branch.
        ch3x3red: inside the second branch.
        ch3x3: of the second branch.
        ch5x5red: inside the third branch.
        ch5x5: of the third branch.
        pool_proj: of the fourth branch.
        conv_block: :class:`BasicConv2d` by default.
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Layer | None = None,
    ) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1), conv(ch3x3red, ch3x3, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1), conv(ch5x5red, ch5x5, kernel_size=3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return jtorch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """A classifier on features from the middle, which gives early layers a gradient.

    Args:
        in_channels: of the features.
        num_classes: number of logits.
        conv_block: :class:`BasicConv2d` by default.
        dropout: probability, between the linear layers.
    """

    def __init__(
        self, in_channels: int, num_classes: int, conv_block: Layer | None = None, dropout: float = 0.7
    ) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.conv = conv(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


#: Arguments of the inception blocks.
_BLOCKS = {
    "inception3a": (192, 64, 96, 128, 16, 32, 32),
    "inception3b": (256, 128, 128, 192, 32, 96, 64),
    "inception4a": (480, 192, 96, 208, 16, 48, 64),
    "inception4b": (512, 160, 112, 224, 24, 64, 64),
    "inception4c": (512, 128, 128, 256, 24, 64, 64),
    "inception4d": (512, 112, 144, 288, 32, 64, 64),
    "inception4e": (528, 256, 160, 320, 32, 128, 128),
    "inception5a": (832, 256, 160, 320, 32, 128, 128),
    "inception5b": (832, 384, 192, 384, 48, 128, 128),
}
#: Where the sizes are halved: behind these blocks, by these pools.
_POOLS = {"inception3b": ("maxpool3", 3), "inception4e": ("maxpool4", 2)}
#: Auxiliary classifiers behind these blocks.
_AUXILIARY = {"inception4a": "aux1", "inception4d": "aux2"}


class GoogLeNet(nn.Module):
    """Nine inception blocks, for images ``(N, 3, H, W)`` with sides of at least 15.

    Args:
        num_classes: number of logits.
        aux_logits: have auxiliary classifiers; in training, the result is :class:`GoogLeNetOutputs`.
        transform_input: convert images normalized for torchvision's other models into this one's range.
        init_weights: draw weights from a truncated normal distribution; by default too, with a warning.
        blocks: classes for convolutions, inception blocks and auxiliary classifiers.
        dropout: probability, before the linear layer.
        dropout_aux: probability, in the auxiliary classifiers.

    Raises:
        ValueError: there are not three ``blocks``.
    """

    __constants__ = ("aux_logits", "transform_input")

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: list[Layer] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        makers: list[Layer] = [BasicConv2d, Inception, InceptionAux] if blocks is None else blocks
        if init_weights is None:
            warn_initialization("GoogleNet")
            init_weights = True
        if len(makers) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(makers)}")
        conv, inception, auxiliary = makers
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, sizes in _BLOCKS.items():
            setattr(self, name, inception(*sizes))
            if name in _POOLS:
                pool, size = _POOLS[name]
                setattr(self, pool, nn.MaxPool2d(size, stride=2, ceil_mode=True))
        self.aux1 = auxiliary(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = auxiliary(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            draw_truncated(self, 0.01)

    def _features(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features of the last block, and auxiliary logits by name."""
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        logits: dict[str, Tensor] = {}
        for name in _BLOCKS:
            x = getattr(self, name)(x)
            if name in _POOLS:
                x = getattr(self, _POOLS[name][0])(x)
            head = getattr(self, _AUXILIARY[name]) if name in _AUXILIARY else None
            if head is not None and self.training:
                logits[_AUXILIARY[name]] = head(x)
        return x, logits

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        x, auxiliary = self._features(transform_input(x) if self.transform_input else x)
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux_logits:
            return GoogLeNetOutputs(logits, auxiliary.get("aux2"), auxiliary.get("aux1"))
        return logits


class GoogLeNet_Weights(WeightsEnum):
    """Published weights of :func:`googlenet`."""

    IMAGENET1K_V1 = entry(
        "googlenet-1378be20", 6_624_904, (69.778, 89.53), 1.498, 49.731,
        "tree/main/references/classification#googlenet", PORTED, min_size=15,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", GoogLeNet_Weights.IMAGENET1K_V1))
def googlenet(*, weights: GoogLeNet_Weights | None = None, progress: bool = True, **kwargs: Any) -> GoogLeNet:
    """GoogLeNet; with published weights, auxiliary classifiers only with ``aux_logits=True``, untrained.

    Args:
        weights: published weights, as a member of the enum or by name.
        progress: show a bar while downloading.
        kwargs: arguments of :class:`GoogLeNet`.
    """
    chosen = GoogLeNet_Weights.verify(weights)
    if chosen is None:
        return GoogLeNet(**kwargs)
    keep_auxiliary = kwargs.get("aux_logits", False)
    kwargs.setdefault("transform_input", True)
    _ovewrite_named_param(kwargs, "aux_logits", True)
    _ovewrite_named_param(kwargs, "init_weights", False)
    model = build(GoogLeNet, weights=chosen, progress=progress, **kwargs)
    if keep_auxiliary:
        warn_user(
            "auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to train them"
        )
    else:
        model.aux_logits = False
        model.aux1 = model.aux2 = None
    return model
