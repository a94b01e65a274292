"""MNASNet, the variant B1 (``torchvision.models.mnasnet``).

Reference: Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", 2018,
https://arxiv.org/abs/1807.11626
"""

from __future__ import annotations

from typing import Any

from jtorch import nn
from jtorch.errors import warn_user
from jtorch.tensor import Tensor
from jtorch.vision.models._api import WeightsEnum, register_model
from jtorch.vision.models._meta import SCRATCH, SIMPLE, entry
from jtorch.vision.models._utils import _make_divisible, build, draw, handle_legacy_interface, initialize

__all__ = [
    "MNASNet",
    "MNASNet0_5_Weights",
    "MNASNet0_75_Weights",
    "MNASNet1_0_Weights",
    "MNASNet1_3_Weights",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
]


# TensorFlow's momentum is 1 minus PyTorch's.
_BN_MOMENTUM = 1 - 0.9997


class _InvertedResidual(nn.Module):
    """To more channels, a convolution within each, and back; with a shortcut where shapes agree."""

    def __init__(
        self,
        in_ch: int,
        out_ch: int,
        kernel_size: int,
        stride: int,
        expansion_factor: int,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size should be 3 or 5 instead of {kernel_size}")
        mid = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            *_conv_norm(in_ch, mid, momentum=bn_momentum),
            nn.ReLU(inplace=True),
            *_conv_norm(mid, mid, kernel_size, stride, mid, momentum=bn_momentum),
            nn.ReLU(inplace=True),
            *_conv_norm(mid, out_ch, momentum=bn_momentum),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _conv_norm(
    inp: int, out: int, size: int = 1, stride: int = 1, groups: int = 1, momentum: float = _BN_MOMENTUM
) -> list[nn.Module]:
    conv = nn.Conv2d(inp, out, size, stride, size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out, momentum=momentum)]


def _stack(
    in_ch: int, out_ch: int, kernel_size: int, stride: int, exp_factor: int, repeats: int, bn_momentum: float
) -> nn.Sequential:
    """Blocks, the first of which has the stride."""
    if repeats < 1:
        raise ValueError(f"repeats should be >= 1, instead got {repeats}")
    sizes = [(in_ch, stride)] + [(out_ch, 1)] * (repeats - 1)
    return nn.Sequential(
        *(_InvertedResidual(c, out_ch, kernel_size, s, exp_factor, bn_momentum) for c, s in sizes)
    )


def _get_depths(alpha: float) -> list[int]:
    """Channels times a factor, as multiples of 8, rounded up unless the lower one is within 10 %."""
    return [_make_divisible(depth * alpha, 8) for depth in (32, 16, 24, 40, 80, 96, 192, 320)]


def _stem(first: int, second: int) -> list[nn.Module]:
    return [
        *_conv_norm(3, first, 3, 2),
        nn.ReLU(inplace=True),
        *_conv_norm(first, first, 3, 1, first),
        nn.ReLU(inplace=True),
        *_conv_norm(first, second),
    ]


#: Kernel, stride, expansion, repeats of the stacks.
_STACKS = [(3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1)]


class MNASNet(nn.Module):
    """Stacks of inverted residuals, for images ``(N, 3, H, W)``.

    Args:
        alpha: factor of all channels.
        num_classes: number of logits.
        dropout: probability, before the linear layer.

    Raises:
        ValueError: ``alpha`` is not positive.
    """

    # 2: the first layers' channels are scaled too.
    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        depths = _get_depths(alpha)
        widths = zip(depths[1:], depths[2:], _STACKS, strict=False)
        self.layers = nn.Sequential(
            *_stem(depths[0], depths[1]),
            *(_stack(inp, out, *sizes, _BN_MOMENTUM) for inp, out, sizes in widths),
            *_conv_norm(depths[7], 1280),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))
        initialize(
            self,
            conv=draw(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"),
            linear=draw(nn.init.kaiming_uniform_, mode="fan_out", nonlinearity="sigmoid"),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        version = local_metadata.get("version")
        if version not in (1, 2):
            raise ValueError(f"version should be set to 1 or 2 instead of {version}")
        if version == 1 and self.alpha != 1.0:
            # The first version's stem had fixed widths: the model becomes that one.
            after = _stack(16, _get_depths(self.alpha)[2], *_STACKS[0], _BN_MOMENTUM)
            for i, layer in enumerate([*_stem(32, 16), after]):
                self.layers[i] = layer
            self._version = 1
            warn_user(
                "A new version of MNASNet model has been implemented. Your checkpoint was saved using the "
                "previous version. This checkpoint will load and work as before, but you may want to upgrade "
                "by training a newer model or transfer learning from an updated ImageNet checkpoint."
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class MNASNet0_5_Weights(WeightsEnum):
    """Published weights of :func:`mnasnet0_5`."""

    IMAGENET1K_V1 = entry(
        "mnasnet0.5_top1_67.823-3ffadce67e", 2_218_512, (67.734, 87.49), 0.104, 8.591,
        "https://github.com/1e100/mnasnet_trainer", SIMPLE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet0_75_Weights(WeightsEnum):
    """Published weights of :func:`mnasnet0_75`."""

    IMAGENET1K_V1 = entry(
        "mnasnet0_75-7090bc5f", 3_170_208, (71.18, 90.496), 0.215, 12.303,
        "pull/6019", SCRATCH, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet1_0_Weights(WeightsEnum):
    """Published weights of :func:`mnasnet1_0`."""

    IMAGENET1K_V1 = entry(
        "mnasnet1.0_top1_73.512-f206786ef8", 4_383_312, (73.456, 91.51), 0.314, 16.915,
        "https://github.com/1e100/mnasnet_trainer", SIMPLE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet1_3_Weights(WeightsEnum):
    """Published weights of :func:`mnasnet1_3`."""

    IMAGENET1K_V1 = entry(
        "mnasnet1_3-a4c69d6f", 6_282_256, (76.506, 93.522), 0.526, 24.246,
        "pull/6019", SCRATCH, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model()
@handle_legacy_interface(weights=("pretrained", MNASNet0_5_Weights.IMAGENET1K_V1))
def mnasnet0_5(*, weights: MNASNet0_5_Weights | None = None, progress: bool = True, **kwargs: Any) -> MNASNet:
    """MNASNet with 0.5 times the channels."""
    chosen = MNASNet0_5_Weights.verify(weights)
    return build(MNASNet, 0.5, weights=chosen, progress=progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MNASNet0_75_Weights.IMAGENET1K_V1))
def mnasnet0_75(
    *, weights: MNASNet0_75_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MNASNet:
    """MNASNet with 0.75 times the channels."""
    chosen = MNASNet0_75_Weights.verify(weights)
    return build(MNASNet, 0.75, weights=chosen, progress=progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MNASNet1_0_Weights.IMAGENET1K_V1))
def mnasnet1_0(*, weights: MNASNet1_0_Weights | None = None, progress: bool = True, **kwargs: Any) -> MNASNet:
    """MNASNet with 1.0 times the channels."""
    chosen = MNASNet1_0_Weights.verify(weights)
    return build(MNASNet, 1.0, weights=chosen, progress=progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MNASNet1_3_Weights.IMAGENET1K_V1))
def mnasnet1_3(*, weights: MNASNet1_3_Weights | None = None, progress: bool = True, **kwargs: Any) -> MNASNet:
    """MNASNet with 1.3 times the channels."""
    chosen = MNASNet1_3_Weights.verify(weights)
    return build(MNASNet, 1.3, weights=chosen, progress=progress, **kwargs)
