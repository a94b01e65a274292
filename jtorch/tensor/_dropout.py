"""Dropout as ``torch`` has it: random masks over elements or channels, drawn in PyTorch's order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jtorch.tensor._core import Tensor
from jtorch.tensor._creation import empty, empty_like, ones, zeros
from jtorch.tensor._derive import derived
from jtorch.tensor._inplace import assign, check_writable

__all__ = ["alpha_masked", "channel_shape", "masked"]

#: Minus the value that SELU tends to: what dropped units are set to.
_ALPHA = 1.7580993408473766


def masked(input: Any, p: float, noise_shape: Any = None) -> Any:
    """``input`` with elements zeroed with probability ``p``, the others scaled by ``1 / (1 - p)``."""
    if p == 1:
        return input * 0.0
    if noise_shape is None:
        noise = empty_like(input.detach()).bernoulli_(1 - p)
    else:
        noise = empty(noise_shape, dtype=input.dtype, device=input.device).bernoulli_(1 - p)
    return input * noise.div_(1 - p)


def alpha_masked(input: Any, p: float, noise_shape: Any = None) -> Any:
    """:func:`masked` that keeps mean and variance of what SELU returns."""
    if p == 1:
        return input * 0.0
    shape = input.shape if noise_shape is None else noise_shape
    noise = empty(shape, dtype=input.dtype, device=input.device).bernoulli_(1 - p)
    a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    shift = noise.add(-1).mul_(_ALPHA * a).add_(_ALPHA * a * p)
    return input * noise.mul_(a) + shift


def channel_shape(input: Any) -> tuple[int, ...]:
    """The shape of noise that is the same all over a channel.

    Raises:
        RuntimeError: there is no dimension of channels.
    """
    if input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*input.shape[:2], *(1 for _ in input.shape[2:]))


def _install(name: str, mask: Callable[..., Any], channels: bool, what: str) -> None:
    def function(input: Any, p: float, train: bool) -> Any:
        if not 0 <= p <= 1:
            raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
        if p == 0 or not train or not input.numel():
            return input
        return mask(input, p, channel_shape(input) if channels else None)

    def changing(input: Any, p: float, train: bool) -> Any:
        result = function(input, p, train)
        if result is input:
            return input
        check_writable(input)
        return assign(input, result)

    for made, suffix in ((function, ""), (changing, "_")):
        made.__name__ = made.__qualname__ = name + suffix
        made.__module__ = "jtorch"
        made.__doc__ = f"{what}, if ``train`` (``torch.{name}{suffix}``)."
        derived[""][name + suffix] = made


_install("dropout", masked, False, "Elements zeroed with probability ``p``, the others scaled up")
_install("feature_dropout", masked, True, "Channels zeroed with probability ``p``, the others scaled up")
_install("alpha_dropout", alpha_masked, False, "Dropout that keeps the moments of what SELU returns")
_install("feature_alpha_dropout", alpha_masked, True, "Dropout of channels that keeps moments")


def native_dropout(input: Any, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """:func:`masked` and the bool mask of what is kept; ``train=None`` means training.

    Raises:
        RuntimeError: ``p`` is no probability.
    """
    if train is False or not input.numel():
        return input.clone(), ones(input.shape, dtype=bool, device=input.device)
    if p == 1:
        return input * 0.0, zeros(input.shape, dtype=bool, device=input.device)
    kept: Any = empty(input.shape, dtype=bool, device=input.device).bernoulli_(1 - p)
    return input * kept * (1.0 / (1 - p)), kept


native_dropout.__module__ = "jtorch"
derived[""]["native_dropout"] = native_dropout
