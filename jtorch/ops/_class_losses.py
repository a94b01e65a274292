"""Losses of predictions that choose one of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import VALUE_CHECKS, kind, reject_kinds, scalar_type
from jtorch.ops._half import widened
from jtorch.ops._loss_reduction import reduced, reduction_of
from jtorch.ops._plain import chosen, number, total
from jtorch.ops._registry import register
from jtorch.ops._softmax import log_softmax

__all__ = ["cross_entropy", "nll_loss"]


def nll_node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
    """The loss of images has a node of its own, into whose shape others are brought."""
    ndim = len(shapes[0])
    if ndim > 2 and ndim != 4 and static["reduction"] == "none":
        return "ViewBackward0"
    return "NllLossBackward0" if ndim <= 2 else "NllLoss2DBackward0"


def cross_entropy_node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
    """The last of the nodes that PyTorch composes the loss of."""
    if shapes[0] == shapes[1]:
        return "DivBackward1" if static["reduction"] == "mean" else "NegBackward0"
    return "AddBackward0" if static["label_smoothing"] else nll_node(shapes, static)


def check_target(input: Array, target: Array) -> None:
    """Shapes of a loss with one class index per sample, position or image point."""
    n, m = list(input.shape), list(target.shape)
    if input.ndim == 1 and target.ndim == 1 and m[0] != 1:
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {m[0]}")
    if input.ndim > 1 and n[0] != (m[0] if m else 1):
        raise ValueError(
            f"Expected input batch_size ({n[0]}) to match target batch_size ({m[0] if m else 1})."
        )
    if input.ndim <= 2:
        if target.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    elif input.ndim == 4:
        if target.ndim != 3:
            raise RuntimeError(
                "only batches of spatial targets supported (3D tensors) "
                f"but got targets of dimension: {target.ndim}"
            )
        if n[2:] != m[1:]:
            raise RuntimeError(f"size mismatch (got input: {n} , target: {m}")
    elif n[2:] != m[1:]:
        raise RuntimeError(f"Expected target size {[n[0], *n[2:]]}, got {m}")


def check_nll(input: Array, target: Array, weight: Array | None) -> None:
    """Shapes and dtypes of ``nll_loss``."""
    if not input.ndim:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    check_target(input, target)
    if target.dtype not in (jnp.int64, jnp.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {scalar_type(target)}")
    classes = input.shape[min(input.ndim - 1, 1)]
    if weight is not None:
        if weight.shape != (classes,):
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got "
                f"weight tensor of shape: {list(weight.shape)}"
                if input.ndim <= 2
                else "weight tensor should be defined either for all or no classes"
            )
        if weight.dtype != input.dtype:
            raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(weight)}")
    reject_kinds("nll_loss_out_frame", "bic", input)


def check_classes(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    """Targets are classes, or ignored."""
    shape = arguments["input"].shape
    if shape == values.shape and values.dtype.kind == "f":
        return
    classes = shape[min(len(shape) - 1, 1)]
    if values.dtype == np.int64 and values.view(np.uint64).max() < classes:
        return  # negative ones would be huge
    outside = values[(values != arguments["ignore_index"]) & ((values < 0) | (values >= classes))]
    if outside.size:
        raise IndexError(f"Target {outside.flat[0]} is out of bounds.")


VALUE_CHECKS["nn.functional.nll_loss"] = {"target": check_classes}
VALUE_CHECKS["nn.functional.cross_entropy"] = {"target": check_classes}


def of_class(values: Array, index: Array, axis: int) -> Array:
    """``values[..., index, ...]``, one class for each other position; nan for classes that do not exist.

    A masked sum: it fuses with the softmax before and after, where a gather's gradient is a scatter.
    """
    classes = lax.broadcasted_iota(index.dtype, values.shape, axis)
    own = lax.eq(classes, lax.expand_dims(index, (axis,)))
    found = total(chosen(own, values, 0), (axis,))
    begin, end = number(0, index), number(values.shape[axis], index)
    return chosen(lax.bitwise_and(lax.ge(index, begin), lax.lt(index, end)), found, np.nan)


def negative_log_likelihood(
    values: Array, target: Array, weight: Array | None, reduction: str, ignore_index: int
) -> Array:
    """``-weight[target] * values[target]``; the mean is over the weights of the targets that count."""
    axis = min(values.ndim - 1, 1)
    index = lax.reshape(
        lax.convert_element_type(target, np.int32), values.shape[:axis] + values.shape[axis + 1 :]
    )
    counts = lax.ne(index, number(ignore_index, index))
    index = chosen(counts, index, 0)
    picked = (
        lax.neg(of_class(values, index, axis))
        if values.shape[axis]
        else jnp.full(index.shape, jnp.nan, values.dtype)
    )
    factor = lax.convert_element_type(counts, values.dtype)
    if weight is not None:
        factor = factor * weight.at[index].get(mode="clip")
        picked = picked * factor
    losses = chosen(counts, picked, 0)
    if reduction == "mean":
        everywhere = tuple(range(losses.ndim))
        return lax.div(total(losses, everywhere), total(factor, everywhere))
    return reduced(losses, reduction)


NLL = "size_average ignore_index reduce reduction"


@register("nn.functional.nll_loss", node=nll_node, static=NLL, promote=None, saves="input target weight")
def nll_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The negated entry of ``input`` at each target class: a likelihood loss of log-probabilities.

    Args:
        input: log-probabilities, shape ``(N, C, *)`` or ``(C,)``.
        target: class indices, int64 or uint8, shape ``(N, *)`` or ``()``. One that is out of range makes the
            result nan.
        weight: factor of each class, ``(C,)``; the mean divides by the factors of the targets.
        size_average: older form of ``reduction``.
        reduce: the same.
        ignore_index: targets of this value count for nothing.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError, RuntimeError: shapes or dtypes that do not agree.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    check_nll(input, target, weight)
    wide = None if weight is None else widened(weight)
    loss = negative_log_likelihood(widened(input), target, wide, reduction, ignore_index)
    return loss.astype(input.dtype)


def check_cross_entropy(
    input: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
) -> None:
    """What is checked before the softmax."""
    if input.shape == target.shape:
        if kind(target) != "f":
            raise RuntimeError(
                f"Expected floating point type for target with class probabilities, got {scalar_type(target)}"
            )
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        classes = input.shape[min(input.ndim - 1, 1)]
        if weight is not None and weight.shape != (classes,):
            raise RuntimeError(
                f"cross_entropy: weight tensor should be defined either for all {classes} classes or no "
                "classes "
                f"but got weight tensor of shape: {list(weight.shape)}"
            )
    if label_smoothing > 1 or label_smoothing < 0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")


@register(
    "nn.functional.cross_entropy",
    node=cross_entropy_node,
    static=NLL + " label_smoothing",
    promote=None,
    saves="target weight intermediate",
)
def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Cross entropy of the softmax of ``input`` and a class, or a distribution over classes.

    Args:
        input: logits, shape ``(N, C, *)`` or ``(C,)``.
        target: class indices as for ``nll_loss``, or probabilities of the shape of ``input``.
        weight: factor of each class, ``(C,)``.
        size_average: older form of ``reduction``.
        reduce: the same.
        ignore_index: indices of this value count for nothing.
        reduction: ``"none"``, ``"mean"`` (over the targets' weights; for probabilities over N) or ``"sum"``.
        label_smoothing: this share of each target is spread evenly over the classes.

    Raises:
        ValueError, RuntimeError: shapes or dtypes that do not agree.

    Reference: Szegedy et al., 2015, for the smoothing, https://arxiv.org/abs/1512.00567
    """
    reduction = reduction_of(reduction, size_average, reduce)
    check_cross_entropy(input, target, weight, ignore_index, label_smoothing)
    axis = 1 if input.ndim > 1 else 0
    dtype = input.dtype
    log_probabilities = log_softmax(widened(input) if kind(input) == "f" else input, axis)
    wide = None if weight is None else widened(weight)
    if input.shape == target.shape:
        loss = cross_entropy_of_distribution(
            log_probabilities, widened(target), wide, reduction, label_smoothing, axis
        )
        common = jnp.promote_types(dtype, target.dtype)
        return loss.astype(common if weight is None else jnp.promote_types(common, weight.dtype))
    check_nll(input, target, weight)
    loss = negative_log_likelihood(log_probabilities, target, wide, reduction, ignore_index)
    if label_smoothing:
        even = evenly_smoothed(log_probabilities, target, wide, reduction, ignore_index, axis)
        loss = (1 - label_smoothing) * loss + label_smoothing / input.shape[axis] * even
    return loss.astype(dtype)


