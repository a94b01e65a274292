"""Discrete Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from jtorch.dtypes import FLOAT, get_default_dtype
from jtorch.ops._checks import kind, scalar_type, wrap_dim
from jtorch.ops._registry import register

__all__ = ["fft_shift", "transform", "transform_many"]

_FLIPPED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def norm_of(norm: str | None) -> str:
    """The name of a normalization: which direction is divided by the number of points."""
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return norm or "backward"


def floating(input: Array) -> Array:
    """Integers as the default floating dtype; half precision has no transforms."""
    if kind(input) in "bi":
        return input.astype(get_default_dtype().numpy)
    if input.dtype in (jnp.float16, jnp.bfloat16):
        raise RuntimeError(f"Unsupported dtype {scalar_type(input)}")
    return input


def _check_points(n: int) -> None:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")


def _one_dim(input: Array, dim: int) -> int:
    if input.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, input.ndim)


def transform(name: str, input: Array, n: int | None, dim: int, norm: str | None) -> Array:
    """A transform along one dimension.

    Args:
        name: of the function in ``jnp.fft``.
        input: signal or spectrum.
        n: points; the input is cut or padded with zeros (of half a spectrum: points of the result).
        dim: the dimension.
        norm: ``"forward"``, ``"backward"`` (the default) or ``"ortho"``.

    Raises:
        IndexError: ``dim`` out of range.
        RuntimeError: no points, an unknown ``norm``, complex input where real is needed, half precision.
    """
    axis = _one_dim(input, dim)
    mode = norm_of(norm)
    x = floating(input)
    if name in ("rfft", "ihfft") and kind(x) == "c":
        raise RuntimeError(f"{name} expects a real input tensor, but got {scalar_type(input)}")
    points = n
    if n is None:
        size = x.shape[axis]
        points = 2 * (size - 1) if name in ("irfft", "hfft") else size
    _check_points(points or 0)
    function: Callable[..., Array] = getattr(jnp.fft, name)
    return function(x, points, axis, mode)


def dims_of(
    input: Array, s: tuple[int, ...] | None, dim: int | tuple[int, ...] | None
) -> tuple[tuple[int, ...], list[int]]:
    """Dimensions of a transform along several, and the points along each."""
    s = (s,) if isinstance(s, int) else s
    dim = (dim,) if isinstance(dim, int) else dim
    if s is not None and dim is not None and len(s) != len(dim):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    if dim is None and s is not None and len(s) > input.ndim:
        raise RuntimeError(
            f"Got shape with {len(s)} values but input tensor only has {input.ndim} dimensions."
        )
    if dim is not None:
        axes = tuple(_one_dim(input, d) for d in dim)
        if len(set(axes)) != len(axes):
            raise RuntimeError("FFT dims must be unique")
    else:
        axes = tuple(range(input.ndim - (input.ndim if s is None else len(s)), input.ndim))
    points = [input.shape[a] for a in axes] if s is None else list(s)
    return axes, [input.shape[a] if n == -1 else n for a, n in zip(axes, points, strict=True)]


def transform_many(name: str, input: Array, s: Any, dim: Any, norm: str | None) -> Array:
    """A transform along several dimensions; names as in PyTorch, without the number of dims (``"irfft"``).

    Raises:
        IndexError: a dim out of range.
        RuntimeError: dims or points that do not fit, an unknown ``norm``, complex input where real is needed.
    """
    mode = norm_of(norm)
    axes, points = dims_of(input, s, dim)
    x = floating(input)
    if name in ("rfft", "irfft") and not axes:
        raise RuntimeError(f"{name}n must transform at least one axis")
    if name == "rfft" and kind(x) == "c":
        raise RuntimeError(f"rfftn expects a real-valued input tensor, but got {scalar_type(input)}")
    if name == "ihfft" and kind(x) == "c":
        raise RuntimeError(f"Only supports floating-point dtypes, but found: {scalar_type(input)}")
    if name in ("irfft", "hfft") and (s is None or (s if isinstance(s, int) else s[-1]) == -1):
        points[-1] = 2 * (input.shape[axes[-1]] - 1)
    for n in points:
        _check_points(n)
    if not axes:
        return x.astype(jnp.result_type(x.dtype, jnp.complex64))
    if name == "hfft":
        # The conjugate turns the direction around, and with it the side that is divided.
        return jnp.fft.irfftn(jnp.conj(x), points, axes, _FLIPPED[mode])
    if name == "ihfft":
        return jnp.conj(jnp.fft.rfftn(x, points, axes, _FLIPPED[mode]))
    function: Callable[..., Array] = getattr(jnp.fft, name + "n")
    return function(x, points, axes, mode)


_NODES = {
    "fft": "FftC2CBackward0",
    "ifft": "FftC2CBackward0",
    "rfft": "FftR2CBackward0",
    "irfft": "FftC2RBackward0",
    "hfft": "FftC2RBackward0",
    "ihfft": "FftC2CBackward0",
}

#: What PyTorch makes of the transforms along one dimension for real input.
_REAL_NODES = {"fft": "FftR2CBackward0", "ifft": "ConjBackward0"}

_WHAT = {
    "fft": "Fourier transform",
    "ifft": "inverse Fourier transform",
    "rfft": "Fourier transform of a real signal: the half of the spectrum that tells the other",
    "irfft": "real signal of half a spectrum, the inverse of ``torch.fft.rfft``",
    "hfft": "real spectrum of half a Hermitian signal",
    "ihfft": "half Hermitian signal of a real spectrum, the inverse of ``torch.fft.hfft``",
}

_DOC = """{what}, along {where}.

