"""Linear algebra that looks at its result: factorizations which fail for singular and indefinite matrices.

LAPACK reports a failure as a number per matrix. The functions here read it, which waits for the result, and
raise PyTorch's error; their ``*_ex`` forms leave it to the caller and stay asynchronous.
"""

from __future__ import annotations

import math
from typing import Any

from jtorch.errors import LinAlgError
from jtorch.ops._registry import OPS
from jtorch.tensor._core import Tensor, call, run, value_of
from jtorch.tensor._derive import bind, derived
from jtorch.tensor._inplace import write_out
from jtorch.tensor._named_results import named_result
from jtorch.tensor._views import diagonal as _diagonal
from jtorch.trace import TracedValue

__all__: list[str] = []

_SINGULAR = (
    "The diagonal element {0} is zero, the inversion could not be completed because the input matrix is "
    "singular."
)
_UNSOLVABLE = "The solver failed because the input matrix is singular."
_INDEFINITE = (
    "The factorization could not be completed because the input is not positive-definite (the leading "
    "minor of order {0} is not positive-definite)."
)
_NO_PIVOT = (
    "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero. If you still want to "
    "perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
)


def check_info(op: str, info: Tensor, text: str, error: type[RuntimeError] = LinAlgError) -> None:
    """Raise for the first matrix that LAPACK reports; inside JAX transforms nothing can be read.

    Args:
        op: name in the error.
        info: per matrix 0, or the number of the element that stopped the routine.
        text: of the error, with a place for that number.
        error: its type.
    """
    if isinstance(value_of(info), TracedValue) or info.device.type == "meta":
        return
    found = info._host()
    if not found.any():
        return
    first = int(found.reshape(-1).nonzero()[0][0])
    where = f"(Batch element {first}): " if found.ndim else ""
    raise error(f"{op}: {where}{text.format(int(found.reshape(-1)[first]))}")


def _give(result: Any, out: Any, name: str) -> Any:
    if out is None:
        return result
    if isinstance(result, Tensor):
        return write_out(out, result, name)
    return type(result)([write_out(o, r, name) for o, r in zip(out, result, strict=True)])


def _install(
    name: str, function: Any, op: str | None = None, method: str = "", function_too: str = ""
) -> None:
    """Put a function under its dotted name, as a method, and under a second name in ``torch``."""
    space, _, last = name.rpartition(".")
    function.__name__ = function.__qualname__ = last
    function.__module__ = "jtorch"
    if op is not None and function.__doc__ is None:
        function.__doc__ = OPS[op].fn.__doc__
    derived[space][last] = function
    if function_too:
        derived[""][function_too] = function
    if method:
        setattr(Tensor, method, function)


def _checking(
    name: str, text: str, place: int, error: type[RuntimeError] = LinAlgError, prefix: str = ""
) -> None:
    """The ``*_ex`` function of that name, whose ``check_errors=True`` raises for the info at ``place``."""
    op = OPS[name]

    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        bound = bind(op, args, kwargs)
        result = run(op, bound)
        if bound[op.params.index("check_errors")]:
            check_info(prefix + name, result[place], text, error)
        return _give(result, out, name)

    _install(name, function, name)


_checking("linalg.inv_ex", _SINGULAR, 1)
_checking("linalg.solve_ex", _UNSOLVABLE, 1, prefix="torch.")
_checking("linalg.cholesky_ex", _INDEFINITE, 1)
_checking("linalg.lu_factor_ex", _NO_PIVOT, 2, RuntimeError, prefix="torch.")


