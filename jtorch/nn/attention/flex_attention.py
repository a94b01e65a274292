"""Attention whose scores and mask are the user's functions (``torch.nn.attention.flex_attention``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from jtorch import dtypes
from jtorch.nn.attention._block_mask import (
    DEFAULT_BLOCK,
    LARGE_BLOCK,
    BlockMask,
    _sliced_mask_mod_error,
    and_masks,
    create_block_mask,
    create_mask,
    for_all_positions,
    noop_mask,
    or_masks,
    positions,
)
from jtorch.tensor import Tensor
from jtorch.tensor._core import call

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask",
    "flex_attention", "noop_mask", "or_masks",
]  # fmt: skip

_DEFAULT_SPARSE_BLOCK_SIZE = DEFAULT_BLOCK  # packages ask for it


class AuxRequest(NamedTuple):
    """What :func:`flex_attention` shall return beside its output."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for, of shape ``(B, H, L)``: ``logsumexp`` and maximum of the scores."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable[..., Tensor] | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """Attention with scores ``score_mod(q k^T * scale)`` where ``block_mask`` lets see them.

    All scores are computed, in float32 (float64 for float64 inputs); XLA fuses what follows them.

    Args:
        query: shape ``(B, Hq, L, E)``.
        key: shape ``(B, Hkv, S, E)``.
        value: shape ``(B, Hkv, S, Ev)``.
        score_mod: of a score, its batch, head, query and key (without dims), another score. Tensors that it
            holds get their gradients.
        block_mask: what is seen; everything if ``None``. A query that sees nothing gets zeros.
        scale: of the products; ``1 / sqrt(E)`` if ``None``.
        enable_gqa: whether several heads of queries may share one of keys.
        return_lse: also return the log of the sum of exponentials; ``return_aux`` is its successor.
        kernel_options: taken and unused.
        return_aux: what to return in an :class:`AuxOutput` beside the output.

    Returns:
        Shape ``(B, Hq, L, Ev)``, dtype of ``query``.

    Raises:
        NotImplementedError: other dims than 4.
        ValueError: heads, batches or lengths do not fit.
        RuntimeError: a ``block_mask`` that was sliced and has no function.

    Reference: Dong et al., "Flex Attention", 2024, https://arxiv.org/abs/2412.05496
    """
    if return_lse and return_aux is not None:
        raise ValueError(
            "Cannot specify both return_lse and return_aux. "
            "return_lse is deprecated, please use return_aux=AuxRequest(lse=True) instead."
        )
    _check_shapes(query, key, value, block_mask, enable_gqa)
    working = dtypes.float64 if query.dtype is dtypes.float64 else dtypes.float32
    groups = query.shape[1] // key.shape[1]
    key, value = (t.repeat_interleave(groups, dim=1) if groups > 1 else t for t in (key, value))
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query.to(working) @ key.to(working).transpose(-2, -1) * scale
    if score_mod is not None:
        B, H, L, S = scores.shape
        where = positions(B, H, L, S, scores.device)
        scores = for_all_positions(score_mod, scores=True)(scores, *where).to(working)
    if block_mask is not None and block_mask.BLOCK_SIZE[0] != LARGE_BLOCK:
        scores = scores.masked_fill(~block_mask.visible(scores.device), -math.inf)
    out = call("_safe_softmax", scores, -1).to(query.dtype) @ value.to(query.dtype)
    wanted = return_aux or AuxRequest(lse=return_lse)
    lse = scores.logsumexp(dim=-1) if wanted.lse else None
    if return_aux is not None:
        return out, AuxOutput(lse, scores.amax(dim=-1) if wanted.max_scores else None)
    return (out, lse) if return_lse else out


def _check_shapes(
    query: Tensor, key: Tensor, value: Tensor, block_mask: BlockMask | None, enable_gqa: bool
) -> None:
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            "Expect query and key/value to have the same embedding dimension "
            f"but got E={query.shape[-1]} and E={key.shape[-1]}."
        )
    heads, shared = query.shape[1], key.shape[1]
    if not enable_gqa and heads != shared:
        raise ValueError(
            "Expect query and key/value to have the same number of heads "
            f"but got Hq={heads} and Hkv={shared}. Try setting enable_gqa=True for GQA."
        )
    if enable_gqa and heads % shared:
        raise ValueError(
            "Expect number of query heads to be a multiple of kv heads for GQA "
            f"but got Hq={heads} and Hkv={shared}."
        )
    if query.shape[0] != key.shape[0] and block_mask is None:
        raise ValueError(
            "Expect query and key/value to have the same batch size, or non-none block_mask, "
            f"but got block_mask=None, Bq={query.shape[0]}, and Bkv={key.shape[0]}."
        )
    if block_mask is not None:
        _check_mask(block_mask, query.shape[-2], key.shape[-2])


def _check_mask(block_mask: BlockMask, queries: int, keys: int) -> None:
    if block_mask.mask_mod is _sliced_mask_mod_error:
        raise RuntimeError("Cannot use mask_mod from a sliced BlockMask")
    if block_mask.BLOCK_SIZE == (LARGE_BLOCK, LARGE_BLOCK):
        return
    shape = block_mask.shape
    start = f"block_mask was created for block_mask.shape={shape} but got q_len={queries} and kv_len={keys}. "
    if queries > shape[-2] or keys > shape[-1]:
        raise ValueError(
            start + "As the block mask was created for a smaller length than you're using it for, you likely "
            "need to create a new block mask."
        )
    if queries < shape[-2] or keys < shape[-1]:
        raise ValueError(
            start + "As the block mask was created for a larger length than you're using it for, you can "
            "either 1. create a new block mask with the correct length, or 2. 'adjust' the existing block "
            "mask to the correct length by calling block_mask._adjust(q_len, kv_len). This essentially "
            "'crops' the block mask to the upper left corner, which does not work for all mask_mods!"
        )
