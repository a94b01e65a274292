"""MaxViT (``torchvision.models.maxvit``).

Reference: Tu et al., "MaxViT: Multi-Axis Vision Transformer", 2022, https://arxiv.org/abs/2204.01697
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial
from typing import Any

import numpy as np

import jtorch
from jtorch import nn
from jtorch.nn import functional as F
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._attention import position_index
from jtorch.vision.models._meta import SIMPLE, entry
from jtorch.vision.models._utils import (
    Layer,
    _ovewrite_named_param,
    build,
    draw,
    handle_legacy_interface,
    initialize,
)
from jtorch.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from jtorch.vision.ops.stochastic_depth import StochasticDepth
from jtorch.vision.transforms._presets import InterpolationMode

__all__ = [
    "MaxVit",
    "MaxVit_T_Weights",
    "maxvit_t",
]


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Sides behind a 3x3 convolution of stride 2."""
    return (size[0] - 1) // 2 + 1, (size[1] - 1) // 2 + 1


class MBConv(nn.Module):
    """To more channels, a convolution within each, gates, and back; with a shortcut, on ``(N, C, H, W)``.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        expansion_ratio: channels inside, in those of the output.
        squeeze_ratio: channels inside the gates, in those of the output.
        stride: of the middle convolution.
        activation_layer: behind the first two convolutions.
        norm_layer: before the first and behind the first two convolutions.
        p_stochastic_dropout: of dropping the branch in training, per image.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion_ratio: float,
        squeeze_ratio: float,
        stride: int,
        activation_layer: Layer,
        norm_layer: Layer,
        p_stochastic_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.proj: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(kernel_size=3, stride=stride, padding=1)] if stride == 2 else []
            shape = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=1, bias=True)
            self.proj = nn.Sequential(*pool, shape)
        width, squeezed = int(out_channels * expansion_ratio), int(out_channels * squeeze_ratio)
        self.stochastic_depth: nn.Module = nn.Identity()
        if p_stochastic_dropout:
            self.stochastic_depth = StochasticDepth(p_stochastic_dropout, mode="row")
        conv = partial(
            Conv2dNormActivation, activation_layer=activation_layer, norm_layer=norm_layer, inplace=None
        )
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["pre_norm"] = norm_layer(in_channels)
        layers["conv_a"] = conv(in_channels, width, 1, 1, 0)
        layers["conv_b"] = conv(width, width, 3, stride, 1, groups=width)
        layers["squeeze_excitation"] = SqueezeExcitation(width, squeezed, activation=nn.SiLU)
        layers["conv_c"] = nn.Conv2d(width, out_channels, kernel_size=1, bias=True)
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention within the groups of ``(B, groups, places, C)``, with a learned number per offset and head.

    Args:
        feat_dim: channels C.
        head_dim: channels of a head.
        max_seq_len: number of places, of a square.

    Raises:
        ValueError: heads do not fill the channels.
    """

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim != 0:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads = feat_dim // head_dim
        self.head_dim = head_dim
        self.size = math.isqrt(max_seq_len)
        self.max_seq_len = max_seq_len
        self.to_qkv = nn.Linear(feat_dim, self.n_heads * self.head_dim * 3)
        # As published: by all channels, not by those of a head.
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(self.head_dim * self.n_heads, feat_dim)
        table = jtorch.empty(((2 * self.size - 1) ** 2, self.n_heads), dtype=jtorch.float32)
        self.relative_position_bias_table = nn.Parameter(table)
        self.register_buffer("relative_position_index", position_index(self.size, self.size))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self) -> Tensor:
        """What is added to the logits: ``(1, heads, places, places)``."""
        chosen = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        square = chosen.view(self.max_seq_len, self.max_seq_len, -1)
        return square.permute(2, 0, 1).contiguous().unsqueeze(0)

    def forward(self, x: Tensor) -> Tensor:
        b, groups, places, channels = x.shape
        heads = (b, groups, places, self.n_heads, self.head_dim)
        q, k, v = (t.reshape(heads).transpose(2, 3) for t in self.to_qkv(x).chunk(3, dim=-1))
        logits = q @ (k * self.scale_factor).transpose(-2, -1)
        attention = F.softmax(logits + self.get_relative_positional_bias(), dim=-1)
        return self.merge((attention @ v).transpose(2, 3).reshape(b, groups, places, channels))


class SwapAxes(nn.Module):
    """``x.swapaxes(a, b)``.

    Args:
        a: one dimension.
        b: the other.
    """

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.a = a
        self.b = b

    def forward(self, x: Tensor) -> Tensor:
        return jtorch.swapaxes(x, self.a, self.b)


