"""Dropout: random masks over elements or channels."""

from __future__ import annotations

import warnings
from typing import Any

from jtorch.errors import type_name
from jtorch.tensor import Tensor
from jtorch.tensor._dropout import alpha_masked, channel_shape, masked
from jtorch.tensor._inplace import assign, check_writable

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _store(input: Any, result: Any, inplace: bool) -> Any:
    if not inplace:
        return result
    check_writable(input)
    return assign(input, result)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and scale the others by ``1 / (1 - p)``; only in training.

    Args:
        input: any shape.
        p: probability of an element to be zeroed.
        training: without, the input is returned as it is.
        inplace: store the result in ``input``.

    Raises:
        ValueError: ``p`` is no probability.
    """
    _check_probability(p)
    if not input.numel() or p == 0 or not training:
        return input
    return _store(input, masked(input, float(p)), inplace)


def _channels(input: Any, p: float, training: bool, inplace: bool) -> Any:
    if not input.numel() or p == 0 or not training:
        return input
    return _store(input, masked(input, float(p), channel_shape(input)), inplace)


def _sample(input: Any, p: float, training: bool, inplace: bool) -> Any:
    """:func:`_channels` of one sample, without a dimension for the batch."""
    if inplace:
        return _channels(input.unsqueeze_(0), p, training, inplace).squeeze_(0)
    return _channels(input.unsqueeze(0), p, training, inplace).squeeze(0)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of ``(N, C, L)`` or ``(C, L)``."""
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that dropout1d "
            "exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an "
            "optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return (
        _channels(input, p, training, inplace) if input.dim() == 3 else _sample(input, p, training, inplace)
    )


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of ``(N, C, H, W)``; a 3-D input counts as ``(N, C, L)``."""
    _check_probability(p)
    if input.dim() not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.dim()}-D input to dropout2d, which is deprecated and will result "
            "in an error in a "
            "future release. To retain the behavior and silence this warning, please use dropout instead. "
            "Note that "
            "dropout2d exists to provide channel-wise dropout on inputs with 2 spatial dimensions, a channel "
            "dimension, and "
            "an optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=3,  # past the guard
        )
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior "
            "is desired - "
            "input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change "
            "in a future "
            "release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To "
            "maintain the 1D "
            "channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=3,  # past the guard
        )
    return _channels(input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of ``(N, C, D, H, W)`` or ``(C, D, H, W)``."""
    _check_probability(p)
    if input.dim() not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.dim()}-D input to dropout3d, which is deprecated and will result "
            "in an error in a "
            "future release. To retain the behavior and silence this warning, please use dropout instead. "
            "Note that "
            "dropout3d exists to provide channel-wise dropout on inputs with 3 spatial dimensions, a channel "
            "dimension, and "
            "an optional batch dimension (i.e. 4D or 5D inputs).",
            stacklevel=3,  # past the guard
        )
    return (
        _sample(input, p, training, inplace) if input.dim() == 4 else _channels(input, p, training, inplace)
    )


def _no_tensor(name: str, input: Any) -> TypeError:
    return TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type_name(type(input))}")


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean and variance of what SELU returns."""
    _check_probability(p)
    if not isinstance(input, Tensor):
        raise _no_tensor("alpha_dropout", input)
    if not input.numel() or p == 0 or not training:
        return input
    return _store(input, alpha_masked(input, float(p)), inplace)


def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """:func:`alpha_dropout` of whole channels."""
    _check_probability(p)
    if not isinstance(input, Tensor):
        raise _no_tensor("feature_alpha_dropout", input)
    if not input.numel() or p == 0 or not training:
        return input
    return _store(input, alpha_masked(input, float(p), channel_shape(input)), inplace)
