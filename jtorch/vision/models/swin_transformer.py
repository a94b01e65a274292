"""Swin transformer and its second version (``torchvision.models.swin_transformer``).

References:
    Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021,
    https://arxiv.org/abs/2103.14030
    Liu et al., "Swin Transformer V2: Scaling Up Capacity and Resolution", 2021, https://arxiv.org/abs/2111.09883
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jtorch
from jtorch import nn
from jtorch.nn import functional as F
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._attention import draw_mlp, position_index
from jtorch.vision.models._meta import SIMPLE, entry
from jtorch.vision.models._utils import Layer, build, draw, handle_legacy_interface, initialize
from jtorch.vision.ops.misc import MLP, Permute
from jtorch.vision.ops.stochastic_depth import StochasticDepth
from jtorch.vision.transforms._presets import InterpolationMode

__all__ = [
    "SwinTransformer",
    "Swin_B_Weights",
    "Swin_S_Weights",
    "Swin_T_Weights",
    "Swin_V2_B_Weights",
    "Swin_V2_S_Weights",
    "Swin_V2_T_Weights",
    "swin_b",
    "swin_s",
    "swin_t",
    "swin_v2_b",
    "swin_v2_s",
    "swin_v2_t",
]


def _patch_merging_pad(x: Tensor) -> Tensor:
    """Put each 2x2 of ``(..., H, W, C)`` into channels, column by column: ``(..., H / 2, W / 2, 4 C)``."""
    h, w, _ = x.shape[-3:]
    x = F.pad(x, (0, 0, 0, w % 2, 0, h % 2))
    parts = [x[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
    return jtorch.cat(parts, -1)


class PatchMerging(nn.Module):
    """Halves the sides and doubles the channels of ``(..., H, W, C)``.

    Args:
        dim: channels C.
        norm_layer: before the linear layer.
    """

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.norm(_patch_merging_pad(x)))


class PatchMergingV2(nn.Module):
    """Halves the sides and doubles the channels of ``(..., H, W, C)``.

    Args:
        dim: channels C.
        norm_layer: behind the linear layer.
    """

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.reduction(_patch_merging_pad(x)))


def _windows(x: Tensor, size: list[int]) -> Tensor:
    """``(B, H, W, C)`` -> ``(B * windows, places, C)``."""
    b, h, w, c = x.shape
    rows, columns = size
    x = x.view(b, h // rows, rows, w // columns, columns, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, rows * columns, c)


def _whole(x: Tensor, size: list[int], h: int, w: int) -> Tensor:
    """``(B * windows, places, C)`` -> ``(B, H, W, C)``."""
    rows, columns = size
    c = x.shape[-1]
    x = x.view(-1, h // rows, w // columns, rows, columns, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, h, w, c)


def _regions(side: int, window: int, shift: int) -> Tensor:
    """Numbers of the parts of a shifted side that were neighbours before the shift."""
    i = jtorch.arange(side)
    if shift == 0:
        return jtorch.zeros_like(i)
    return (i >= side - window).long() + (i >= side - shift).long()


def _shift_mask(h: int, w: int, window_size: list[int], shift: list[int]) -> Tensor:
    """-100 between places of a window that the shift has brought together: ``(windows, places, places)``."""
    rows = _regions(h, window_size[0], shift[0])
    columns = _regions(w, window_size[1], shift[1])
    number = _windows((3 * rows[:, None] + columns)[None, :, :, None], window_size)[..., 0]
    return jtorch.where(number[:, None, :] != number[:, :, None], -100.0, 0.0)


def shifted_window_attention(
    input: Tensor,
    qkv_weight: Tensor,
    proj_weight: Tensor,
    relative_position_bias: Tensor,
    window_size: list[int],
    num_heads: int,
    shift_size: list[int],
    attention_dropout: float = 0.0,
    dropout: float = 0.0,
    qkv_bias: Tensor | None = None,
    proj_bias: Tensor | None = None,
    logit_scale: Tensor | None = None,
    training: bool = True,
) -> Tensor:
    """Attention within windows, which may be shifted over the edges of the image.

    Args:
        input: ``(N, H, W, C)``.
        qkv_weight: ``(3 C, C)``: queries, keys and values.
        proj_weight: ``(C, C)``: of the result.
        relative_position_bias: ``(1, heads, places, places)``, added to the logits.
        window_size: height and width of a window.
        num_heads: number of heads.
        shift_size: down and to the right; none along a side that one window fills.
        attention_dropout: probability, of attention weights.
        dropout: probability, of the result.
        qkv_bias: ``(3 C,)``; with ``logit_scale``, keys have none.
        proj_bias: ``(C,)``.
        logit_scale: ``(heads, 1, 1)``, logarithms of what scales cosines: attention of the second version.
        training: whether dropout is active.

    Returns:
        ``(N, H, W, C)``.
    """
    _, height, width, channels = input.shape
    below, right = -height % window_size[0], -width % window_size[1]
    x = F.pad(input, (0, 0, 0, right, 0, below))
    h, w = height + below, width + right
    shift = [0 if n >= side else s for s, n, side in zip(shift_size, window_size, (h, w), strict=True)]
    if any(shift):
        x = jtorch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    x = _windows(x, window_size)
    if logit_scale is not None and qkv_bias is not None:
        queries, _, values = qkv_bias.chunk(3)
        qkv_bias = jtorch.cat([queries, jtorch.zeros_like(queries), values])
    count, places, _ = x.shape
    qkv = F.linear(x, qkv_weight, qkv_bias).reshape(count, places, 3, num_heads, channels // num_heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    if logit_scale is None:
        logits = (q * (channels // num_heads) ** -0.5) @ k.transpose(-2, -1)
    else:
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        logits = cosines * jtorch.clamp(logit_scale, max=math.log(100.0)).exp()
    logits = logits + relative_position_bias
    if any(shift):
        mask = _shift_mask(h, w, window_size, shift).to(logits)
        # (B * windows, heads, places, places): one mask for each window of an image.
        logits = (logits.unflatten(0, (-1, mask.shape[0])) + mask[:, None]).flatten(0, 1)
    attention = F.dropout(F.softmax(logits, dim=-1), p=attention_dropout, training=training)
    x = (attention @ v).transpose(1, 2).reshape(count, places, channels)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = _whole(x, window_size, h, w)
    if any(shift):
        x = jtorch.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
    return x[:, :height, :width].contiguous()


class ShiftedWindowAttention(nn.Module):
    """Module form of :func:`shifted_window_attention`, with a learned number per offset and head.

    Args:
        dim: channels.
        window_size: height and width of a window.
        shift_size: down and to the right.
        num_heads: number of heads.
        qkv_bias: queries, keys and values have one.
        proj_bias: the result has one.
        attention_dropout: probability, of attention weights.
        dropout: probability, of the result.

    Raises:
        ValueError: sizes are not two numbers each.
    """

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    def define_relative_position_bias_table(self) -> None:
        """Make the parameter."""
        rows, columns = self.window_size
        table = jtorch.zeros((2 * rows - 1) * (2 * columns - 1), self.num_heads)
        self.relative_position_bias_table = nn.Parameter(table)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self) -> None:
        """Make the buffer that says which offset each pair of places has."""
        self.register_buffer("relative_position_index", position_index(*self.window_size).flatten())

    def _biases(self, table: Tensor) -> Tensor:
        """Rows of a table ``(offsets, heads)`` for each pair: ``(1, heads, places, places)``."""
        places = self.window_size[0] * self.window_size[1]
        chosen = table[self.relative_position_index].view(places, places, -1)
        return chosen.permute(2, 0, 1).contiguous().unsqueeze(0)

    def get_relative_position_bias(self) -> Tensor:
        """What is added to the logits."""
        return self._biases(self.relative_position_bias_table)

    def _scale(self) -> Tensor | None:
        return None

    def forward(self, x: Tensor) -> Tensor:
        return shifted_window_attention(
            x,
            self.qkv.weight,
            self.proj.weight,
            self.get_relative_position_bias(),
            self.window_size,
            self.num_heads,
            shift_size=self.shift_size,
            attention_dropout=self.attention_dropout,
            dropout=self.dropout,
            qkv_bias=self.qkv.bias,
            proj_bias=self.proj.bias,
            logit_scale=self._scale(),
            training=self.training,
        )


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Attention by cosines, with biases that a small network computes from logarithms of offsets.

    Arguments as :class:`ShiftedWindowAttention`'s.
    """

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            dim, window_size, shift_size, num_heads, qkv_bias, proj_bias, attention_dropout, dropout
        )
        self.logit_scale = nn.Parameter(jtorch.log(10 * jtorch.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False)
        )
        if qkv_bias:
            with jtorch.no_grad():
                self.qkv.bias[dim : 2 * dim].zero_()

    def define_relative_position_bias_table(self) -> None:
        """Make the buffer of offsets, from -8 to 8 before the logarithm."""
        rows, columns = (jtorch.arange(-(n - 1), n, dtype=jtorch.float32) for n in self.window_size)
        down, right = jtorch.meshgrid([rows, columns], indexing="ij")
        sides = (side - 1 for side in self.window_size)
        offsets = jtorch.stack([t / n for t, n in zip((down, right), sides, strict=True)], dim=-1)
        offsets = offsets.unsqueeze(0) * 8
        table = offsets.sign() * jtorch.log2(offsets.abs() + 1.0) / 3.0
        self.register_buffer("relative_coords_table", table)

    def get_relative_position_bias(self) -> Tensor:
        """What is added to the logits, from 0 to 16."""
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)
        return 16 * jtorch.sigmoid(self._biases(table))

    def _scale(self) -> Tensor | None:
        return self.logit_scale


