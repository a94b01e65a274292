"""ConvNeXt (``torchvision.models.convnext``).

Reference: Liu et al., "A ConvNet for the 2020s", 2022, https://arxiv.org/abs/2201.03545
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import NEWER, entry
from jtorch.vision.models._utils import Layer, build, draw, handle_legacy_interface, initialize
from jtorch.vision.ops.misc import Conv2dNormActivation, Permute
from jtorch.vision.ops.stochastic_depth import StochasticDepth

__all__ = [
    "ConvNeXt",
    "ConvNeXt_Base_Weights",
    "ConvNeXt_Large_Weights",
    "ConvNeXt_Small_Weights",
    "ConvNeXt_Tiny_Weights",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
]


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of ``(N, C, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A 7x7 convolution within each channel, then two linear layers at each place, and a shortcut.

    Args:
        dim: channels.
        layer_scale: first value of the factors of the branch.
        stochastic_depth_prob: of dropping the branch in training, per image.
        norm_layer: layer norm with an eps of 1e-6 by default.
    """

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6) if norm_layer is None else norm_layer
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(in_features=dim, out_features=4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(in_features=4 * dim, out_features=dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(jtorch.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


class CNBlockConfig:
    """A stage.

    Args:
        input_channels: of its blocks.
        out_channels: behind it; ``None``: it is the last one.
        num_layers: number of blocks.
    """

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int) -> None:
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({values})"


class ConvNeXt(nn.Module):
    """Stages of blocks, for images ``(N, 3, H, W)`` with sides of at least 32.

    Args:
        block_setting: the stages.
        stochastic_depth_prob: of dropping the last block; earlier ones are dropped less often.
        layer_scale: of the blocks.
        num_classes: number of logits.
        block: :class:`CNBlock` by default.
        norm_layer: :class:`LayerNorm2d` with an eps of 1e-6 by default.
        kwargs: ignored, as in torchvision.

    Raises:
        ValueError: there are no stages.
        TypeError: the setting is not a list of :class:`CNBlockConfig`.
    """

    def __init__(
        self,
        block_setting: list[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        if not (
            isinstance(block_setting, Sequence) and all(isinstance(s, CNBlockConfig) for s in block_setting)
        ):
            raise TypeError("The block_setting should be List[CNBlockConfig]")
        make = CNBlock if block is None else block
        norm = partial(LayerNorm2d, eps=1e-6) if norm_layer is None else norm_layer
        first = block_setting[0].input_channels
        layers: list[nn.Module] = [
            Conv2dNormActivation(3, first, 4, 4, 0, norm_layer=norm, activation_layer=None, bias=True)
        ]
        done, total = 0, sum(cnf.num_layers for cnf in block_setting)
        for cnf in block_setting:
            width = cnf.input_channels
            stage = []
            for i in range(done, done + cnf.num_layers):
                stage.append(make(width, layer_scale, stochastic_depth_prob * i / (total - 1.0)))
            done += cnf.num_layers
            layers.append(nn.Sequential(*stage))
            if cnf.out_channels is not None:
                down = nn.Conv2d(width, cnf.out_channels, kernel_size=2, stride=2)
                layers.append(nn.Sequential(norm(width), down))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1].out_channels or block_setting[-1].input_channels
        self.classifier = nn.Sequential(norm(last), nn.Flatten(1), nn.Linear(last, num_classes))
        truncated = draw(nn.init.trunc_normal_, std=0.02)
        initialize(self, conv=truncated, linear=truncated)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(
    width: int,
    depth: int,
    stochastic_depth_prob: float,
    weights: WeightsEnum | None,
    progress: bool,
    **kwargs: Any,
) -> ConvNeXt:
    """Four stages, each twice as wide as the one before, of 3, 3, ``depth`` and 3 blocks."""
    setting = [
        CNBlockConfig(width, 2 * width, 3),
        CNBlockConfig(2 * width, 4 * width, 3),
        CNBlockConfig(4 * width, 8 * width, depth),
        CNBlockConfig(8 * width, None, 3),
    ]
    kwargs.setdefault("stochastic_depth_prob", stochastic_depth_prob)
    return build(ConvNeXt, setting, weights=weights, progress=progress, **kwargs)


class ConvNeXt_Tiny_Weights(WeightsEnum):
    """Published weights of :func:`convnext_tiny`."""

    IMAGENET1K_V1 = entry(
        "convnext_tiny-983f1562", 28_589_128, (82.52, 96.146), 4.456, 109.119,
        "tree/main/references/classification#convnext", NEWER, min_size=32, resize_size=236,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Small_Weights(WeightsEnum):
    """Published weights of :func:`convnext_small`."""

    IMAGENET1K_V1 = entry(
        "convnext_small-0c510722", 50_223_688, (83.616, 96.65), 8.684, 191.703,
        "tree/main/references/classification#convnext", NEWER, min_size=32, resize_size=230,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Base_Weights(WeightsEnum):
    """Published weights of :func:`convnext_base`."""

    IMAGENET1K_V1 = entry(
        "convnext_base-6075fbad", 88_591_464, (84.062, 96.87), 15.355, 338.064,
        "tree/main/references/classification#convnext", NEWER, min_size=32, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Large_Weights(WeightsEnum):
    """Published weights of :func:`convnext_large`."""

    IMAGENET1K_V1 = entry(
        "convnext_large-ea097f82", 197_767_336, (84.414, 96.976), 34.361, 754.537,
        "tree/main/references/classification#convnext", NEWER, min_size=32, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", ConvNeXt_Tiny_Weights.IMAGENET1K_V1))
def convnext_tiny(
    *, weights: ConvNeXt_Tiny_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt, tiny."""
    chosen = ConvNeXt_Tiny_Weights.verify(weights)
    return _convnext(96, 9, 0.1, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ConvNeXt_Small_Weights.IMAGENET1K_V1))
def convnext_small(
    *, weights: ConvNeXt_Small_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt, small."""
    chosen = ConvNeXt_Small_Weights.verify(weights)
    return _convnext(96, 27, 0.4, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ConvNeXt_Base_Weights.IMAGENET1K_V1))
def convnext_base(
    *, weights: ConvNeXt_Base_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt, base."""
    chosen = ConvNeXt_Base_Weights.verify(weights)
    return _convnext(128, 27, 0.5, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ConvNeXt_Large_Weights.IMAGENET1K_V1))
def convnext_large(
    *, weights: ConvNeXt_Large_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt, large."""
    chosen = ConvNeXt_Large_Weights.verify(weights)
    return _convnext(192, 27, 0.5, chosen, progress, **kwargs)
