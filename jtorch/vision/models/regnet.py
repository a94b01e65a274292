"""RegNet X and Y (``torchvision.models.regnet``).

Reference: Radosavovic et al., "Designing Network Design Spaces", 2020, https://arxiv.org/abs/2003.13678
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import NEWER, SIMPLE, SWAG_LINEAR, SWAG_TUNED, entry
from jtorch.vision.models._utils import (
    Layer,
    _make_divisible,
    build,
    draw,
    handle_legacy_interface,
    initialize,
)
from jtorch.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from jtorch.vision.transforms._presets import InterpolationMode

__all__ = [
    "RegNet",
    "RegNet_X_1_6GF_Weights",
    "RegNet_X_3_2GF_Weights",
    "RegNet_X_8GF_Weights",
    "RegNet_X_16GF_Weights",
    "RegNet_X_32GF_Weights",
    "RegNet_X_400MF_Weights",
    "RegNet_X_800MF_Weights",
    "RegNet_Y_1_6GF_Weights",
    "RegNet_Y_3_2GF_Weights",
    "RegNet_Y_8GF_Weights",
    "RegNet_Y_16GF_Weights",
    "RegNet_Y_32GF_Weights",
    "RegNet_Y_128GF_Weights",
    "RegNet_Y_400MF_Weights",
    "RegNet_Y_800MF_Weights",
    "regnet_x_1_6gf",
    "regnet_x_3_2gf",
    "regnet_x_8gf",
    "regnet_x_16gf",
    "regnet_x_32gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_y_1_6gf",
    "regnet_y_3_2gf",
    "regnet_y_8gf",
    "regnet_y_16gf",
    "regnet_y_32gf",
    "regnet_y_128gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
]


class SimpleStemIN(Conv2dNormActivation):
    """A 3x3 convolution of stride 2, norm, activation.

    Args:
        width_in: channels of the input.
        width_out: channels of the output.
        norm_layer: behind the convolution.
        activation_layer: behind the norm.
    """

    def __init__(self, width_in: int, width_out: int, norm_layer: Layer, activation_layer: Layer) -> None:
        super().__init__(width_in, width_out, 3, 2, norm_layer=norm_layer, activation_layer=activation_layer)


class BottleneckTransform(nn.Sequential):
    """Convolutions 1x1, 3x3 in groups, gates (if ``se_ratio``), 1x1.

    Args:
        width_in: channels of the input.
        width_out: channels of the output.
        stride: of the 3x3 convolution.
        norm_layer: behind each convolution.
        activation_layer: behind the first two.
        group_width: channels of a group.
        bottleneck_multiplier: channels inside, in those of the output.
        se_ratio: channels inside the gates, in those of the input.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None,
    ) -> None:
        width = round(width_out * bottleneck_multiplier)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = conv(width_in, width, kernel_size=1, stride=1)
        layers["b"] = conv(width, width, kernel_size=3, stride=stride, groups=width // group_width)
        if se_ratio:
            squeezed = round(se_ratio * width_in)
            layers["se"] = SqueezeExcitation(width, squeezed, activation=activation_layer)
        layers["c"] = conv(width, width_out, kernel_size=1, stride=1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """A :class:`BottleneckTransform` and a shortcut, with a 1x1 convolution where shapes differ.

    Args:
        width_in: channels of the input.
        width_out: channels of the output.
        stride: of the block.
        norm_layer: behind each convolution.
        activation_layer: behind the sum too.
        group_width: see :class:`BottleneckTransform`.
        bottleneck_multiplier: see :class:`BottleneckTransform`.
        se_ratio: see :class:`BottleneckTransform`.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in, width_out, 1, stride, norm_layer=norm_layer, activation_layer=None
            )
        self.f = BottleneckTransform(
            width_in, width_out, stride, norm_layer, activation_layer,
            group_width, bottleneck_multiplier, se_ratio,
        )  # fmt: skip
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.proj is None else self.proj(x)
        return self.activation(shortcut + self.f(x))


class AnyStage(nn.Sequential):
    """Blocks with outputs of one shape.

    Args:
        width_in: channels of the input.
        width_out: channels of the output.
        stride: of the first block.
        depth: number of blocks.
        block_constructor: makes a block.
        norm_layer: of the blocks.
        activation_layer: of the blocks.
        group_width: of the blocks.
        bottleneck_multiplier: of the blocks.
        se_ratio: of the blocks.
        stage_index: in the names of the blocks.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        depth: int,
        block_constructor: Layer,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None = None,
        stage_index: int = 0,
    ) -> None:
        super().__init__()
        rest = (norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio)
        for i in range(depth):
            inp, step = (width_in, stride) if i == 0 else (width_out, 1)
            self.add_module(f"block{stage_index}-{i}", block_constructor(inp, width_out, step, *rest))


class BlockParams:
    """Sizes of the stages.

    Args:
        depths: blocks.
        widths: channels.
        group_widths: channels of a group.
        bottleneck_multipliers: channels inside a block, in those of its output.
        strides: of the first blocks.
        se_ratio: see :class:`BottleneckTransform`.
    """

    def __init__(
        self,
        depths: list[int],
        widths: list[int],
        group_widths: list[int],
        bottleneck_multipliers: list[float],
        strides: list[int],
        se_ratio: float | None = None,
    ) -> None:
        self.depths = depths
        self.widths = widths
        self.group_widths = group_widths
        self.bottleneck_multipliers = bottleneck_multipliers
        self.strides = strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
        **kwargs: Any,
    ) -> BlockParams:
        """Stages from the paper's parameters.

        Block j would have w_0 + w_a * j channels; that is rounded to w_0 times a power of w_m, then to a
        multiple of 8. Blocks of equal width are one stage.

        Args:
            depth: number of blocks.
            w_0: channels of the first one.
            w_a: more channels from block to block.
            w_m: base of the powers.
            group_width: channels of a group.
            bottleneck_multiplier: of all stages.
            se_ratio: of all stages.
            kwargs: ignored: the model's own arguments.

        Raises:
            ValueError: parameters that give no widths.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        # In float32, as torchvision computes it.
        wanted = np.arange(depth).astype(np.float32) * np.float32(w_a) + np.float32(w_0)
        powers = np.round(np.log(wanted / np.float32(w_0)) / np.float32(math.log(w_m)))
        exact = np.float32(w_0) * np.power(np.float32(w_m), powers)
        blocks = (np.round(exact / np.float32(8)) * 8).astype(int).tolist()
        counts = Counter(blocks)
        bottlenecks = [bottleneck_multiplier] * len(counts)
        widths, group_widths = cls._adjust_widths_groups_compatibilty(
            list(counts), bottlenecks, [group_width] * len(counts)
        )
        return cls(list(counts.values()), widths, group_widths, bottlenecks, [2] * len(counts), se_ratio)

    @staticmethod
    def _adjust_widths_groups_compatibilty(
        stage_widths: list[int], bottleneck_ratios: list[float], group_widths: list[int]
    ) -> tuple[list[int], list[int]]:
        """Widths that groups divide, and groups that are not wider than the stage."""
        inner = [int(w * b) for w, b in zip(stage_widths, bottleneck_ratios, strict=True)]
        groups = [min(g, w) for g, w in zip(group_widths, inner, strict=True)]
        fitting = [_make_divisible(w, g) for w, g in zip(inner, groups, strict=True)]
        return [int(w / b) for w, b in zip(fitting, bottleneck_ratios, strict=True)], groups

    def _get_expanded_params(self) -> Iterator[tuple[int, int, int, int, float]]:
        return zip(
            self.widths,
            self.strides,
            self.depths,
            self.group_widths,
            self.bottleneck_multipliers,
            strict=True,
        )


def _normal(conv: nn.Module) -> None:
    fan_out = conv.kernel_size[0] * conv.kernel_size[1] * conv.out_channels
    nn.init.normal_(conv.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))


class RegNet(nn.Module):
    """A stem and stages of blocks, for images ``(N, 3, H, W)``.

    Args:
        block_params: sizes of the stages.
        num_classes: number of logits.
        stem_width: channels of the stem.
        stem_type: :class:`SimpleStemIN` by default.
        block_type: :class:`ResBottleneckBlock` by default.
        norm_layer: batch norm by default.
        activation: ReLU by default.
    """

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        stem_type: Layer | None = None,
        block_type: Layer | None = None,
        norm_layer: Layer | None = None,
        activation: Layer | None = None,
    ) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        act = nn.ReLU if activation is None else activation
        self.stem = (SimpleStemIN if stem_type is None else stem_type)(3, stem_width, norm, act)
        block = ResBottleneckBlock if block_type is None else block_type
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        before = stem_width
        for i, sizes in enumerate(block_params._get_expanded_params(), start=1):
            width, stride, depth, group, multiplier = sizes
            stages[f"block{i}"] = AnyStage(
                before, width, stride, depth, block, norm, act, group, multiplier, block_params.se_ratio, i
            )
            before = width
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(in_features=before, out_features=num_classes)
        # The gates' convolutions keep their biases.
        initialize(self, conv=_normal, linear=draw(nn.init.normal_, mean=0.0, std=0.01), conv_bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(1))


def _regnet(params: dict[str, Any], weights: WeightsEnum | None, progress: bool, **kwargs: Any) -> RegNet:
    block_params = BlockParams.from_init_params(**params, **kwargs)
    kwargs.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
    return build(RegNet, block_params, weights=weights, progress=progress, **kwargs)


class RegNet_Y_400MF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_y_400mf`."""

    IMAGENET1K_V1 = entry(
        "regnet_y_400mf-c65dace8", 4_344_144, (74.046, 91.716), 0.402, 16.806,
        "tree/main/references/classification#small-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_y_400mf-e6988f5f", 4_344_144, (75.804, 92.742), 0.402, 16.806,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_800MF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_y_800mf`."""

    IMAGENET1K_V1 = entry(
        "regnet_y_800mf-1b27b58c", 6_432_512, (76.42, 93.136), 0.834, 24.774,
        "tree/main/references/classification#small-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_y_800mf-58fc7688", 6_432_512, (78.828, 94.502), 0.834, 24.774,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_1_6GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_y_1_6gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_y_1_6gf-b11a554e", 11_202_430, (77.95, 93.966), 1.612, 43.152,
        "tree/main/references/classification#small-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_y_1_6gf-0d7bc02a", 11_202_430, (80.876, 95.444), 1.612, 43.152,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_3_2GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_y_3_2gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_y_3_2gf-b5a9779c", 19_436_338, (78.948, 94.576), 3.176, 74.567,
        "tree/main/references/classification#medium-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_y_3_2gf-9180c971", 19_436_338, (81.982, 95.972), 3.176, 74.567,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_8GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_y_8gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_y_8gf-d0d0e4a8", 39_381_472, (80.032, 95.048), 8.473, 150.701,
        "tree/main/references/classification#medium-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_y_8gf-dc2b1b54", 39_381_472, (82.828, 96.33), 8.473, 150.701,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_16GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_y_16gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_y_16gf-9e6ed7dd", 83_590_140, (80.424, 95.24), 15.912, 319.49,
        "tree/main/references/classification#large-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_y_16gf-3e4a00f9", 83_590_140, (82.886, 96.328), 15.912, 319.49,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = entry(
        "regnet_y_16gf_swag-43afe44d", 83_590_140, (86.012, 98.054), 46.735, 319.49,
        "https://github.com/facebookresearch/SWAG", SWAG_TUNED,
        crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = entry(
        "regnet_y_16gf_lc_swag-f3ec0043", 83_590_140, (83.976, 97.244), 15.912, 319.49,
        "pull/5793", SWAG_LINEAR, resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_32GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_y_32gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_y_32gf-4dee3f7a", 145_046_770, (80.878, 95.34), 32.28, 554.076,
        "tree/main/references/classification#large-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_y_32gf-8db6d4b5", 145_046_770, (83.368, 96.498), 32.28, 554.076,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = entry(
        "regnet_y_32gf_swag-04fdfa75", 145_046_770, (86.838, 98.362), 94.826, 554.076,
        "https://github.com/facebookresearch/SWAG", SWAG_TUNED,
        crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = entry(
        "regnet_y_32gf_lc_swag-e1583746", 145_046_770, (84.622, 97.48), 32.28, 554.076,
        "pull/5793", SWAG_LINEAR, resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_128GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_y_128gf`."""

    IMAGENET1K_SWAG_E2E_V1 = entry(
        "regnet_y_128gf_swag-c8ce3e52", 644_812_894, (88.228, 98.682), 374.57, 2461.564,
        "https://github.com/facebookresearch/SWAG", SWAG_TUNED,
        crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = entry(
        "regnet_y_128gf_lc_swag-cbe8ce12", 644_812_894, (86.068, 97.844), 127.518, 2461.564,
        "pull/5793", SWAG_LINEAR, resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class RegNet_X_400MF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_x_400mf`."""

    IMAGENET1K_V1 = entry(
        "regnet_x_400mf-adf1edd5", 5_495_976, (72.834, 90.95), 0.414, 21.258,
        "tree/main/references/classification#small-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_x_400mf-62229a5f", 5_495_976, (74.864, 92.322), 0.414, 21.257,
        "issues/3995#new-recipe-with-fixres", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_800MF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_x_800mf`."""

    IMAGENET1K_V1 = entry(
        "regnet_x_800mf-ad17e45c", 7_259_656, (75.212, 92.348), 0.8, 27.945,
        "tree/main/references/classification#small-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_x_800mf-94a99ebd", 7_259_656, (77.522, 93.826), 0.8, 27.945,
        "issues/3995#new-recipe-with-fixres", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_1_6GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_x_1_6gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_x_1_6gf-e3633e7f", 9_190_136, (77.04, 93.44), 1.603, 35.339,
        "tree/main/references/classification#small-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_x_1_6gf-a12f2b72", 9_190_136, (79.668, 94.922), 1.603, 35.339,
        "issues/3995#new-recipe-with-fixres", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_3_2GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_x_3_2gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_x_3_2gf-f342aeae", 15_296_552, (78.364, 93.992), 3.177, 58.756,
        "tree/main/references/classification#medium-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_x_3_2gf-7071aa85", 15_296_552, (81.196, 95.43), 3.177, 58.756,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_8GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_x_8gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_x_8gf-03ceed89", 39_572_648, (79.344, 94.686), 7.995, 151.456,
        "tree/main/references/classification#medium-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_x_8gf-2b70d774", 39_572_648, (81.682, 95.678), 7.995, 151.456,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_16GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_x_16gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_x_16gf-2007eb11", 54_278_536, (80.058, 94.944), 15.941, 207.627,
        "tree/main/references/classification#medium-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_x_16gf-ba3796d7", 54_278_536, (82.716, 96.196), 15.941, 207.627,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_32GF_Weights(WeightsEnum):
    """Published weights of :func:`regnet_x_32gf`."""

    IMAGENET1K_V1 = entry(
        "regnet_x_32gf-9d47f8d0", 107_811_560, (80.622, 95.248), 31.736, 412.039,
        "tree/main/references/classification#large-models", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "regnet_x_32gf-6eb8fdc6", 107_811_560, (83.014, 96.288), 31.736, 412.039,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_400MF_Weights.IMAGENET1K_V1))
def regnet_y_400mf(
    *, weights: RegNet_Y_400MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 400 million multiplications."""
    chosen = RegNet_Y_400MF_Weights.verify(weights)
    params = {"depth": 16, "w_0": 48, "w_a": 27.89, "w_m": 2.09, "group_width": 8, "se_ratio": 0.25}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_800MF_Weights.IMAGENET1K_V1))
def regnet_y_800mf(
    *, weights: RegNet_Y_800MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 800 million multiplications."""
    chosen = RegNet_Y_800MF_Weights.verify(weights)
    params = {"depth": 14, "w_0": 56, "w_a": 38.84, "w_m": 2.4, "group_width": 16, "se_ratio": 0.25}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_1_6GF_Weights.IMAGENET1K_V1))
def regnet_y_1_6gf(
    *, weights: RegNet_Y_1_6GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 1.6 billion multiplications."""
    chosen = RegNet_Y_1_6GF_Weights.verify(weights)
    params = {"depth": 27, "w_0": 48, "w_a": 20.71, "w_m": 2.65, "group_width": 24, "se_ratio": 0.25}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_3_2GF_Weights.IMAGENET1K_V1))
def regnet_y_3_2gf(
    *, weights: RegNet_Y_3_2GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 3.2 billion multiplications."""
    chosen = RegNet_Y_3_2GF_Weights.verify(weights)
    params = {"depth": 21, "w_0": 80, "w_a": 42.63, "w_m": 2.66, "group_width": 24, "se_ratio": 0.25}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_8GF_Weights.IMAGENET1K_V1))
def regnet_y_8gf(
    *, weights: RegNet_Y_8GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 8 billion multiplications."""
    chosen = RegNet_Y_8GF_Weights.verify(weights)
    params = {"depth": 17, "w_0": 192, "w_a": 76.82, "w_m": 2.19, "group_width": 56, "se_ratio": 0.25}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_16GF_Weights.IMAGENET1K_V1))
def regnet_y_16gf(
    *, weights: RegNet_Y_16GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 16 billion multiplications."""
    chosen = RegNet_Y_16GF_Weights.verify(weights)
    params = {"depth": 18, "w_0": 200, "w_a": 106.23, "w_m": 2.48, "group_width": 112, "se_ratio": 0.25}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_32GF_Weights.IMAGENET1K_V1))
def regnet_y_32gf(
    *, weights: RegNet_Y_32GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 32 billion multiplications."""
    chosen = RegNet_Y_32GF_Weights.verify(weights)
    params = {"depth": 20, "w_0": 232, "w_a": 115.89, "w_m": 2.53, "group_width": 232, "se_ratio": 0.25}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", None))
def regnet_y_128gf(
    *, weights: RegNet_Y_128GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 128 billion multiplications."""
    chosen = RegNet_Y_128GF_Weights.verify(weights)
    params = {"depth": 27, "w_0": 456, "w_a": 160.83, "w_m": 2.52, "group_width": 264, "se_ratio": 0.25}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_400MF_Weights.IMAGENET1K_V1))
def regnet_x_400mf(
    *, weights: RegNet_X_400MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 400 million multiplications."""
    chosen = RegNet_X_400MF_Weights.verify(weights)
    params = {"depth": 22, "w_0": 24, "w_a": 24.48, "w_m": 2.54, "group_width": 16}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_800MF_Weights.IMAGENET1K_V1))
def regnet_x_800mf(
    *, weights: RegNet_X_800MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 800 million multiplications."""
    chosen = RegNet_X_800MF_Weights.verify(weights)
    params = {"depth": 16, "w_0": 56, "w_a": 35.73, "w_m": 2.28, "group_width": 16}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_1_6GF_Weights.IMAGENET1K_V1))
def regnet_x_1_6gf(
    *, weights: RegNet_X_1_6GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 1.6 billion multiplications."""
    chosen = RegNet_X_1_6GF_Weights.verify(weights)
    params = {"depth": 18, "w_0": 80, "w_a": 34.01, "w_m": 2.25, "group_width": 24}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_3_2GF_Weights.IMAGENET1K_V1))
def regnet_x_3_2gf(
    *, weights: RegNet_X_3_2GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 3.2 billion multiplications."""
    chosen = RegNet_X_3_2GF_Weights.verify(weights)
    params = {"depth": 25, "w_0": 88, "w_a": 26.31, "w_m": 2.25, "group_width": 48}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_8GF_Weights.IMAGENET1K_V1))
def regnet_x_8gf(
    *, weights: RegNet_X_8GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 8 billion multiplications."""
    chosen = RegNet_X_8GF_Weights.verify(weights)
    params = {"depth": 23, "w_0": 80, "w_a": 49.56, "w_m": 2.88, "group_width": 120}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_16GF_Weights.IMAGENET1K_V1))
def regnet_x_16gf(
    *, weights: RegNet_X_16GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 16 billion multiplications."""
    chosen = RegNet_X_16GF_Weights.verify(weights)
    params = {"depth": 22, "w_0": 216, "w_a": 55.59, "w_m": 2.1, "group_width": 128}
    return _regnet(params, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_32GF_Weights.IMAGENET1K_V1))
def regnet_x_32gf(
    *, weights: RegNet_X_32GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 32 billion multiplications."""
    chosen = RegNet_X_32GF_Weights.verify(weights)
    params = {"depth": 23, "w_0": 320, "w_a": 69.86, "w_m": 2.0, "group_width": 168}
    return _regnet(params, chosen, progress, **kwargs)