class WindowPartition(nn.Module):
    """``(B, C, H, W)`` -> ``(B, windows, p * p, C)``."""

    def forward(self, x: Tensor, p: int) -> Tensor:
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(b, (h // p) * (w // p), p * p, c)


class WindowDepartition(nn.Module):
    """``(B, windows, p * p, C)`` -> ``(B, C, H, W)``."""

    def forward(self, x: Tensor, p: int, h_partitions: int, w_partitions: int) -> Tensor:
        b, _, _, c = x.shape
        x = x.reshape(b, h_partitions, w_partitions, p, p, c).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(b, c, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention and MLP within windows, or within the places that have the same place in all windows.

    Args:
        in_channels: of input and output.
        head_dim: channels of a head.
        partition_size: side of a window, or number of places along a side of the grid.
        partition_type: ``"window"`` or ``"grid"``.
        grid_size: sides of the input.
        mlp_ratio: features inside the MLP, in channels.
        activation_layer: of the MLP.
        norm_layer: before the attention.
        attention_dropout: probability, behind the attention.
        mlp_dropout: probability, behind the MLP.
        p_stochastic_dropout: of dropping a branch in training, per image.

    Raises:
        ValueError: another type.
        AssertionError: at the call: partitions do not fill the input.
    """

    def __init__(
        self,
        in_channels: int,
        head_dim: int,
        partition_size: int,
        partition_type: str,
        grid_size: tuple[int, int],
        mlp_ratio: int,
        activation_layer: Layer,
        norm_layer: Layer,
        attention_dropout: float,
        mlp_dropout: float,
        p_stochastic_dropout: float,
    ) -> None:
        super().__init__()
        self.n_heads = in_channels // head_dim
        self.head_dim = head_dim
        self.n_partitions = grid_size[0] // partition_size
        self.partition_type = partition_type
        self.grid_size = grid_size
        if partition_type not in ("grid", "window"):
            raise ValueError("partition_type must be either 'grid' or 'window'")
        grid = partition_type == "grid"
        self.p, self.g = partition_size, self.n_partitions
        if grid:
            self.p, self.g = self.g, self.p
        self.partition_op = WindowPartition()
        self.departition_op = WindowDepartition()
        self.partition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, mode="row")

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.grid_size
        if height % self.p or width % self.p:
            raise AssertionError(
                f"Grid size must be divisible by partition size. Got grid size of {self.grid_size} and "
                f"partition size of {self.p}"
            )
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return self.departition_op(self.departition_swap(x), self.p, height // self.p, width // self.p)


class MaxVitLayer(nn.Module):
    """:class:`MBConv`, attention within windows, attention across windows.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        squeeze_ratio: see :class:`MBConv`.
        expansion_ratio: see :class:`MBConv`.
        stride: see :class:`MBConv`.
        norm_layer: see :class:`MBConv`.
        activation_layer: of all parts.
        head_dim: see :class:`PartitionAttentionLayer`.
        mlp_ratio: see :class:`PartitionAttentionLayer`.
        mlp_dropout: see :class:`PartitionAttentionLayer`.
        attention_dropout: see :class:`PartitionAttentionLayer`.
        p_stochastic_dropout: of all parts.
        partition_size: see :class:`PartitionAttentionLayer`.
        grid_size: see :class:`PartitionAttentionLayer`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        head_dim: int,
        mlp_ratio: int,
        mlp_dropout: float,
        attention_dropout: float,
        p_stochastic_dropout: float,
        partition_size: int,
        grid_size: tuple[int, int],
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["MBconv"] = MBConv(
            in_channels, out_channels, expansion_ratio, squeeze_ratio, stride,
            activation_layer, norm_layer, p_stochastic_dropout,
        )  # fmt: skip
        for kind in ("window", "grid"):
            layers[f"{kind}_attention"] = PartitionAttentionLayer(
                out_channels, head_dim, partition_size, kind, grid_size, mlp_ratio, activation_layer,
                nn.LayerNorm, attention_dropout, mlp_dropout, p_stochastic_dropout,
            )  # fmt: skip
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """Layers, the first of which halves the sides.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        squeeze_ratio: of the layers.
        expansion_ratio: of the layers.
        norm_layer: of the layers.
        activation_layer: of the layers.
        head_dim: of the layers.
        mlp_ratio: of the layers.
        mlp_dropout: of the layers.
        attention_dropout: of the layers.
        partition_size: of the layers.
        input_grid_size: sides of the input.
        n_layers: number of layers.
        p_stochastic: of each layer.

    Raises:
        ValueError: there is not one probability for each layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        norm_layer: Layer,
        activation_layer: Layer,
        head_dim: int,
        mlp_ratio: int,
        mlp_dropout: float,
        attention_dropout: float,
        partition_size: int,
        input_grid_size: tuple[int, int],
        n_layers: int,
        p_stochastic: list[float],
    ) -> None:
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(
                f"p_stochastic must have length n_layers={n_layers}, got p_stochastic={p_stochastic}."
            )
        self.layers = nn.ModuleList()
        self.grid_size = _halved(input_grid_size)
        for i, p in enumerate(p_stochastic):
            inp, stride = (in_channels, 2) if i == 0 else (out_channels, 1)
            layer = MaxVitLayer(
                inp, out_channels, squeeze_ratio, expansion_ratio, stride, norm_layer, activation_layer,
                head_dim, mlp_ratio, mlp_dropout, attention_dropout, p, partition_size, self.grid_size,
            )  # fmt: skip
            self.layers.append(layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """A stem, blocks and a classifier, for images ``(N, 3, *input_size)``.

    Args:
        input_size: sides of images; partitions fill the input of each block.
        stem_channels: of the stem.
        partition_size: of the blocks.
        block_channels: of each block.
        block_layers: layers in each block.
        head_dim: of the blocks.
        stochastic_depth_prob: of the last layer; earlier ones are dropped less often.
        norm_layer: of convolutions; batch norm with an eps of 0.001 and a momentum of 0.01 by default.
        activation_layer: of convolutions and MLPs.
        squeeze_ratio: of the blocks.
        expansion_ratio: of the blocks.
        mlp_ratio: of the blocks.
        mlp_dropout: of the blocks.
        attention_dropout: of the blocks.
        num_classes: number of logits.

    Raises:
        ValueError: partitions do not fill the input of a block.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        stem_channels: int,
        partition_size: int,
        block_channels: list[int],
        block_layers: list[int],
        head_dim: int,
        stochastic_depth_prob: float,
        norm_layer: Layer | None = None,
        activation_layer: Layer = nn.GELU,
        squeeze_ratio: float = 0.25,
        expansion_ratio: float = 4,
        mlp_ratio: int = 4,
        mlp_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01) if norm_layer is None else norm_layer
        _check_sizes(input_size, len(block_channels), partition_size)
        self.stem = nn.Sequential(
            Conv2dNormActivation(
                3, stem_channels, 3, 2, norm_layer=norm, activation_layer=activation_layer,
                bias=False, inplace=None,
            ),
            Conv2dNormActivation(
                stem_channels, stem_channels, 3, 1, norm_layer=None, activation_layer=None, bias=True
            ),
        )  # fmt: skip
        size = _halved(input_size)
        self.partition_size = partition_size
        self.blocks = nn.ModuleList()
        probabilities = np.linspace(0, stochastic_depth_prob, sum(block_layers)).tolist()
        before = stem_channels
        for width, count in zip(block_channels, block_layers, strict=False):
            block = MaxVitBlock(
                before, width, squeeze_ratio, expansion_ratio, norm, activation_layer, head_dim, mlp_ratio,
                mlp_dropout, attention_dropout, partition_size, size, count, probabilities[:count],
            )  # fmt: skip
            self.blocks.append(block)
            before, size, probabilities = width, block.grid_size, probabilities[count:]
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(before),
            nn.Linear(before, before),
            nn.Tanh(),
            nn.Linear(before, num_classes, bias=False),
        )
        normal = draw(nn.init.normal_, std=0.02)
        initialize(self, conv=normal, linear=normal)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _check_sizes(input_size: tuple[int, int], blocks: int, partition_size: int) -> None:
    sizes = []
    size = _halved(input_size)
    for _ in range(blocks):
        size = _halved(size)
        sizes.append(size)
    for i, size in enumerate(sizes):
        if size[0] % partition_size or size[1] % partition_size:
            raise ValueError(
                f"Input size {size} of block {i} is not divisible by partition size {partition_size}. "
                "Consider changing the partition size or the input size.\n"
                f"Current configuration yields the following block input sizes: {sizes}."
            )


def _maxvit(weights: WeightsEnum | None, progress: bool, **kwargs: Any) -> MaxVit:
    if weights is not None:
        _ovewrite_named_param(kwargs, "input_size", weights.meta["min_size"])
    kwargs.setdefault("input_size", (224, 224))
    return build(MaxVit, weights=weights, progress=progress, **kwargs)


class MaxVit_T_Weights(WeightsEnum):
    """Published weights of :func:`maxvit_t`."""

    IMAGENET1K_V1 = entry(
        "maxvit_t-bc5ab103", 30_919_624, (83.7, 96.722), 5.558, 118.769,
        "tree/main/references/classification#maxvit", SIMPLE,
        min_size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", MaxVit_T_Weights.IMAGENET1K_V1))
def maxvit_t(*, weights: MaxVit_T_Weights | None = None, progress: bool = True, **kwargs: Any) -> MaxVit:
    """MaxViT-T."""
    chosen = MaxVit_T_Weights.verify(weights)
    return _maxvit(
        chosen,
        progress,
        stem_channels=64,
        block_channels=[64, 128, 256, 512],
        block_layers=[2, 2, 5, 2],
        head_dim=32,
        stochastic_depth_prob=0.2,
        partition_size=7,
        **kwargs,
    )
