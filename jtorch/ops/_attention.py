"""Attention: means of values, weighted by how well keys fit queries."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jtorch.ops._checks import check_broadcast, kind, not_implemented, scalar_type, type_name
from jtorch.ops._half import widened
from jtorch.ops._plain import chosen, number, total
from jtorch.ops._precision import precision
from jtorch.ops._registry import register
from jtorch.ops._sizes import is_symbolic_dim

#: Least number of queries in a block that gets keys of its own.
BLOCK = 64


def attention_node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
    """The node of PyTorch's fused CPU kernel, where it takes the call, else of what it composes."""
    query, key, value, _, dropout, *_ = shapes
    if is_fused(query, key, value) and dropout is None:
        return "ScaledDotProductFlashAttentionForCpuBackward0"
    return "UnsafeViewBackward0" if len(query) > 2 else "MmBackward0"


def attention_saves(args: Mapping[str, Any]) -> str:
    """PyTorch's fused kernel keeps its operands and the result; what is composed keeps scaled copies."""
    shapes = [args[p].shape for p in ("query", "key", "value")]
    fused = is_fused(*shapes) and args["dropout_mask"] is None
    return "query key value result" if fused else "intermediate"


def is_fused(query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> bool:
    """Whether PyTorch's fused CPU kernel takes operands of these shapes."""
    return len(query) == 4 and query[-1] == value[-1] and bool(query[-2] and key[-2])


def check_attention(query: Array, key: Array, value: Array, mask: Array | None, enable_gqa: bool) -> None:
    """Shapes and dtypes of the operands."""
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{type_name(query)} key.dtype: {type_name(key)} and value.dtype: {type_name(value)} instead."
        )
    if mask is not None and kind(mask) != "b" and mask.dtype not in (query.dtype, jnp.float32):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{type_name(mask)} and  query.dtype: {type_name(query)} instead."
        )
    if kind(query) in "bi":
        raise RuntimeError(f"expected scalar type Float but found {scalar_type(query)}")
    if kind(query) == "c":
        raise not_implemented("softmax_lastdim_kernel_impl", query)
    if enable_gqa:
        if query.ndim < 3:
            raise IndexError("Dimension out of range (expected to be in range of [-2, 1], but got -3)")
        heads = [x.shape[-3] for x in (query, key, value)]
        if heads[0] % heads[1] or heads[0] % heads[2]:
            raise RuntimeError("Number of heads in key and value must divide the number of heads in ")
    else:
        for x in (key, value):
            check_broadcast(_leading(query), _leading(x))
    if query.shape[-1] != key.shape[-1]:
        count = math.prod(query.shape[:-2])
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{count}, {query.shape[-1]}] but got: [{count}, {key.shape[-1]}]."
        )
    if key.shape[-2] != value.shape[-2]:
        count = math.prod(query.shape[:-2])
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{count}, {key.shape[-2]}] but got: [{count}, {value.shape[-2]}]."
        )
    if mask is not None:
        check_broadcast(_scores(query, query if enable_gqa else key, key.shape[-2]), mask)


