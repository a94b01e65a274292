"""Causal masks that know how they are aligned (``torch.nn.attention.bias``)."""

from __future__ import annotations

import warnings
from enum import IntEnum, auto
from typing import Any

from jtorch.dtypes import bool_
from jtorch.tensor import Tensor
from jtorch.tensor._creation import ones
from jtorch.tensor._derive import derived

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(IntEnum):
    """The corner in which the triangle of visible keys lies, where keys and queries are not equally many."""

    UPPER_LEFT = auto()
    LOWER_RIGHT = auto()


class CausalBias(Tensor):
    """A boolean mask of shape ``(seq_len_q, seq_len_kv)``: queries see no later keys.

    Given to ``scaled_dot_product_attention`` as ``attn_mask`` it chooses the causal form of the call, where
    that is what it means.

    Args:
        variant: how it is aligned.
        seq_len_q: number of queries.
        seq_len_kv: number of keys.

    Raises:
        AssertionError: ``variant`` is no :class:`CausalVariant`.
    """

    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> CausalBias:
        """The mask, on the CPU."""
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        made: Any = _triangle(variant, seq_len_q, seq_len_kv)
        made.__class__ = cls
        return made

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        self.variant, self.seq_len_q, self.seq_len_kv = variant, seq_len_q, seq_len_kv
        if seq_len_q > seq_len_kv and variant == CausalVariant.LOWER_RIGHT:
            warnings.warn(
                "Lower right causal bias will produce NaNs in the output when seq_len_q > seq_len_kv!",
                stacklevel=2,
            )

    def _materialize(self, device: Any = None) -> Tensor:
        return _triangle(self.variant, self.seq_len_q, self.seq_len_kv, device)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return repr(self._materialize())

    @staticmethod
    def _dispatch(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: CausalBias,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """``scaled_dot_product_attention`` with such a mask.

        Raises:
            ValueError: ``is_causal`` on top of it.
        """
        if is_causal:
            raise ValueError("CausalBias should not be used with causal=True")
        attend = derived["nn.functional"]["scaled_dot_product_attention"]
        upper = attn_mask.seq_len_q == attn_mask.seq_len_kv or attn_mask.variant == CausalVariant.UPPER_LEFT
        mask = None if upper else attn_mask._materialize(query.device)
        return attend(query, key, value, mask, dropout_p, upper, scale, enable_gqa)


def _triangle(variant: CausalVariant, queries: int, keys: int, device: Any = None) -> Tensor:
    diagonal = keys - queries if variant == CausalVariant.LOWER_RIGHT else 0
    return ones(queries, keys, dtype=bool_, device=device or "cpu").tril(diagonal)


def causal_upper_left(*size: int) -> CausalBias:
    """The mask in which query i sees keys 0 to i.

    Args:
        size: numbers of queries and keys.

    Raises:
        AssertionError: not two numbers.
    """
    if len(size) != 2:
        raise AssertionError("causal_upper_left only supports 2D tensors")
    return CausalBias(CausalVariant.UPPER_LEFT, *size)


def causal_lower_right(*size: int) -> CausalBias:
    """The mask in which the last query sees all keys, and each one before it one key less.

    Args:
        size: numbers of queries and keys.

    Raises:
        AssertionError: not two numbers.
    """
    if len(size) != 2:
        raise AssertionError("causal_lower_right only supports 2D tensors")
    return CausalBias(CausalVariant.LOWER_RIGHT, *size)
