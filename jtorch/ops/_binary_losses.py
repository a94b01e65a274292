"""Losses of independent yes-or-no predictions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._activations import logsigmoid
from jtorch.ops._arithmetic import check_sub, neg
from jtorch.ops._checks import (
    VALUE_CHECKS,
    check_broadcast,
    check_result_shape,
    kind,
    reject_kinds,
    scalar_type,
)
from jtorch.ops._half import widened
from jtorch.ops._loss_reduction import flattened, reduced, reduction_of, size_text
from jtorch.ops._plain import larger
from jtorch.ops._registry import register
from jtorch.ops._regression_losses import LEGACY, check_result_type, composed


def clamped_log(x: Array) -> Array:
    """The logarithm, at least -100."""
    return larger(jnp.log(x), -100)


@jax.custom_jvp
def cross_entropy_of_probability(p: Array, t: Array) -> Array:
    """``-(t * log(p) + (1 - t) * log(1 - p))`` with logarithms of at least -100 and finite gradients."""
    return (t - 1) * larger(jnp.log1p(-p), -100) - t * clamped_log(p)


@cross_entropy_of_probability.defjvp
def _cross_entropy_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (p, t), (dp, dt) = primals, tangents
    slope = (p - t) / larger((1 - p) * p, 1e-12)
    other = larger(jnp.log1p(-p), -100) - clamped_log(p)
    return cross_entropy_of_probability(p, t), dp * slope + dt * other


def check_expand_weight(weight: Array, target: Array) -> None:
    """``weight`` broadcasts to the shape of ``target``."""
    n, m = weight.shape, target.shape
    for i in range(1, min(len(n), len(m)) + 1):
        if n[-i] != m[-i] and n[-i] != 1 and m[-i] != 1:
            raise RuntimeError(
                f"Attempting to broadcast a dimension of length {n[-i]} at {-i}! Mismatching argument at "
                "index 1 had "
                f"torch.Size({list(n)}); but expected shape should be broadcastable to {list(m)}"
            )


def check_probabilities(name: str, values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    """Probabilities lie between 0 and 1."""
    if not ((values >= 0) & (values <= 1)).all():
        raise RuntimeError(f"all elements of {name} should be between 0 and 1")


VALUE_CHECKS["nn.functional.binary_cross_entropy"] = {
    name: partial(check_probabilities, name) for name in ("input", "target")
}


@register(
    "nn.functional.binary_cross_entropy",
    node="BinaryCrossEntropyBackward0",
    static=LEGACY,
    promote=None,
    watches="target",
)
def binary_cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """``-(target * log(input) + (1 - target) * log(1 - input))``, logarithms being at least -100.

    Args:
        input: probabilities. Outside of [0, 1] the result is nan.
        target: of the shape and dtype of ``input``, usually 0 or 1.
        weight: factors that broadcast to that shape.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: shapes of ``input`` and ``target`` that differ.
        RuntimeError: dtypes that differ.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({size_text(target)}) that is different to the input size "
            f"({size_text(input)}) "
            "is deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        check_expand_weight(weight, target)
    if input.dtype != target.dtype:
        raise RuntimeError(f"Found dtype {scalar_type(target)} but expected {scalar_type(input)}")
    reject_kinds("binary_cross_entropy", "bic", input)
    values = cross_entropy_of_probability(widened(input), widened(target))
    if weight is not None:
        values = values * widened(weight).astype(values.dtype)
    return reduced(values, reduction).astype(input.dtype)


@register(
    "nn.functional.binary_cross_entropy_with_logits",
    node="BinaryCrossEntropyWithLogitsBackward0",
    static=LEGACY,
    promote=None,
    watches="target",
)
def binary_cross_entropy_with_logits(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """``binary_cross_entropy(sigmoid(input), target)`` without overflow.

    Args:
        input: logits.
        target: of the same shape, usually 0 or 1.
        weight: factors that broadcast to it.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        pos_weight: factors of the positive term that broadcast.

    Raises:
        ValueError: shapes of ``input`` and ``target`` that differ.
        RuntimeError: integer targets.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(
            f"Target size ({size_text(target)}) must be the same as input size ({size_text(input)})"
        )
    if kind(target) == "i" and kind(input) == "f":
        raise RuntimeError(
            f"result type {scalar_type(input)} can't be cast to the desired output type {scalar_type(target)}"
        )
    if kind(target) == "b":
        check_sub(bool, bool)
    if kind(input) != "f":
        logsigmoid(input)
    dtype = target.dtype
    input, target = widened(input), widened(target)
    if reduction != "none" and weight is None and pos_weight is None:
        input, target = flattened(input, target)
    log_likelihood = jax.nn.log_sigmoid(input)
    if pos_weight is not None:
        check_broadcast(pos_weight, target)
        log_likelihood = ((widened(pos_weight) - 1) * target + 1) * log_likelihood
    values = (1 - target) * input - log_likelihood
    if weight is not None:
        check_broadcast(values, weight)
        values = values * widened(weight)
    # PyTorch works in the memory of 1 - target.
    return reduced(values, reduction).astype(dtype)


@register(
    "nn.functional.soft_margin_loss",
    node="SoftMarginLossBackward0",
    static=LEGACY,
    promote="default",
    promoted="input",
)
def soft_margin_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """``log(1 + exp(-target * input))``, for targets of 1 and -1.

    Raises:
        RuntimeError: integers and booleans.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    check_broadcast(input, target)
    check_result_type(input, target)
    product = neg(target).astype(input.dtype) * input
    check_result_shape(input.shape, product.shape)
    if kind(input) == "i":
        raise RuntimeError(f"result type Float can't be cast to the desired output type {scalar_type(input)}")
    values = jnp.log1p(jnp.exp(product)) if kind(product) == "c" else jax.nn.softplus(product)
    return reduced(values, reduction)


@register(
    "nn.functional.multilabel_soft_margin_loss",
    node=composed("DivBackward0"),
    static=LEGACY,
    promote="default",
)
def multilabel_soft_margin_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """``binary_cross_entropy_with_logits``, averaged over the last dimension first.

    Args:
        input: logits, shape ``(*, C)``.
        target: 0 or 1; broadcasts.
        weight: factors that broadcast.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"`` (one value per row), ``"mean"`` or ``"sum"``.
    """
    if size_average is not None or reduce is not None:
        reduction = reduction_of(reduction, size_average, reduce)
    positive = logsigmoid(input)
    check_broadcast(target, input)
    values = -(target * positive + (1 - target) * logsigmoid(-input))
    if weight is not None:
        check_broadcast(values, weight)
        values = values * weight
    if not input.ndim:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    return reduced(jnp.sum(values, input.ndim - 1) / input.shape[-1], reduction)
