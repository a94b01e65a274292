"""Ways to compute a convolution, and which of them is fastest on a CPU.

XLA's convolution is the right call on a GPU or TPU, and on a CPU for most shapes, once YNNPACK is left out
of it (``trace/_options.py``). For the rest others are chosen by shape, one each for the result and for both
gradients. Measured with 2 cores in milliseconds, result / gradient of the input / of the weight, XLA's
first, then the one chosen: 3 to 10 channels, 3x3, 32 images of 64x64: 8.1 / 14.5 / 4.3, 4.7 / 3.1 / 4.3;
depthwise 3x3, 64 channels at 28x28: 80 / 78 / 19, 1.4 / 3.2 / 1.5; four groups of 16 channels: 19 / 18 /
839, 10 / 8.5 / 12; 3x3x3 kernels, 8 channels at 16x16x16: 8.2 / 8.3 / 31, 4.2 / 6.4 / 3.8; 1x1, 64 channels
at 28x28: 4.9 / 4.5 / 7.1, 4.9 / 4.3 / 2.5. These are times of one convolution, channels first; the programs
of ``trace/_channels_last.py`` take XLA's for all images without groups.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._half import widened
from jtorch.ops._precision import precision
from jtorch.ops._sizes import surely
from jtorch.ops._weighted_images import weighted_sum

__all__ = ["Geometry", "convolve", "convolve_transposed"]


class Geometry(NamedTuple):
    """What a convolution is besides its operands, each entry per spatial dimension.

    Attributes:
        stride: steps of the kernel.
        padding: zeros before and after.
        dilation: distance of the kernel's elements.
        groups: input channels fall into so many groups that are convolved on their own.
    """

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    def outputs(self, sizes: tuple[int, ...], kernel: tuple[int, ...]) -> list[int]:
        """Sizes of the result, for spatial sizes of the input and of the kernel."""
        return [
            (n + lo + hi - d * (k - 1) - 1) // s + 1
            for n, k, s, (lo, hi), d in zip(
                sizes, kernel, self.stride, self.padding, self.dilation, strict=True
            )
        ]


def dimension_numbers(ndim: int) -> tuple[str, str, str]:
    """Batch and channels first, in JAX's notation."""
    space = "012"[: ndim - 2]
    return "NC" + space, "OI" + space, "NC" + space


def direct(x: Array, weight: Array, g: Geometry) -> Array:
    """XLA's convolution."""
    return lax.conv_general_dilated(
        x,
        weight,
        g.stride,
        g.padding,
        rhs_dilation=g.dilation,
        dimension_numbers=dimension_numbers(x.ndim),
        feature_group_count=g.groups,
        precision=precision(),
    )


def padded(x: Array, g: Geometry) -> Array:
    """``x`` with its margins of zeros."""
    return jnp.pad(x, ((0, 0), (0, 0), *g.padding)) if any(map(any, g.padding)) else x


def patches(x: Array, g: Geometry, kernel: tuple[int, ...]) -> list[Array]:
    """For each element of the kernel the points of ``x`` that it meets, as large as the result."""
    sizes = [n - d * (k - 1) for n, k, d in zip(x.shape[-len(kernel) :], kernel, g.dilation, strict=True)]
    found = []
    for offset in itertools.product(*map(range, kernel)):
        begin = [i * d for i, d in zip(offset, g.dilation, strict=True)]
        places = [slice(b, b + n, s) for b, n, s in zip(begin, sizes, g.stride, strict=True)]
        found.append(x[(..., *places)])
    return found


