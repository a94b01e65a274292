"""Orthogonal polynomials of a degree that may differ from element to element, by their recurrences.

The degree is an operand, so the recurrence runs in a loop up to the largest. PyTorch has no gradients here.
Source of the recurrences: DLMF 18.9, https://dlmf.nist.gov/18.9
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import check_broadcast, reject_kinds
from jtorch.ops._registry import register

polynomial = partial(register, node=None, numbers="input n", promote="float", saves="", out=True)

#: ``step(k, x, current, previous)``: the polynomial of degree k + 1 from those of degrees k and k - 1.
Step = Callable[[Array, Array, Array, Array], Array]


def evaluate(name: str, input: Array, n: Array, first: Callable[[Array], Array], step: Step) -> Array:
    """The polynomial of degree ``n`` at ``input``: 1, ``first``, then by steps; 0 for negative degrees."""
    check_broadcast(input, n)
    reject_kinds(f"{name}_cpu", "c", input)
    x, degree = jnp.broadcast_arrays(input, n)
    degree = degree.astype(jnp.int64)
    one = jnp.ones_like(x)
    largest = jnp.max(degree, initial=0)

    def advance(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        k, current, previous = state
        following = step(k.astype(x.dtype), x, current, previous)
        wanted = k < degree
        return k + 1, jnp.where(wanted, following, current), jnp.where(wanted, current, previous)

    start = (jnp.ones((), jnp.int64), jnp.where(degree > 0, first(x), one), one)
    _, value, _ = lax.while_loop(lambda state: state[0] < largest, advance, start)
    return jnp.where(degree < 0, 0, value).astype(x.dtype)


def chebyshev_step(k: Array, x: Array, current: Array, previous: Array) -> Array:
    return 2 * x * current - previous


@polynomial("special.chebyshev_polynomial_t")
def chebyshev_polynomial_t(input: Array, n: Array) -> Array:
    """Chebyshev polynomials of the first kind: 1, x, 2 x T(k) - T(k - 1)."""
    return evaluate("chebyshev_polynomial_t", input, n, lambda x: x, chebyshev_step)


@polynomial("special.chebyshev_polynomial_u")
def chebyshev_polynomial_u(input: Array, n: Array) -> Array:
    """Chebyshev polynomials of the second kind: 1, 2 x, then as the first."""
    return evaluate("chebyshev_polynomial_u", input, n, lambda x: 2 * x, chebyshev_step)


@polynomial("special.chebyshev_polynomial_v")
def chebyshev_polynomial_v(input: Array, n: Array) -> Array:
    """Chebyshev polynomials of the third kind: 1, 2 x - 1, then as the first."""
    return evaluate("chebyshev_polynomial_v", input, n, lambda x: 2 * x - 1, chebyshev_step)


@polynomial("special.chebyshev_polynomial_w")
def chebyshev_polynomial_w(input: Array, n: Array) -> Array:
    """Chebyshev polynomials of the fourth kind: 1, 2 x + 1, then as the first."""
    return evaluate("chebyshev_polynomial_w", input, n, lambda x: 2 * x + 1, chebyshev_step)


@polynomial("special.shifted_chebyshev_polynomial_t")
def shifted_chebyshev_polynomial_t(input: Array, n: Array) -> Array:
    """:func:`chebyshev_polynomial_t` at ``2 * input - 1``."""
    return evaluate("shifted_chebyshev_polynomial_t", 2 * input - 1, n, lambda x: x, chebyshev_step)


@polynomial("special.shifted_chebyshev_polynomial_u")
def shifted_chebyshev_polynomial_u(input: Array, n: Array) -> Array:
    """:func:`chebyshev_polynomial_u` at ``2 * input - 1``."""
    return evaluate("shifted_chebyshev_polynomial_u", 2 * input - 1, n, lambda x: 2 * x, chebyshev_step)


@polynomial("special.shifted_chebyshev_polynomial_v")
def shifted_chebyshev_polynomial_v(input: Array, n: Array) -> Array:
    """:func:`chebyshev_polynomial_v` at ``2 * input - 1``."""
    return evaluate("shifted_chebyshev_polynomial_v", 2 * input - 1, n, lambda x: 2 * x - 1, chebyshev_step)


@polynomial("special.shifted_chebyshev_polynomial_w")
def shifted_chebyshev_polynomial_w(input: Array, n: Array) -> Array:
    """:func:`chebyshev_polynomial_w` at ``2 * input - 1``."""
    return evaluate("shifted_chebyshev_polynomial_w", 2 * input - 1, n, lambda x: 2 * x + 1, chebyshev_step)


@polynomial("special.hermite_polynomial_h")
def hermite_polynomial_h(input: Array, n: Array) -> Array:
    """Physicists' Hermite polynomials: 1, 2 x, 2 x H(k) - 2 k H(k - 1)."""

    def step(k: Array, x: Array, current: Array, previous: Array) -> Array:
        return 2 * x * current - 2 * k * previous

    return evaluate("hermite_polynomial_h", input, n, lambda x: 2 * x, step)


@polynomial("special.hermite_polynomial_he")
def hermite_polynomial_he(input: Array, n: Array) -> Array:
    """Probabilists' Hermite polynomials: 1, x, x He(k) - k He(k - 1)."""

    def step(k: Array, x: Array, current: Array, previous: Array) -> Array:
        return x * current - k * previous

    return evaluate("hermite_polynomial_he", input, n, lambda x: x, step)


@polynomial("special.laguerre_polynomial_l")
def laguerre_polynomial_l(input: Array, n: Array) -> Array:
    """Laguerre polynomials: 1, 1 - x, ((2 k + 1 - x) L(k) - k L(k - 1)) / (k + 1)."""

    def step(k: Array, x: Array, current: Array, previous: Array) -> Array:
        return ((2 * k + 1 - x) * current - k * previous) / (k + 1)

    return evaluate("laguerre_polynomial_l", input, n, lambda x: 1 - x, step)


@polynomial("special.legendre_polynomial_p")
def legendre_polynomial_p(input: Array, n: Array) -> Array:
    """Legendre polynomials: 1, x, ((2 k + 1) x P(k) - k P(k - 1)) / (k + 1)."""

    def step(k: Array, x: Array, current: Array, previous: Array) -> Array:
        return ((2 * k + 1) * x * current - k * previous) / (k + 1)

    return evaluate("legendre_polynomial_p", input, n, lambda x: x, step)