def per_class(weight: Array, ndim: int, axis: int) -> Array:
    """A vector over classes, shaped to multiply an array of ``ndim`` dimensions along ``axis``."""
    return weight.reshape(-1, *(1,) * (ndim - axis - 1))


def cross_entropy_of_distribution(
    log_probabilities: Array, target: Array, weight: Array | None, reduction: str, smoothing: float, axis: int
) -> Array:
    classes = log_probabilities.shape[axis]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    products = log_probabilities * target
    if weight is not None:
        products = products * per_class(weight, products.ndim, axis)
    if reduction == "mean":
        return -jnp.sum(products) / (products.size // classes if classes else jnp.nan)
    return -jnp.sum(products, axis if reduction == "none" else None)


def evenly_smoothed(
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    reduction: str,
    ignore_index: int,
    axis: int,
) -> Array:
    """The loss of the part of each target that is spread over all classes, times their number."""
    weighted = log_probabilities
    if weight is not None:
        weighted = weighted * per_class(weight, weighted.ndim, axis)
    losses = -jnp.sum(weighted, axis)
    index = target.astype(jnp.int32).reshape(losses.shape)
    counts = index != ignore_index
    losses = jnp.where(counts, losses, jnp.zeros_like(losses))
    if reduction != "mean":
        return reduced(losses, reduction)
    factor = counts.astype(losses.dtype)
    if weight is not None:
        factor = factor * weight.at[jnp.where(counts, index, 0)].get(mode="clip")
    return jnp.sum(losses) / jnp.sum(factor)
