"""Products of many pairs of matrices of unequal sizes that lie end to end in one array."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from jtorch import dtypes
from jtorch.ops._checks import scalar_type
from jtorch.ops._precision import precision
from jtorch.ops._registry import register

__all__ = ["grouped_mm"]


def check_grouped(
    a: Array, b: Array, offs: Array | None, bias: Array | None, out_dtype: dtypes.dtype | None
) -> None:
    """Shapes and types of the factors and the ends of their groups."""
    for label, x in (("mat_a", a), ("mat_b", b)):
        if x.dtype not in (jnp.float32, jnp.bfloat16, jnp.float16):
            raise RuntimeError(
                f"Expected {label} to be Float32, BFloat16 or Float16 matrix, got {scalar_type(x)}"
            )
    for label, x in (("mat_a", a), ("mat_b", b)):
        if x.ndim not in (2, 3):
            raise RuntimeError(f"{label} has to be 2 or 3d")
    flat = a.ndim == 2 and b.ndim == 2
    if not flat and a.shape[-1] != b.shape[-2]:
        raise RuntimeError("contraction dimension of mat_a and mat_b must match")
    if (offs is not None) != (a.ndim == 2 or b.ndim == 2):
        raise RuntimeError(
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if offs is not None and offs.ndim != 1:
        raise RuntimeError("offs has to be 1D")
    if offs is not None and offs.dtype != jnp.int32:
        raise RuntimeError("Offsets have to be int32")
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype is not None and out_dtype.numpy != a.dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    groups = {x.shape[0] for x in (a, b) if x.ndim == 3} | ({offs.shape[0]} if offs is not None else set())
    if len(groups) > 1:
        raise RuntimeError("matrix batch sizes have to match")


@register("_grouped_mm", node="GroupedMmBackward0", static="out_dtype", promote=None, saves="input mat2 offs")
def grouped_mm(
    input: Array,
    mat2: Array,
    offs: Array | None = None,
    bias: Array | None = None,
    out_dtype: dtypes.dtype | None = None,
) -> Array:
    """One product per group. A factor of two dims holds its groups end to end, ``offs`` says where each ends.

    ==========  ==========  =============  =====================
    input       mat2        ``offs`` cuts  result
    ==========  ==========  =============  =====================
    (M, K)      (G, K, N)   M              (M, N)
    (G, M, K)   (K, N)      N              (M, N)
    (M, K)      (K, N)      K              (G, M, N)
    (G, M, K)   (G, K, N)   nothing        (G, M, N)
    ==========  ==========  =============  =====================

    Rows (columns) after the last end are zero.

    Args:
        input: float32, bfloat16 or float16; half types accumulate in float32.
        mat2: the same.
        offs: int32, shape (G,), rising.
        bias: not supported, as in PyTorch.
        out_dtype: that of ``input``.

    Raises:
        RuntimeError: sizes, types or offsets that do not go together.
    """
    check_grouped(input, mat2, offs, bias, out_dtype)
    if offs is None:
        wide = jnp.matmul(input, mat2, precision=precision(), preferred_element_type=jnp.float32)
    elif mat2.ndim == 3:
        wide = rows_times(input, mat2, offs)
    elif input.ndim == 3:
        wide = rows_times(mat2.T, jnp.swapaxes(input, 1, 2), offs).T
    else:
        place = jnp.arange(input.shape[1], dtype=jnp.int32)
        starts = jnp.concatenate([jnp.zeros(1, jnp.int32), offs[:-1]])
        chosen = (place >= starts[:, None]) & (place < offs[:, None])
        rows = jnp.where(chosen[:, None, :], input, jnp.zeros((), input.dtype))
        wide = jnp.matmul(rows, mat2, precision=precision(), preferred_element_type=jnp.float32)
    return wide.astype(input.dtype)


def rows_times(rows: Array, matrices: Array, ends: Array) -> Array:
    """Rows ``(M, K)``, each times the matrix ``(G, K, N)`` of its group, in float32."""
    sizes = jnp.diff(ends, prepend=jnp.zeros(1, ends.dtype))
    return lax.ragged_dot(rows, matrices, sizes, precision(), jnp.float32)
