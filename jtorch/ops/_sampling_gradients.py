"""Implicit gradients of random samples with respect to shape parameters of their distributions.

A sample x with distribution function F(x; a) = u moves with a by dx/da = -(dF/da) / (dF/dx): Figurnov et al.,
2018, https://arxiv.org/abs/1805.08498.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.special import betainc, betaln

from jtorch.ops._registry import register


@register(node=None, saves="", promote=None, method=False)
def _standard_gamma_grad(input: Array, output: Array) -> Array:
    """Slope of gamma samples ``output`` with respect to their shapes ``input``."""
    return lax.random_gamma_grad(input, output)


@register(node=None, saves="", promote=None, method=False)
def _dirichlet_grad(x: Array, alpha: Array, total: Array) -> Array:
    """Slope of a coordinate x of Dirichlet samples with respect to its concentration, over 1 - x.

    x is distributed as beta(alpha, total - alpha). There is no closed form of the distribution function's
    slope; a central difference in float64, in the tail that is the smaller, leaves half of its digits, as
    many as float32 has. PyTorch interpolates and is off by up to 1e-3.
    """
    # Differs from PyTorch: exact to half of float64's digits instead of interpolated.
    dtype = x.dtype
    x, a, b = (v.astype(jnp.float64) for v in (x, alpha, total - alpha))
    step = 1e-5 * jnp.maximum(a, 1e-3)
    up, down = a + step, a - step
    lower = betainc(up, b, x) - betainc(down, b, x)
    upper = betainc(b, down, 1 - x) - betainc(b, up, 1 - x)
    slope = jnp.where(x < a / (a + b), lower, upper) / (2 * step)
    log_density = (a - 1) * jnp.log(x) + (b - 1) * jnp.log1p(-x) - betaln(a, b)
    return (-slope / jnp.exp(log_density) / (1 - x)).astype(dtype)
