"""Windows that slide over the last dimensions, reduced along one dimension after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import kind

__all__ = [
    "Sizes",
    "Windows",
    "fold_windows",
    "largest_along",
    "least",
    "output_size",
    "repeated",
    "windows",
]

Sizes = int | Sequence[int]


def repeated(value: Sizes | None, ndim: int, default: tuple[int, ...] | None, text: str) -> tuple[int, ...]:
    """An argument per dimension: one number stands for all, nothing for ``default``.

    Raises:
        RuntimeError: another number of values, with ``text``.
    """
    if value is None or (not isinstance(value, int) and not value):
        if default is None:
            raise RuntimeError(text)
        return default
    values = (value,) if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        return values * ndim
    if len(values) != ndim:
        raise RuntimeError(text)
    return values


def output_size(size: int, kernel: int, pad: int, stride: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows fit; with ``ceil_mode`` one more that begins inside, or in the margin before."""
    reach = size + 2 * pad - dilation * (kernel - 1) - 1
    count = (reach + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + pad:
        count -= 1
    return count


class Windows(NamedTuple):
    """The windows along one dimension: ``count`` of them, ``stride`` apart, with ``kernel`` elements each."""

    count: int  # type: ignore[assignment]
    kernel: int
    stride: int
    pad: int
    dilation: int

    def elements(self, x: Array, axis: int, fill: object) -> list[Array]:
        """For each element of a window, that element of all windows; ``fill`` stands beyond the edges."""
        last = (self.count - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
        after = max(last - x.shape[axis] - self.pad, 0)
        if self.pad or after:
            margins = [(0, 0)] * x.ndim
            margins[axis] = (self.pad, after)
            x = jnp.pad(x, margins, constant_values=fill)
        found = []
        for i in range(self.kernel):
            begin = i * self.dilation
            end = begin + (self.count - 1) * self.stride + 1
            found.append(lax.slice_in_dim(x, begin, end, self.stride, axis))
        return found

    def positions(self) -> np.ndarray:
        """Where the elements of each window are, shape ``(count, kernel)``; those beyond the edges too."""
        starts = np.arange(self.count) * self.stride - self.pad
        return starts[:, None] + np.arange(self.kernel) * self.dilation


def windows(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> list[Windows]:
    """The windows along each dimension."""
    return [
        Windows(output_size(n, k, p, s, d, ceil_mode), k, s, p, d)
        for n, k, s, p, d in zip(sizes, kernel, stride, pad, dilation, strict=True)
    ]


def fold_windows(
    x: Array, along: Sequence[Windows], combine: Callable[[Array, Array], Array], fill: object
) -> Array:
    """All windows reduced by ``combine``, the last dimension first: k + k steps for k * k elements."""
    first = x.ndim - len(along)
    for axis in reversed(range(len(along))):
        elements = along[axis].elements(x, first + axis, fill)
        x = elements[0]
        for element in elements[1:]:
            x = combine(x, element)
    return x


def least(x: Array) -> object:
    """What the largest of nothing is, in the type of ``x``."""
    if kind(x) == "b":
        return False
    return -np.inf if kind(x) == "f" else np.iinfo(x.dtype).min


def largest_along(pairs: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """What :func:`jtorch.ops._plain.larger` finds among several, with what comes along."""
    value, index = pairs[0]
    for other, place in pairs[1:]:
        wins = (other > value) | (other != other)
        value, index = jnp.where(wins, other, value), jnp.where(wins, place, index)
    return value, index
