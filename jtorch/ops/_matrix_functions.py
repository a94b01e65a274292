"""Powers and exponentials of matrices, and covariances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jax import Array, lax

from jtorch.dtypes import float32, from_numpy_dtype, get_default_dtype, promote_types
from jtorch.ops._checks import VALUE_CHECKS, kind, reject_kinds, scalar_type
from jtorch.ops._linalg_checks import check_floating, check_square, is_half
from jtorch.ops._matmul import product
from jtorch.ops._registry import register
from jtorch.ops._selection import clamp

__all__ = ["corrcoef", "cov", "matrix_exp", "power_of"]


def power_of(a: Array, n: int) -> Array:
    """The n-th power by repeated squaring, n at least 0."""
    if n == 0:
        return jnp.broadcast_to(jnp.eye(a.shape[-1], dtype=a.dtype), a.shape)
    out: Array | None = None
    while n:
        if n & 1:
            out = a if out is None else product(out, a)
        n >>= 1
        if n:
            a = product(a, a)
    assert out is not None
    return out


@register("_matrix_power", node="MmBackward0", static="n", promote=None, function=False)
def matrix_power(A: Array, n: int) -> Array:
    """The n-th power of square matrices, n at least 0.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square.
        NotImplementedError: bool.
    """
    check_square("linalg.matrix_power", A)
    reject_kinds("addmm_impl_cpu_" if A.ndim == 2 else "bmm", "b", A)
    return power_of(A, n)


@register(
    "linalg.matrix_exp", node="LinalgMatrixExpBackward0", promote=None, method=True, aliases="matrix_exp"
)
def matrix_exp(A: Array) -> Array:
    """Exponentials of square matrices.

    Raises:
        RuntimeError: fewer than 2 dims, matrices that are not square, integers.
    """
    check_square("linalg.matrix_exp", A)
    check_floating("linalg.matrix_exp", A)
    if A.size == 0:
        return A
    a = A.astype(jnp.float32) if is_half(A) else A
    return jax.scipy.linalg.expm(a).astype(A.dtype)


def check_cov(x: Array, fweights: Array | None, aweights: Array | None) -> None:
    """Shapes and types of a covariance."""
    if x.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {x.ndim} dimensions"
        )
    if kind(x) == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    observations = x.shape[-1] if x.ndim else 1
    for name, w, wanted, types in (
        ("fweights", fweights, "integral", "i"),
        ("aweights", aweights, "floating point", "f"),
    ):
        if w is None:
            continue
        if w.ndim > 1:
            raise RuntimeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.ndim} "
                "dimensions"
            )
        if kind(w) not in types:
            raise RuntimeError(
                f"cov(): expected {name} to have {wanted} dtype but got {name} with {scalar_type(w)} dtype"
            )
        if w.size != observations:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but "
                "got "
                f"{w.size} != {observations}"
            )


def _check_weights(name: str) -> Callable[[np.ndarray[Any, Any], Mapping[str, Any]], None]:
    def check(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
        if (values < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")

    return check


VALUE_CHECKS["cov"] = {name: _check_weights(name) for name in ("fweights", "aweights")}


def _cov_saves(args: Mapping[str, Any]) -> str:
    """The weights are multiplied, then the input by them: a gradient of weights takes the other factors."""
    if args["aweights"] is None:
        return "fweights intermediate"
    if args["fweights"] is None:
        return "aweights intermediate"
    return "intermediate"


def _cov_watches(args: Mapping[str, Any]) -> str:
    return "input@aweights fweights@aweights" + " aweights@aweights" * (args["correction"] != 0)


@register(
    node="SqueezeBackward0",
    static="correction",
    promote=None,
    method=True,
    saves=_cov_saves,
    watches=_cov_watches,
)
def cov(
    input: Array, *, correction: int = 1, fweights: Array | None = None, aweights: Array | None = None
) -> Array:
    """Covariances of variables (rows) over observations (columns); a vector is one variable.

    Args:
        input: at most 2 dims; integers count as floats.
        correction: subtracted from the number of observations.
        fweights: integers: how often each observation occurred.
        aweights: how much each observation counts.

    Returns:
        Shape ``(n, n)`` for n variables, ``()`` for one.

    Raises:
        RuntimeError: sizes or types that do not fit.
    """
    check_cov(input, fweights, aweights)
    result = from_numpy_dtype(input.dtype)
    if aweights is not None:
        result = promote_types(result, from_numpy_dtype(aweights.dtype))
    elif kind(input) == "i":
        result = get_default_dtype()
    wide = result if result.itemsize > 2 else float32
    return _covariance(input.astype(wide.numpy), correction, fweights, aweights).astype(result.numpy)


def _covariance(x: Array, correction: int, fweights: Array | None, aweights: Array | None) -> Array:
    x = x.reshape(1, -1) if x.ndim < 2 else x
    real = jnp.zeros((), x.dtype).real.dtype
    weights = [w.reshape(-1).astype(real) for w in (fweights, aweights) if w is not None]
    if not weights:
        centred = x - jnp.mean(x, 1, keepdims=True)
        divisor = jnp.asarray(max(x.shape[1] - correction, 0), real)
        scaled = centred
    else:
        w = weights[0] if len(weights) == 1 else weights[0] * weights[1]
        total = jnp.sum(w)
        centred = x - jnp.sum(x * w, 1, keepdims=True) / total
        lost = correction if aweights is None else correction * jnp.sum(w * weights[-1]) / total
        divisor = jnp.maximum(total - lost, 0)
        scaled = centred * w
    out = product(scaled, jnp.conj(centred).T) / divisor
    return jnp.squeeze(out)


@register(node="ClampBackward1", promote=None, method=True, saves="intermediate")
def corrcoef(input: Array) -> Array:
    """Pearson's correlations of variables (rows) over observations (columns); a vector is one variable.

    Raises:
        RuntimeError: more than 2 dims, bool.
    """
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c
    deviation = jnp.sqrt(jnp.diagonal(c).real).astype(c.dtype)
    r = c / deviation[:, None] / deviation[None, :]
    one = jnp.ones((), r.real.dtype)
    if kind(r) == "c":
        return lax.complex(clamp(r.real, -one, one), clamp(r.imag, -one, one))
    return clamp(r, -one, one)
