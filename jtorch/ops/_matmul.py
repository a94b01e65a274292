"""Products of matrices and vectors."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, ShapeDtypeStruct

from jtorch.ops._checks import (
    check_broadcast,
    check_expand,
    kind,
    reject_kinds,
    scalar_type,
    type_name,
    wrap_dim,
)
from jtorch.ops._precision import precision
from jtorch.ops._registry import register

__all__ = [
    "add_product",
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "check_factor",
    "dot",
    "inner",
    "matmul",
    "mm",
    "mv",
    "outer",
    "product",
    "vdot",
]


def product(a: Array, b: Array) -> Array:
    """``jnp.matmul`` in the precision that the user chose; half types accumulate in float32."""
    return jnp.matmul(a, b, precision=precision())


def scaled(x: Array, factor: Any, hide: bool = True) -> Array:
    """``factor * x`` in the type of ``x``.

    Args:
        x: any array.
        factor: a 0-dim array, or the Python number 1 where the user left the default.
        hide: a factor of 0 gives 0 even for nan and inf, as BLAS has it.

    Raises:
        RuntimeError: a complex factor for a real ``x``.
    """
    if not hasattr(factor, "dtype"):
        return x
    check_factor(x, factor)
    factor = factor.astype(x.dtype)
    if not hide:
        return factor * x
    return jnp.where(factor == 0, jnp.zeros((), x.dtype), factor * x)


def check_factor(x: Array, number: Any) -> None:
    """A complex number cannot become one of a real type."""
    if jnp.iscomplexobj(number) and kind(x) != "c":
        name = _SCALAR_TYPES.get(x.dtype.name, type_name(x))
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")


_SCALAR_TYPES = {"int64": "int64_t", "int32": "int", "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t"}


def check_mm(a: Array, b: Array) -> None:
    """Shapes and types of two matrices to multiply."""
    if a.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if b.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    check_inner_sizes(a.shape, b.shape)
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {type_name(a)} != {type_name(b)}"
        )
    reject_kinds("addmm_impl_cpu_", "b", a)


def check_inner_sizes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """The last size of the matrix ``a`` is the first of ``b``."""
    if a[1] != b[0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})")


def check_bmm(a: Array, b: Array, kernel: str = "bmm") -> None:
    """Shapes and types of two batches of matrices to multiply."""
    if a.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor")
    if b.ndim != 3:
        raise RuntimeError("batch2 must be a 3D tensor")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.shape[0]}, {a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}]."
        )
    if a.dtype != b.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(a)} but found {scalar_type(b)}")
    reject_kinds(kernel, "b", a)


def check_mv(a: Array, x: Array, y: Array | None = None) -> None:
    """Shapes and types of matrix times vector, plus the vector ``y``."""
    rows = a.shape[0] if y is None else (y.shape[0] if y.ndim else 1)
    if a.ndim != 2 or x.ndim != 1 or (y is not None and y.ndim > 1):
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {1 if y is None else y.ndim}, {a.ndim}, {x.ndim}"
        )
    if a.shape[1] != x.shape[0] or rows not in (1, a.shape[0]):
        raise RuntimeError(
            f"size mismatch, got input ({rows}), mat ({a.shape[0]}x{a.shape[1]}), vec ({x.shape[0]})"
        )
    first = x if y is None else y
    if not a.dtype == x.dtype == first.dtype:
        raise RuntimeError(
            "addmv input tensors must have the same dtype, but got "
            f"{scalar_type(first)}, {scalar_type(a)}, and {scalar_type(x)}"
        )
    reject_kinds("addmv_impl_cpu", "b", a)


def check_dot(a: Array, b: Array, kernel: str = "dot") -> None:
    """Shapes and types of two vectors to multiply."""
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {scalar_type(a)} and {scalar_type(b)}"
        )
    if a.shape != b.shape:
        n, m = a.shape[0], b.shape[0]
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number of "
            f"elements, but got {n} and {m} elements respectively"
        )
    reject_kinds(kernel, "b", a)


@jax.custom_jvp
def wide_product(a: Array, b: Array) -> Array:
    """The product of two half-precision arrays as float32, for more to be added before the one rounding."""
    return jnp.matmul(a, b, precision=precision(), preferred_element_type=jnp.float32)


@wide_product.defjvp
def _wide_product_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    # Gradients are products of half-precision arrays again: mixed ones would leave the fast units of a GPU.
    (a, b), (da, db) = primals, tangents
    tangent = product(da, b).astype(jnp.float32) + product(a, db).astype(jnp.float32)
    return wide_product(a, b), tangent


def add_product(input: Array, beta: Any, a: Array, b: Array, alpha: Any) -> Array:
    """``beta * input + alpha * (a @ b)``, rounded once."""
    if input.dtype not in (jnp.float16, jnp.bfloat16):
        return scaled(input, beta) + scaled(product(a, b), alpha)
    total = scaled(input.astype(jnp.float32), beta) + scaled(wide_product(a, b), alpha)
    return total.astype(input.dtype)


@register(node="MmBackward0", promote=None, method=True, out=True)
def mm(input: Array, mat2: Array) -> Array:
    """Product of two matrices, ``(n, m)`` times ``(m, p)``, without broadcasting.

    Raises:
        RuntimeError: other than two dims, inner sizes that differ, types that differ.
        NotImplementedError: bool.
    """
    check_mm(input, mat2)
    return product(input, mat2)


@register(node="BmmBackward0", promote=None, method=True, out=True)
def bmm(input: Array, mat2: Array) -> Array:
    """Products of b pairs of matrices, ``(b, n, m)`` times ``(b, m, p)``, without broadcasting.

    Raises:
        RuntimeError: other than three dims, sizes or types that do not agree.
        NotImplementedError: bool.
    """
    check_bmm(input, mat2)
    return product(input, mat2)


@register(node="MvBackward0", promote=None, method=True, out=True)
def mv(input: Array, vec: Array) -> Array:
    """Matrix ``(n, m)`` times vector ``(m,)``.

    Raises:
        RuntimeError: other than these dims, sizes or types that do not agree.
    """
    check_mv(input, vec)
    return product(input, vec)


@register(node="DotBackward0", promote=None, method=True, out=True)
def dot(input: Array, tensor: Array) -> Array:
    """Sum of the products of two vectors' elements (no conjugate).

    Raises:
        RuntimeError: other than one dim, sizes or types that differ.
    """
    check_dot(input, tensor)
    return product(input, tensor)


@register(node="VdotBackward0", promote=None, method=True, out=True)
def vdot(input: Array, other: Array) -> Array:
    """Sum of the products of two vectors' elements, the first conjugated.

    Raises:
        RuntimeError: other than one dim, sizes or types that differ.
    """
    check_dot(input, other, "vdot" if kind(input) == "c" else "dot")
    return product(jnp.conj(input), other)


def _inner_node(shapes: Any, static: Any) -> str:
    return "ViewBackward0" if shapes[0] and shapes[1] else "MulBackward0"


@register(node=_inner_node, promote=None, method=True, out=True)
def inner(input: Array, other: Array) -> Array:
    """Sums of products over the last dims, ``(*a, n)`` and ``(*b, n)`` to ``(*a, *b)``; a 0-d operand scales.

    Raises:
        RuntimeError: last sizes or types that differ.
    """
    if input.ndim == 0 or other.ndim == 0:
        common = jnp.promote_types(input.dtype, other.dtype)
        return input.astype(common) * other.astype(common)
    if input.dtype != other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    reject_kinds("dot" if input.ndim == other.ndim == 1 else "addmm_impl_cpu_", "b", input)
    return jnp.tensordot(input, other, (-1, -1), precision=precision())


@register(node="MulBackward0", promote="default", opmath=False, method=True, out=True, aliases="ger")
def outer(input: Array, vec2: Array) -> Array:
    """Products of each element of one vector with each of another, ``(n,)`` and ``(m,)`` to ``(n, m)``.

    Raises:
        RuntimeError: other than one dim.
    """
    for name, x in (("self", input), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D")
    return input[:, None] * vec2[None, :]


def _matmul_node(shapes: Any, static: Any) -> str:
    """PyTorch composes ``matmul`` of several ops; what it names is the last one."""
    a, b = len(shapes[0]), len(shapes[1])
    if (a, b) == (2, 3):
        return "CloneBackward0"
    return _MATMUL_NODES.get((a, b), "UnsafeViewBackward0")


_MATMUL_NODES = {
    (1, 1): "DotBackward0",
    (2, 1): "MvBackward0",
    (1, 2): "SqueezeBackward4",
    (2, 2): "MmBackward0",
}


@register(
    node=_matmul_node,
    promote=None,
    method=True,
    out=True,
    operators="__matmul__ __rmatmul__",
    aliases="linalg.matmul",
)
def matmul(input: Array, other: Array) -> Array:
    """Product over the last dim of ``input`` and the last but one of ``other``; earlier dims broadcast.

    A vector counts as a row on the left and as a column on the right, without that dim in the result.

    Args:
        input: ``(n,)`` or ``(*, m, n)``.
        other: ``(n,)`` or ``(*, n, p)``, of the same dtype.

    Raises:
        RuntimeError: 0-d operands, sizes or types that do not agree.
        NotImplementedError: bool.
    """
    check_matmul(input, other)
    return product(input, other)


def check_matmul(a: Array, b: Array) -> None:
    """What those ops complain of that PyTorch composes ``matmul`` of."""
    if a.ndim == 0 or b.ndim == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D"
        )
    if a.ndim == 1 and b.ndim == 1:
        return check_dot(a, b)
    if a.ndim > 2 and b.ndim > 2:
        batch = check_broadcast(_of_shape(a.shape[:-2], a), _of_shape(b.shape[:-2], b))
        size = math.prod(batch)
        return check_bmm(_of_shape((size, *a.shape[-2:]), a), _of_shape((size, *b.shape[-2:]), b))
    if a.ndim == 1 and b.ndim == 2:
        return check_mm(_of_shape((1, *a.shape), a), b)
    if b.ndim > 2:  # PyTorch transposes both, so that the batch is on the left
        a, b = _of_shape((*b.shape[:-2], b.shape[-1], b.shape[-2]), b), _of_shape(a.shape[::-1], a)
    folded = _of_shape((math.prod(a.shape[:-1]), a.shape[-1]), a)
    return check_mv(folded, b) if b.ndim == 1 else check_mm(folded, b)


def _of_shape(shape: tuple[int, ...], like: Any) -> Any:
    return ShapeDtypeStruct(shape, like.dtype)


@register(
    node="AddmmBackward0", promote=None, saves="mat1 mat2 beta alpha", method=True, inplace=True, out=True
)
def addmm(input: Array, mat1: Array, mat2: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """``beta * input + alpha * (mat1 @ mat2)``, where ``input`` broadcasts to the product's shape.

    A ``beta`` of 0 hides nan and inf of ``input``.

    Raises:
        RuntimeError: sizes or types that do not agree.
    """
    for name, x, y in (("self and mat2", input, mat2), ("mat1 and mat2", mat1, mat2)):
        if x.dtype != y.dtype:
            raise RuntimeError(
                f"{name} must have the same dtype, but got {scalar_type(x)} and {scalar_type(y)}"
            )
    for name, x in (("mat1", mat1), ("mat2", mat2)):
        if x.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {x.ndim}-D tensor")
    check_inner_sizes(mat1.shape, mat2.shape)
    check_expand(input, (mat1.shape[0], mat2.shape[1]))
    reject_kinds("addmm_impl_cpu_", "b", mat1)
    return add_product(input, beta, mat1, mat2, alpha)


@register(
    node="AddmvBackward0", promote=None, saves="mat vec beta alpha", method=True, inplace=True, out=True
)
def addmv(input: Array, mat: Array, vec: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """``beta * input + alpha * (mat @ vec)``; a ``beta`` of 0 hides nan and inf of ``input``.

    Raises:
        RuntimeError: sizes or types that do not agree.
    """
    check_mv(mat, vec, input)
    return add_product(input, beta, mat, vec, alpha)


@register(
    node="AddrBackward0",
    promote="default",
    promoted="input vec1 vec2",
    method=True,
    inplace=True,
    out=True,
    saves="vec1 vec2",
)
def addr(input: Array, vec1: Array, vec2: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """``beta * input + alpha * outer(vec1, vec2)``; a ``beta`` of 0 hides nan and inf of ``input``.

    Raises:
        RuntimeError: sizes that do not agree, or fractions scaling integers.
    """
    for name, x in (("vec1", vec1), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {x.ndim}-D")
    check_expand(input, (vec1.shape[0], vec2.shape[0]))
    for name, factor in (("beta", beta), ("alpha", alpha)):
        if kind(input) in "bi" and hasattr(factor, "dtype") and kind(factor) in "fc":
            raise RuntimeError(
                f"For integral input tensors, argument {name} must not be a floating point number."
            )
    products = vec1[:, None] * vec2[None, :]
    if kind(input) == "b":
        return scaled(input, beta) | scaled(products, alpha, hide=False)
    return scaled(input, beta) + scaled(products, alpha, hide=False)


@register(
    node="BaddbmmBackward0",
    promote=None,
    saves="batch1 batch2 beta alpha",
    method=True,
    inplace=True,
    out=True,
)
def baddbmm(input: Array, batch1: Array, batch2: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """``beta * input + alpha * (batch1 @ batch2)`` per matrix, ``input`` broadcasting to the product's shape.

    Raises:
        RuntimeError: sizes or types that do not agree.
    """
    if batch2.ndim < 3:
        wrap_dim(2, batch2.ndim)
    if batch1.ndim == 3:
        check_expand(input, (batch1.shape[0], batch1.shape[1], batch2.shape[2]))
    if not input.dtype == batch1.dtype == batch2.dtype and batch1.dtype == batch2.dtype:
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {type_name(input)}, batch1: {type_name(batch1)}, "
            f"batch2: {type_name(batch2)}"
        )
    check_bmm(batch1, batch2, "baddbmm")
    return add_product(input, beta, batch1, batch2, alpha)


@register(
    node="AddbmmBackward0",
    promote=None,
    saves="batch1 batch2 beta alpha",
    method=True,
    inplace=True,
    out=True,
)
def addbmm(input: Array, batch1: Array, batch2: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """``beta * input + alpha * (sum of batch1[i] @ batch2[i])``, ``input`` broadcasting to a product's shape.

    Raises:
        RuntimeError: sizes or types that do not agree.
    """
    if batch2.ndim < 3:
        wrap_dim(2, batch2.ndim)
    if batch1.ndim > 1:
        check_expand(input, (batch1.shape[1], batch2.shape[2]))
    for name, x in (("batch1", batch1), ("batch2", batch2)):
        if x.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if batch1.shape[0] != batch2.shape[0]:
        raise RuntimeError(
            f"batch1 and batch2 must have same number of batches, got {batch1.shape[0]} and {batch2.shape[0]}"
        )
    (_, n, m), (_, k, p) = batch1.shape, batch2.shape
    if m != k:
        raise RuntimeError(f"Incompatible matrix sizes for bmm ({n}x{m} and {k}x{p})")
    if not input.dtype == batch1.dtype == batch2.dtype:
        other = batch1 if batch1.dtype != input.dtype else batch2
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {scalar_type(input)} and {scalar_type(other)}"
        )
    reject_kinds("addmm_impl_cpu_", "b", input)
    # One product over batch and inner dim together.
    rows, columns = jnp.moveaxis(batch1, 0, 1).reshape(n, -1), batch2.reshape(-1, p)
    return add_product(input, beta, rows, columns, alpha)
