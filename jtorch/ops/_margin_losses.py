"""Losses that ask for a margin between what belongs together and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jtorch.ops._arithmetic import check_sub, sub
from jtorch.ops._checks import VALUE_CHECKS, check_broadcast, kind, not_implemented, scalar_type
from jtorch.ops._class_losses import of_class
from jtorch.ops._distances import pairwise_distance
from jtorch.ops._loss_reduction import reduced, reduction_of, size_text
from jtorch.ops._registry import register
from jtorch.ops._regression_losses import LEGACY, composed
from jtorch.ops._selection import smaller


def hinge(x: Array) -> Array:
    """``max(x, 0)``; at 0 the gradient passes.

    Raises:
        NotImplementedError: complex numbers.
    """
    if kind(x) == "c":
        raise NotImplementedError("clamp is not supported for complex types")
    return jnp.where(x < 0, jnp.zeros_like(x), x)


@register(
    "margin_ranking_loss",
    node=composed("ClampMinBackward0"),
    static="margin " + LEGACY,
    promote="default",
    function=False,
    aliases="nn.functional.margin_ranking_loss",
    saves="intermediate",
)
def margin_ranking_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """``max(margin - target * (input1 - input2), 0)``.

    With ``target`` 1 the first input should be the larger, with -1 the second.

    Args:
        input1: any shape.
        input2: of as many dimensions; broadcasts.
        target: 1 or -1; of as many dimensions.
        margin: by how much the inputs should differ.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {size_text(input1)}, input2: {size_text(input2)}, target: {size_text(target)} "
        )
    check_broadcast(input1, input2)
    difference = sub(input1, input2)
    check_broadcast(target, difference)
    product = -target * difference
    # The margin is a floating number, so that integers give floating losses.
    return reduced(
        hinge((product if kind(product) in "fc" else product.astype(jnp.float32)) + margin), reduction
    )


@register(
    "hinge_embedding_loss",
    node=composed("AddBackward0"),
    static="margin " + LEGACY,
    promote="default",
    promoted="input",
    opmath=False,  # the margin is rounded to the type of the input, too
    function=False,
    aliases="nn.functional.hinge_embedding_loss",
    saves="intermediate",
)
def hinge_embedding_loss(
    input: Array,
    target: Array,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The distance ``input`` itself where ``target`` is 1, ``max(margin - input, 0)`` where it is -1.

    Args:
        input: distances.
        target: 1 or -1; broadcasts.
        margin: how far apart what differs should be.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if kind(input) == "b":
        check_sub(bool, bool)
    check_broadcast(target, input)
    apart = hinge(jnp.asarray(margin).astype(input.dtype) - input)
    zero = jnp.zeros_like(input)
    return reduced(jnp.where(target != 1, apart, zero) + jnp.where(target != -1, input, zero), reduction)


@register(
    "cosine_embedding_loss",
    node=composed("AddBackward0"),
    static="margin " + LEGACY,
    promote="default",
    promoted="input1 input2",
    function=False,
    aliases="nn.functional.cosine_embedding_loss",
    saves="input1 input2 intermediate",
)
def cosine_embedding_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """``1 - cos`` of the inputs' angle for ``target`` 1, ``max(cos - margin, 0)`` for ``target`` -1.

    Args:
        input1: shape ``(N, D)`` or ``(D,)``.
        input2: the same.
        target: ``(N,)`` or ``()``, 1 or -1.
        margin: what the cosine may be for inputs that differ.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        RuntimeError: other shapes.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.ndim == 1 and not input1.ndim == input2.ndim == 2:
        raise RuntimeError(
            "1D target tensor expects 2D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    if not target.ndim and not input1.ndim == input2.ndim == 1:
        raise RuntimeError(
            "0D target tensor expects 1D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    check_broadcast(input1, input2)
    if kind(input1) in "bi":
        input1, input2 = input1.astype(jnp.float32), input2.astype(jnp.float32)
    eps = 1e-12
    product = jnp.sum(input1 * input2, -1)
    squares = (jnp.sum(input1 * input1, -1) + eps) * (jnp.sum(input2 * input2, -1) + eps)
    cosine = product / jnp.sqrt(squares)
    apart = hinge(cosine - margin)
    check_broadcast(target, cosine)
    values = jnp.where(target == 1, 1 - cosine, 0) + jnp.where(target == -1, apart, 0)
    return reduced(values, reduction)


TRIPLET = "margin p eps swap " + LEGACY


@register(
    "triplet_margin_loss",
    node=composed("ClampMinBackward0"),
    static=TRIPLET,
    promote="default",
    function=False,
    aliases="nn.functional.triplet_margin_loss",
    saves="intermediate",
)
def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """``max(margin + distance(anchor, positive) - distance(anchor, negative), 0)``.

    Args:
        anchor: shape ``(*, D)``.
        positive: of as many dimensions; should be near.
        negative: of as many dimensions; should be far.
        margin: positive.
        p: which norm; see ``pairwise_distance``.
        eps: see ``pairwise_distance``.
        swap: take the distance of ``negative`` and ``positive`` if it is less than that to ``anchor``.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: ``margin`` is not positive.
        RuntimeError: other shapes.

    Reference: Balntas et al., 2016, http://www.bmva.org/bmvc/2016/papers/paper119/index.html
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            "but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = smaller(far, pairwise_distance(positive, negative, p, eps))
    return reduced(hinge(margin + near - far), reduction)


def check_rows(x: Array) -> None:
    """A sample or a batch of class scores; only the batch may be empty."""
    if not (x.ndim == 2 and x.shape[1]) and not (x.ndim == 1 and x.shape[0]) and x.ndim:
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(x.shape)}"
        )


