"""Distinct values; how many there are depends on the data, so these run on the host."""

from __future__ import annotations

import numpy as np

from jtorch.ops._checks import not_implemented, wrap_dim
from jtorch.ops._registry import register

Outputs = np.ndarray | tuple[np.ndarray, ...]


def selected(
    values: np.ndarray, inverse: np.ndarray, count: np.ndarray, wanted: tuple[bool, bool]
) -> Outputs:
    """The values alone, or with their inverse and counts where wanted."""
    extra = [x.astype(np.int64) for x, w in zip((inverse, count), wanted, strict=True) if w]
    return (values, *extra) if extra else values


def check_unique_dim(name: str, input: np.ndarray, axis: int) -> None:
    if input.size == 0 and any(n == 0 for a, n in enumerate(input.shape) if a != axis):
        raise RuntimeError(
            f"There are 0 sized dimensions, and they aren't selected, so {name} cannot be applied"
        )


@register(
    "unique",
    node=None,
    static="sorted return_inverse return_counts dim",
    promote=None,
    method=True,
    host=True,
)
def unique(
    input: np.ndarray,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Outputs:
    """The distinct values in increasing order, or the distinct slices along ``dim`` in lexicographic order.

    Args:
        input: any real type; every nan counts as a value of its own.
        sorted: accepted; the result is sorted anyway, as it is in PyTorch on a CPU.
        return_inverse: also the number in the result of each element (or slice).
        return_counts: also how often each occurs.
        dim: ``None`` for single values.
    """
    if input.dtype.kind == "c":
        raise not_implemented("unique", input)
    wanted = (return_inverse, return_counts)
    if dim is None:
        values, inverse, count = np.unique(
            input.reshape(-1), return_inverse=True, return_counts=True, equal_nan=False
        )
        return selected(values, inverse.reshape(input.shape), count, wanted)
    axis = wrap_dim(dim, input.ndim)
    check_unique_dim("unique", input, axis)
    rows = np.moveaxis(input, axis, 0)
    order = np.lexsort(rows.reshape(len(rows), -1).T[::-1]) if rows[0:1].size else np.arange(len(rows))
    values, number, count = runs(rows[order])
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = number
    return selected(np.moveaxis(values, 0, axis), inverse, count, wanted)


def runs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first of each run of equal rows, the run's number per row, and the runs' lengths."""
    if not len(rows):
        return rows, np.zeros(0, np.int64), np.zeros(0, np.int64)
    flat = rows.reshape(len(rows), -1)
    first = np.concatenate([[True], (flat[1:] != flat[:-1]).any(axis=1)])
    return rows[first], np.cumsum(first) - 1, np.diff(np.append(np.nonzero(first)[0], len(rows)))


@register(
    "unique_consecutive",
    node=None,
    static="return_inverse return_counts dim",
    promote=None,
    method=True,
    host=True,
)
def unique_consecutive(
    input: np.ndarray, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Outputs:
    """The first of each run of equal values (or of equal slices along ``dim``), in their order.

    Args:
        input: any type.
        return_inverse: also the number in the result of each element (or slice).
        return_counts: also the lengths of the runs.
        dim: ``None`` for the flattened values.
    """
    wanted = (return_inverse, return_counts)
    if dim is None:
        values, inverse, count = runs(input.reshape(-1))
        return selected(values, inverse.reshape(input.shape), count, wanted)
    axis = wrap_dim(dim, input.ndim)
    check_unique_dim("unique_consecutive", input, axis)
    values, inverse, count = runs(np.moveaxis(input, axis, 0))
    return selected(np.moveaxis(values, 0, axis), inverse, count, wanted)
