"""Connectionist temporal classification: the likelihood of a label sequence under all its alignments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import VALUE_CHECKS, kind, not_implemented
from jtorch.ops._loss_reduction import reduced, reduction_of
from jtorch.ops._registry import register
from jtorch.ops._regression_losses import composed

#: The logarithm of nothing: finite, so that differences of it are numbers.
NOTHING = -1e30

Values = np.ndarray[Any, Any]
_WHILE = "(while checking arguments for ctc_loss_allocate_outputs)"


def check_input_lengths(values: Values, arguments: Mapping[str, Any]) -> None:
    """Input lengths lie between 0 and the number of steps."""
    steps = arguments["log_probs"].shape[0]
    for n in values.reshape(-1):
        if n < 0:
            raise RuntimeError(f"Expected input_lengths to have value at least 0, but got value {n} {_WHILE}")
        if n > steps:
            raise RuntimeError(
                f"Expected input_lengths to have value at most {steps}, but got value {n} {_WHILE}"
            )


def check_target_lengths(values: Values, arguments: Mapping[str, Any]) -> None:
    """Target lengths are not negative and add up to what there is."""
    for n in values.reshape(-1):
        if n < 0:
            raise RuntimeError(
                f"Expected target_lengths to have value at least 0, but got value {n} {_WHILE}"
            )
    shape, axis = arguments["targets"].shape, len(arguments["targets"].shape) - 1
    if len(shape) == 1 and len(arguments["log_probs"].shape) == 3:
        if values.sum() != shape[0]:
            raise RuntimeError(
                f"Expected tensor to have size {values.sum()} at dimension 0, but got size {shape[0]} for "
                "argument #2 "
                f"'targets' {_WHILE}"
            )
    elif values.max(initial=0) > shape[axis]:
        raise RuntimeError(
            f"Expected tensor to have size at least {values.max()} at dimension 1, but got size "
            f"{shape[axis]} for "
            f"argument #2 'targets' {_WHILE}"
        )


VALUE_CHECKS["_ctc_loss"] = {
    "input_lengths": check_input_lengths,
    "target_lengths": check_target_lengths,
}


def check_ctc(
    log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, blank: int
) -> None:
    """Shapes and dtypes of a batch."""
    if not log_probs.size:
        raise RuntimeError("log_probs tensor must not be empty")
    for name, x in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if kind(x) != "i":
            raise RuntimeError(f"{name} must be integral")
    if log_probs.dtype not in (jnp.float32, jnp.float64):
        raise not_implemented("ctc_loss_cpu", log_probs)
    if log_probs.ndim != 3:
        raise RuntimeError(
            f"Expected 3-dimensional tensor, but got {log_probs.ndim}-dimensional tensor for argument #1 "
            "'log_probs' " + _WHILE
        )
    batch, classes = log_probs.shape[1:]
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, x in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if x.size != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    if targets.ndim not in (1, 2):
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {targets.ndim}-dimensional tensor for argument #2 "
            f"'targets' {_WHILE}"
        )
    if targets.ndim == 2 and targets.shape[0] != batch:
        raise RuntimeError(
            f"Expected tensor to have size {batch} at dimension 0, but got size {targets.shape[0]} for "
            "argument #2 "
            f"'targets' {_WHILE}"
        )


def alignments(
    log_probs: Array, labels: Array, input_lengths: Array, target_lengths: Array, blank: int
) -> Array:
    """The negative logarithm of each sequence's likelihood, ``-NOTHING`` or more where it is 0.

    Args:
        log_probs: shape ``(T, N, C)``.
        labels: ``(N, S)``.
        input_lengths: steps of each sequence.
        target_lengths: labels of each sequence.
        blank: the class of no label.
    """
    batch, length = labels.shape
    # Labels with a blank before, between and after them.
    states = jnp.full((batch, 2 * length + 1), blank, labels.dtype).at[:, 1::2].set(labels)
    emitted = jnp.take_along_axis(log_probs, jnp.clip(states, 0, log_probs.shape[2] - 1)[None], 2)
    # A label may follow another directly if they differ.
    skips = jnp.zeros(states.shape, bool).at[:, 3::2].set(labels[:, 1:] != labels[:, :-1])
    alpha = jnp.full(states.shape, NOTHING, log_probs.dtype).at[:, 0].set(0)

    def step(alpha: Array, given: tuple[Array, Array]) -> tuple[Array, None]:
        emission, t = given
        one = jnp.pad(alpha[:, :-1], ((0, 0), (1, 0)), constant_values=NOTHING)
        two = jnp.pad(alpha[:, :-2], ((0, 0), (2, 0)), constant_values=NOTHING)[:, : alpha.shape[1]]
        new = jnp.logaddexp(jnp.logaddexp(alpha, one), jnp.where(skips, two, NOTHING)) + emission
        return jnp.where((t < input_lengths)[:, None], new, alpha), None

    alpha, _ = lax.scan(step, alpha, (emitted, jnp.arange(log_probs.shape[0])))
    last = 2 * target_lengths[:, None]
    end = jnp.take_along_axis(alpha, last, 1)[:, 0]
    before = jnp.take_along_axis(alpha, jnp.maximum(last - 1, 0), 1)[:, 0]
    return -jnp.where(target_lengths > 0, jnp.logaddexp(end, before), end)


@register(
    "_ctc_loss",
    node=composed("CtcLossBackward0"),
    static="blank reduction zero_infinity max_target_length",
    promote=None,
    saves="log_probs targets intermediate",
)
def ctc_loss(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    reduction: str,
    zero_infinity: bool,
    max_target_length: int,
) -> Array:
    """The negative log-likelihood of label sequences, summed over all ways to align them with the steps.

    Args:
        log_probs: logarithms of class probabilities, shape ``(T, N, C)`` or ``(T, C)``.
        targets: labels, ``(N, S)``, or one after another in one dimension.
        input_lengths: steps that count, ``(N,)`` or ``()``.
        target_lengths: labels that count, ``(N,)`` or ``()``.
        blank: the class of no label.
        reduction: ``"none"``, ``"mean"`` (each divided by its target's length first) or ``"sum"``.
        zero_infinity: 0 instead of infinity, and of its gradient, for targets that do not fit.
        max_target_length: the longest of them, for targets in one dimension.

    Raises:
        RuntimeError: shapes or dtypes that do not agree.

    Reference: Graves et al., "Connectionist Temporal Classification", 2006.
    """
    reduction = reduction_of(reduction)
    batched = log_probs.ndim != 2
    if not batched:
        log_probs, targets = log_probs[:, None], targets[None]
    check_ctc(log_probs, targets, input_lengths, target_lengths, blank)
    steps = input_lengths.reshape(-1).astype(jnp.int64)
    lengths = target_lengths.reshape(-1).astype(jnp.int64)
    labels = targets.astype(jnp.int64)
    if targets.ndim == 1:
        begin = jnp.cumsum(lengths) - lengths
        place = begin[:, None] + jnp.arange(max_target_length)
        labels = labels.at[place].get(mode="clip") if labels.size else jnp.zeros(place.shape, jnp.int64)
    loss = alignments(log_probs, labels, steps, lengths, blank)
    # PyTorch takes log_probs for the result of log_softmax, and adds the gradient of its normalization.
    counts = jnp.arange(log_probs.shape[0])[:, None] < steps
    mass = jnp.sum(jnp.where(counts[:, :, None], jnp.exp(log_probs), 0), (0, 2))
    loss = loss + (mass - lax.stop_gradient(mass))
    impossible = loss > -NOTHING / 2
    loss = jnp.where(impossible, 0 if zero_infinity else jnp.inf, loss)
    if reduction == "mean":
        return jnp.mean(loss / jnp.maximum(lengths, 1).astype(loss.dtype))
    return reduced(loss if batched or reduction == "sum" else loss[0], reduction)
