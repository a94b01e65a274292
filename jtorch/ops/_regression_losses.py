"""Losses of real-valued predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch import dtypes
from jtorch.ops._arithmetic import abs_, sub
from jtorch.ops._checks import VALUE_CHECKS, check_broadcast, kind, reject_kinds, scalar_type
from jtorch.ops._loss_reduction import reduced, reduction_of
from jtorch.ops._reductions import sum_
from jtorch.ops._registry import register
from jtorch.ops._special import xlogy_real

LEGACY = "size_average reduce reduction"


def composed(none: str, mean: str = "MeanBackward0") -> Any:
    """Node of a loss that PyTorch composes: the reduction's, or ``none`` without one."""

    def node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
        if none == "MulBackward0" and static.get("full") and static["reduction"] == "none":
            return "AddBackward0"
        nodes = {"mean": mean, "sum": "SumBackward0", "batchmean": "DivBackward0"}
        return nodes.get(static["reduction"], none)

    return node


def unless_weighted(plain: Any, mean: str = "DivBackward0") -> Any:
    """Node of a loss whose last operand, the weight, makes PyTorch compose it."""
    weighted_node = composed("MulBackward0", mean)

    def node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
        if shapes[-1] is not None:
            return str(weighted_node(shapes, static))
        return plain if isinstance(plain, str) else str(plain(shapes, static))

    return node


loss = partial(register, promote="default")


def check_result_type(input: Array, target: Array) -> None:
    """Losses that keep the input's dtype cannot take a target of a higher kind.

    Raises:
        RuntimeError: the common dtype is of a higher kind than the input's.
    """
    if "bifc".index(kind(target)) > "bifc".index(kind(input)):
        common = dtypes.from_numpy_dtype(jnp.promote_types(input.dtype, target.dtype))
        raise RuntimeError(
            f"result type {dtypes.scalar_type_name(common)} can't be cast to the desired output type "
            f"{scalar_type(input)}"
        )


def weighted(values: Array, input: Array, weight: Array, reduction: str, mean_of_all: bool) -> Array:
    """Weighted values, and their mean over the weights or (``mean_of_all``) over the elements.

    Raises:
        ValueError: a weight of another shape than ``input``.
    """
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
    values = values * weight
    if reduction == "mean" and not mean_of_all:
        return sum_(values) / sum_(weight)
    return reduced(values, reduction)


@loss("nn.functional.mse_loss", node=unless_weighted("MseLossBackward0"), static=LEGACY)
def mse_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Array | None = None,
) -> Array:
    """``(input - target) ** 2``.

    Args:
        input: floating.
        target: broadcasts with ``input``.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        weight: factors of the shape of ``input``; the mean is over their sum.
    """
    check_broadcast(input, target)
    if weight is None or size_average is not None or reduce is not None:
        reduction = reduction_of(reduction, size_average, reduce)
    if weight is not None:
        return weighted(jnp.square(input - target), input, weight, reduction, mean_of_all=False)
    reject_kinds("mse_cpu", "bic", input)
    return reduced(jnp.square(input - target), reduction)


@loss(
    "nn.functional.l1_loss",
    node=unless_weighted(composed("AbsBackward0")),
    static=LEGACY,
    saves="intermediate",
)
def l1_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Array | None = None,
) -> Array:
    """``abs(input - target)``; arguments as of ``mse_loss``."""
    check_broadcast(input, target)
    if weight is None or size_average is not None or reduce is not None:
        reduction = reduction_of(reduction, size_average, reduce)
    distance = abs_(sub(input, target))
    if weight is not None:
        return weighted(distance, input, weight, reduction, mean_of_all=False)
    return reduced(distance, reduction)


def smooth_saves(args: Mapping[str, Any]) -> str:
    """Without a smooth part it is the mean of ``abs(input - target)``, which keeps the difference."""
    return "input target" if args["beta"] else "intermediate"


