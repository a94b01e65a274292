"""Channels in another order."""

from __future__ import annotations

from jtorch.nn import functional as F
from jtorch.nn.modules.module import Module
from jtorch.tensor import Tensor

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Deals the channels of ``groups`` groups out in turn, so that the next grouped layer mixes them."""

    __constants__ = ["groups"]

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
