"""Derivatives of element-wise functions where PyTorch's convention (or accuracy) differs from JAX's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

__all__ = ["slopes"]

F = TypeVar("F", bound=Callable[..., Array])


def slopes(*partials: Callable[..., Array] | None) -> Callable[[F], F]:
    """Give an element-wise function its partial derivatives.

    A derivative is only computed for operands that are differentiated: the infinite slope of a constant one
    does not turn the gradients of the others into nan. Operands may broadcast.

    Args:
        partials: per operand a differentiable function of ``(result, *operands)``; ``None`` where it is 0.
    """

    def decorate(function: F) -> F:
        wrapped = jax.custom_jvp(function)

        def rule(primals: tuple[Array, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
            result = wrapped(*primals)
            total = jnp.zeros_like(result)
            first = True
            for tangent, partial in zip(tangents, partials, strict=True):
                if partial is None or isinstance(tangent, SymbolicZero):
                    continue
                term = tangent * partial(result, *primals)
                total, first = term if first else total + term, False
            return result, jnp.broadcast_to(total, result.shape).astype(result.dtype)

        wrapped.defjvp(rule, symbolic_zeros=True)
        return wrapped  # type: ignore[return-value]

    return decorate
