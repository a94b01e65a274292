"""Attention with several heads, as one function of all its weights."""

from __future__ import annotations

import math
import warnings
from typing import Any

from jtorch.dtypes import bool_
from jtorch.nn._dropout import dropout
from jtorch.tensor import Tensor
from jtorch.tensor._core import call
from jtorch.tensor._creation import zeros, zeros_like
from jtorch.tensor._derive import derived

__all__ = ["multi_head_attention_forward"]

_functions = derived["nn.functional"]
linear, softmax = _functions["linear"], _functions["softmax"]


def _check_shapes(
    query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any, num_heads: int
) -> bool:
    """Whether the operands have a batch dimension.

    Raises:
        AssertionError: their numbers of dimensions do not fit together.
    """
    n = query.dim()
    if n not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor"
        )
    kind = f"{'batched' if n == 3 else 'unbatched'} ({n}-D)"
    if key.dim() != n or value.dim() != n:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {n}-D but found {key.dim()}-D and "
            f"{value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != n - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
                f"{attn_mask.dim()}-D tensor instead"
            )
        expected = (num_heads, query.shape[0], key.shape[0])
        if n == 2 and attn_mask.dim() == 3 and attn_mask.shape != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return bool(n == 3)


def _canonical_mask(
    mask: Any, name: str, other: Any, other_name: str, dtype: Any, check_other: bool = True
) -> Any:
    """A mask as numbers to add: minus infinity where a boolean mask is true.

    Raises:
        AssertionError: the mask is neither boolean nor floating.
    """
    if mask is None:
        return None
    if mask.dtype is not bool_ and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if check_other and other is not None and mask.dtype != other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=4,
        )
    if mask.dtype is not bool_:
        return mask
    return zeros_like(mask, dtype=dtype).masked_fill_(mask, -math.inf)


def _projected(q: Any, k: Any, v: Any, weight: Any, bias: Any) -> tuple[Any, Any, Any]:
    """Queries, keys and values through one matrix that holds all three projections."""
    size = q.size(-1)
    if k is v and q is k:
        return linear(q, weight, bias).chunk(3, dim=-1)
    if k is v:
        w_q, w_kv = weight.split([size, 2 * size])
        b_q, b_kv = (None, None) if bias is None else bias.split([size, 2 * size])
        return linear(q, w_q, b_q), *linear(k, w_kv, b_kv).chunk(2, dim=-1)
    weights = weight.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return tuple(linear(x, w, b) for x, w, b in zip((q, k, v), weights, biases, strict=True))


def _check_attn_mask(attn_mask: Any, batch: int, heads: int, target: int, source: int) -> Any:
    if attn_mask is None:
        return None
    if attn_mask.dim() == 2:
        if attn_mask.shape != (target, source):
            raise RuntimeError(
                f"The shape of the 2D attn_mask is {attn_mask.shape}, but should be {(target, source)}."
            )
        return attn_mask.unsqueeze(0)
    if attn_mask.dim() != 3:
        raise RuntimeError(f"attn_mask's dimension {attn_mask.dim()} is not supported")
    if attn_mask.shape != (batch * heads, target, source):
        raise RuntimeError(
            f"The shape of the 3D attn_mask is {attn_mask.shape}, but should be "
            f"{(batch * heads, target, source)}."
        )
    return attn_mask


