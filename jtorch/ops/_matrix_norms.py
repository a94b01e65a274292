"""Norms of vectors and matrices, and condition numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from jtorch.dtypes import dtype as Dtype
from jtorch.dtypes import from_numpy_dtype, promote_types, scalar_type_name
from jtorch.ops._checks import scalar_type, wrap_dim, wrap_dims
from jtorch.ops._linalg_checks import check_exact, check_floating, check_matrix, is_half
from jtorch.ops._norms import p_norm
from jtorch.ops._ranking import extreme
from jtorch.ops._registry import register
from jtorch.ops._solving import inv_ex
from jtorch.ops._spectra import svdvals

__all__ = ["cond", "linalg_norm", "matrix_norm", "vector_norm"]


def check_norm_dtype(op: str, x: Array, dtype: Dtype | None) -> None:
    """The type to compute a norm in is wide enough."""
    check_floating(op, x)
    if dtype is None:
        return
    own = from_numpy_dtype(x.dtype)
    name = scalar_type_name(dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{op}: dtype should be floating point or complex, but got {name}")
    if own.is_complex != dtype.is_complex:
        kinds = ("complex", "complex") if own.is_complex else ("real", "real")
        raise RuntimeError(f"{op}: dtype should be {kinds[0]} for {kinds[1]} inputs, but got {name}")
    if promote_types(own, dtype) is not dtype:
        raise RuntimeError(
            f"{op}: the dtype of the input ({scalar_type(x)}) should be convertible without narrowing to the "
            f"specified dtype ({name})"
        )


def _named(order: float) -> str:
    """The order as PyTorch's texts have it."""
    return f"{order:g}"


def _norm(x: Array, order: float, axes: tuple[int, ...], keepdim: bool) -> Array:
    """The p-norm, computed in float32 for half types and rounded once."""
    wide = x.astype(jnp.float32) if is_half(x) else x
    out = p_norm(wide, float(order), axes)
    return (out if keepdim else jnp.squeeze(out, axes)).astype(jnp.zeros((), x.dtype).real.dtype)


def check_identity(x: Array, order: float, dim: Any, axes: tuple[int, ...]) -> None:
    """Extrema and negative powers of nothing do not exist."""
    if order >= 0 and order != math.inf:
        return
    if dim is None or not axes or len(axes) == x.ndim:
        if x.size == 0:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {_named(order)} norm on an empty tensor because "
                "the operation "
                "does not have an identity"
            )
        return
    for axis in axes:
        if x.shape[axis] == 0:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {_named(order)} norm on the dimension "
                f"{axis}because this "
                "dimension is empty and the operation does not have an identity"
            )


@register(
    "linalg.vector_norm",
    node="LinalgVectorNormBackward0",
    static="ord dim keepdim dtype",
    promote=None,
    out=True,
    saves="x result",
)
def vector_norm(
    x: Array,
    ord: float = 2,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
) -> Array:
    """(sum of abs(x) ** ord) ** (1 / ord) over ``dim``, or over all elements.

    Args:
        x: floating or complex; shape is ignored without ``dim``.
        ord: any number; 0 counts what is not zero, inf and -inf give the extrema of abs(x).
        dim: dimensions to reduce.
        keepdim: keep them with size 1.
        dtype: to convert to before.

    Returns:
        Real.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: integers, a ``dtype`` that does not fit, norms of nothing that have no value.
    """
    check_norm_dtype("linalg.vector_norm", x, dtype)
    axes = wrap_dims(dim, x.ndim)
    check_identity(x, ord, dim, axes)
    return _norm(x if dtype is None else x.astype(dtype.numpy), ord, axes, keepdim)


