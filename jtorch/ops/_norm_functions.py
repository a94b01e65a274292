"""``norm``, ``dist`` and ``logsumexp``: reductions to one size."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import jax.scipy.special as jsp
from jax import Array

from jtorch import dtypes
from jtorch.ops._arithmetic import check_sub
from jtorch.ops._checks import kind, scalar_type, wrap_dims
from jtorch.ops._half import widened
from jtorch.ops._norms import check_float, p_norm
from jtorch.ops._registry import register

__all__ = ["dist", "logsumexp", "norm"]

Dim = int | Sequence[int] | None


@register(
    node=lambda shapes, static: "SumBackward1" if static["p"] == "nuc" else "LinalgVectorNormBackward0",
    static="p dim keepdim dtype",
    promote=None,
    saves=lambda args: "intermediate" if args["p"] == "nuc" else "input result",
    method=True,
    out=True,
)
def norm(
    input: Array,
    p: float | str | None = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    out: None = None,
    dtype: dtypes.dtype | None = None,
) -> Array:
    """The vector norm of order ``p`` over ``dim``, or the nuclear norm of matrices.

    Args:
        input: floating or complex.
        p: a number, infinities included; ``"fro"`` is 2; ``"nuc"`` sums the singular values.
        dim: one dimension, several, or all.
        keepdim: keep the reduced dimensions with size 1.
        out: where the result goes.
        dtype: convert to it first.

    Raises:
        RuntimeError: integers and booleans.
    """
    check_float("linalg.vector_norm", input)
    x = widened(input if dtype is None else input.astype(dtype.numpy))
    axes = wrap_dims(dim, input.ndim)
    order = 2.0 if p in ("fro", "nuc", None) else float(p)
    result = nuclear(x, axes) if p == "nuc" else p_norm(x, order, axes)
    result = result if keepdim else jnp.squeeze(result, axes)
    wanted = input.dtype if dtype is None else dtype.numpy
    return result if kind(input) == "c" or kind(x) == "c" else result.astype(wanted)


def nuclear(x: Array, axes: tuple[int, ...]) -> Array:
    """The sum of the singular values of the matrices in two axes, which stay with size 1."""
    if len(axes) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, axes))}")
    values = jnp.linalg.svd(jnp.moveaxis(x, axes, (-2, -1)), compute_uv=False)
    return jnp.expand_dims(jnp.sum(values, -1), axes)


@register(
    node="DistBackward0", numbers="", static="p", promote="default", method=True, saves="input other result"
)
def dist(input: Array, other: Array, p: float = 2) -> Array:
    """The norm of order ``p`` of ``input - other``; its gradient at 0 is 0.

    Raises:
        RuntimeError: integers and booleans.
    """
    check_sub(input, other)
    if kind(input) == "i":
        raise RuntimeError(
            "norm(): input dtype should be either floating point or complex. "
            f"Got {scalar_type(input)} instead."
        )
    difference = input - other
    axes = tuple(range(difference.ndim))
    return jnp.squeeze(p_norm(difference, float(p), axes), axes)


@register(
    node="LogsumexpBackward0",
    static="dim keepdim",
    promote="float",
    saves="input result",
    method=True,
    out=True,
    aliases="special.logsumexp",
)
def logsumexp(input: Array, dim: Dim, keepdim: bool = False) -> Array:
    """The logarithm of the sum of exponentials over ``dim``, without overflow; minus infinity of nothing."""
    axes = wrap_dims(dim, input.ndim)
    if not axes and kind(input) != "c":
        return input
    if 0 in (input.shape[a] for a in axes):
        shape = jnp.sum(input, axes, keepdims=keepdim).shape
        return jnp.full(shape, -jnp.inf, input.dtype)
    return jsp.logsumexp(input, axes, keepdims=keepdim)
