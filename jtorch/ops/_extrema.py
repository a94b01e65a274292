"""Largest and smallest values over dimensions, and where they are.

PyTorch has two conventions for the gradient of a tie: ``amax`` and ``max`` over everything share it evenly,
and ``max(dim)`` gives all to the position that it reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import kind, reject_kinds, wrap_dim, wrap_dims
from jtorch.ops._ranking import computed_once, extreme, first_extreme
from jtorch.ops._registry import register
from jtorch.ops._written_parts import apart

Dim = int | Sequence[int] | None


def along(input: Array, dim: int, index: Array, keepdim: bool) -> Array:
    """The values at ``index`` (of size 1 along ``dim``); the gradient goes there alone."""
    values = jnp.take_along_axis(apart(input), index, dim, mode="promise_in_bounds")
    return values if keepdim else jnp.squeeze(values, dim)


@jax.custom_jvp
def shared(input: Array, value: Array) -> Array:
    """``value``, a statistic that equals some elements of ``input``, which share its gradient evenly."""
    return value


@shared.defjvp
def shared_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    input, value = primals
    same = (input == value) | (jnp.isnan(input) & jnp.isnan(value))
    count = jnp.maximum(jnp.sum(same), 1).astype(input.dtype)
    # Not `value`, which has no derivative of its own: transforms differentiate what rules return.
    return shared(input, value), jnp.sum(jnp.where(same, tangents[0], 0)) / count


def shared_extreme(input: Array, largest: bool) -> Array:
    input = computed_once(input)
    return shared(input, extreme(lax.stop_gradient(input), tuple(range(input.ndim)), largest))


def check_not_empty(
    name: str, input: Array, dim: Dim, error: type[Exception] = RuntimeError
) -> tuple[int, ...]:
    """The axes to reduce over, none of which may have size 0.

    Raises:
        IndexError: a dimension of size 0, or out of range.
        error: an empty input without ``dim``.
    """
    axes = wrap_dims(dim, input.ndim)
    if dim is None or dim == ():
        if input.size == 0:
            hint = " Specify the reduction dim with the 'dim' argument." if error is RuntimeError else ""
            raise error(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.{hint}")
    else:
        for axis in axes:
            if input.shape[axis] == 0:
                raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    return axes


@register(
    "amax",
    node="AmaxBackward0",
    static="dim keepdim",
    promote=None,
    method=True,
    out=True,
    saves="input result",
)
def amax(input: Array, dim: Dim = (), keepdim: bool = False) -> Array:
    """The largest value over ``dim`` (one, several, all if empty) or nan; ties share the gradient."""
    axes = check_not_empty("amax", input, dim)
    reject_kinds("max_values_cpu", "c", input)
    return extreme(input, axes, True, keepdim)


@register(
    "amin",
    node="AminBackward0",
    static="dim keepdim",
    promote=None,
    method=True,
    out=True,
    saves="input result",
)
def amin(input: Array, dim: Dim = (), keepdim: bool = False) -> Array:
    """The smallest value over ``dim`` (one, several, all if empty) or nan; ties share the gradient."""
    axes = check_not_empty("amin", input, dim)
    reject_kinds("min_values_cpu", "c", input)
    return extreme(input, axes, False, keepdim)


@register(
    "aminmax",
    node="AminmaxBackward0",
    static="dim keepdim",
    promote=None,
    method=True,
    out=True,
    returns="aminmax min max",
    saves="input min max",
)
def aminmax(input: Array, *, dim: int | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """Both extremes over one dimension or all; see :func:`amin` and :func:`amax`."""
    axes = wrap_dims(dim, input.ndim)
    if dim is None and input.size == 0:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    for axis in axes:
        if input.shape[axis] == 0:
            raise IndexError(f"aminmax: Expected reduction dim {axis} to have non-zero size.")
    reject_kinds("aminmax_cpu", "c", input)
    return extreme(input, axes, False, keepdim), extreme(input, axes, True, keepdim)


@register("max", node="MaxBackward1", promote=None, method=True, out=True, saves="input result")
def max_all(input: Array) -> Array:
    """The largest value of all, nan if there is one; ties share the gradient.

    ``max(input, dim)`` is the op ``max.dim``, ``max(input, other)`` is ``maximum``.
    """
    check_not_empty("max", input, None)
    reject_kinds("max_all", "c", input)
    return shared_extreme(input, True)


@register("min", node="MinBackward1", promote=None, method=True, out=True, saves="input result")
def min_all(input: Array) -> Array:
    """The smallest value of all, nan if there is one; ties share the gradient.

    ``min(input, dim)`` is the op ``min.dim``, ``min(input, other)`` is ``minimum``.
    """
    check_not_empty("min", input, None)
    reject_kinds("min_all", "c", input)
    return shared_extreme(input, False)


@register(
    "max.dim",
    node="MaxBackward0",
    static="dim keepdim",
    promote=None,
    function=False,
    out=True,
    returns="max values indices",
    saves="indices",
)
def max_dim(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    """The largest value along ``dim`` and its first position, which alone receives the gradient."""
    return extreme_along("max", True, input, dim, keepdim)


@register(
    "min.dim",
    node="MinBackward0",
    static="dim keepdim",
    promote=None,
    function=False,
    out=True,
    returns="min values indices",
    saves="indices",
)
def min_dim(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    """The smallest value along ``dim`` and its first position, which alone receives the gradient."""
    return extreme_along("min", False, input, dim, keepdim)


def extreme_along(name: str, largest: bool, input: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    if kind(input) == "c":
        raise RuntimeError(f"{name}(): does not support complex input")
    axis = wrap_dim(dim, input.ndim)
    if not input.ndim:
        return input, jnp.zeros((), jnp.int64)
    check_not_empty(name, input, dim)
    index = first_extreme(input, axis, largest)
    values = along(input, axis, jnp.expand_dims(index, axis), keepdim)
    return values, jnp.expand_dims(index, axis) if keepdim else index


@register("argmax", node=None, static="dim keepdim", promote=None, saves="", method=True, out=True)
def argmax(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The first position of the largest value along ``dim``, or of the flattened input; nan is largest.

    Raises:
        RuntimeError: complex numbers and booleans.
        IndexError: positions of nothing.
    """
    return position_of_extreme("argmax", True, input, dim, keepdim)


@register("argmin", node=None, static="dim keepdim", promote=None, saves="", method=True, out=True)
def argmin(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The first position of the smallest value along ``dim``, or of the flattened input; nan is smallest.

    Raises:
        RuntimeError: complex numbers and booleans.
        IndexError: positions of nothing.
    """
    return position_of_extreme("argmin", False, input, dim, keepdim)


def position_of_extreme(name: str, largest: bool, input: Array, dim: int | None, keepdim: bool) -> Array:
    if kind(input) in "bc":
        kinds = {"b": "bool", "c": "complex"}
        raise RuntimeError(f"{name}(): does not support {kinds[kind(input)]} input")
    check_not_empty(name, input, dim, error=IndexError)
    if dim is None:
        index = first_extreme(input.reshape(-1), 0, largest)
        return index.reshape((1,) * input.ndim) if keepdim else index
    if not input.ndim:
        return jnp.zeros((), jnp.int64)
    axis = wrap_dim(dim, input.ndim)
    index = first_extreme(input, axis, largest)
    return jnp.expand_dims(index, axis) if keepdim else index