def check_long(x: Array) -> None:
    """An index tensor."""
    if x.dtype != jnp.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(x)}")


def check_target_class(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    """Targets are classes."""
    shape = arguments["input"].shape
    if (values < 0).any() or (values >= (shape[-1] if shape else 1)).any():
        raise RuntimeError("target out of range")


def check_target_classes(values: np.ndarray[Any, Any], arguments: Mapping[str, Any]) -> None:
    """Targets are classes, or -1."""
    shape = arguments["input"].shape
    if (values < -1).any() or (values >= (shape[-1] if shape else 1)).any():
        raise RuntimeError("argument #2 'target' is out of range")


VALUE_CHECKS["nn.functional.multi_margin_loss"] = {"target": check_target_class}
VALUE_CHECKS["nn.functional.multilabel_margin_loss"] = {"target": check_target_classes}


@register(
    "nn.functional.multi_margin_loss",
    node="MultiMarginLossBackward0",
    static="p margin " + LEGACY,
    promote=None,
)
def multi_margin_loss(
    input: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The mean over the other classes i of ``max(margin - input[target] + input[i], 0) ** p``.

    Args:
        input: scores, shape ``(N, C)`` or ``(C,)``.
        target: class indices, ``(N,)`` or ``()``.
        p: 1 or 2.
        margin: by which the right class should lead.
        weight: factor of each class, ``(C,)``.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    check_rows(input)
    batch = input.shape[0] if input.ndim == 2 else 1
    if target.ndim > 1 or target.size != batch:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples "
            f"(batch size). Expected target size [{batch}], but got {list(target.shape)}. "
            f"Input has shape {list(input.shape)}."
        )
    rows = input.reshape(batch, -1) if batch else input
    if weight is not None and weight.shape[0] != rows.shape[1]:
        raise RuntimeError(f"inconsistent weight size, expected {rows.shape[1]} but got {list(weight.shape)}")
    if input.dtype not in (jnp.float32, jnp.float64):
        raise not_implemented("multi_margin_loss_cpu_kernel", input)
    check_long(target)
    if weight is not None and weight.dtype != input.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(weight)}")
    index = target.reshape(batch)
    lacking = margin - of_class(rows, index, 1)[:, None] + rows
    others = jnp.arange(rows.shape[1]) != index[:, None]
    losses = jnp.where(others & (lacking > 0), lacking**p, 0)
    if weight is not None:
        losses = losses * weight.at[index].get(mode="clip")[:, None]
    values = jnp.sum(losses, 1) / rows.shape[1]
    return reduced(values.reshape(target.shape), reduction)


@register(
    "nn.functional.multilabel_margin_loss",
    node="MultilabelMarginLossBackward0",
    static=LEGACY,
    promote=None,
)
def multilabel_margin_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The sum over target classes t and other classes i of ``max(1 - input[t] + input[i], 0)``, divided by C.

    Args:
        input: scores, shape ``(N, C)`` or ``(C,)``.
        target: class indices of the same shape, ending at the first -1 of each row.
        size_average: older form of ``reduction``.
        reduce: the same.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    check_rows(input)
    if input.shape != target.shape and not (input.ndim == 0 and target.size == 1):
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    if input.dtype not in (jnp.float32, jnp.float64):
        raise not_implemented("multilabel_margin_loss_forward_out_frame", input)
    check_long(target)
    classes = input.shape[-1] if input.ndim else 1
    rows, labels = input.reshape(-1, classes), target.reshape(-1, classes)
    valid = jnp.cumprod(labels >= 0, axis=1, dtype=jnp.int32).astype(bool)
    chosen = (labels[:, :, None] == jnp.arange(classes)) & valid[:, :, None]
    is_target = jnp.any(chosen, 1)
    scores = jnp.sum(jnp.where(chosen, rows[:, None, :], 0), 2)
    lacking = 1 - scores[:, :, None] + rows[:, None, :]
    counts = valid[:, :, None] & ~is_target[:, None, :] & (lacking > 0)
    values = jnp.sum(jnp.where(counts, lacking, 0), (1, 2)) / classes
    return reduced(values if input.ndim == 2 else values[0], reduction)