def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverses of square matrices (``torch.linalg.inv``).

    Raises:
        LinAlgError: a singular matrix.
        RuntimeError: fewer than 2 dims, matrices that are not square, integers and half precision.
    """
    inverse, info = call("linalg.inv_ex", A)
    check_info("linalg.inv", info, _SINGULAR)
    return _give(inverse, out, "inv")  # type: ignore[no-any-return]


_install("linalg.inv", inv, method="inverse", function_too="inverse")


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """Solve A X = B, or X A = B without ``left`` (``torch.linalg.solve``).

    Args:
        A: shape ``(*, n, n)``.
        B: shape ``(*, n, k)``, or vectors ``(n,)`` or ``(*, n)`` with just the batch dims of ``A``; same
            dtype.
        left: side of the unknown's factor.
        out: where the result goes.

    Raises:
        LinAlgError: a singular matrix.
        RuntimeError: sizes or types that do not fit.
    """
    result, info = run(OPS["linalg.solve_ex"], (A, B, left, False))
    check_info("torch.linalg.solve", info, _UNSOLVABLE)
    return _give(result, out, "solve")  # type: ignore[no-any-return]


_install("linalg.solve", solve)


def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The lower triangle L with A = L L^H, or U with U^H U if ``upper`` (``torch.linalg.cholesky``).

    Raises:
        LinAlgError: a matrix that is not positive definite.
        RuntimeError: fewer than 2 dims, matrices that are not square, integers.
    """
    factor, info = run(OPS["linalg.cholesky_ex"], (A, upper, False))
    check_info("linalg.cholesky", info, _INDEFINITE)
    return _give(factor, out, "cholesky")  # type: ignore[no-any-return]


_install("linalg.cholesky", cholesky)


def old_cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The older name of ``torch.linalg.cholesky``."""
    factor, info = run(OPS["_cholesky"], (input, upper))
    check_info("cholesky", info, _INDEFINITE)
    return _give(factor, out, "cholesky")  # type: ignore[no-any-return]


_install("cholesky", old_cholesky, method="cholesky")


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """LU factorization, packed: both factors and the int32 row exchanges (``torch.linalg.lu_factor``).

    Raises:
        RuntimeError: a zero pivot, fewer than 2 dims, ``pivot=False``.
    """
    packed, pivots, info = run(OPS["linalg.lu_factor_ex"], (A, pivot, False))
    check_info("torch.linalg.lu_factor", info, _NO_PIVOT, RuntimeError)
    return _give(named_result("linalg_lu_factor LU pivots")((packed, pivots)), out, "lu_factor")


_install("linalg.lu_factor", lu_factor)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """The older form of ``torch.linalg.lu_factor``, which never fails: ``get_infos`` adds the zero pivots."""
    packed, pivots, info = run(OPS["linalg.lu_factor_ex"], (A, pivot, False))
    result: Any = (packed, pivots)
    if get_infos:
        result = named_result("_lu_with_info LU pivots info")((packed, pivots, info))
    if out is None:
        return result
    return tuple(write_out(o, r, "lu") for o, r in zip(out, result, strict=True))


_install("lu", lu, method="lu")


def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """Packed factors of a symmetric or Hermitian A = L D L^T, and exchanges (``torch.linalg.ldl_factor``)."""
    packed, pivots, _ = run(OPS["linalg.ldl_factor_ex"], (A, hermitian, False))
    return _give(named_result("linalg_ldl_factor LD pivots")((packed, pivots)), out, "ldl_factor")


_install("linalg.ldl_factor", ldl_factor)


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Tensor | None = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) == B`` (``torch.linalg.tensorsolve``).

    Args:
        A: of as many elements as ``B`` squared.
        B: its shape stands at the front of ``A``'s.
        dims: dims of ``A`` to move to the back first.
        out: where the result goes.

    Raises:
        LinAlgError: A is singular.
        RuntimeError: sizes or types that do not fit.
    """
    result, info = run(OPS["_tensorsolve"], (A, B, None if dims is None else tuple(dims)))
    check_info("torch.linalg.solve", info, _UNSOLVABLE)
    return _give(result, out, "tensorsolve")  # type: ignore[no-any-return]


_install("linalg.tensorsolve", tensorsolve)