def _check_static(name: str, x: Any, rows: int, size: int) -> Any:
    if x.size(0) != rows:
        raise AssertionError(f"expecting {name}.size(0) of {rows}, but got {x.size(0)}")
    if x.size(2) != size:
        raise AssertionError(f"expecting {name}.size(2) of {size}, but got {x.size(2)}")
    return x


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads (Vaswani et al., 2017), from inputs to the projected output.

    Args:
        query: shape ``(L, N, E)``, or ``(L, E)``.
        key: ``(S, N, E)``.
        value: ``(S, N, E)``.
        embed_dim_to_check: E.
        num_heads: number of heads, which divides E.
        in_proj_weight: the three projections as one ``(3 * E, E)`` matrix.
        in_proj_bias: ``(3 * E,)``.
        bias_k: a key that is appended, ``(1, 1, E)``.
        bias_v: a value that is appended.
        add_zero_attn: append a key and value of zeros.
        dropout_p: probability that an attention weight is dropped.
        out_proj_weight: ``(E, E)``.
        out_proj_bias: ``(E,)``.
        training: whether weights are dropped.
        key_padding_mask: ``(N, S)``: true (or minus infinity) where a key is padding.
        need_weights: return the attention weights, too.
        attn_mask: ``(L, S)`` or ``(N * num_heads, L, S)``: true (or minus infinity) where a query must not
            look.
        use_separate_proj_weight: project with the next three weights instead of ``in_proj_weight``.
        q_proj_weight: ``(E, E)``.
        k_proj_weight: ``(E, K)``.
        v_proj_weight: ``(E, V)``.
        static_k: keys of all heads, ``(N * num_heads, S, E / num_heads)``.
        static_v: values of all heads.
        average_attn_weights: return the mean of the heads' weights.
        is_causal: a hint that ``attn_mask`` hides what comes later.

    Returns:
        Output ``(L, N, E)``, and weights ``(N, L, S)`` (or ``(N, num_heads, L, S)``) or ``None``.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same_kv, same_qk = key is value, query is key
        query = query.unsqueeze(1)
        key = query if same_qk else key.unsqueeze(1)
        value = key if same_kv else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    target, batch, size = query.shape
    source = key.shape[0]
    padding = _canonical_mask(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and padding is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
        is_causal = is_causal and padding is None
    if size != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {size}")
    head = size // num_heads
    if head * num_heads != size:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, w in zip("qkv", weights, strict=True):
            if w is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    attn_mask = _check_attn_mask(attn_mask, batch, num_heads, target, source)
    if (bias_k is None) != (bias_v is None):
        missing, given = ("bias_v", "bias_k") if bias_v is None else ("bias_k", "bias_v")
        raise AssertionError(f"{given} is set but {missing} is None")
    if bias_k is not None:
        for name, static in (("key", static_k), ("value", static_v)):
            if static is not None:
                raise AssertionError(f"bias cannot be added to static {name}.")
        k = call("cat", [k, bias_k.repeat(1, batch, 1)], 0)
        v = call("cat", [v, bias_v.repeat(1, batch, 1)], 0)
        attn_mask, padding = _longer(attn_mask), _longer(padding)
    rows = batch * num_heads
    q = q.reshape(target, rows, head).transpose(0, 1)
    if static_k is None:
        k = k.reshape(k.shape[0], rows, head).transpose(0, 1)
    else:
        k = _check_static("static_k", static_k, rows, head)
    if static_v is None:
        v = v.reshape(v.shape[0], rows, head).transpose(0, 1)
    else:
        v = _check_static("static_v", static_v, rows, head)
    if add_zero_attn:
        nothing = zeros((rows, 1, head), dtype=k.dtype, device=k.device)
        k, v = call("cat", [k, nothing], 1), call("cat", [v, nothing], 1)
        attn_mask, padding = _longer(attn_mask), _longer(padding)
    source = k.size(1)
    if padding is not None:
        if padding.shape != (batch, source):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(batch, source)}, but got {padding.shape}"
            )
        padding = padding.view(batch, 1, 1, source).expand(-1, num_heads, -1, -1).reshape(rows, 1, source)
        attn_mask = padding if attn_mask is None else attn_mask + padding
    p = float(dropout_p) if training else 0.0
    if need_weights:
        return _with_weights(
            q, k, v, attn_mask, p, out_proj_weight, out_proj_bias, average_attn_weights, batched
        )
    if attn_mask is not None:
        if attn_mask.size(0) == 1 and attn_mask.dim() == 3:
            attn_mask = attn_mask.unsqueeze(0)
        else:
            attn_mask = attn_mask.view(batch, num_heads, -1, source)
    q, k, v = (x.reshape(batch, num_heads, x.shape[1], head) for x in (q, k, v))
    out = _functions["scaled_dot_product_attention"](q, k, v, attn_mask, p, is_causal)
    out = out.permute(2, 0, 1, 3).contiguous().view(batch * target, size)
    out = linear(out, out_proj_weight, out_proj_bias)
    out = out.view(target, batch, out.size(1))
    return (out if batched else out.squeeze(1)), None


def _longer(mask: Any) -> Any:
    """A mask with one more key, which is not hidden."""
    if mask is None:
        return None
    more = zeros((*mask.shape[:-1], 1), dtype=mask.dtype, device=mask.device)
    return call("cat", [mask, more], -1)


def _with_weights(
    q: Any, k: Any, v: Any, mask: Any, p: float, weight: Any, bias: Any, average: bool, batched: bool
) -> tuple[Tensor, Tensor]:
    """The output and the attention weights, of heads ``(N * num_heads, L, E / num_heads)``."""
    rows, target, head = q.shape
    scores = (q * math.sqrt(1.0 / float(head))).bmm(k.transpose(-2, -1))
    if mask is not None:
        scores = scores + mask
    weights = softmax(scores, -1)
    if p > 0.0:
        weights = dropout(weights, p)
    size = weight.shape[1]
    num_heads = size // head
    batch = rows // num_heads
    out = weights.bmm(v).transpose(0, 1).contiguous().view(target * batch, size)
    out = linear(out, weight, bias)
    out = out.view(target, batch, out.size(1))
    weights = weights.view(batch, num_heads, target, weights.shape[-1])
    if average:
        weights = weights.mean(dim=1)
    return (out, weights) if batched else (out.squeeze(1), weights.squeeze(0))
