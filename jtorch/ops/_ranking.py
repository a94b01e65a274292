"""Order along a dimension: stable sorting permutations, k-th smallest values, first extremes.

XLA's CPU sort of several operands calls a comparison function per step, four times slower than its sort of
plain integers (1000 x 1000 float32: 190 ms against 40 ms). So values become integers of the same order,
packed with their positions into one integer, which also makes the order stable. A k-th value needs no sort at
all: its bits are found from the top, one count per bit (9 ms).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import kind
from jtorch.ops._plain import converted
from jtorch.ops._sizes import surely
from jtorch.ops._written_parts import behind_a_branch

__all__ = ["computed_once", "extreme", "first_extreme", "kth_position", "order", "ordered", "reflected"]

#: From this size on, two vectorised passes beat XLA's combined reduction of value and position on a CPU.
TWO_PASSES = 1 << 14


def ordered(x: Array) -> Array:
    """Numbers of 32 or 64 bits as signed integers of the same order, nan above all and -0.0 below 0.0."""
    signed, nan = (jnp.int64, 0x7FF8 << 48) if x.dtype.itemsize == 8 else (jnp.int32, 0x7FC0 << 16)
    bits = lax.bitcast_convert_type(x, signed)
    return reflected(lax.select(lax.ne(x, x), lax.full_like(bits, nan), bits))


def reflected(bits: Array) -> Array:
    """Bits of negative numbers turned over but for their sign, which orders them; and back again."""
    last = bits.dtype.itemsize * 8 - 1
    sign = lax.shift_right_arithmetic(bits, lax.full_like(bits, last))
    return lax.bitwise_xor(bits, lax.bitwise_and(sign, lax.full_like(bits, (1 << last) - 1)))


def sortable(x: Array) -> Array:
    """Unsigned integers (32 or 64 bits) in the order of the values; all nan are equal and largest."""
    wide = x.dtype.itemsize == 8
    unsigned, signed = (jnp.uint64, jnp.int64) if wide else (jnp.uint32, jnp.int32)
    sign = 1 << (63 if wide else 31)
    if kind(x) == "f":
        x = x.astype(jnp.float64 if wide else jnp.float32)
        return lax.bitcast_convert_type(ordered(jnp.where(x == 0, 0, x)), unsigned) ^ unsigned(sign)
    if jnp.issubdtype(x.dtype, jnp.signedinteger):
        return lax.bitcast_convert_type(x.astype(signed), unsigned) ^ unsigned(sign)
    return x.astype(unsigned)


def order(x: Array, axis: int, descending: bool = False) -> Array:
    """The positions (int64) that sort ``x`` along ``axis``; equal values keep their order."""
    bits = sortable(lax.stop_gradient(x))
    bits = ~bits if descending else bits
    position = lax.broadcasted_iota(jnp.uint64, x.shape, axis)
    if bits.dtype == jnp.uint32:
        return ranked(bits, position, axis)
    # 64 bits in two rounds, the lower half first: the second round keeps its order.
    first = ranked(bits & 0xFFFFFFFF, position, axis)
    upper = jnp.take_along_axis(bits >> 32, first, axis)
    return jnp.take_along_axis(first, ranked(upper, position, axis), axis)


def ranked(bits: Array, position: Array, axis: int) -> Array:
    """The positions in the order of 32-bit keys, then of position."""
    packed = (bits.astype(jnp.uint64) << 32) | position
    return (lax.sort(packed, dimension=axis, is_stable=False) & 0xFFFFFFFF).astype(jnp.int64)


def kth_position(x: Array, rank: Array, axis: int) -> Array:
    """The first position (int64) of the value with ``rank`` smaller ones before it in order.

    Args:
        x: values.
        rank: broadcasts to the shape of ``x`` with size 1 along ``axis``, which is the result's shape, too.
        axis: dimension that is ranked.
    """
    bits = computed_once(sortable(lax.stop_gradient(x)))
    width = bits.dtype.itemsize * 8
    one = jnp.ones((), bits.dtype)

    def settle(i: Array, found: Array) -> Array:
        candidate = found | (one << (width - 1 - i).astype(bits.dtype))
        below = jnp.sum(bits < candidate, axis, keepdims=True, dtype=jnp.int32)
        return jnp.where(below <= rank, candidate, found)

    # Differs from PyTorch: of equal values the first is reported; there the choice depends on the algorithm.
    start = jnp.zeros(tuple(1 if a == axis else n for a, n in enumerate(x.shape)), bits.dtype)
    return first_true(bits == lax.fori_loop(0, width, settle, start), axis)


def first_true(condition: Array, axis: int) -> Array:
    """The first position (int64) along ``axis`` where the condition holds; the axis stays with size 1."""
    position = lax.broadcasted_iota(jnp.int32, condition.shape, axis)
    size = condition.shape[axis]
    return jnp.min(jnp.where(condition, position, size - 1), axis, keepdims=True).astype(jnp.int64)


def computed_once(x: Array) -> Array:
    """``x``, whose elements all that follows sees with the same bits.

    XLA computes what is cheap in each loop that reads it, here with fused multiplications and additions and
    there without: the largest of some numbers then equals none of them.
    """
    if not surely(lambda: x.size > 0) or x.dtype.itemsize < 4:
        return x
    first = x[(0,) * x.ndim].real if kind(x) == "c" else x[(0,) * x.ndim]
    bits = lax.bitcast_convert_type(first, jnp.int64 if first.dtype.itemsize == 8 else jnp.int32)
    return behind_a_branch(lax.shift_right_logical(bits, lax.full_like(bits, 1)), x)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def extreme(x: Array, axes: tuple[int, ...], largest: bool, keepdims: bool = False) -> Array:
    """The largest or smallest value over ``axes``, nan if there is one; equal ones share the gradient.

    Found among integers: of floats, XLA's library of fused reductions on CPUs (YNNPACK) loses nan. Over
    leading axes this is several times as fast, too.
    """
    axes = tuple(axis % x.ndim for axis in axes)
    if kind(x) != "f":
        return (jnp.max if largest else jnp.min)(x, axes, keepdims=keepdims)
    wide = x.astype(jnp.float32) if x.dtype.itemsize < 4 else x
    found = reflected(lax.reduce_max(ordered(wide if largest else -wide), axes))
    value = lax.bitcast_convert_type(found, wide.dtype)
    value = (value if largest else -value).astype(x.dtype)
    return lax.expand_dims(value, axes) if keepdims else value


@extreme.defjvp
def _extreme_jvp(
    axes: tuple[int, ...], largest: bool, keepdims: bool, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    axes = tuple(axis % primals[0].ndim for axis in axes)
    x = computed_once(primals[0])
    value = extreme(x, axes, largest, True)
    # nan equals nothing, so that its gradients are nan, as in PyTorch.
    same = converted(x == value, x.dtype)
    moved = jnp.sum(same / jnp.sum(same, axes, keepdims=True) * tangents[0], axes, keepdims=keepdims)
    return value if keepdims else lax.squeeze(value, axes), moved


def first_extreme(x: Array, axis: int, largest: bool) -> Array:
    """The first position (int64) of the largest or smallest value, or of the first nan, without the axis."""
    if not surely(lambda: x.size >= TWO_PASSES):
        return (lax.argmax if largest else lax.argmin)(x, axis, jnp.int64)
    x = computed_once(x)
    value = extreme(x, (axis,), largest, True)
    hit = x == value
    if kind(x) == "f":
        hit = hit | (jnp.isnan(x) & jnp.isnan(value))
    return jnp.squeeze(first_true(hit, axis), axis)
