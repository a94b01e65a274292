"""Products of grouped and of scaled matrices by PyTorch's internal names, for ``nn.functional``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jtorch.dtypes import dtype
from jtorch.ops._registry import OPS
from jtorch.tensor._core import Tensor
from jtorch.tensor._derive import derived, make_function

__all__ = ["scaled_mm_v2"]

_RECIPES = {0: "TensorWise", 1: "RowWise"}

for _name in ("_grouped_mm", "_scaled_mm"):
    derived[""][_name] = make_function(OPS[_name])


def scaled_mm_v2(
    input: Tensor,
    mat2: Tensor,
    scale_a: Sequence[Tensor],
    recipe_a: Sequence[int],
    swizzle_a: Sequence[int],
    scale_b: Sequence[Tensor],
    recipe_b: Sequence[int],
    swizzle_b: Sequence[int],
    bias: Tensor | None,
    out_dtype: dtype | None,
    contraction_dim: Sequence[int] = (),
    use_fast_accum: bool = False,
) -> Tensor:
    """``torch._scaled_mm`` with lists of scales, each of which has a recipe (``torch._scaled_mm_v2``).

    Raises:
        NotImplementedError: scales of blocks, which PyTorch's CPU lacks as well, or in another order.
        ValueError: sizes or types that do not go together.
    """
    for label, x in (("mat_a", input), ("mat_b", mat2)):
        if x.dim() != 2:
            raise ValueError(f"{label} must be a matrix")
    (rows, inner), (other, columns) = input.shape, mat2.shape
    if inner != other:
        raise ValueError(
            f"mat_a and mat_b shapes cannot be multiplied ({rows}x{inner} and {other}x{columns})"
        )
    recipes = {int(r) for r in (*recipe_a, *recipe_b)}
    if not recipes <= set(_RECIPES) or any(int(s) for s in (*swizzle_a, *swizzle_b)):
        raise NotImplementedError(
            "scaled_mm: scales of blocks and swizzled scales are not supported; use ScalingType.TensorWise "
            "or ScalingType.RowWise"
        )
    scales = scale_a[0], scale_b[0]
    result: Any = derived[""]["_scaled_mm"](input, mat2, *scales, bias, None, out_dtype, use_fast_accum)
    return result  # type: ignore[no-any-return]


scaled_mm_v2.__module__ = "jtorch"
derived[""]["_scaled_mm_v2"] = scaled_mm_v2