def taps(x: Array, weight: Array, g: Geometry) -> Array:
    """The sum written out: a product per kernel element and channel, fused into one loop."""
    batch = x.shape[0]
    out, per_group, *kernel = weight.shape
    space = (1,) * len(kernel)
    grouped = padded(x, g)
    if out == g.groups and per_group == 1:  # an image stays one, so that it can be held channels last
        return weighted_sum(patches(grouped, g, tuple(kernel)), weight.reshape(out, -1).T)
    grouped = grouped.reshape(batch, g.groups, per_group, 1, *grouped.shape[2:])
    factors = weight.reshape(g.groups, out // g.groups, per_group, -1)
    total: Any = 0
    for i, patch in enumerate(patches(grouped, g, tuple(kernel))):
        for c in range(per_group):
            total = total + patch[:, :, c] * factors[:, :, c, i].reshape(g.groups, -1, *space)
    return total.reshape(batch, out, *total.shape[3:])


def columns(x: Array, weight: Array, g: Geometry) -> Array:
    """A matrix product per sample and group, over columns that hold what the kernel meets at each point."""
    batch = x.shape[0]
    out, per_group, *kernel = weight.shape
    found = patches(padded(x, g), g, tuple(kernel))
    space = found[0].shape[2:]
    stacked = jnp.concatenate([p.reshape(batch, g.groups, per_group, 1, -1) for p in found], 3)
    stacked = stacked.reshape(batch, g.groups, per_group * len(found), math.prod(space))
    # The weight has the batch dimensions as well: XLA's products are twice as fast than if moved behind them.
    rows = weight.reshape(1, g.groups, out // g.groups, -1)
    rows = jnp.broadcast_to(rows, (batch, *rows.shape[1:]))
    result = lax.dot_general(rows, stacked, (((3,), (2,)), ((0, 1), (0, 1))), precision=precision())
    return result.reshape(batch, out, *space)


def split(x: Array, weight: Array, g: Geometry) -> Array:
    """A convolution per group."""
    alone = g._replace(groups=1)
    pairs = zip(jnp.split(x, g.groups, 1), jnp.split(weight, g.groups, 0), strict=True)
    return jnp.concatenate([direct(a, b, alone) for a, b in pairs], 1)


def transposed_directly(x: Array, weight: Array, g: Geometry, sizes: tuple[int, ...]) -> Array:
    """XLA's convolution of the input, spread by the stride, with the mirrored kernel."""
    channels, per_group, *kernel = weight.shape
    space = tuple(range(2, x.ndim))
    mirrored = jnp.flip(weight, space).reshape(g.groups, channels // g.groups, per_group, *kernel)
    mirrored = jnp.swapaxes(mirrored, 1, 2).reshape(g.groups * per_group, channels // g.groups, *kernel)
    padding = []
    for n, m, k, s, (lo, _), d in zip(
        x.shape[2:], sizes, kernel, g.stride, g.padding, g.dilation, strict=True
    ):
        before = d * (k - 1) - lo
        padding.append((before, m - before - (s * (n - 1) + 1) + d * (k - 1)))
    return lax.conv_general_dilated(
        x,
        mirrored,
        (1,) * len(kernel),
        padding,
        lhs_dilation=g.stride,
        rhs_dilation=g.dilation,
        dimension_numbers=dimension_numbers(x.ndim),
        feature_group_count=g.groups,
        precision=precision(),
    )


def transposed_columns(x: Array, weight: Array, g: Geometry, sizes: tuple[int, ...]) -> Array:
    """The transpose of :func:`columns`: products first, whose parts are then added up where they belong."""
    shape = (x.shape[0], g.groups * weight.shape[1], *sizes)
    # Extra elements at the end may leave room for more windows than there are inputs.
    places = (slice(None), slice(None), *(slice(n) for n in x.shape[2:]))

    def forward(z: Array) -> Array:
        return columns(z, weight, g)[places]

    return jax.linear_transpose(forward, jax.ShapeDtypeStruct(shape, x.dtype))(x)[0]


KINDS: dict[str, Callable[..., Array]] = {
    "direct": direct,
    "taps": taps,
    "columns": columns,
    "split": split,
    "transposed directly": transposed_directly,
    "transposed columns": transposed_columns,
}

#: Most products that are written out one by one.
TAPS = 49
#: Most elements of the columns of a convolution, 256 MiB of float32.
COLUMNS = 1 << 26


def choose(x: Any, weight: Any, g: Geometry) -> tuple[str, ...]:
    """The kinds for a CPU: of the result, of the part linear in ``x`` and of that linear in ``weight``."""
    out, per_group, *kernel = weight.shape
    points = math.prod(kernel)
    size = x.shape[0] * x.shape[1] * points * math.prod(g.outputs(x.shape[2:], kernel))
    fits = surely(lambda: size <= COLUMNS)
    if points == 1 and g.groups == 1 and not any(map(any, g.padding)):
        return ("columns",) * 3
    if g.groups > 1:
        if per_group == 1 and points <= TAPS and out <= 2 * g.groups:
            return ("taps", "taps", "taps" if out == g.groups else "direct")
        return ("split" if g.groups <= 8 or not fits else "columns",) * 3
    if per_group * points <= TAPS and fits:
        # Taps would be faster alone, but are computed again in each loop that reads them, in its order.
        return ("columns", "columns", "direct")
    return ("columns" if len(kernel) == 3 and fits else "direct",) * 3


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def mixed(x: Array, weight: Array, kinds: tuple[str, ...], g: Geometry, more: tuple[Any, ...]) -> Array:
    """A convolution whose result and whose derivatives are computed in different ways."""
    return KINDS[kinds[0]](x, weight, g, *more)


@partial(mixed.defjvp, symbolic_zeros=True)
def _mixed_jvp(
    kinds: tuple[str, ...], g: Geometry, more: tuple[Any, ...], primals: Any, tangents: Any
) -> tuple[Array, Any]:
    (x, weight), (dx, dweight) = primals, tangents
    parts = []
    if not isinstance(dx, jax.custom_derivatives.SymbolicZero):
        parts.append(KINDS[kinds[1]](dx, weight, g, *more))
    if not isinstance(dweight, jax.custom_derivatives.SymbolicZero):
        parts.append(KINDS[kinds[2]](x, dweight, g, *more))
    result = mixed(x, weight, kinds, g, more)
    return result, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(result)


def on_cpu(x: Array, weight: Array, *, kinds: tuple[str, ...], g: Geometry, more: Any = ()) -> Array:
    """The chosen kinds, in float32 for half types."""
    wide, factors = widened(x), widened(weight)
    if kinds[0] == kinds[1] == kinds[2]:
        return KINDS[kinds[0]](wide, factors, g, *more).astype(x.dtype)
    return mixed(wide, factors, kinds, g, more).astype(x.dtype)


def convolve(x: Array, weight: Array, g: Geometry) -> Array:
    """``out[n, o, p] = sum over c, k of weight[o, c, k] * x[n, c, stride * p + dilation * k]``.

    Args:
        x: shape ``(N, C, *)``.
        weight: ``(O, C / groups, *)``.
        g: sizes of steps and margins.

    Returns:
        Shape ``(N, O, *)``.
    """
    kinds = choose(x, weight, g) if x.size and weight.size else ("direct",) * 3
    if kinds == ("direct",) * 3:
        return direct(x, weight, g)
    chosen = partial(on_cpu, kinds=kinds, g=g)
    # In programs that hold images channels last XLA's own way is the better one.
    first = {"channels_first": chosen} if x.ndim == 4 and g.groups == 1 else {}
    return lax.platform_dependent(x, weight, cpu=chosen, **first, default=partial(direct, g=g))


def convolve_transposed(x: Array, weight: Array, g: Geometry, sizes: tuple[int, ...]) -> Array:
    """The transpose of :func:`convolve` with respect to its input: its gradient as a function.

    Args:
        x: shape ``(N, C, *)``.
        weight: ``(C, O / groups, *)``.
        g: of the convolution that is transposed.
        sizes: spatial sizes of the result.

    Returns:
        Shape ``(N, O, *sizes)``.
    """
    points = math.prod(weight.shape[2:])
    size = x.shape[0] * g.groups * weight.shape[1] * points * math.prod(x.shape[2:])
    if not surely(lambda: 0 < size <= COLUMNS) or not jnp.issubdtype(x.dtype, jnp.inexact):
        return transposed_directly(x, weight, g, sizes)
    # The gradient of the weight with a stride is XLA's slow case: 4.6 ms against 0.8 for 2x2, 16 channels.
    strided = any(s > 1 for s in g.stride)
    kinds = ("transposed directly",) * 2 + ("transposed columns" if strided else "transposed directly",)
    if g.groups > 1 or points == 1 or len(sizes) == 3:
        kinds = ("transposed columns",) * 3
    return lax.platform_dependent(
        x,
        weight,
        cpu=partial(on_cpu, kinds=kinds, g=g, more=(sizes,)),
        default=partial(transposed_directly, g=g, sizes=sizes),
    )