@loss(
    "nn.functional.smooth_l1_loss",
    node="SmoothL1LossBackward0",
    static=LEGACY + " beta",
    saves=smooth_saves,
)
def smooth_l1_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Array:
    """``d**2 / (2 * beta)`` for distances d below ``beta``, else ``d - beta / 2``.

    Raises:
        RuntimeError: ``beta`` is negative.

    Reference: Girshick, "Fast R-CNN", 2015, https://arxiv.org/abs/1504.08083
    """
    check_broadcast(input, target)
    reduction = reduction_of(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduced(abs_(sub(input, target)), reduction)
    reject_kinds("smooth_l1_cpu", "bic", input)
    distance = jnp.abs(input - target)
    near = ~(distance >= beta)  # nan is near
    short = jnp.where(near, distance, 0)  # the slope of an infinite square is not finite
    values = jnp.where(near, 0.5 * short * short / beta, distance - 0.5 * beta)
    return reduced(values, reduction)


@loss(
    "nn.functional.huber_loss",
    node=unless_weighted("HuberLossBackward0", "MeanBackward0"),
    static="reduction delta",
    promoted="input",
)
def huber_loss(
    input: Array, target: Array, reduction: str = "mean", delta: float = 1.0, weight: Array | None = None
) -> Array:
    """``d**2 / 2`` for distances d up to ``delta``, else ``delta * (d - delta / 2)``.

    Args:
        input: floating.
        target: broadcasts with ``input``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        delta: positive.
        weight: factors of the shape of ``input``.

    Raises:
        RuntimeError: ``delta`` is not positive.
    """
    check_broadcast(input, target)
    if weight is None:
        reduction = reduction_of(reduction)
    elif weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    check_result_type(input, target)
    reject_kinds("huber_cpu", "bic", input)
    distance = jnp.abs(input - target)
    near = ~(distance > delta)
    short = jnp.where(near, distance, 0)
    values = jnp.where(near, 0.5 * short * short, delta * (distance - 0.5 * delta))
    values = values.astype(input.dtype)
    if weight is not None:
        return weighted(values, input, weight, reduction, mean_of_all=True)
    return reduced(values, reduction)


@register(
    "nn.functional.kl_div",
    node=composed("SubBackward0"),
    static=LEGACY + " log_target",
    promote="default",
    saves=lambda args: "intermediate" if args["log_target"] else None,
    opmath=True,
)
def kl_div(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Array:
    """``target * (log(target) - input)``, 0 where ``target`` is 0: the divergence of log-probabilities.

    Args:
        input: log-probabilities.
        target: probabilities, or their logarithms with ``log_target``.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: also ``"batchmean"``, the sum over the size of dimension 0.
        log_target: see ``target``.
    """
    whole = "sum" if reduction == "batchmean" else reduction
    whole = reduction_of(whole, size_average, reduce)
    if log_target:
        check_broadcast(input, target)
        values = jnp.exp(target) * (target - input)
    else:
        check_broadcast(target, input)
        values = xlogy_real(target, target) - target * input
    result = reduced(values, whole)
    return result / input.shape[0] if reduction == "batchmean" and input.ndim else result


@register(
    "nn.functional.poisson_nll_loss",
    node=composed("SubBackward0"),
    static="log_input full size_average eps reduce reduction",
    promote="float",
    saves="intermediate",
    watches=lambda args: "target@input" + " input@target" * args["log_input"],
)
def poisson_nll_loss(
    input: Array,
    target: Array,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """Negative log-likelihood of counts: ``exp(input) - target * input``, or with the rate itself as input.

    Args:
        input: the rate's logarithm, or with ``log_input=False`` the rate.
        target: counts.
        log_input: see ``input``.
        full: add Stirling's approximation of ``log(target!)`` where ``target > 1``.
        size_average: older form of ``reduction``.
        reduce: the same.
        eps: keeps ``log(rate + eps)`` finite.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    check_broadcast(target, input)
    log_rate = input if log_input else jnp.log(input + eps)
    values = (jnp.exp(input) if log_input else input) - target * log_rate
    if full:
        large = target > 1
        count = jnp.where(large, target, 1)
        stirling = target * jnp.log(count) - target + 0.5 * jnp.log(2 * math.pi * count)
        values = values + jnp.where(large, stirling, 0)
    return reduced(values, reduction)


def check_variances(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    """Variances are not negative."""
    if (values < 0).any():
        raise ValueError("var has negative entry/entries")


VALUE_CHECKS["nn.functional.gaussian_nll_loss"] = {"var": check_variances}


@register(
    "nn.functional.gaussian_nll_loss",
    node=composed("MulBackward0"),
    static="full eps reduction",
    promote="default",
    numbers="var",
    saves="intermediate",
)
def gaussian_nll_loss(
    input: Array,
    target: Array,
    var: Array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Array:
    """``(log(var) + (input - target) ** 2 / var) / 2``, the negative log-likelihood of a normal distribution.

    Args:
        input: means.
        target: samples; broadcasts with ``input``.
        var: variances: a number, of the shape of ``input``, without its last dimension, or with one size 1.
        full: add ``log(2 * pi) / 2``.
        eps: smallest variance; the gradient passes through this limit.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: another shape of ``var``, or another ``reduction``.
    """
    if var.shape != input.shape and var.ndim:
        if input.shape[:-1] == var.shape:
            var = var[..., None]
        elif (
            input.ndim != var.ndim
            or sum(n for m, n in zip(input.shape, var.shape, strict=True) if m != n) != 1
        ):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    check_broadcast(input, target)
    var = jnp.where(var >= eps, var, eps + (var - lax.stop_gradient(var)))
    values = 0.5 * (jnp.log(var) + jnp.square(input - target) / var)
    if full:
        values = values + 0.5 * math.log(2 * math.pi)
    return reduced(values, reduction)