Args:
    input: signal or spectrum; integers count as floats.
    {points}
    {dim}
    norm: what is divided by the number of points: ``"backward"`` (the default) the inverse, ``"forward"`` the
        transform itself, ``"ortho"`` both by its root.

Raises:
    IndexError: a dimension out of range.
    RuntimeError: points or dims that do not fit, another ``norm``, half precision, complex input where real
    is needed.
"""


#: Transforms that PyTorch begins with one of real numbers, whose input it keeps for its sizes.
_REAL_FIRST = {*_REAL_NODES, "rfft", "ihfft"}


def _kept_input(name: str, many: bool) -> Callable[[Mapping[str, Any]], str]:
    """What PyTorch keeps: no input that it copies first, to another type or with zeros behind."""

    def watches(args: Mapping[str, Any]) -> str:
        x = args["input"]
        if name not in _REAL_FIRST or (many and name in _REAL_NODES) or x.dtype.category != FLOAT:
            return ""
        try:
            axes, points = dims_of(x, args["s" if many else "n"], args["dim"])
        except (IndexError, RuntimeError):
            return ""  # the call raises it
        return "" if any(n > x.shape[a] for a, n in zip(axes, points, strict=True)) else "input"

    return watches


def _make_one(name: str) -> None:
    def function(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
        return transform(name, input, n, dim, norm)

    function.__name__ = name
    function.__doc__ = _DOC.format(
        what=_WHAT[name].capitalize(),
        where="one dimension",
        points="n: points of the signal, which is cut or padded with zeros.",
        dim="dim: the dimension.",
    )
    node = _REAL_NODES.get(name, _NODES[name])
    watches = _kept_input(name, False)
    register(
        f"fft.{name}", node=node, static="n dim norm", promote=None, saves="", watches=watches, out=True
    )(function)


def _make_two(name: str) -> None:
    def function(
        input: Array,
        s: tuple[int, ...] | None = None,
        dim: tuple[int, ...] = (-2, -1),
        norm: str | None = None,
    ) -> Array:
        return transform_many(name, input, s, dim, norm)

    _finish_many(function, name, "2", "two dimensions")


def _make_many(name: str) -> None:
    def function(
        input: Array,
        s: tuple[int, ...] | None = None,
        dim: tuple[int, ...] | None = None,
        norm: str | None = None,
    ) -> Array:
        return transform_many(name, input, s, dim, norm)

    _finish_many(function, name, "n", "several dimensions")


def _finish_many(function: Callable[..., Array], name: str, suffix: str, where: str) -> None:
    function.__name__ = name + suffix
    function.__doc__ = _DOC.format(
        what=_WHAT[name].capitalize(),
        where=where,
        points="s: points of the signal along each dimension; -1 leaves it as it is.",
        dim="dim: the dimensions; by default the last ones.",
    )
    register(
        f"fft.{name}{suffix}",
        node=_NODES[name],
        static="s dim norm",
        promote=None,
        saves="",
        watches=_kept_input(name, True),
        out=True,
    )(function)


for _name in _NODES:
    _make_one(_name)
    _make_two(_name)
    _make_many(_name)


def fft_shift(input: Array, dim: int | tuple[int, ...] | None, inverse: bool) -> Array:
    """Roll by half the size along ``dim``, all dimensions by default."""
    dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if not dims:
        raise RuntimeError("`shifts` required")
    axes = tuple(wrap_dim(d, input.ndim) for d in dims)
    sizes = [input.shape[a] for a in axes] if input.ndim else []
    return jnp.roll(input, [(n + 1) // 2 if inverse else n // 2 for n in sizes], axes) if sizes else input


@register("fft.fftshift", node="RollBackward0", static="dim", promote=None, saves="")
def fftshift(input: Array, dim: int | tuple[int, ...] | None = None) -> Array:
    """Move the frequency 0 of a spectrum from the front to the middle.

    Raises:
        IndexError: a dim out of range.
    """
    return fft_shift(input, dim, False)


@register("fft.ifftshift", node="RollBackward0", static="dim", promote=None, saves="")
def ifftshift(input: Array, dim: int | tuple[int, ...] | None = None) -> Array:
    """Move the frequency 0 of a spectrum from the middle to the front.

    Raises:
        IndexError: a dim out of range.
    """
    return fft_shift(input, dim, True)
