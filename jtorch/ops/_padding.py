"""Padding: margins of a constant, of reflections, of the edges, or of the other side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import VALUE_CHECKS, check_types, kind, not_implemented
from jtorch.ops._registry import register

__all__ = ["pad"]


def pad_node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
    """The mode's node, for the number of dimensions padded."""
    mode = static["mode"]
    if mode == "circular":
        return "CopySlices"
    names = {"reflect": "Reflection", "replicate": "Replication"}
    return (
        f"{names[mode]}Pad{len(static['pad']) // 2}DBackward0" if mode in names else "ConstantPadNdBackward0"
    )


@register("constant_pad_nd", node="ConstantPadNdBackward0", static="pad", promote=None, saves="")
def constant_pad_nd(input: Array, pad: Sequence[int], value: Array | float = 0) -> Array:
    """Margins filled with a number; negative ones cut off.

    Args:
        input: any shape and dtype.
        pad: before and after, of the last dimension first.
        value: to fill with.

    Raises:
        RuntimeError: an odd number of margins, too many, or more cut off than there is.
    """
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding "
            "length "
            f"{len(pad)} and input of dimension {input.ndim}"
        )
    margins = margins_of(input, pad)
    for n, (before, after) in zip(input.shape, margins, strict=True):
        if n + min(before, 0) + min(after, 0) < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        if n + before + after < 0:
            raise RuntimeError(
                f"The input size {n}, plus negative padding {before} and {after} resulted in a negative "
                "output size, "
                "which is invalid. Check dimension of your input."
            )
    fill = jnp.asarray(value).astype(input.dtype)
    return lax.pad(input, fill, [(before, after, 0) for before, after in margins])


def margins_of(input: Array, pad: Sequence[int]) -> list[tuple[int, int]]:
    """Margins per dimension, in the order of the dimensions."""
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (input.ndim - len(pairs)) + pairs[::-1]


