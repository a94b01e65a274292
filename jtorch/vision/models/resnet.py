"""ResNet, ResNeXt and wide ResNet (``torchvision.models.resnet``).

The stride of a bottleneck is in its 3x3 convolution, not in the first 1x1 one as in the paper
("ResNet v1.5").

References:
    He et al., "Deep Residual Learning for Image Recognition", 2015, https://arxiv.org/abs/1512.03385
    Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", 2016,
    https://arxiv.org/abs/1611.05431
    Zagoruyko and Komodakis, "Wide Residual Networks", 2016, https://arxiv.org/abs/1605.07146
"""

from __future__ import annotations

from typing import Any

from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import NEWER, SCRATCH, SIMPLE, entry
from jtorch.vision.models._utils import (
    Layer,
    _ovewrite_named_param,
    build,
    draw,
    handle_legacy_interface,
    initialize,
)

__all__ = [
    "ResNeXt50_32X4D_Weights",
    "ResNeXt101_32X8D_Weights",
    "ResNeXt101_64X4D_Weights",
    "ResNet",
    "ResNet18_Weights",
    "ResNet34_Weights",
    "ResNet50_Weights",
    "ResNet101_Weights",
    "ResNet152_Weights",
    "Wide_ResNet50_2_Weights",
    "Wide_ResNet101_2_Weights",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
]


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(in_planes, out_planes, 3, stride, dilation, dilation, groups, bias=False)


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut around them.

    Args:
        inplanes: channels of the input.
        planes: channels of the output.
        stride: of the first convolution.
        downsample: on the shortcut, where shapes differ.
        groups: 1.
        base_width: 64.
        dilation: 1.
        norm_layer: batch norm by default.

    Raises:
        ValueError: other ``groups`` or ``base_width``.
        NotImplementedError: other ``dilation``.
    """

    expansion: int = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + shortcut)


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3, 1x1 with a shortcut around them; the output has ``4 * planes`` channels.

    Args:
        inplanes: channels of the input.
        planes: a quarter of the channels of the output.
        stride: of the 3x3 convolution.
        downsample: on the shortcut, where shapes differ.
        groups: of the 3x3 convolution.
        base_width: channels of each group, for ``planes`` of 64.
        dilation: of the 3x3 convolution.
        norm_layer: batch norm by default.
    """

    expansion: int = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + shortcut)