class SwinTransformerBlock(nn.Module):
    """Attention and MLP, each behind a norm and with a shortcut, on ``(N, H, W, C)``.

    Args:
        dim: channels C.
        num_heads: of the attention.
        window_size: of the attention.
        shift_size: of the attention.
        mlp_ratio: features inside the MLP, in channels.
        dropout: of attention and MLP.
        attention_dropout: of the attention.
        stochastic_depth_prob: of dropping a branch in training, per image.
        norm_layer: of both branches.
        attn_layer: makes the attention.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttention,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        hidden = [int(dim * mlp_ratio), dim]
        self.mlp = MLP(dim, hidden, activation_layer=nn.GELU, inplace=None, dropout=dropout)
        draw_mlp(self.mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """The norms are behind attention and MLP; arguments as :class:`SwinTransformerBlock`'s."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttentionV2,
    ) -> None:
        super().__init__(
            dim, num_heads, window_size, shift_size, mlp_ratio, dropout, attention_dropout,
            stochastic_depth_prob, norm_layer, attn_layer,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """Stages of blocks with merging between them, for images ``(N, 3, H, W)``.

    Args:
        patch_size: height and width of patches.
        embed_dim: channels of the first stage.
        depths: blocks in each stage.
        num_heads: of each stage's blocks.
        window_size: of all blocks.
        mlp_ratio: of all blocks.
        dropout: of all blocks.
        attention_dropout: of all blocks.
        stochastic_depth_prob: of the last block; earlier ones are dropped less often.
        num_classes: number of logits.
        norm_layer: layer norm with an eps of 1e-5 by default.
        block: :class:`SwinTransformerBlock` by default.
        downsample_layer: between the stages.
    """

    def __init__(
        self,
        patch_size: list[int],
        embed_dim: int,
        depths: list[int],
        num_heads: list[int],
        window_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        block: Layer | None = None,
        downsample_layer: Layer = PatchMerging,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        norm = partial(nn.LayerNorm, eps=1e-5) if norm_layer is None else norm_layer
        make = partial(
            SwinTransformerBlock if block is None else block,
            window_size=window_size,
            mlp_ratio=mlp_ratio,
            dropout=dropout,
            attention_dropout=attention_dropout,
            norm_layer=norm,
        )
        size = (patch_size[0], patch_size[1])
        patches = nn.Conv2d(3, embed_dim, kernel_size=size, stride=size)
        layers: list[nn.Module] = [nn.Sequential(patches, Permute([0, 2, 3, 1]), norm(embed_dim))]
        shifts = ([0 for _ in window_size], [side // 2 for side in window_size])
        done, dim = 0, embed_dim
        for i, (depth, heads) in enumerate(zip(depths, num_heads, strict=False)):
            stage = []
            for j in range(depth):
                p = stochastic_depth_prob * float(done + j) / (sum(depths) - 1)
                stage.append(make(dim, heads, shift_size=list(shifts[j % 2]), stochastic_depth_prob=p))
            done += depth
            layers.append(nn.Sequential(*stage))
            if i < len(depths) - 1:
                layers.append(downsample_layer(dim, norm))
                dim *= 2
        self.features = nn.Sequential(*layers)
        self.norm = norm(dim)
        # (N, H, W, C) -> (N, C, H, W)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        initialize(self, linear=draw(nn.init.trunc_normal_, std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


#: Channels, blocks of the third stage, heads of the first stage, largest probability of dropping a block.
_SIZES = {"t": (96, 6, 3, 0.2), "s": (96, 18, 3, 0.3), "b": (128, 18, 4, 0.5)}


def _swin_transformer(
    size: str, window: int, weights: WeightsEnum | None, progress: bool, **kwargs: Any
) -> SwinTransformer:
    channels, depth, heads, probability = _SIZES[size]
    return build(
        SwinTransformer, [4, 4], channels, [2, 2, depth, 2], [heads, 2 * heads, 4 * heads, 8 * heads],
        [window, window], weights=weights, progress=progress, stochastic_depth_prob=probability, **kwargs,
    )  # fmt: skip


_V2: dict[str, Layer] = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}


class Swin_T_Weights(WeightsEnum):
    """Published weights of :func:`swin_t`."""

    IMAGENET1K_V1 = entry(
        "swin_t-704ceda3", 28_288_354, (81.474, 95.776), 4.491, 108.19,
        "tree/main/references/classification#swintransformer", SIMPLE,
        min_size=224, resize_size=232, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_S_Weights(WeightsEnum):
    """Published weights of :func:`swin_s`."""

    IMAGENET1K_V1 = entry(
        "swin_s-5e29d889", 49_606_258, (83.196, 96.36), 8.741, 189.786,
        "tree/main/references/classification#swintransformer", SIMPLE,
        min_size=224, resize_size=246, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_B_Weights(WeightsEnum):
    """Published weights of :func:`swin_b`."""

    IMAGENET1K_V1 = entry(
        "swin_b-68c6b09e", 87_768_224, (83.582, 96.64), 15.431, 335.364,
        "tree/main/references/classification#swintransformer", SIMPLE,
        min_size=224, resize_size=238, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_V2_T_Weights(WeightsEnum):
    """Published weights of :func:`swin_v2_t`."""

    IMAGENET1K_V1 = entry(
        "swin_v2_t-b137f0e2", 28_351_570, (82.072, 96.132), 5.94, 108.626,
        "tree/main/references/classification#swintransformer-v2", SIMPLE,
        min_size=256, crop_size=256, resize_size=260, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_V2_S_Weights(WeightsEnum):
    """Published weights of :func:`swin_v2_s`."""

    IMAGENET1K_V1 = entry(
        "swin_v2_s-637d8ceb", 49_737_442, (83.712, 96.816), 11.546, 190.675,
        "tree/main/references/classification#swintransformer-v2", SIMPLE,
        min_size=256, crop_size=256, resize_size=260, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_V2_B_Weights(WeightsEnum):
    """Published weights of :func:`swin_v2_b`."""

    IMAGENET1K_V1 = entry(
        "swin_v2_b-781e5279", 87_930_848, (84.112, 96.864), 20.325, 336.372,
        "tree/main/references/classification#swintransformer-v2", SIMPLE,
        min_size=256, crop_size=256, resize_size=272, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_T_Weights.IMAGENET1K_V1))
def swin_t(*, weights: Swin_T_Weights | None = None, progress: bool = True, **kwargs: Any) -> SwinTransformer:
    """Swin-T."""
    chosen = Swin_T_Weights.verify(weights)
    return _swin_transformer("t", 7, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_S_Weights.IMAGENET1K_V1))
def swin_s(*, weights: Swin_S_Weights | None = None, progress: bool = True, **kwargs: Any) -> SwinTransformer:
    """Swin-S."""
    chosen = Swin_S_Weights.verify(weights)
    return _swin_transformer("s", 7, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_B_Weights.IMAGENET1K_V1))
def swin_b(*, weights: Swin_B_Weights | None = None, progress: bool = True, **kwargs: Any) -> SwinTransformer:
    """Swin-B."""
    chosen = Swin_B_Weights.verify(weights)
    return _swin_transformer("b", 7, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_V2_T_Weights.IMAGENET1K_V1))
def swin_v2_t(
    *, weights: Swin_V2_T_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin V2-T."""
    chosen = Swin_V2_T_Weights.verify(weights)
    return _swin_transformer("t", 8, chosen, progress, **_V2, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_V2_S_Weights.IMAGENET1K_V1))
def swin_v2_s(
    *, weights: Swin_V2_S_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin V2-S."""
    chosen = Swin_V2_S_Weights.verify(weights)
    return _swin_transformer("s", 8, chosen, progress, **_V2, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_V2_B_Weights.IMAGENET1K_V1))
def swin_v2_b(
    *, weights: Swin_V2_B_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin V2-B."""
    chosen = Swin_V2_B_Weights.verify(weights)
    return _swin_transformer("b", 8, chosen, progress, **_V2, **kwargs)
