"""Scaled gradients of half-precision training: back to their true size, and the next scale."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from jtorch.ops._half import widened
from jtorch.ops._registry import register


@register("_amp_unscale", node=None, lists="grads", promote=None)
def amp_unscale(grads: Sequence[Array], found_inf: Array, inv_scale: Array) -> tuple[Array, ...]:
    """Gradients times the inverse of their scale, after the flag whether one is infinite or nan.

    Args:
        grads: floating, any shapes.
        found_inf: 0-dim float32; the flag so far.
        inv_scale: 0-dim float32.
    """
    for g in grads:
        found_inf = jnp.where(jnp.isfinite(g).all(), found_inf, jnp.ones_like(found_inf))
    return found_inf, *((widened(g) * inv_scale).astype(g.dtype) for g in grads)


@register("_amp_next_scale", node=None, promote=None, raw="growth_interval")
def amp_next_scale(
    scale: Array,
    growth_tracker: Array,
    found_inf: Array,
    growth_factor: Array | float,
    backoff_factor: Array | float,
    growth_interval: Array | int,
) -> tuple[Array, Array]:
    """The next scale and count of good steps.

    A bad step shrinks the scale; ``growth_interval`` good ones in a row let it grow, unless to infinity.
    """
    bad = found_inf != 0
    counted = growth_tracker + 1
    due = ~bad & (counted == growth_interval)
    grown = scale * growth_factor
    grows = due & jnp.isfinite(grown)
    new = jnp.where(bad, scale * backoff_factor, jnp.where(grows, grown, scale))
    return new.astype(scale.dtype), jnp.where(bad | due, 0, counted).astype(growth_tracker.dtype)