class _Shape:
    """A shape, for the check of shapes."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def _leading(x: Array) -> Any:
    return _Shape((*x.shape[:-2], 1, 1))


def _scores(query: Array, heads: Array, keys: int) -> Any:
    lead = jnp.broadcast_shapes(query.shape[:-2], heads.shape[:-2])
    return _Shape((*lead, query.shape[-2], keys))


def plain_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    dropout_mask: Array | None,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Array:
    """:func:`scaled_dot_product_attention` composed of products and a softmax: what runs on the CPU."""
    fused = is_fused(query.shape, key.shape, value.shape) and dropout_mask is None
    if is_causal and attn_mask is not None and not fused:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
        )
    check_attention(query, key, value, attn_mask, enable_gqa)
    if enable_gqa:
        key, value = (jnp.repeat(x, query.shape[-3] // x.shape[-3], axis=-3) for x in (key, value))
    factor = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    lead = query.shape[:-2]
    flat = attn_mask is None and dropout_mask is None and lead == key.shape[:-2] == value.shape[:-2]
    if flat:
        # Products with one batch dimension are the faster ones.
        query, key, value = (x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:]) for x in (query, key, value))
    parts = []
    for begin, end, seen in blocks(query.shape[-2], key.shape[-2], is_causal):
        mask, dropout = (_part(m, begin, end, seen) for m in (attn_mask, dropout_mask))
        q, k, v = _rows(query, begin, end), _rows(key, 0, seen), _rows(value, 0, seen)
        first = begin if is_causal else None
        parts.append(_attend(q, k, v, mask, dropout, first, factor))
    result = parts[0] if len(parts) == 1 else lax.concatenate(parts, parts[0].ndim - 2)
    return result.reshape(*lead, *result.shape[-2:]) if flat else result


def blocks(queries: int, keys: int, is_causal: bool) -> list[tuple[int, int, int]]:
    """Begin and end of blocks of queries, and how many keys each of them looks at.

    Under a causal mask the first queries look at few keys: in two blocks 3/4 of the work are left, in four
    5/8. Every block takes time to compile, and small ones most, so short sequences have few.
    """
    varies = is_symbolic_dim(queries) or is_symbolic_dim(keys)
    count = max(min(queries // BLOCK, 4), min(queries // 256, 8)) if is_causal and not varies else 1
    if count < 2:
        return [(0, queries, keys)]
    ends = [queries * (i + 1) // count for i in range(count)]
    return [(begin, end, min(end, keys)) for begin, end in zip([0, *ends], ends, strict=False)]


def _rows(x: Array, begin: int, end: int) -> Array:
    """``x[..., begin:end, :]``."""
    return x if end - begin == x.shape[-2] else lax.slice_in_dim(x, begin, end, axis=x.ndim - 2)


def _product(a: Array, b: Array, dtype: Any) -> Array:
    """``a @ b`` in a dtype."""
    batch = tuple(range(a.ndim - 2))
    if a.shape[:-2] != b.shape[:-2] or 1 in a.shape[:-2]:
        return jnp.matmul(a, b, precision=precision(), preferred_element_type=dtype)
    dimensions = (((a.ndim - 1,), (b.ndim - 2,)), (batch, batch))
    return lax.dot_general(a, b, dimensions, precision=precision(), preferred_element_type=dtype)


def _part(mask: Array | None, begin: int, end: int, seen: int) -> Array | None:
    """The part of a mask for some queries and the first keys; dimensions of size 1 broadcast."""
    if mask is None:
        return None
    if mask.ndim > 1 and mask.shape[-2] > 1:
        mask = mask[..., begin:end, :]
    return mask[..., :seen] if mask.ndim and mask.shape[-1] > 1 else mask


def _attend(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    dropout_mask: Array | None,
    first: int | None,
    factor: float,
) -> Array:
    """Attention; query ``i`` sees the keys up to place ``first + i``, or all if ``first`` is ``None``."""
    wide = jnp.promote_types(query.dtype, jnp.float32)
    scores = _product(query, lax.transpose(key, (*range(key.ndim - 2), key.ndim - 1, key.ndim - 2)), wide)
    scores = lax.mul(scores, number(factor, scores))
    allowed = None
    if first is not None:
        row, column = (lax.broadcasted_iota(np.int32, scores.shape[-2:], i) for i in (0, 1))
        allowed = lax.ge(lax.add(row, number(first, row)), column)
    if attn_mask is not None and kind(attn_mask) == "b":
        allowed = attn_mask if allowed is None else allowed & attn_mask
    elif attn_mask is not None:
        scores = scores + widened(attn_mask)
    if allowed is not None and attn_mask is not None:
        scores = jnp.where(allowed, scores, -jnp.inf)
    elif allowed is not None:
        allowed = lax.broadcast_in_dim(allowed, scores.shape, (scores.ndim - 2, scores.ndim - 1))
        scores = chosen(allowed, scores, -np.inf)
    weights = softmax_of_some(scores)
    if dropout_mask is not None:
        weights = weights * widened(dropout_mask)
    return _product(weights.astype(value.dtype), value, value.dtype).astype(query.dtype)


def fits_fused_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    dropout_mask: Array | None,
    is_causal: bool,
) -> bool:
    """Whether cuDNN's flash attention, forward and backward, takes a call whose result is PyTorch's.

    Half precision, batches of heads of up to 128 features in eights, even lengths. With masks cuDNN gives
    numbers to queries that may look at nothing, where PyTorch gives 0; its causal mask serves squares only.
    """
    lengths = query.shape[-2], key.shape[-2]
    return (
        query.dtype in (jnp.float16, jnp.bfloat16)
        and query.ndim == key.ndim == value.ndim == 4
        and query.shape[0] == key.shape[0] == value.shape[0]
        and query.shape[1] % key.shape[1] == 0
        and key.shape[1] == value.shape[1]
        and query.shape[-1] == value.shape[-1]
        and query.shape[-1] % 8 == 0
        and 0 < query.shape[-1] <= 128
        and all(n > 0 and n % 2 == 0 for n in lengths)
        and attn_mask is None
        and dropout_mask is None
        and (not is_causal or lengths[0] == lengths[1])
    )


@functools.cache
def has_fused_attention() -> bool:
    """Whether there is a GPU of compute capability 8.0 or later."""
    try:
        found = jax.local_devices(backend="gpu")
    except RuntimeError:
        return False
    capability = getattr(found[0], "compute_capability", None) if found else None
    return capability is not None and int(str(capability).partition(".")[0]) >= 8


@register(
    "_scaled_dot_product_attention",
    node=attention_node,
    static="is_causal scale enable_gqa",
    promote=None,
    saves=attention_saves,
    watches="value@query value@key",
    cpu=plain_attention,
)
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    dropout_mask: Array | None,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Array:
    """``softmax(query @ key.T * scale + mask) @ value``, the softmax being over the keys.

    Args:
        query: shape ``(*, L, E)``.
        key: ``(*, S, E)``.
        value: ``(*, S, V)``.
        attn_mask: broadcasts to ``(*, L, S)``: which keys each query may look at, or numbers to add.
        dropout_mask: factors of the weights, ``(*, L, S)``.
        is_causal: query i looks at the keys up to i only.
        scale: ``1 / sqrt(E)`` by default.
        enable_gqa: each head of key and value, counted by dimension -3, serves several heads of the query.

    Returns:
        Shape ``(*, L, V)``; 0 for queries that may look at nothing.

    Raises:
        RuntimeError: shapes or dtypes that do not agree.

    Reference: Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762
    """
    if has_fused_attention() and fits_fused_attention(query, key, value, attn_mask, dropout_mask, is_causal):
        check_attention(query, key, value, attn_mask, enable_gqa)
        # Without a suitable cuDNN, JAX refuses while tracing.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            heads_last = (jnp.swapaxes(x, 1, 2) for x in (query, key, value))
            out = jax.nn.dot_product_attention(
                *heads_last, scale=scale, is_causal=is_causal, implementation="cudnn"
            )
            return jnp.swapaxes(out, 1, 2)
    return plain_attention(query, key, value, attn_mask, dropout_mask, is_causal, scale, enable_gqa)


@jax.custom_jvp
def softmax_of_some(scores: Array) -> Array:
    """The softmax over the last dimension; 0 where all scores are minus infinity."""
    if not scores.shape[-1]:
        return scores
    last = (scores.ndim - 1,)
    largest = lax.expand_dims(lax.reduce_max(scores, last), last)
    largest = chosen(lax.eq(largest, number(-np.inf, scores)), 0, largest)
    powers = lax.exp(lax.sub(scores, largest))
    sums = total(powers, last, keepdims=True)
    return lax.div(powers, chosen(lax.eq(sums, number(0, sums)), 1, sums))


@softmax_of_some.defjvp
def _softmax_of_some_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = softmax_of_some(*primals)
    # In terms of the result, as PyTorch's: half the passes over memory of the steps' own derivatives.
    slope = total(lax.mul(y, tangents[0]), (y.ndim - 1,), keepdims=True)
    return y, lax.mul(y, lax.sub(tangents[0], slope))
