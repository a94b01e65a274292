"""Reductions and normalizations of the elements that a mask sets (``torch.masked``).

Each function takes ``mask``, a bool tensor that broadcasts to the input: elements where it is ``False`` count
as if they were absent. Technically they are replaced by a value that changes no result of the operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jtorch import dtypes
from jtorch.dtypes import dtype as Dtype
from jtorch.tensor import Tensor
from jtorch.tensor._creation import ones
from jtorch.tensor._derive import derived
from jtorch.tensor._views import expand

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]

Dims = int | Sequence[int] | None

_functions = derived[""]
_linalg = derived["linalg"]


def _dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The dimensions meant, counted from the front and rising; all for ``None`` and ``()``."""
    if dim is None or (not isinstance(dim, int) and not len(dim)):
        return tuple(range(ndim))
    size = max(ndim, 1)
    found: list[int] = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if d in found:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        if not -size <= d < size:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {d})"
            )
        found.append(d % size)
    return tuple(sorted(found))


def _mask_of(input: Tensor, mask: Tensor) -> Tensor:
    """The mask in the shape of the input, bool."""
    if mask.ndim > input.ndim:
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)"
        )
    whole = mask if mask.shape == input.shape else expand(mask.clone(), tuple(input.shape))
    return whole.to(dtypes.bool_)  # type: ignore[no-any-return]


def _filled(input: Tensor, mask: Tensor | None, identity: Any) -> Tensor:
    """The input with what is masked out replaced."""
    if mask is None:
        return input
    return _functions["where"](_mask_of(input, mask), input, input.new_full((), identity))  # type: ignore[no-any-return]


def _lowest(name: str, input: Tensor) -> Any:
    """The identity of the maximum."""
    if input.dtype.is_floating_point:
        return -float("inf")
    if input.dtype.is_complex and name == "logsumexp":
        return complex(-float("inf"), 0)
    if input.dtype.category != dtypes.INT:
        raise NotImplementedError(f"identity of {name} on {input.dtype} input")
    return dtypes.iinfo(input.dtype).min


def _highest(name: str, input: Tensor) -> Any:
    """The identity of the minimum."""
    if input.dtype.is_floating_point:
        return float("inf")
    if input.dtype.category != dtypes.INT:
        raise NotImplementedError(f"identity of {name} on {input.dtype} input")
    return dtypes.iinfo(input.dtype).max


def _sum_dtype(input: Tensor, dtype: Dtype | None) -> Dtype:
    """Integers and bool add up in int64."""
    if dtype is not None:
        return dtype
    return dtypes.int64 if input.dtype.category <= dtypes.INT else input.dtype


# --- reductions ---


