"""Vision transformer (``torchvision.models.vision_transformer``).

References:
    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, https://arxiv.org/abs/2010.11929
    Xiao et al., "Early Convolutions Help Transformers See Better", 2021, https://arxiv.org/abs/2106.14881
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial
from typing import Any, NamedTuple

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._attention import draw_mlp
from jtorch.vision.models._meta import SCRATCH, SWAG_LINEAR, SWAG_TUNED, entry
from jtorch.vision.models._utils import Layer, _ovewrite_named_param, build, handle_legacy_interface
from jtorch.vision.ops.misc import MLP, Conv2dNormActivation
from jtorch.vision.transforms._presets import InterpolationMode

__all__ = [
    "ViT_B_16_Weights",
    "ViT_B_32_Weights",
    "ViT_H_14_Weights",
    "ViT_L_16_Weights",
    "ViT_L_32_Weights",
    "VisionTransformer",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
]


class ConvStemConfig(NamedTuple):
    """A layer of a convolutional stem."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Layer = nn.BatchNorm2d
    activation_layer: Layer = nn.ReLU


class MLPBlock(MLP):
    """Two linear layers with a GELU between them.

    Args:
        in_dim: features of input and output.
        mlp_dim: features between.
        dropout: probability, behind each linear layer.
    """

    # 1: the linear layers were called linear_1 and linear_2.
    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        draw_mlp(self)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        if (local_metadata.get("version") or 1) < 2:
            for old, new in (("linear_1", "0"), ("linear_2", "3")):
                for kind in ("weight", "bias"):
                    if (key := f"{prefix}{old}.{kind}") in state_dict:
                        state_dict[f"{prefix}{new}.{kind}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


_NORM = partial(nn.LayerNorm, eps=1e-6)


class EncoderBlock(nn.Module):
    """Attention and MLP, each behind a norm and with a shortcut.

    Args:
        num_heads: of the attention.
        hidden_dim: features of input and output.
        mlp_dim: features inside the MLP.
        dropout: probability, behind the attention and in the MLP.
        attention_dropout: probability, of attention weights.
        norm_layer: layer norm with an eps of 1e-6 by default.
    """

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = _NORM,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence(input)
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


def _check_sequence(x: Tensor) -> None:
    if x.dim() != 3:
        raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {x.shape}")


class Encoder(nn.Module):
    """Adds learned positions; then blocks and a norm.

    Args:
        seq_length: number of positions.
        num_layers: number of blocks.
        num_heads: of the blocks.
        hidden_dim: of the blocks.
        mlp_dim: of the blocks.
        dropout: of the blocks, and of their input.
        attention_dropout: of the blocks.
        norm_layer: layer norm with an eps of 1e-6 by default.
    """

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = _NORM,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(jtorch.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(num_layers):
            layers[f"encoder_layer_{i}"] = EncoderBlock(
                num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
            )
        self.layers = nn.Sequential(layers)
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence(input)
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


def _conv_stem(configs: list[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    stem = nn.Sequential()
    channels = 3
    for i, config in enumerate(configs):
        layer = Conv2dNormActivation(
            channels,
            config.out_channels,
            config.kernel_size,
            config.stride,
            norm_layer=config.norm_layer,
            activation_layer=config.activation_layer,
        )
        stem.add_module(f"conv_bn_relu_{i}", layer)
        channels = config.out_channels
    stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, kernel_size=1))
    return stem


class VisionTransformer(nn.Module):
    """An encoder over patches and one class token, for images ``(N, 3, image_size, image_size)``.

    Args:
        image_size: side of images.
        patch_size: side of patches, which divides that of images.
        num_layers: of the encoder.
        num_heads: of the encoder.
        hidden_dim: of the encoder.
        mlp_dim: of the encoder.
        dropout: of the encoder.
        attention_dropout: of the encoder.
        num_classes: number of logits.
        representation_size: of a layer before the logits; ``None``: there is none.
        norm_layer: layer norm with an eps of 1e-6 by default.
        conv_stem_configs: layers of a convolutional stem, in place of one convolution over patches.

    Raises:
        AssertionError: patches do not fill images; at the call, images of another size.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Layer = _NORM,
        conv_stem_configs: list[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise AssertionError("Input shape indivisible by patch size!")
        self.image_size, self.patch_size = image_size, patch_size
        self.hidden_dim, self.mlp_dim = hidden_dim, mlp_dim
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.num_classes, self.representation_size = num_classes, representation_size
        self.norm_layer = norm_layer
        if conv_stem_configs is None:
            self.conv_proj: nn.Module = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        else:
            self.conv_proj = _conv_stem(conv_stem_configs, hidden_dim)
        self.class_token = nn.Parameter(jtorch.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        sizes = (num_layers, num_heads, hidden_dim, mlp_dim)
        self.encoder = Encoder(self.seq_length, *sizes, dropout, attention_dropout, norm_layer)
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads = nn.Sequential(heads)
        self._initialize()

    def _initialize(self) -> None:
        """Draw the first weights of stem and heads; the logits start at 0."""
        stem = self.conv_proj
        if isinstance(stem, nn.Conv2d):
            fan_in = stem.in_channels * stem.kernel_size[0] * stem.kernel_size[1]
            nn.init.trunc_normal_(stem.weight, std=math.sqrt(1 / fan_in))
            nn.init.zeros_(stem.bias)
        else:
            last = stem.conv_last
            nn.init.normal_(last.weight, mean=0.0, std=math.sqrt(2.0 / last.out_channels))
            nn.init.zeros_(last.bias)
        if self.representation_size is not None:
            before = self.heads.pre_logits
            nn.init.trunc_normal_(before.weight, std=math.sqrt(1 / before.in_features))
            nn.init.zeros_(before.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        """Images -> sequences of patches ``(N, S, hidden_dim)``."""
        for name, side in zip(("height", "width"), x.shape[-2:], strict=True):
            if side != self.image_size:
                raise AssertionError(f"Wrong image {name}! Expected {self.image_size} but got {side}!")
        return self.conv_proj(x).flatten(2).permute(0, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        patches = self._process_input(x)
        token = self.class_token.expand(patches.shape[0], -1, -1)
        return self.heads(self.encoder(jtorch.cat([token, patches], dim=1))[:, 0])


def _vision_transformer(
    patch_size: int,
    num_layers: int,
    num_heads: int,
    hidden_dim: int,
    mlp_dim: int,
    weights: WeightsEnum | None,
    progress: bool,
    **kwargs: Any,
) -> VisionTransformer:
    if weights is not None:
        _ovewrite_named_param(kwargs, "image_size", weights.meta["min_size"][0])
    image_size = kwargs.pop("image_size", 224)
    sizes = (image_size, patch_size, num_layers, num_heads, hidden_dim, mlp_dim)
    return build(VisionTransformer, *sizes, weights=weights, progress=progress, **kwargs)


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: OrderedDict[str, Tensor],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> OrderedDict[str, Tensor]:
    """Fit the learned positions of a checkpoint to a model for images of another size.

    Args:
        image_size: of the new model.
        patch_size: of the new model.
        model_state: of the trained model; its positions are replaced.
        interpolation_mode: of ``nn.functional.interpolate``.
        reset_heads: leave out the heads, if positions had to be replaced.

    Returns:
        What the new model loads.

    Raises:
        ValueError: positions of another form, or not of a square.
    """
    positions = model_state["encoder.pos_embedding"]
    n, length, features = positions.shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {positions.shape}")
    side = image_size // patch_size
    if side**2 + 1 == length:
        return model_state
    old = math.isqrt(length - 1)
    if old * old != length - 1:
        raise ValueError(
            f"seq_length is not a perfect square! Instead got seq_length_1d * seq_length_1d = {old * old} "
            f"and seq_length = {length - 1}"
        )
    # The class token has its own position, the rest is a grid.
    token, patches = positions[:, :1], positions[:, 1:]
    grid = patches.permute(0, 2, 1).reshape(1, features, old, old)
    grid = nn.functional.interpolate(grid, size=side, mode=interpolation_mode, align_corners=True)
    patches = grid.reshape(1, features, side * side).permute(0, 2, 1)
    model_state["encoder.pos_embedding"] = jtorch.cat([token, patches], dim=1)
    if reset_heads:
        kept = ((k, v) for k, v in model_state.items() if not k.startswith("heads"))
        model_state = OrderedDict(kept)
    return model_state


class ViT_B_16_Weights(WeightsEnum):
    """Published weights of :func:`vit_b_16`."""

    IMAGENET1K_V1 = entry(
        "vit_b_16-c867db91", 86_567_656, (81.072, 95.318), 17.564, 330.285,
        "tree/main/references/classification#vit_b_16", SCRATCH, min_size=224,
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = entry(
        "vit_b_16_swag-9ac1b537", 86_859_496, (85.304, 97.65), 55.484, 331.398,
        "https://github.com/facebookresearch/SWAG", SWAG_TUNED,
        min_size=384, crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = entry(
        "vit_b_16_lc_swag-4e70ced5", 86_567_656, (81.886, 96.18), 17.564, 330.285,
        "pull/5793", SWAG_LINEAR, min_size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_B_32_Weights(WeightsEnum):
    """Published weights of :func:`vit_b_32`."""

    IMAGENET1K_V1 = entry(
        "vit_b_32-d86f8d99", 88_224_232, (75.912, 92.466), 4.409, 336.604,
        "tree/main/references/classification#vit_b_32", SCRATCH, min_size=224,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_L_16_Weights(WeightsEnum):
    """Published weights of :func:`vit_l_16`."""

    IMAGENET1K_V1 = entry(
        "vit_l_16-852ce7e3", 304_326_632, (79.662, 94.638), 61.555, 1161.023,
        "tree/main/references/classification#vit_l_16", SCRATCH, min_size=224, resize_size=242,
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = entry(
        "vit_l_16_swag-4f3808c9", 305_174_504, (88.064, 98.512), 361.986, 1164.258,
        "https://github.com/facebookresearch/SWAG", SWAG_TUNED,
        min_size=512, crop_size=512, resize_size=512, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = entry(
        "vit_l_16_lc_swag-4d563306", 304_326_632, (85.146, 97.422), 61.555, 1161.023,
        "pull/5793", SWAG_LINEAR, min_size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_L_32_Weights(WeightsEnum):
    """Published weights of :func:`vit_l_32`."""

    IMAGENET1K_V1 = entry(
        "vit_l_32-c7638314", 306_535_400, (76.972, 93.07), 15.378, 1169.449,
        "tree/main/references/classification#vit_l_32", SCRATCH, min_size=224,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_H_14_Weights(WeightsEnum):
    """Published weights of :func:`vit_h_14`."""

    IMAGENET1K_SWAG_E2E_V1 = entry(
        "vit_h_14_swag-80465313", 633_470_440, (88.552, 98.694), 1016.717, 2416.643,
        "https://github.com/facebookresearch/SWAG", SWAG_TUNED,
        min_size=518, crop_size=518, resize_size=518, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = entry(
        "vit_h_14_lc_swag-c1eb923e", 632_045_800, (85.708, 97.73), 167.295, 2411.209,
        "pull/5793", SWAG_LINEAR, min_size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", ViT_B_16_Weights.IMAGENET1K_V1))
def vit_b_16(
    *, weights: ViT_B_16_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-B/16."""
    chosen = ViT_B_16_Weights.verify(weights)
    return _vision_transformer(16, 12, 12, 768, 3072, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ViT_B_32_Weights.IMAGENET1K_V1))
def vit_b_32(
    *, weights: ViT_B_32_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-B/32."""
    chosen = ViT_B_32_Weights.verify(weights)
    return _vision_transformer(32, 12, 12, 768, 3072, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ViT_L_16_Weights.IMAGENET1K_V1))
def vit_l_16(
    *, weights: ViT_L_16_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-L/16."""
    chosen = ViT_L_16_Weights.verify(weights)
    return _vision_transformer(16, 24, 16, 1024, 4096, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ViT_L_32_Weights.IMAGENET1K_V1))
def vit_l_32(
    *, weights: ViT_L_32_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-L/32."""
    chosen = ViT_L_32_Weights.verify(weights)
    return _vision_transformer(32, 24, 16, 1024, 4096, chosen, progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", None))
def vit_h_14(
    *, weights: ViT_H_14_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-H/14."""
    chosen = ViT_H_14_Weights.verify(weights)
    return _vision_transformer(14, 32, 16, 1280, 5120, chosen, progress, **kwargs)
