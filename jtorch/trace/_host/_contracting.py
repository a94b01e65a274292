"""Products: dot_general, convolutions, Fourier transforms and dense linear algebra."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from jtorch.trace._host._rules import Array, is_small_float, rule, sizes

__all__: list[str] = []


def _wide(x: Array) -> Any:
    return x.astype(np.float32) if is_small_float(x.dtype) else x


@rule("dot_general")
def _dot_general(params: Any, eqn: Any) -> Any:
    (lc, rc), (lb, rb) = params["dimension_numbers"]
    left, right = eqn.invars[0].aval, eqn.invars[1].aval
    out = eqn.outvars[0].aval
    kind, shape = out.dtype, sizes(out.shape)
    lf = [d for d in range(left.ndim) if d not in lc and d not in lb]
    rf = [d for d in range(right.ndim) if d not in rc and d not in rb]
    batch = [left.shape[d] for d in lb]
    inner = int(np.prod([left.shape[d] for d in lc], dtype=np.int64))
    m = int(np.prod([left.shape[d] for d in lf], dtype=np.int64))
    n = int(np.prod([right.shape[d] for d in rf], dtype=np.int64))
    as_kind = kind if not is_small_float(kind) else np.dtype(np.float32)

    def run(x: Array, y: Array) -> Any:
        x = x.transpose(*lb, *lf, *lc).reshape(*batch, m, inner).astype(as_kind, copy=False)
        y = y.transpose(*rb, *rc, *rf).reshape(*batch, inner, n).astype(as_kind, copy=False)
        return np.matmul(x, y).reshape(shape).astype(kind, copy=False)

    return run


@rule("conv_general_dilated")
def _convolution(params: Any, eqn: Any) -> Any:
    numbers = params["dimension_numbers"]
    lhs, rhs, out_spec = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    groups, batch_groups = params["feature_group_count"], params["batch_group_count"]
    kind = eqn.outvars[0].aval.dtype
    settings = params["window_strides"], params["padding"], params["lhs_dilation"], params["rhs_dilation"]
    # out_spec[i] is where dimension i of (N, C, spatial...) stands in the result.
    order = tuple(int(i) for i in np.argsort(out_spec))

    def run(x: Array, w: Array) -> Array:
        x, w = _wide(x.transpose(lhs)), _wide(w.transpose(rhs))
        if batch_groups > 1:
            parts = zip(np.split(x, batch_groups, 0), np.split(w, batch_groups, 0), strict=True)
            made = np.concatenate([_convolved(a, b, 1, *settings) for a, b in parts], 1)
        else:
            made = _convolved(x, w, groups, *settings)
        return made.transpose(order).astype(kind, copy=False)

    return run


def _convolved(
    x: Array, w: Array, groups: int, strides: Any, padding: Any, spread: Any, dilation: Any
) -> Array:
    """Cross-correlation of (N, C, spatial...) with (O, C / groups, window...): a product per place."""
    n, c, *space = x.shape
    o, inner, *window = w.shape
    spaced = [(k - 1) * s + 1 if k else 0 for k, s in zip(space, spread, strict=True)]
    whole = [k + max(low, 0) + max(high, 0) for k, (low, high) in zip(spaced, padding, strict=True)]
    big = np.zeros((n, c, *whole), x.dtype)
    inside = tuple(
        slice(max(low, 0), max(low, 0) + k, s) for k, s, (low, _) in zip(spaced, spread, padding, strict=True)
    )
    big[(slice(None), slice(None), *inside)] = x
    cut = tuple(slice(max(-low, 0), k - max(-high, 0)) for k, (low, high) in zip(whole, padding, strict=True))
    big = big[(slice(None), slice(None), *cut)]
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    counts = [max((k - r) // s + 1, 0) for k, r, s in zip(big.shape[2:], reach, strides, strict=True)]
    total = np.zeros((groups, o // groups, n, *counts), np.result_type(x, w))
    grouped = w.reshape(groups, o // groups, inner, *window)
    for place in itertools.product(*map(range, window)):
        starts = [p * d for p, d in zip(place, dilation, strict=True)]
        part = big[
            (
                slice(None),
                slice(None),
                *(
                    slice(a, a + (k - 1) * s + 1 if k else a, s)
                    for a, k, s in zip(starts, counts, strides, strict=True)
                ),
            )
        ]
        flat = part.reshape(n, groups, inner, -1).transpose(1, 2, 0, 3).reshape(groups, inner, -1)
        total += np.matmul(np.moveaxis(grouped, (0, 1, 2), (-3, -2, -1))[place], flat).reshape(total.shape)
    # (G, O / G, N, spatial...) -> (N, O, spatial...)
    return np.moveaxis(total, 2, 0).reshape(n, o, *counts)


@rule("fft")
def _fft(params: Any, eqn: Any) -> Any:
    lengths = sizes(params["fft_lengths"])
    axes = tuple(range(-len(lengths), 0))
    kind = eqn.outvars[0].aval.dtype
    which = str(params["fft_type"]).rsplit(".", 1)[-1].upper()
    name = {"FFT": "fftn", "IFFT": "ifftn", "RFFT": "rfftn", "IRFFT": "irfftn"}.get(
        which, {"0": "fftn", "1": "ifftn", "2": "rfftn", "3": "irfftn"}.get(which, "")
    )
    function = getattr(np.fft, name)
    return lambda x: function(x, lengths, axes).astype(kind)


def _each(x: Array, function: Any) -> list[Array]:
    """A function of matrices applied to each of a stack; results stacked."""
    batch = x.shape[:-2]
    made = [function(m) for m in x.reshape(-1, *x.shape[-2:])]
    if not made:
        made = [function(np.eye(*x.shape[-2:], dtype=x.dtype))]
        return [np.zeros((*batch, *np.shape(r)), np.asarray(r).dtype) for r in made[0]]
    return [np.stack(parts).reshape(*batch, *np.shape(parts[0])) for parts in zip(*made, strict=True)]


def _casting(eqn: Any, results: Sequence[Array]) -> list[Array]:
    return [np.asarray(r).astype(v.aval.dtype, copy=False) for r, v in zip(results, eqn.outvars, strict=True)]


def _nan_if_singular(function: Any, shape_of: Any) -> Any:
    def run(m: Array) -> Any:
        try:
            return function(m)
        except np.linalg.LinAlgError:
            return tuple(np.full(s, np.nan, m.dtype) for s in shape_of(m))

    return run


@rule("cholesky")
def _cholesky(params: Any, eqn: Any) -> Any:
    factor = _nan_if_singular(lambda m: (np.linalg.cholesky(m),), lambda m: [m.shape])
    return lambda x: _casting(eqn, _each(x, factor))


@rule("eigh")
def _eigh(params: Any, eqn: Any) -> Any:
    uplo: Any = "L" if params["lower"] else "U"
    vectors_first = eqn.outvars[0].aval.ndim > eqn.outvars[1].aval.ndim

    def run(x: Array) -> list[Array]:
        values, vectors = np.linalg.eigh(x, uplo)
        return _casting(eqn, [vectors, values] if vectors_first else [values, vectors])

    return run


@rule("svd")
def _svd(params: Any, eqn: Any) -> Any:
    def run(x: Array) -> list[Array]:
        if not params["compute_uv"]:
            return _casting(eqn, [np.linalg.svd(x, compute_uv=False)])
        u, s, vh = np.linalg.svd(x, full_matrices=params["full_matrices"])
        return _casting(eqn, [s, u, vh])

    return run


@rule("lu")
def _lu(params: Any, eqn: Any) -> Any:
    def factor(m: Array) -> Any:
        scipy = import_module("scipy.linalg")
        rows = m.shape[0]
        get, *_ = scipy.get_lapack_funcs(("getrf",), (m,))
        lu, pivots, _ = get(m)
        order = np.arange(rows)
        for i, p in enumerate(pivots):
            order[[i, p]] = order[[p, i]]
        return lu, pivots.astype(np.int32), order.astype(np.int32)

    return lambda x: _casting(eqn, _each(x, factor))


@rule("lu_pivots_to_permutation")
def _permutation(params: Any, eqn: Any) -> Any:
    size = params["permutation_size"]

    def run(pivots: Array) -> Array:
        batch = pivots.shape[:-1]
        made = []
        for row in pivots.reshape(-1, pivots.shape[-1]):
            order = np.arange(size, dtype=np.int32)
            for i, p in enumerate(row):
                order[[i, p]] = order[[p, i]]
            made.append(order)
        return np.asarray(made, np.int32).reshape(*batch, size)

    return run


@rule("triangular_solve")
def _triangular_solve(params: Any, eqn: Any) -> Any:
    left, lower = params["left_side"], params["lower"]
    transposed, conjugate, unit = params["transpose_a"], params["conjugate_a"], params["unit_diagonal"]

    def run(a: Array, b: Array) -> Array:
        a = np.tril(a) if lower else np.triu(a)
        if unit:
            a = a - a * np.eye(a.shape[-1], dtype=a.dtype) + np.eye(a.shape[-1], dtype=a.dtype)
        if conjugate:
            a = np.conj(a)
        if transposed:
            a = np.swapaxes(a, -1, -2)
        try:
            if left:
                return np.linalg.solve(a, b).astype(b.dtype, copy=False)
            return np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)
        except np.linalg.LinAlgError:
            return np.full(b.shape, np.inf, b.dtype)

    return run


@rule("qr")
def _qr(params: Any, eqn: Any) -> Any:
    mode: Any = "complete" if params["full_matrices"] else "reduced"
    return lambda x: _casting(eqn, list(np.linalg.qr(x, mode)))


@rule("weighted_sum")
def _weighted_sum(params: Any, eqn: Any) -> Any:
    axis, ndim = params["axis"], eqn.outvars[0].aval.ndim
    shape = [-1 if i == axis else 1 for i in range(ndim)]

    def total(factors: Array, *images: Array) -> Any:
        result = images[0] * factors[0].reshape(shape)
        for image, row in zip(images[1:], factors[1:], strict=True):
            result += image * row.reshape(shape)
        return result

    return total


@rule("weighted_products")
def _weighted_products(params: Any, eqn: Any) -> Any:
    axis = params["axis"]

    def products(gradient: Array, *images: Array) -> Any:
        over = tuple(i for i in range(gradient.ndim) if i != axis)
        return np.stack([(image * gradient).sum(over) for image in images])

    return products