def sum(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Sum over ``dim`` (all by default); 0 where everything is masked out."""
    x = _filled(input, mask, 0)
    return x.sum(_dims(dim, input.ndim), bool(keepdim), dtype=_sum_dtype(input, dtype))  # type: ignore[no-any-return]


def prod(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Product over ``dim`` (all by default); 1 where everything is masked out."""
    x = _filled(input, mask, 1).to(_sum_dtype(input, dtype))
    for d in reversed(_dims(dim, input.ndim)):
        x = x.prod(d, keepdim=bool(keepdim))
    return x  # type: ignore[no-any-return]


def amax(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Largest element over ``dim`` (all by default); -inf or the lowest integer where all are masked out."""
    x = input if mask is None else _filled(input, mask, _lowest("amax", input))
    return x.amax(_dims(dim, input.ndim), bool(keepdim)).to(dtype or input.dtype)  # type: ignore[no-any-return]


def amin(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Smallest element over ``dim`` (all by default); inf or the highest integer where all are masked out."""
    x = input if mask is None else _filled(input, mask, _highest("amin", input))
    return x.amin(_dims(dim, input.ndim), bool(keepdim)).to(dtype or input.dtype)  # type: ignore[no-any-return]


def argmax(
    input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Position of the largest element, in the dtype of the input unless another is asked for."""
    x = input if mask is None else _filled(input, mask, _lowest("argmax", input))
    return x.argmax(dim, bool(keepdim)).to(dtype or input.dtype)  # type: ignore[no-any-return]


def argmin(
    input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Position of the smallest element, in the dtype of the input unless another is asked for."""
    x = input if mask is None else _filled(input, mask, _highest("argmin", input))
    return x.argmin(dim, bool(keepdim)).to(dtype or input.dtype)  # type: ignore[no-any-return]


def _count(input: Tensor, dim: Dims, keepdim: bool, mask: Tensor | None) -> Tensor:
    """How many elements are not masked out."""
    if mask is None:
        return sum(ones(input.shape, dtype=dtypes.int64, device=input.device), dim, keepdim=keepdim)
    return _mask_of(input, mask).sum(_dims(dim, input.ndim), keepdim)  # type: ignore[no-any-return]


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Mean over ``dim`` (all by default); nan where everything is masked out.

    Raises:
        ValueError: integers and bool, without a floating or complex ``dtype``.
    """
    to = input.dtype if dtype is None else dtype
    if not (to.is_floating_point or to.is_complex):
        source = "Input" if dtype is None else "Optional"
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point or "
            "complex dtype. "
            f"Got: {to}"
        )
    total = sum(input, dim, keepdim=keepdim, dtype=to, mask=mask)
    return total / _count(input, dim, bool(keepdim), mask)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Median along ``dim``, the lower one of two; nan where everything is masked out.

    Raises:
        ValueError: integers of which everything is masked out somewhere.
    """
    (axis,) = _dims(dim, input.ndim)[:1] or (0,)
    floating = input.dtype.is_floating_point
    x = input if floating else input.to(dtypes.float32)
    out: Tensor = _functions["nanmedian"](_filled(x, mask, float("nan")), axis, keepdim)[0]
    if floating:
        return out
    if out.isnan().any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return out.to(dtype or input.dtype)  # type: ignore[no-any-return]


def logsumexp(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Logarithm of the sum of exponentials over ``dim`` (all by default); -inf where all are masked out."""
    x = input if mask is None else _filled(input, mask, _lowest("logsumexp", input))
    return x.logsumexp(_dims(dim, input.ndim), keepdim=keepdim).to(dtype or input.dtype)  # type: ignore[no-any-return]


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: Dtype | None = None, input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Logarithm of the sum of two exponentials, each with a mask of its own."""
    x = input if input_mask is None else _filled(input, input_mask, _lowest("logaddexp", input))
    y = other if other_mask is None else _filled(other, other_mask, _lowest("logaddexp", other))
    return x.logaddexp(y).to(dtype or input.dtype)  # type: ignore[no-any-return]


def norm(
    input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool | None = False,
    dtype: Dtype | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Vector norm over ``dim`` (all by default); 0 where everything is masked out (inf for the -inf-norm)."""
    order = 2.0 if ord is None else ord
    x = _filled(input, mask, float("inf") if order == -float("inf") else 0)
    out: Tensor = _linalg["vector_norm"](
        x, order, _dims(dim, input.ndim), bool(keepdim), dtype=dtype or input.dtype
    )
    return out


def _variance(
    input: Tensor, dim: Dims, unbiased: bool | None, correction: float | None, keepdim: bool,
    dtype: Dtype | None, mask: Tensor | None,
) -> Tensor:  # fmt: skip
    assert unbiased is None or correction is None, "Only one of unbiased and correction may be given"
    less = 1.0 if unbiased is None else float(unbiased)
    less = less if correction is None else float(correction)
    to = dtype or (input.dtype if input.dtype.category >= dtypes.FLOAT else dtypes.float32)
    compute = to if to.category >= dtypes.FLOAT else dtypes.float32
    count = _count(input, dim, True, mask)
    x = input - sum(input, dim, keepdim=True, dtype=to, mask=mask) / count
    total = sum(x * x.conj(), dim, keepdim=keepdim, dtype=compute, mask=mask)
    count = count if keepdim else count.reshape(total.shape)
    if less:
        count = (count.to(compute.to_real()) - less).clamp(min=0)
    return (total / count).to(to)  # type: ignore[no-any-return]


def var(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool | None = False, dtype: Dtype | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Variance over ``dim`` (all by default), of n elements divided by n - ``correction`` (1)."""
    return _variance(input, dim, unbiased, correction, bool(keepdim), dtype, mask)


def std(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool | None = False, dtype: Dtype | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Standard deviation over ``dim`` (all by default), the root of :func:`var`."""
    return _variance(input, dim, unbiased, correction, bool(keepdim), dtype, mask).sqrt()  # type: ignore[no-any-return]


# --- along a dimension ---


def cumsum(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Running sums along ``dim``, in the dtype of the input."""
    to = dtype or input.dtype
    return _filled(input, mask, 0).cumsum(_dims(dim, input.ndim)[0], dtype=to).to(to)  # type: ignore[no-any-return]


def cumprod(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Running products along ``dim``, in the dtype of the input."""
    to = dtype or input.dtype
    return _filled(input, mask, 1).cumprod(_dims(dim, input.ndim)[0], dtype=to).to(to)  # type: ignore[no-any-return]


def softmax(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmax along ``dim``: 0 for what is masked out."""
    x = input if mask is None else _filled(input, mask, _lowest("amax", input))
    out: Tensor = _functions["softmax"](x, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)
    return out


def log_softmax(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Logarithm of :func:`softmax`: -inf for what is masked out."""
    x = input if mask is None else _filled(input, mask, _lowest("amax", input))
    out: Tensor = _functions["log_softmax"](x, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)
    return out


def softmin(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmax of the negative input along ``dim``: 0 for what is masked out."""
    x = input if mask is None else _filled(input, mask, _highest("amin", input))
    out: Tensor = _functions["softmax"](-x, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)
    return out


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The input divided by its norm along ``dim``, at least ``eps``: 0 for what is masked out."""
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0) / size.maximum(size.new_full((), eps))  # type: ignore[no-any-return]
