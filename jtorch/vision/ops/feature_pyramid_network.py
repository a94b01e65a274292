"""Feature pyramid (``torchvision.ops.feature_pyramid_network``)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from jtorch import nn
from jtorch.nn import functional as F
from jtorch.tensor import Tensor
from jtorch.vision.ops.misc import Conv2dNormActivation

__all__ = ["ExtraFPNBlock", "FeaturePyramidNetwork", "LastLevelMaxPool", "LastLevelP6P7"]

_Levels = tuple[list[Tensor], list[str]]


class ExtraFPNBlock(nn.Module):
    """Base of blocks that add levels to a pyramid."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> _Levels:
        """More results and names than were given.

        Args:
            results: levels of the pyramid.
            x: the maps that they were made of.
            names: of the levels.
        """
        raise NotImplementedError


class FeaturePyramidNetwork(nn.Module):
    """Maps of several resolutions, each joined with what coarser ones say.

    Args:
        in_channels_list: channels of each map, finest first.
        out_channels: of every level of the pyramid.
        extra_blocks: adds more levels.
        norm_layer: behind each convolution.

    Raises:
        ValueError: a map without channels.
        TypeError: ``extra_blocks`` is no :class:`ExtraFPNBlock`.

    Reference: Lin et al., "Feature Pyramid Networks", 2016, https://arxiv.org/abs/1612.03144
    """

    _version = 2

    def __init__(
        self,
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList()
        self.layer_blocks = nn.ModuleList()
        for channels in in_channels_list:
            if channels == 0:
                raise ValueError("in_channels=0 is currently not supported")
            common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": None}
            inner = Conv2dNormActivation(channels, out_channels, kernel_size=1, padding=0, **common)
            self.inner_blocks.append(inner)
            self.layer_blocks.append(Conv2dNormActivation(out_channels, out_channels, 3, **common))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_uniform_(m.weight, a=1)
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}")
        self.extra_blocks = extra_blocks

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        if (local_metadata.get("version") or 1) < 2:  # convolutions had no block around them
            for block in ("inner_blocks", "layer_blocks"):
                for i in range(len(self.inner_blocks)):
                    for kind in ("weight", "bias"):
                        old = f"{prefix}{block}.{i}.{kind}"
                        if old in state_dict:
                            state_dict[f"{prefix}{block}.{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """Levels of the pyramid under the maps' names.

        Args:
            x: maps ``(N, C, H, W)``, finest first.
        """
        names, maps = list(x), list(x.values())
        last = self.inner_blocks[-1](maps[-1])
        results = [self.layer_blocks[-1](last)]
        for i in range(len(maps) - 2, -1, -1):
            lateral = self.inner_blocks[i](maps[i])
            last = lateral + F.interpolate(last, size=tuple(lateral.shape[-2:]), mode="nearest")
            results.insert(0, self.layer_blocks[i](last))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return OrderedDict(zip(names, results, strict=True))


class LastLevelMaxPool(ExtraFPNBlock):
    """Adds every second pixel of the coarsest level, as ``"pool"``."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> _Levels:
        """See :class:`ExtraFPNBlock`."""
        names.append("pool")
        results.append(F.max_pool2d(results[-1], kernel_size=1, stride=2, padding=0))
        return results, names


class LastLevelP6P7(ExtraFPNBlock):
    """Adds two convolved levels, as RetinaNet has them.

    Args:
        in_channels: of the coarsest map.
        out_channels: of the pyramid.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for module in (self.p6, self.p7):
            nn.init.kaiming_uniform_(module.weight, a=1)
            nn.init.constant_(module.bias, 0)
        self.use_P5 = in_channels == out_channels

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> _Levels:
        """See :class:`ExtraFPNBlock`."""
        p6 = self.p6(results[-1] if self.use_P5 else x[-1])
        results.extend([p6, self.p7(F.relu(p6))])
        names.extend(["p6", "p7"])
        return results, names
