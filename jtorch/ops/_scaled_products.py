"""Products of matrices in 8-bit floating types, with scales."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from jtorch import dtypes
from jtorch.ops._checks import scalar_type
from jtorch.ops._registry import register

__all__ = ["scaled_mm"]


def check_scaled(
    a: Array, b: Array, scale_a: Array, scale_b: Array, bias: Array | None, scale_result: Array | None
) -> None:
    """Shapes and types of factors and scales."""
    for label, x in (("mat1", a), ("mat2", b)):
        if x.ndim != 2:
            raise RuntimeError(f"{label} must be a matrix")
    rows, columns = a.shape[0], b.shape[1]
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat_a and mat_b shapes cannot be multiplied ({rows}x{a.shape[1]} and {b.shape[0]}x{columns})"
        )
    single = scale_a.size == 1 and scale_b.size == 1
    each = scale_a.shape == (rows, 1) and scale_b.shape == (1, columns)
    floats = all(x.dtype == jnp.float32 for x in (scale_a, scale_b))
    if not (floats and (single or each) and all(scalar_type(x).startswith("Float8") for x in (a, b))):
        raise ValueError(
            "Invalid scaling configuration.\n- For TensorWise scaling, a and b should be float8, scales "
            "should be float and singletons.\n- For RowWise scaling, a and b should be float8, scales "
            f"should be float, scale_a should be ({rows}, 1) and scale_b should be (1, {columns}), "
            f"and both should be contiguous.\nGot {_described('a', a, scale_a, False)}, "
            f"{_described('b', b, scale_b, True)}"
        )
    if bias is not None and bias.size != columns:
        raise RuntimeError(f"Bias must be size {columns} but got {bias.size}")
    if scale_result is not None and (scale_result.size != 1 or scale_result.dtype != jnp.float32):
        raise RuntimeError("scale_result must be a float scalar")


def _described(label: str, x: Array, scale: Array, last: bool) -> str:
    strides: list[int] = []
    step = 1
    for n in reversed(scale.shape):
        strides.insert(0, step)
        step *= max(n, 1)
    return (
        f"mat_{label}.dtype()={scalar_type(x)}, scale_{label}.dtype()={scalar_type(scale)}, "
        f"scale_{label}.size()={list(scale.shape)}{' and' if last else ','} scale_{label}.stride()={strides}"
    )


@register("_scaled_mm", node=None, static="out_dtype use_fast_accum", promote=None)
def scaled_mm(
    input: Array,
    mat2: Array,
    scale_a: Array,
    scale_b: Array,
    bias: Array | None = None,
    scale_result: Array | None = None,
    out_dtype: dtypes.dtype | None = None,
    use_fast_accum: bool = False,
) -> Array:
    """``(input * scale_a) @ (mat2 * scale_b) + bias``, computed in float32 and rounded once.

    Args:
        input: 8-bit floating, shape (M, K).
        mat2: 8-bit floating, shape (K, N).
        scale_a: float32, one number or (M, 1).
        scale_b: float32, one number or (1, N).
        bias: shape (N,).
        scale_result: has no effect, as on PyTorch's CPU.
        out_dtype: of the result; that of ``input`` by default.
        use_fast_accum: has no effect.

    Raises:
        RuntimeError: sizes that do not go together.
        ValueError: types or sizes of the scales that do not go together.
    """
    check_scaled(input, mat2, scale_a, scale_b, bias, scale_result)
    target: Any = input.dtype if out_dtype is None else out_dtype.numpy
    wide = jnp.float64 if target == jnp.float64 else jnp.float32
    a, b = input.astype(wide), mat2.astype(wide)
    left, right = (s.reshape(()) if s.size == 1 else s for s in (scale_a, scale_b))
    result = jnp.matmul(a, b, precision="highest") * left * right
    if bias is not None:
        result = result + bias.astype(wide)
    return result.astype(target)
