"""Products of grouped and of scaled matrices (``grouped_mm``, ``scaled_mm``)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from jtorch.dtypes import bfloat16, dtype
from jtorch.tensor import Tensor
from jtorch.tensor._derive import derived

__all__ = ["ScalingType", "SwizzleType", "grouped_mm", "scaled_mm"]

_functions = derived[""]


class ScalingType(IntEnum):
    """Which elements of a matrix share a scale."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(IntEnum):
    """In which order the scales of blocks lie in memory."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


def grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    *,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: dtype | None = None,
) -> Tensor:
    """Products of pairs of matrices, of which those of a factor may lie end to end in one matrix.

    Rows or columns after the last group are zero (PyTorch leaves them unset).

    Args:
        mat_a: float32, bfloat16 or float16: shape (G, M, K), or (M, K) for groups along M, or along K if
            ``mat_b`` has two dims as well.
        mat_b: shape (G, K, N), or (K, N) for groups along N.
        offs: where each group ends, int32 of shape (G,); for factors of two dims.
        bias: not supported, as in PyTorch.
        out_dtype: that of ``mat_a``.

    Returns:
        Shape (M, N) if one factor has two dims, else (G, M, N).

    Raises:
        RuntimeError: sizes, types or offsets that do not go together.
    """
    return _functions["_grouped_mm"](mat_a, mat_b, offs, bias, out_dtype)


def _several(x: Any) -> list[Any]:
    return [] if x is None else list(x) if isinstance(x, list | tuple) else [x]


def scaled_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    scale_a: Tensor | list[Tensor],
    scale_recipe_a: ScalingType | list[ScalingType],
    scale_b: Tensor | list[Tensor],
    scale_recipe_b: ScalingType | list[ScalingType],
    swizzle_a: SwizzleType | list[SwizzleType] | None = None,
    swizzle_b: SwizzleType | list[SwizzleType] | None = None,
    bias: Tensor | None = None,
    output_dtype: dtype | None = bfloat16,
    contraction_dim: list[int] | tuple[int, ...] = (),
    use_fast_accum: bool = False,
) -> Tensor:
    """The product of two matrices in 8-bit floating types, times their scales.

    Args:
        mat_a: shape (M, K).
        mat_b: shape (K, N).
        scale_a: float32: one number, or (M, 1) by rows.
        scale_recipe_a: which of them; scales of blocks are not supported.
        scale_b: float32: one number, or (1, N) by columns.
        scale_recipe_b: which of them.
        swizzle_a: order of the scales of blocks.
        swizzle_b: the same.
        bias: shape (N,), added.
        output_dtype: of the result; that of ``mat_a`` if ``None``.
        contraction_dim: has no effect.
        use_fast_accum: has no effect.

    Raises:
        NotImplementedError: scales of blocks.
        ValueError: sizes or types that do not go together.
    """
    return _functions["_scaled_mm_v2"](
        mat_a,
        mat_b,
        *map(_several, (scale_a, scale_recipe_a, swizzle_a, scale_b, scale_recipe_b, swizzle_b)),
        bias,
        output_dtype,
        contraction_dim,
        use_fast_accum,
    )