@register(
    "nn.functional.pad",
    node=pad_node,
    static="pad mode",
    promote=None,
    saves="",
    watches=lambda args: "input" if args["mode"] in ("reflect", "replicate") else "",
)
def pad(
    input: Array, pad: Sequence[int], mode: str = "constant", value: Array | float | None = None
) -> Array:
    """Margins around the last dimensions; negative ones cut off.

    Args:
        input: any shape; with other modes than ``"constant"`` a sample or a batch of what is padded.
        pad: before and after, of the last dimension first.
        mode: ``"constant"``, ``"reflect"`` (mirrored without the edge), ``"replicate"`` (the edge again) or
            ``"circular"`` (from the other side).
        value: the constant, 0 by default.

    Raises:
        RuntimeError: margins that do not fit.
        NotImplementedError: another mode, or another number of dimensions.
    """
    for i, n in enumerate(pad):
        if isinstance(n, float):
            raise TypeError(
                "pad(): argument 'pad' (position 2) must be tuple of ints, but found element of type float "
                f"at pos {i}"
            )
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        return constant_pad_nd(input, pad)
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if mode not in MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    count = len(pad) // 2
    if not 1 <= count <= 3 or input.ndim not in (count + 1, count + 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    margins = margins_of(input, pad)
    check, extend = MODES[mode]
    check(input, margins, count)
    for axis in range(input.ndim - count, input.ndim):
        before, after = margins[axis]
        if mode == "circular":  # goes around in what is left
            input = cropped(input, axis, before, after)
            before, after = max(before, 0), max(after, 0)
        if before or after:
            input = extend(input, axis, max(before, 0), max(after, 0))
            input = cropped(input, axis, before, after)
    return input


def _check_pad(input: Any, pad: Any, mode: str, value: Any) -> None:
    """The constant is a number."""
    is_tensor = hasattr(value, "ndim")
    if value is not None and (value.ndim if is_tensor else value not in (bool, int, float)):
        given = "Tensor" if is_tensor else value.__name__
        raise TypeError(f"pad(): argument 'value' (position 4) must be float, not {given}")


def _check_constant(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    """Other modes have none."""
    mode = arguments["mode"]
    if mode != "constant" and values != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')


check_types("nn.functional.pad", _check_pad)
VALUE_CHECKS["nn.functional.pad"] = {"value": _check_constant}


def cropped(x: Array, axis: int, before: int, after: int) -> Array:
    """``x`` without what negative margins cut off."""
    return lax.slice_in_dim(x, max(-before, 0), x.shape[axis] - max(-after, 0), axis=axis)


def check_nonempty(kernel: str, input: Array, count: int) -> None:
    """Only the batch may be empty."""
    if 0 in input.shape[input.ndim - count - 1 :] or (count == 1 and input.ndim == 2 and 0 in input.shape):
        raise RuntimeError(
            f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with possibly 0 batch size and "
            "other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    if kind(input) == "b":
        raise not_implemented(f"{kernel}_pad{count}d", input)


def check_left(input: Array, margins: Sequence[tuple[int, int]], count: int) -> None:
    """Something must be left where margins cut off."""
    sizes = [n + before + after for n, (before, after) in zip(input.shape, margins, strict=True)]
    if min(sizes[-count:]) >= 0 and (count > 1 or sizes[-1] > 0):
        return
    if count == 1:
        raise RuntimeError(f"input (W: {input.shape[-1]}) is too small. Calculated output W: {sizes[-1]}")
    raise RuntimeError(f"Trying to create tensor with negative dimension {min(sizes)}: {sizes}")


def check_reflect(input: Array, margins: Sequence[tuple[int, int]], count: int) -> None:
    """Margins smaller than what they mirror."""
    check_nonempty("reflection", input, count)
    for axis in reversed(range(input.ndim - count, input.ndim)):
        before, after = margins[axis]
        if max(before, after) >= input.shape[axis]:
            place = 4 + 2 * (input.ndim - 1 - axis)
            raise RuntimeError(
                f"Argument #{place}: Padding size should be less than the corresponding input dimension, "
                "but got: "
                f"padding ({before}, {after}) at dimension {axis} of input {list(input.shape)}"
            )
    check_left(input, margins, count)


def check_replicate(input: Array, margins: Sequence[tuple[int, int]], count: int) -> None:
    """Something to repeat."""
    check_nonempty("replication", input, count)
    check_left(input, margins, count)


def check_circular(input: Array, margins: Sequence[tuple[int, int]], count: int) -> None:
    """Once around at most."""
    for n, (before, after) in zip(input.shape[-count:], margins[-count:], strict=True):
        if max(before, after) > n:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if n + before + after < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")


def reflect(x: Array, axis: int, before: int, after: int) -> Array:
    """The neighbours of each edge, mirrored."""
    size = x.shape[axis]
    left = jnp.flip(lax.slice_in_dim(x, 1, before + 1, axis=axis), axis)
    right = jnp.flip(lax.slice_in_dim(x, size - 1 - after, size - 1, axis=axis), axis)
    return lax.concatenate([left, x, right], axis)


def replicate(x: Array, axis: int, before: int, after: int) -> Array:
    """Each edge again and again."""
    shape, size = list(x.shape), x.shape[axis]
    edges = [lax.slice_in_dim(x, i, i + 1, axis=axis) for i in (0, size - 1)]
    parts = []
    for edge, n in zip(edges, (before, after), strict=True):
        shape[axis] = n
        parts.append(jnp.broadcast_to(edge, shape))
    return lax.concatenate([parts[0], x, parts[1]], axis)


def circular(x: Array, axis: int, before: int, after: int) -> Array:
    """What follows on the other side."""
    size = x.shape[axis]
    left = lax.slice_in_dim(x, size - before, size, axis=axis)
    return lax.concatenate([left, x, lax.slice_in_dim(x, 0, after, axis=axis)], axis)


#: mode -> its check and its way to extend one dimension
MODES: dict[str, Any] = {
    "reflect": (check_reflect, reflect),
    "replicate": (check_replicate, replicate),
    "circular": (check_circular, circular),
}
