"""Affine and bilinear maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import c_name, check_expand, check_types, reject_kinds, scalar_type, type_name
from jtorch.ops._precision import precision
from jtorch.ops._registry import register
from jtorch.ops._sizes import surely

__all__ = ["linear"]


def linear_node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
    """The last of the nodes that PyTorch composes ``linear`` of."""
    input, weight, bias = shapes
    if len(weight) == 1:
        return "AddBackward0" if bias is not None else "MvBackward0" if len(input) == 2 else "DotBackward0"
    if bias is not None:
        return "AddmmBackward0" if len(input) == 2 else "ViewBackward0"
    return {1: "SqueezeBackward4", 2: "MmBackward0"}.get(len(input), "UnsafeViewBackward0")


def check_linear(input: Array, weight: Array, bias: Array | None) -> None:
    """Shapes and dtypes, with the texts of the ops that PyTorch composes ``linear`` of."""
    if not input.ndim or not weight.ndim:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and {weight.ndim}D"
        )
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    rows = math.prod(input.shape[:-1])
    if weight.ndim == 1:
        if bias is not None and input.ndim == 2:
            raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
        if input.shape[-1] != weight.shape[0]:
            if input.ndim == 1:
                n, m = input.shape[0], weight.shape[0]
                raise RuntimeError(
                    f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number "
                    "of "
                    f"elements, but got {n} and {m} elements respectively"
                )
            raise RuntimeError(
                f"size mismatch, got input ({rows}), mat ({rows}x{input.shape[-1]}), vec ({weight.shape[0]})"
            )
    elif bias is not None and input.dtype == weight.dtype and bias.dtype != input.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {scalar_type(bias)} and {scalar_type(weight)}"
        )
    elif input.shape[-1] != weight.shape[1]:
        raise RuntimeError(
            "mat1 and mat2 shapes cannot be multiplied "
            f"({rows}x{input.shape[-1]} and {weight.shape[1]}x{weight.shape[0]})"
        )
    if input.dtype != weight.dtype:
        if bias is not None:
            name, x = ("mat1", input) if bias.dtype == weight.dtype else ("self", bias)
            raise RuntimeError(
                f"{name} and mat2 must have the same dtype, but got {scalar_type(x)} and "
                f"{scalar_type(weight)}"
            )
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {type_name(input)} != {type_name(weight)}"
        )
    if bias is not None and weight.ndim == 2:
        if bias.ndim <= 2:
            check_expand(bias, (rows, weight.shape[0]))
        elif bias.shape[:-1] != input.shape[:-1] or bias.shape[-1] != weight.shape[0]:
            check_expand(bias, (*input.shape[:-1], weight.shape[0]))
    reject_kinds("addmm_impl_cpu_", "b", input)


#: Rows up to which a product is computed with the weight first, and the size that this has at least.
FEW_ROWS, LARGE_WEIGHT = 32, 1 << 15
#: The smaller and the larger number of features up to which a product is computed with the rows last.
NARROW, SHORT = 16, 64


def linear_on_cpu(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """:func:`linear`, for some shapes computed with the rows along the last dimension.

    XLA's CPU products are slow where the innermost dimension is shorter than a vector register or two:
    800 rows of 10 features took 14 us, transposed 2 us. (Of more features, to transpose the rows costs
    more than it brings: 64 rows of 512 and a weight of 10 x 512 took 142 us, 85 as they are.) And they
    lay out their second operand anew in each call, which for few rows is most of the work: of 8 rows and
    a weight of 1024 x 1024 the product takes half the time, a training step 0.7 of it, if the weight
    comes first. The barriers keep XLA from folding the transpositions back into the product, here and,
    since their transposition is a barrier too, in the gradient.
    """
    features = (weight.shape[0], input.shape[-1]) if weight.ndim == 2 and input.ndim else (0, 0)
    rows = math.prod(input.shape[:-1])
    narrow = 0 < min(features) <= NARROW and max(features) <= SHORT and surely(lambda: rows >= 64)
    few = surely(lambda: 1 < rows <= FEW_ROWS and math.prod(features) >= LARGE_WEIGHT)
    fits = input.dtype == jnp.float32 and (bias is None or bias.shape == weight.shape[:1])
    if not fits or not (narrow or few):
        return linear(input, weight, bias)
    check_linear(input, weight, bias)
    table = input.reshape(rows, features[1])
    if narrow:
        columns = lax.optimization_barrier(table.T)
        if features[0] == 1:
            # Cheaper than a product, which XLA gives to two threads.
            out = jnp.sum(columns * weight.T, 0, keepdims=True)
        else:
            out = lax.dot_general(weight, columns, (((1,), (0,)), ((), ())), precision=precision())
    else:
        out = lax.dot_general(weight, table, (((1,), (1,)), ((), ())), precision=precision())
    if bias is not None:
        out = out + bias[:, None]
    return lax.optimization_barrier(out).T.reshape(*input.shape[:-1], features[0])


@register(
    "nn.functional.linear", node=linear_node, promote=None, saves="input weight", out=True, cpu=linear_on_cpu
)
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """``input @ weight.T + bias`` over the last dimension.

    Args:
        input: shape ``(*, in_features)``.
        weight: ``(out_features, in_features)``, or ``(in_features,)`` for a result without it.
        bias: ``(out_features,)``.

    Raises:
        RuntimeError: sizes or dtypes that do not agree.
    """
    check_linear(input, weight, bias)
    dimensions = (((input.ndim - 1,), (weight.ndim - 1,)), ((), ()))
    half = input.dtype in (jnp.float16, jnp.bfloat16)
    wide = jnp.float32 if half else None
    out = lax.dot_general(input, weight, dimensions, precision=precision(), preferred_element_type=wide)
    if bias is not None:
        if bias.ndim == 2 and out.ndim > 2:
            bias = jnp.broadcast_to(bias, (math.prod(out.shape[:-1]), out.shape[-1])).reshape(out.shape)
        out = out + bias
    return out.astype(input.dtype)


def check_bilinear(input1: Array, input2: Array, weight: Array, bias: Array | None) -> None:
    """Sizes and dtypes of the four operands."""
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    for axis in range(input1.ndim - 1):
        if input1.shape[axis] != input2.shape[axis]:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {axis}: "
                f"got {input1.shape[axis]} and {input2.shape[axis]}"
            )
    for i, x in ((1, input1), (2, input2)):
        if weight.ndim <= i:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-weight.ndim}, {weight.ndim - 1}], "
                f"but got {i})"
            )
        if x.shape[-1] != weight.shape[i]:
            raise RuntimeError(
                f"bilinear(): input{i} size does not match weight size: got {x.shape[-1]} but expected "
                f"{weight.shape[i]}"
            )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected "
            f"{weight.shape[0]}"
        )


def _check_bilinear_types(*operands: Any) -> None:
    named = zip(("input1", "input2", "weight", "bias"), operands, strict=True)
    given = {name: x.dtype for name, x in named if hasattr(x, "dtype")}
    if len(set(given.values())) > 1:
        shown = ", ".join(f"{name}: {c_name(d)}" for name, d in given.items())
        raise RuntimeError(f"All tensors must have the same dtype, got {shown}")


# Before half precision is widened.
check_types("bilinear", _check_bilinear_types)


@register(
    "bilinear",
    node=lambda shapes, static: "AddBackward0" if shapes[3] is not None else "UnsafeViewBackward0",
    promote=None,
    opmath=True,
    saves="input1 input2 weight",
    aliases="nn.functional.bilinear",
)
def bilinear(input1: Array, input2: Array, weight: Array, bias: Array | None = None) -> Array:
    """``out[*, k] = sum over i, j of input1[*, i] * weight[k, i, j] * input2[*, j]``, plus ``bias[k]``.

    Args:
        input1: shape ``(*, I)``.
        input2: shape ``(*, J)``.
        weight: ``(K, I, J)``.
        bias: ``(K,)``.

    Raises:
        RuntimeError: sizes or dtypes that do not agree.
    """
    check_bilinear(input1, input2, weight, bias)
    out = jnp.einsum("...i,kij,...j->...k", input1, weight, input2, precision=precision())
    return out if bias is None else out + bias