class ResNet(nn.Module):
    """A stem, four stages of blocks and a linear layer, for images ``(N, 3, H, W)``.

    Args:
        block: :class:`BasicBlock` or :class:`Bottleneck`.
        layers: blocks in each stage.
        num_classes: number of logits.
        zero_init_residual: start with each block as the identity.
        groups: of the blocks.
        width_per_group: ``base_width`` of the blocks.
        replace_stride_with_dilation: for each of the last three stages.
        norm_layer: batch norm by default.

    Raises:
        ValueError: there are not three of ``replace_stride_with_dilation``.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: list[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        dilate = [False] * 3 if replace_stride_with_dilation is None else replace_stride_with_dilation
        if len(dilate) != 3:
            raise ValueError(
                f"replace_stride_with_dilation should be None or a 3-element tuple, got {dilate}"
            )
        self._norm_layer: Layer = nn.BatchNorm2d if norm_layer is None else norm_layer
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        initialize(self, conv=draw(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"))
        if zero_init_residual:
            self._zero_last_norms()

    def _zero_last_norms(self) -> None:
        for m in self.modules():
            if isinstance(m, BasicBlock | Bottleneck):
                last = m.bn3 if isinstance(m, Bottleneck) else m.bn2
                if last.weight is not None:
                    nn.init.zeros_(last.weight)

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        norm = self._norm_layer
        before = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        width = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(conv1x1(self.inplanes, width, stride), norm(width))
        shape = (self.groups, self.base_width)
        layers = [block(self.inplanes, planes, stride, downsample, *shape, before, norm)]
        self.inplanes = width
        layers += [block(width, planes, 1, None, *shape, self.dilation, norm) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _resnet(
    block: type[BasicBlock | Bottleneck],
    layers: list[int],
    weights: WeightsEnum | None,
    progress: bool,
    **kwargs: Any,
) -> ResNet:
    return build(ResNet, block, layers, weights=weights, progress=progress, **kwargs)


class ResNet18_Weights(WeightsEnum):
    """Published weights of :func:`resnet18`."""

    IMAGENET1K_V1 = entry(
        "resnet18-f37072fd", 11_689_512, (69.758, 89.078), 1.814, 44.661,
        "tree/main/references/classification#resnet", SIMPLE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    """Published weights of :func:`resnet34`."""

    IMAGENET1K_V1 = entry(
        "resnet34-b627a593", 21_797_672, (73.314, 91.42), 3.664, 83.275,
        "tree/main/references/classification#resnet", SIMPLE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    """Published weights of :func:`resnet50`."""

    IMAGENET1K_V1 = entry(
        "resnet50-0676ba61", 25_557_032, (76.13, 92.862), 4.089, 97.781,
        "tree/main/references/classification#resnet", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "resnet50-11ad3fa6", 25_557_032, (80.858, 95.434), 4.089, 97.79,
        "issues/3995#issuecomment-1013906621", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    """Published weights of :func:`resnet101`."""

    IMAGENET1K_V1 = entry(
        "resnet101-63fe2227", 44_549_160, (77.374, 93.546), 7.801, 170.511,
        "tree/main/references/classification#resnet", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "resnet101-cd907fc2", 44_549_160, (81.886, 95.78), 7.801, 170.53,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    """Published weights of :func:`resnet152`."""

    IMAGENET1K_V1 = entry(
        "resnet152-394f9c45", 60_192_808, (78.312, 94.046), 11.514, 230.434,
        "tree/main/references/classification#resnet", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "resnet152-f82ba261", 60_192_808, (82.284, 96.002), 11.514, 230.474,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNeXt50_32X4D_Weights(WeightsEnum):
    """Published weights of :func:`resnext50_32x4d`."""

    IMAGENET1K_V1 = entry(
        "resnext50_32x4d-7cdf4587", 25_028_904, (77.618, 93.698), 4.23, 95.789,
        "tree/main/references/classification#resnext", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "resnext50_32x4d-1a0047aa", 25_028_904, (81.198, 95.34), 4.23, 95.833,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_32X8D_Weights(WeightsEnum):
    """Published weights of :func:`resnext101_32x8d`."""

    IMAGENET1K_V1 = entry(
        "resnext101_32x8d-8ba56ff5", 88_791_336, (79.312, 94.526), 16.414, 339.586,
        "tree/main/references/classification#resnext", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "resnext101_32x8d-110c445d", 88_791_336, (82.834, 96.228), 16.414, 339.673,
        "issues/3995#new-recipe-with-fixres", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_64X4D_Weights(WeightsEnum):
    """Published weights of :func:`resnext101_64x4d`."""

    IMAGENET1K_V1 = entry(
        "resnext101_64x4d-173b62eb", 83_455_272, (83.246, 96.454), 15.46, 319.318,
        "pull/5935", SCRATCH, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Wide_ResNet50_2_Weights(WeightsEnum):
    """Published weights of :func:`wide_resnet50_2`."""

    IMAGENET1K_V1 = entry(
        "wide_resnet50_2-95faca4d", 68_883_240, (78.468, 94.086), 11.398, 131.82,
        "pull/912#issue-445437439", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "wide_resnet50_2-9ba9bcbe", 68_883_240, (81.602, 95.758), 11.398, 263.124,
        "issues/3995#new-recipe-with-fixres", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet101_2_Weights(WeightsEnum):
    """Published weights of :func:`wide_resnet101_2`."""

    IMAGENET1K_V1 = entry(
        "wide_resnet101_2-32ee1156", 126_886_696, (78.848, 94.284), 22.753, 242.896,
        "pull/912#issue-445437439", SIMPLE,
    )  # fmt: skip
    IMAGENET1K_V2 = entry(
        "wide_resnet101_2-d733dc28", 126_886_696, (82.51, 96.02), 22.753, 484.747,
        "issues/3995#new-recipe", NEWER, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet18_Weights.IMAGENET1K_V1))
def resnet18(*, weights: ResNet18_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-18."""
    chosen = ResNet18_Weights.verify(weights)
    return _resnet(BasicBlock, [2, 2, 2, 2], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet34_Weights.IMAGENET1K_V1))
