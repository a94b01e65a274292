"""Arrays of which a part is written, kept from a fault of XLA's CPU compiler.

It writes a part in place in the same loop that computes it. If there is a reshape before or after, it does
not see that the part is computed from elements of the same array, which the loop may have overwritten
(https://github.com/openxla/xla/issues/49176).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

__all__ = ["apart", "behind_a_branch", "computed", "written"]


def written(x: Array) -> Array:
    """An array of which a part was written: a reshape that follows is not moved before that."""
    return lax.optimization_barrier(x)


def behind_a_branch(number: Array, x: Array) -> Array:
    """``x``; XLA computes it before what reads it, since it is given to a branch that it cannot choose.

    Only on CPUs, where a branch costs nothing.

    Args:
        number: at least 0, which XLA does not know.
        x: any array.
    """

    def on_cpu(number: Array, x: Array) -> Array:
        return lax.cond(number >= 0, lambda x: x, jnp.zeros_like, x)

    return lax.platform_dependent(number, x, cpu=on_cpu, default=lambda number, x: x)


@jax.custom_jvp
def computed(part: Array, start: Array) -> Array:
    """``part``, computed before it is written at ``start``, a number that XLA does not know, at least 0.

    XLA can then write in place where it would copy the array: a row of 100,000 x 64 in 1 instead of 500 us.
    """
    return behind_a_branch(start, part)


@computed.defjvp
def _computed_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    return computed(*primals), tangents[0]


@jax.custom_jvp
def apart(x: Array) -> Array:
    """``x``, of which a part is read.

    The gradient is zeros with that part written. XLA would write the part of its sum with another gradient
    into that one; so it is added as it is.
    """
    return x


@apart.defjvp
def _apart_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return apart(primals[0]), written(tangents[0])