def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The tensor B for which ``tensordot(B, X, ind)`` solves for X (``torch.linalg.tensorinv``).

    Args:
        A: the product of its first ``ind`` sizes is that of the others.
        ind: how many.
        out: where the result goes.

    Raises:
        LinAlgError: A is singular.
        RuntimeError: sizes that do not fit.
    """
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    shape = tuple(A.shape)
    rows, columns = math.prod(shape[:ind]), math.prod(shape[ind:])
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), "
            "but got "
            f"{columns} != {rows}"
        )
    inverse, info = call("linalg.inv_ex", A.reshape(rows, columns))
    check_info("inv", info, _SINGULAR)
    return _give(inverse.reshape(shape[ind:] + shape[:ind]), out, "tensorinv")  # type: ignore[no-any-return]


_install("linalg.tensorinv", tensorinv)


def matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The n-th power of square matrices, of their inverses for negative n (``torch.linalg.matrix_power``).

    Raises:
        LinAlgError: n is negative and a matrix singular.
        RuntimeError: fewer than 2 dims, matrices that are not square.
    """
    if n < 0 and A.ndim >= 2 and A.shape[-1] == A.shape[-2]:
        A = inv(A)
    power = A if n == -1 else run(OPS["_matrix_power"], (A, abs(n)))
    return _give(power, out, "matrix_power")  # type: ignore[no-any-return]


_install("linalg.matrix_power", matrix_power, method="matrix_power", function_too="matrix_power")


# --- norms under older names ---


def nuclear_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """Sum of the singular values (``torch.linalg.matrix_norm`` with ``"nuc"``)."""
    result: Tensor = run(OPS["linalg.matrix_norm"], (input, "nuc", tuple(dim), keepdim, None))
    return result


def frobenius_norm(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """2-norm over at most two dimensions, all of a matrix if there are none.

    Raises:
        RuntimeError: more dimensions.
    """
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) > 2:
        raise RuntimeError(f"Expected at most 2 dimensions, but got {len(dims)} dimensions instead.")
    result: Tensor = run(OPS["linalg.vector_norm"], (input, 2, dims or (-2, -1), keepdim, None))
    return result


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """Norms of the slices along ``dim``, every other dimension kept with size 1; of all elements for -1."""
    others = None if dim == -1 else tuple(d for d in range(v.ndim) if d != dim)
    result: Tensor = run(OPS["linalg.vector_norm"], (v, pow, others, dim != -1, None))
    return result


for _function in (nuclear_norm, frobenius_norm, norm_except_dim):
    _install(_function.__name__, _function)


# --- tolerances ---


def pinv(
    A: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Moore-Penrose pseudoinverses, shape ``(*, m, n)`` to ``(*, n, m)`` (``torch.linalg.pinv``).

    Args:
        A: matrices.
        rcond: the older name of ``rtol``.
        hermitian: take ``A`` for Hermitian, which is faster.
        atol: singular values up to it count as zero.
        rtol: the same, relative to the largest one; max(m, n) machine epsilons if neither is given.
        out: where the result goes.

    Raises:
        RuntimeError: fewer than 2 dims, other types than float32, float64 and their complex ones.
    """
    if rcond is not None:
        atol, rtol = 0.0, rcond
    return _give(run(OPS["linalg.pinv"], (A, atol, rtol, hermitian)), out, "pinv")  # type: ignore[no-any-return]


_install("linalg.pinv", pinv)


def pinverse(input: Tensor, rcond: Any = 1e-15) -> Tensor:
    """The older name of ``torch.linalg.pinv``."""
    return pinv(input, rcond)


_install("pinverse", pinverse, method="pinverse")


def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Number of singular values above a limit, int64 (``torch.linalg.matrix_rank``).

    Args:
        A: matrices.
        tol: the older name of ``atol``.
        hermitian: take ``A`` for Hermitian, which is faster.
        atol: singular values up to it do not count.
        rtol: the same, relative to the largest one; max(m, n) machine epsilons if neither is given.
        out: where the result goes.

    Raises:
        RuntimeError: fewer than 2 dims, other types than float32, float64 and their complex ones.
    """
    if tol is not None:
        atol, rtol = tol, 0.0
    return _give(run(OPS["linalg.matrix_rank"], (A, atol, rtol, hermitian)), out, "matrix_rank")  # type: ignore[no-any-return]


_install("linalg.matrix_rank", matrix_rank)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonal of matrices, over the last two dims by default (``torch.linalg.diagonal``)."""
    return _diagonal(A, offset, dim1, dim2)


_install("linalg.diagonal", diagonal)
derived["linalg"]["LinAlgError"] = LinAlgError
