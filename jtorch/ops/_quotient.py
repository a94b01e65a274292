"""Division as PyTorch rounds it, in values and in gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

__all__ = ["quotient"]


def quotient(input: Array, other: Array) -> Array:
    """``input / other`` of real floating arrays that broadcast, rounded once.

    XLA would multiply by the reciprocal of what it broadcasts, and divide by a product where it divides
    twice. This is a primitive of its own so that it holds for the gradients as well, which are quotients,
    too: ``c / other`` and ``-c * (input / other / other)``.
    """
    shape = jnp.broadcast_shapes(input.shape, other.shape)
    return quotient_p.bind(*(jnp.broadcast_to(x, shape) for x in (input, other)))


def _divided(x: Array, y: Array) -> Array:
    # Neither changes a value, but XLA does not see any more that x is a quotient, and y broadcast.
    missing = jnp.isnan(x)
    x = jnp.where(missing, jnp.asarray(jnp.nan, x.dtype), x)
    nothing = jnp.where(missing, jnp.asarray(jnp.nan, x.dtype), jnp.asarray(-0.0, x.dtype))
    return lax.div(x, nothing + y)


def _transposed(cotangent: Any, x: Any, y: Any) -> list[Any]:
    zero = type(cotangent) is ad.Zero
    return [ad.Zero(x.aval) if zero else quotient_p.bind(cotangent, y), None]


def _batched(operands: Any, dims: Any) -> tuple[Array, int]:
    size = next(x.shape[d] for x, d in zip(operands, dims, strict=True) if d is not None)
    whole = (batching.bdim_at_front(x, d, size) for x, d in zip(operands, dims, strict=True))
    return quotient_p.bind(*whole), 0


quotient_p = Primitive("quotient")
quotient_p.def_impl(jax.jit(_divided))
quotient_p.def_abstract_eval(lambda x, y: x.update(weak_type=False))
mlir.register_lowering(quotient_p, mlir.lower_fun(_divided, multiple_results=False))
batching.primitive_batchers[quotient_p] = _batched
ad.primitive_transposes[quotient_p] = _transposed
ad.defjvp2(
    quotient_p,
    lambda tangent, result, x, y: quotient_p.bind(tangent, y),
    lambda tangent, result, x, y: tangent * -quotient_p.bind(result, y),
)
