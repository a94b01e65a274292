"""Reductions of consecutive stretches of a dimension."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._checks import VALUE_CHECKS, kind, not_implemented
from jtorch.ops._places import reduce_at
from jtorch.ops._plain import larger, smaller
from jtorch.ops._registry import register

__all__ = ["segment_reduce"]

_NAMES = {"sum": "sum", "mean": "mean", "max": "amax", "min": "amin", "prod": "prod"}
_EMPTY = {"sum": 0.0, "mean": math.nan, "max": -math.inf, "min": math.inf, "prod": 1.0}


def check_segments(
    data: Array, reduce: str, lengths: Array | None, indices: Array | None, offsets: Array | None, axis: int
) -> Array:
    """Shapes, types and options; returns the lengths or offsets that are given."""
    if reduce not in _NAMES:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    given = offsets if lengths is None else lengths
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    name = "offsets" if lengths is None else "lengths"
    if axis != given.ndim - 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of {name} but got {axis}."
        )
    if kind(given) != "i":
        raise not_implemented(f"_segment_reduce_{name}_cpu_kernel1", given)
    if kind(data) != "f":
        raise not_implemented("_segment_reduce_cpu", data)
    return given


@register(
    node="SegmentReduceBackward0",
    static="reduce axis unsafe",
    promote=None,
    saves="data lengths offsets",
)
def segment_reduce(
    data: Array,
    reduce: str,
    *,
    lengths: Array | None = None,
    indices: Array | None = None,
    offsets: Array | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Array:
    """Reduce stretches of ``data`` that lie behind each other along ``axis``.

    Args:
        data: floating, shape ``(*, n, *rest)``.
        reduce: ``"sum"``, ``"mean"``, ``"max"``, ``"min"`` or ``"prod"``.
        lengths: of the s stretches, int64 or int32, shape ``(*, s)``; they add up to n.
        indices: not supported, as in PyTorch.
        offsets: where the stretches begin and the last one ends, ``(*, s + 1)``, instead of lengths.
        axis: the last dim of ``lengths``.
        unsafe: do not check the values of ``lengths``.
        initial: a number that takes part in every stretch; empty ones are it, or the reduction of nothing.

    Returns:
        Shape ``(*, s, *rest)``.

    Raises:
        RuntimeError: options that do not go together.
        NotImplementedError: other types.
    """
    given = check_segments(data, reduce, lengths, indices, offsets, axis)
    if lengths is not None:
        ends = jnp.cumsum(given, -1)
        starts = ends - given
    else:
        starts, ends = given[..., :-1], given[..., 1:]
    batch, n, rest = data.shape[:axis], data.shape[axis], data.shape[axis + 1 :]
    rows, count = math.prod(batch), starts.shape[-1]
    starts, ends = starts.reshape(rows, count), ends.reshape(rows, count)
    position = jnp.arange(n, dtype=ends.dtype)
    # The stretch whose end is the first one behind the position; one more collects what lies in none.
    number = jax.vmap(lambda e: jnp.searchsorted(e, position, side="right"))(ends)
    number = jnp.where((position < starts[:, :1]) | (number >= count), count, number)
    number = (number + jnp.arange(rows)[:, None] * (count + 1)).reshape(-1)
    start = jnp.full((rows * (count + 1), *rest), _EMPTY[reduce], data.dtype)
    values = data.reshape(rows * n, *rest)
    sizes = (ends - starts).astype(data.dtype).reshape(rows, count, *(1 for _ in rest))
    if reduce == "mean":
        out = reduce_at(jnp.zeros_like(start), number, values, 0, True, "sum", True)
    else:
        out = reduce_at(start, number, values, 0, True, _NAMES[reduce], False)
    out = out.reshape(rows, count + 1, *rest)[:, :count]
    out = _with_initial(out, sizes, reduce, initial)
    return out.reshape(*batch, count, *rest)


def _with_initial(out: Array, sizes: Array, reduce: str, initial: Any) -> Array:
    """Let ``initial`` take part; means of sums."""
    if initial is None:
        return jnp.where(sizes > 0, out / jnp.maximum(sizes, 1), jnp.nan) if reduce == "mean" else out
    first = jnp.asarray(initial).astype(out.dtype)
    if reduce == "mean":
        return jnp.where(sizes > 0, (out + first) / jnp.maximum(sizes, 1), first)
    if reduce in ("max", "min"):
        return (larger if reduce == "max" else smaller)(out, first)
    return out + first if reduce == "sum" else out * first


def _check_lengths(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    if arguments["unsafe"]:
        return
    if (values < 0).any():
        raise RuntimeError("lengths contains negative value!")
    if (values.sum(-1) != arguments["data"].shape[arguments["axis"]]).any():
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to "
            "data.size(lengths.dim()-1) when "
            "!unsafe."
        )


VALUE_CHECKS["segment_reduce"] = {"lengths": _check_lengths}
