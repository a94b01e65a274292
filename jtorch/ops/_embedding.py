"""Rows of a table that indices name: embeddings, sums of them over bags, and one-hot vectors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import VALUE_CHECKS, scalar_type
from jtorch.ops._half import widened
from jtorch.ops._loss_reduction import size_text
from jtorch.ops._ranking import computed_once
from jtorch.ops._registry import register
from jtorch.ops._written_parts import apart

__all__ = ["rows"]

Values = np.ndarray[Any, Any]


def check_indices(name: str, index: Array) -> None:
    """Indices are int64 or int32."""
    if index.dtype not in (jnp.int64, jnp.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            f"but got torch.{scalar_type(index)}Tensor instead (while checking arguments for {name})"
        )


def check_rows(values: Values, arguments: Mapping[str, Any]) -> None:
    """Indices name rows of the table."""
    if values.size and (values.min() < 0 or values.max() >= arguments["weight"].shape[0]):
        raise IndexError("index out of range in self")


VALUE_CHECKS["nn.functional.embedding"] = {"input": check_rows}
VALUE_CHECKS["embedding"] = {"indices": check_rows}


@jax.custom_jvp
def scaled_gradient(x: Array, factor: Array) -> Array:
    """``x``, whose gradient is multiplied by ``factor``."""
    return x


@scaled_gradient.defjvp
def _scaled_gradient_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    return scaled_gradient(*primals), tangents[0] * primals[1]


def rows(index: Array, weight: Array, padding_idx: int, scale_grad_by_freq: bool) -> Array:
    """The rows of ``weight`` at ``index``; nan for rows that do not exist.

    Args:
        index: any shape, int32 or int64.
        weight: shape ``(N, *)``.
        padding_idx: a row that gets no gradient; -1 for none.
        scale_grad_by_freq: divide the gradient of each row by the number of times it is named.
    """
    if jnp.issubdtype(weight.dtype, jnp.inexact):
        found = apart(weight).at[index].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
    else:
        found = weight.at[index].get(mode="clip")
    space = (...,) + (None,) * (weight.ndim - 1)
    if scale_grad_by_freq:
        counts = jnp.zeros(weight.shape[0], found.dtype).at[index.reshape(-1)].add(1)
        found = scaled_gradient(found, 1 / counts.at[index].get(mode="clip")[space])
    if padding_idx >= 0:
        found = jnp.where((index == padding_idx)[space], lax.stop_gradient(found), found)
    return found


@register(
    "nn.functional.embedding",
    node="EmbeddingBackward0",
    static="padding_idx max_norm norm_type scale_grad_by_freq sparse",
    promote=None,
    saves="input",
)
def embedding(
    input: Array,
    weight: Array,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Array:
    """The rows of ``weight`` that ``input`` names.

    Args:
        input: row numbers, any shape, int64 or int32.
        weight: the table, ``(N, D)``.
        padding_idx: a row that gets no gradient; may count from the end.
        max_norm: rows that are named are scaled down to this norm first, in the table; see ``norm_type``.
        norm_type: which norm that is.
        scale_grad_by_freq: divide the gradient of each row by the number of times it is named.
        sparse: has no meaning here: gradients are dense.

    Returns:
        Shape ``(*input.shape, D)``.

    Raises:
        RuntimeError: other dtypes or shapes.
        AssertionError: ``padding_idx`` is no row.
    """
    count = weight.shape[0] if weight.ndim else 0
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= count
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    check_indices("embedding", input)
    return rows(input, weight, -1 if padding_idx is None else padding_idx, scale_grad_by_freq)


@register(
    "embedding",
    node="EmbeddingBackward0",
    static="padding_idx scale_grad_by_freq sparse",
    promote=None,
    saves="indices",
)
def torch_embedding(
    weight: Array,
    indices: Array,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Array:
    """``nn.functional.embedding`` with the table first, -1 meaning no ``padding_idx``."""
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    check_indices("embedding", indices)
    return rows(indices, weight, padding_idx, scale_grad_by_freq)


@register(
    "_renormed_rows",
    node=None,
    static="max_norm norm_type",
    promote=None,
)
def renormed_rows(weight: Array, index: Array, max_norm: float, norm_type: float) -> Array:
    """``weight``, its rows at ``index`` scaled down to the norm ``max_norm`` where theirs is larger."""
    named = jnp.zeros(weight.shape[0], bool).at[index.reshape(-1)].set(True)
    norm = jnp.linalg.norm(widened(weight), norm_type, axis=1)
    factor = jnp.where(named & (norm > max_norm), max_norm / (norm + 1e-7), 1)
    return (widened(weight) * factor[:, None]).astype(weight.dtype)


# ---- bags ----------------------------------------------------------------------------------------------


def check_offsets(values: Values, arguments: Mapping[str, Any]) -> None:
    """Bags begin at 0 and end within the indices."""
    if not values.size:
        return
    if values[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position "
            "0. "
            f"However, got {values[0]}"
        )
    count = arguments["input"].shape[0]
    if values[-1] > count:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {count} but got offsets[-1] of {values[-1]}"
        )


VALUE_CHECKS["nn.functional.embedding_bag"] = {"input": check_rows, "offsets": check_offsets}


def check_bags(
    input: Array, weight: Array, offsets: Array | None, mode: str, factors: Array | None, **flags: Any
) -> None:
    """Shapes, dtypes, and arguments that exclude each other."""
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if factors is not None and factors.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({size_text(factors)}) is not None, then it must have "
            "the same "
            f"shape as the input ({size_text(input)})"
        )
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed "
                "length "
                "sequences. However, found offsets of type <class 'torch.Tensor'>"
            )
    elif input.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.ndim != 1:
            raise ValueError("offsets has to be a 1D Tensor")
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and flags["scale_grad_by_freq"]:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and flags["sparse"]:
        raise ValueError("max mode does not support sparse weights")
    if factors is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
            "mode='sum' "
            f"(got mode='{mode}'). Please open a feature request on GitHub."
        )
    for x in (input, offsets):
        if x is not None:
            check_indices("embedding_bag", x)
    if factors is not None and factors.dtype != weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
            f"'per_sample_weights'; but type torch.{scalar_type(weight)}Tensor does not equal "
            f"torch.{scalar_type(factors)}Tensor (while checking arguments for embedding_bag)"
        )


@register(
    "nn.functional.embedding_bag",
    node="EmbeddingBagBackward0",
    static="max_norm norm_type scale_grad_by_freq mode sparse include_last_offset padding_idx",
    promote=None,
    saves="input offsets per_sample_weights intermediate",
)
def embedding_bag(
    input: Array,
    weight: Array,
    offsets: Array | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array:
    """The sum, mean or maximum of the rows that each bag of indices names.

    Args:
        input: row numbers: a bag per row of ``(B, L)``, or bags one after another in ``(L,)``.
        weight: the table, ``(N, D)``.
        offsets: where each bag begins, for one-dimensional input.
        max_norm: rows that are named are scaled down to this norm first, in the table; see ``norm_type``.
        norm_type: which norm that is.
        scale_grad_by_freq: divide the gradient of each row by the number of times it is named.
        mode: ``"sum"``, ``"mean"`` or ``"max"``; empty bags give 0.
        sparse: has no meaning here: gradients are dense.
        per_sample_weights: factors of the shape of ``input``, for ``"sum"``.
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: a row that counts for nothing; may count from the end.

    Returns:
        Shape ``(B, D)``.

    Raises:
        ValueError, RuntimeError, NotImplementedError: arguments that do not agree.
    """
    check_bags(
        input,
        weight,
        offsets,
        mode,
        per_sample_weights,
        scale_grad_by_freq=scale_grad_by_freq,
        sparse=sparse,
    )
    count = weight.shape[0]
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise RuntimeError(
                f"padding_idx must be within the number of embeddings, {-count} through {count - 1}, "
                f"but got {padding_idx}"
            )
        padding_idx %= count
    if offsets is None:
        bags = input.shape[0]
        segment = jnp.repeat(jnp.arange(bags), input.shape[1], total_repeat_length=input.size)
    else:
        if include_last_offset:
            if not offsets.size:
                raise RuntimeError("include_last_offset: number of offset should be at least 1")
            offsets = offsets[:-1]
        bags = offsets.shape[0]
        # How many bags have begun up to each position.
        segment = jnp.searchsorted(offsets, jnp.arange(input.size), side="right") - 1
    index = input.reshape(-1)
    found = widened(rows(index, weight, -1, scale_grad_by_freq))
    keep = jnp.ones(index.shape, bool) if padding_idx is None else index != padding_idx
    if per_sample_weights is not None:
        found = found * widened(per_sample_weights).reshape(-1, 1)
    if mode == "max":
        return largest_of_bags(found, keep, segment, bags).astype(weight.dtype)
    add = partial(jax.ops.segment_sum, segment_ids=segment, num_segments=bags)
    total = add(jnp.where(keep[:, None], found, 0))
    if mode == "mean":
        total = total / jnp.maximum(add(keep.astype(found.dtype)), 1)[:, None]
    return total.astype(weight.dtype)


def largest_of_bags(found: Array, keep: Array, segment: Array, bags: int) -> Array:
    """The largest value of each bag and column; the first of equal ones has the gradient."""
    size = found.shape[0]
    found = computed_once(found)
    values = jnp.where(keep[:, None], lax.stop_gradient(found), -jnp.inf)
    largest = jax.ops.segment_max(values, segment, bags)
    wins = (values == largest[segment]) & keep[:, None]
    first = jax.ops.segment_min(jnp.where(wins, jnp.arange(size)[:, None], size), segment, bags)
    first = jnp.minimum(first, size)
    padded = jnp.concatenate([found, jnp.zeros((1, found.shape[1]), found.dtype)])
    return jnp.take_along_axis(padded, first, 0)


# ---- one-hot -------------------------------------------------------------------------------------------


def check_classes(values: Values, arguments: Mapping[str, Any]) -> None:
    """Classes are neither negative nor too large."""
    if values.size and values.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if values.size and values.max() >= arguments["num_classes"]:
        raise RuntimeError("Class values must be smaller than num_classes.")


VALUE_CHECKS["_one_hot"] = {"input": check_classes}


@register("_one_hot", node=None, static="num_classes", promote=None)
def one_hot(input: Array, num_classes: int) -> Array:
    """1 at the class and 0 elsewhere, int64, in a new last dimension; only 0 for classes out of range."""
    return (input[..., None] == jnp.arange(num_classes)).astype(jnp.int64)