def resnet34(*, weights: ResNet34_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-34."""
    chosen = ResNet34_Weights.verify(weights)
    return _resnet(BasicBlock, [3, 4, 6, 3], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet50_Weights.IMAGENET1K_V1))
def resnet50(*, weights: ResNet50_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-50."""
    chosen = ResNet50_Weights.verify(weights)
    return _resnet(Bottleneck, [3, 4, 6, 3], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet101_Weights.IMAGENET1K_V1))
def resnet101(*, weights: ResNet101_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-101."""
    chosen = ResNet101_Weights.verify(weights)
    return _resnet(Bottleneck, [3, 4, 23, 3], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet152_Weights.IMAGENET1K_V1))
def resnet152(*, weights: ResNet152_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-152."""
    chosen = ResNet152_Weights.verify(weights)
    return _resnet(Bottleneck, [3, 8, 36, 3], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNeXt50_32X4D_Weights.IMAGENET1K_V1))
def resnext50_32x4d(
    *, weights: ResNeXt50_32X4D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-50 with 32 groups of 4 channels."""
    chosen = ResNeXt50_32X4D_Weights.verify(weights)
    _ovewrite_named_param(kwargs, "groups", 32)
    _ovewrite_named_param(kwargs, "width_per_group", 4)
    return _resnet(Bottleneck, [3, 4, 6, 3], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNeXt101_32X8D_Weights.IMAGENET1K_V1))
def resnext101_32x8d(
    *, weights: ResNeXt101_32X8D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-101 with 32 groups of 8 channels."""
    chosen = ResNeXt101_32X8D_Weights.verify(weights)
    _ovewrite_named_param(kwargs, "groups", 32)
    _ovewrite_named_param(kwargs, "width_per_group", 8)
    return _resnet(Bottleneck, [3, 4, 23, 3], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNeXt101_64X4D_Weights.IMAGENET1K_V1))
def resnext101_64x4d(
    *, weights: ResNeXt101_64X4D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-101 with 64 groups of 4 channels."""
    chosen = ResNeXt101_64X4D_Weights.verify(weights)
    _ovewrite_named_param(kwargs, "groups", 64)
    _ovewrite_named_param(kwargs, "width_per_group", 4)
    return _resnet(Bottleneck, [3, 4, 23, 3], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", Wide_ResNet50_2_Weights.IMAGENET1K_V1))
def wide_resnet50_2(
    *, weights: Wide_ResNet50_2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-50 with twice the channels inside the blocks."""
    chosen = Wide_ResNet50_2_Weights.verify(weights)
    _ovewrite_named_param(kwargs, "width_per_group", 128)
    return _resnet(Bottleneck, [3, 4, 6, 3], chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", Wide_ResNet101_2_Weights.IMAGENET1K_V1))
def wide_resnet101_2(
    *, weights: Wide_ResNet101_2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-101 with twice the channels inside the blocks."""
    chosen = Wide_ResNet101_2_Weights.verify(weights)
    _ovewrite_named_param(kwargs, "width_per_group", 128)
    return _resnet(Bottleneck, [3, 4, 23, 3], chosen, progress, **kwargs)