def check_matrix_norm(a: Array, order: Any, dim: tuple[int, ...], dtype: Dtype | None) -> tuple[int, int]:
    """Shapes, types, dims and the order of a matrix norm; returns the dims from the front."""
    op = "linalg.matrix_norm"
    check_matrix(op, a)
    check_norm_dtype(op, a, dtype)
    known = order in ("fro", "nuc") if isinstance(order, str) else abs(order) in (1, 2, math.inf)
    if len(dim) != 2:
        raise RuntimeError(f"{op}: dim must be a 2-tuple. Got {' '.join(map(str, dim))}")
    if not known:
        raise RuntimeError(f"{op}: Order {order if isinstance(order, str) else _named(order)} not supported.")
    rows, columns = (wrap_dim(d, a.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"{op}: dims must be different. Got ({dim[0]}, {dim[1]})")
    if order == "nuc" or order in (2, -2):
        check_exact(op, a)
    return rows, columns


def of_matrix(a: Array, order: Any, dim: tuple[int, ...], keepdim: bool, dtype: Dtype | None) -> Array:
    """The norm of the matrices over two dims."""
    rows, columns = check_matrix_norm(a, order, dim, dtype)
    x = a if dtype is None else a.astype(dtype.numpy)
    if order == "fro":
        return _norm(x, 2, (rows, columns), keepdim)
    if order == "nuc" or abs(order) == 2:
        values = svdvals(jnp.moveaxis(x, (rows, columns), (-2, -1)))
        out = jnp.sum(values, -1) if order == "nuc" else _extreme(values, order, -1)
    else:
        first = rows if abs(order) == 1 else columns
        sums = _norm(x, 1, (first,), True)
        out = jnp.squeeze(_extreme(sums, order, rows + columns - first, True), (rows, columns))
    return jnp.expand_dims(out, tuple(sorted((rows, columns)))) if keepdim else out


def _extreme(sizes: Array, order: float, axis: int, keepdim: bool = False) -> Array:
    """The largest of some sizes, or the smallest for a negative order; 0 of none."""
    if sizes.shape[axis] == 0 and order > 0:
        return jnp.sum(sizes, axis, keepdims=keepdim)
    return extreme(sizes, (axis,), order > 0, keepdim)


def _matrix_node(shapes: Any, static: Any) -> str:
    order = static.get("ord")
    if order in (None, "fro"):
        return "LinalgVectorNormBackward0"
    if isinstance(order, str):
        return "SumBackward1"
    return "AmaxBackward0" if order > 0 else "AminBackward0"


def _matrix_saves(args: Mapping[str, Any]) -> str:
    order = args["ord"]
    return "intermediate" if order == "nuc" else "intermediate result" if order in (2, -2) else "A result"


@register(
    "linalg.matrix_norm",
    node=_matrix_node,
    static="ord dim keepdim dtype",
    promote=None,
    saves=_matrix_saves,
    out=True,
)
def matrix_norm(
    A: Array,
    ord: Any = "fro",
    dim: tuple[int, ...] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
) -> Array:
    """Norms of matrices.

    Args:
        A: at least 2 dims, floating or complex.
        ord: ``"fro"``: of all elements; ``"nuc"``: sum of the singular values; 2 and -2: the largest and
            smallest of them; 1 and -1: largest and smallest sum of a column's absolute values; inf and -inf:
            of a row's.
        dim: rows and columns.
        keepdim: keep them with size 1.
        dtype: to convert to before.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: dims, an order or types that do not fit.
    """
    return of_matrix(A, ord, dim, keepdim, dtype)


def _is_matrix_order(order: Any, dim: Any, ndim: int) -> bool:
    """Whether ``linalg.norm`` means the norm of a matrix."""
    if isinstance(order, str):
        return True
    return (len(dim) == 2) if isinstance(dim, tuple) else (dim is None and ndim == 2)


def _any_node(shapes: Any, static: Any) -> str:
    order = static.get("ord")
    matrix = order is not None and _is_matrix_order(order, static.get("dim"), len(shapes[0]))
    return _matrix_node(shapes, static) if matrix else "LinalgVectorNormBackward0"


def _any_saves(args: Mapping[str, Any]) -> str:
    order = args["ord"]
    if order is None or not _is_matrix_order(order, args["dim"], args["A"].ndim):
        return "A result"
    return _matrix_saves(args)


@register(
    "linalg.norm", node=_any_node, static="ord dim keepdim dtype", promote=None, saves=_any_saves, out=True
)
def linalg_norm(
    A: Array,
    ord: Any = None,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
) -> Array:
    """Norm of a vector (one ``dim``) or a matrix (two), or without ``ord`` the 2-norm of whatever it is.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: dims, an order or types that do not fit.
    """
    if isinstance(dim, tuple) and len(dim) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    if _is_matrix_order(ord, dim, A.ndim):
        axes = (-2, -1) if dim is None else dim if isinstance(dim, tuple) else (dim,)
        return of_matrix(A, ord, axes, keepdim, dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


# --- condition numbers ---


def _cond_node(shapes: Any, static: Any) -> str:
    return "SqueezeBackward1" if static.get("p") in (None, 2, -2) else "NanToNumBackward0"


@register("linalg.cond", node=_cond_node, static="p", promote=None, out=True, saves="intermediate")
def cond(A: Array, p: Any = None) -> Array:
    """Condition numbers: the norm of a matrix times that of its inverse, inf for singular ones.

    Zero matrices give nan where the number is a quotient of singular values.

    Args:
        A: shape ``(*, n, n)``; any ``(*, m, n)`` for the 2-norms.
        p: ``None`` and 2: largest by smallest singular value; -2: the reverse; else an order of
            ``torch.linalg.matrix_norm``.

    Raises:
        RuntimeError: dims, an order or types that do not fit.
    """
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or p in (2, -2):
        values = svdvals(A)
        if not values.shape[-1]:
            return jnp.zeros(values.shape[:-1], values.dtype)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    if p not in ("fro", "nuc") and (isinstance(p, str) or abs(p) not in (1, math.inf)):
        shown = p if isinstance(p, str) else _named(p)
        raise RuntimeError(f"linalg.cond got an invalid norm type: {shown}")
    if A.shape[-1] != A.shape[-2]:
        shown = p if isinstance(p, str) else _named(p)
        raise RuntimeError(
            f"linalg.cond(ord={shown}): A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices"
        )
    inverse, info = inv_ex(A)
    inverse = jnp.where((info == 0)[..., None, None], inverse, jnp.inf)
    if p == "nuc":
        inverse = jnp.where(jnp.isinf(inverse), 0, inverse)
    size = of_matrix(A, p, (-2, -1), False, None)
    product = size * of_matrix(inverse, p, (-2, -1), False, None)
    singular = jnp.where(size == 0, jnp.nan, jnp.inf) if p == "nuc" else jnp.inf
    return jnp.where((info == 0) & ~jnp.isnan(product), product, singular)
