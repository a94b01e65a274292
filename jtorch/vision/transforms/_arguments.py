"""Checks of transforms' arguments."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from jtorch.vision.transforms.functional import InterpolationMode, _interpolation_modes_from_int

__all__ = ["check_fill", "check_sequence", "interpolation_mode", "setup_angle", "setup_size"]

TWO = "Please provide only two dimensions (h, w) for size."


def setup_size(size: Any, error_msg: str = TWO) -> Any:
    """(height, width) of one number or two.

    Raises:
        ValueError: neither one nor two.
    """
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(error_msg)
    return size


def check_sequence(x: Any, name: str, req_sizes: Sequence[int]) -> None:
    """Refuse what is no sequence of such a length.

    Raises:
        TypeError, ValueError: it is not.
    """
    shown = " or ".join(str(s) for s in req_sizes)
    if not isinstance(x, Sequence):
        raise TypeError(f"{name} should be a sequence of length {shown}.")
    if len(x) not in req_sizes:
        raise ValueError(f"{name} should be a sequence of length {shown}.")


def setup_angle(x: Any, name: str, req_sizes: Sequence[int] = (2,)) -> list[float]:
    """A range of degrees; one number stands for that much to either side.

    Raises:
        TypeError, ValueError: another kind.
    """
    if isinstance(x, numbers.Number):
        if x < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be positive.")
        x = [-x, x]  # type: ignore[operator]
    else:
        check_sequence(x, name, req_sizes)
    return [float(d) for d in x]


def check_fill(fill: Any) -> Any:
    """A colour; ``None`` is black.

    Raises:
        TypeError: another kind.
    """
    if fill is None:
        return 0
    if not isinstance(fill, Sequence | numbers.Number):
        raise TypeError("Fill should be either a sequence or a number.")
    return fill


def interpolation_mode(interpolation: Any) -> InterpolationMode:
    """The mode that a number of pillow's means."""
    return _interpolation_modes_from_int(interpolation) if isinstance(interpolation, int) else interpolation


def fill_of(fill: Any, img: Any, channels: int) -> Any:
    """A colour as functions of tensors want it: one number per channel."""
    if fill is None or not hasattr(img, "ndim"):
        return fill
    return [float(fill)] * channels if isinstance(fill, int | float) else [float(f) for f in fill]
