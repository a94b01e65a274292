"""Primitives that combine elements along dimensions: reductions, running totals, windows, sorting."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch.trace._host._jaxpr import compiled
from jtorch.trace._host._rules import Array, is_small_float, rule, sizes

__all__: list[str] = []

_REDUCTIONS: dict[str, Any] = {
    "reduce_sum": np.add,
    "reduce_prod": np.multiply,
    "reduce_max": np.maximum,
    "reduce_min": np.minimum,
    "reduce_and": np.bitwise_and,
    "reduce_or": np.bitwise_or,
    "reduce_xor": np.bitwise_xor,
}


@rule(*_REDUCTIONS)
def _reduction(params: Any, eqn: Any) -> Any:
    name = eqn.primitive.name
    function, axes = _REDUCTIONS[name], tuple(params["axes"])
    kind = eqn.outvars[0].aval.dtype
    if name in ("reduce_max", "reduce_min"):
        limit = _least(kind) if name == "reduce_max" else _most(kind)
        return lambda x: (
            function.reduce(x, axis=axes, initial=limit) if not x.size else function.reduce(x, axis=axes)
        )
    if name in ("reduce_and", "reduce_or") and kind.kind == "b":
        function = np.logical_and if name == "reduce_and" else np.logical_or
    wide = np.float32 if is_small_float(kind) else None
    if wide is not None:
        return lambda x: function.reduce(x.astype(wide), axis=axes).astype(kind)
    return lambda x: function.reduce(x, axis=axes, dtype=kind)


def _least(kind: Any) -> Any:
    if kind.kind == "b":
        return False
    return np.iinfo(kind).min if kind.kind in "iu" else kind.type(-np.inf)


def _most(kind: Any) -> Any:
    if kind.kind == "b":
        return True
    return np.iinfo(kind).max if kind.kind in "iu" else kind.type(np.inf)


@rule("reduce")
def _reduce(params: Any, eqn: Any) -> Any:
    body, dims, count = compiled(params["jaxpr"]), tuple(params["dimensions"]), len(eqn.outvars)

    def run(*arrays: Array) -> list[Array]:
        operands, totals = arrays[:count], list(arrays[count:])
        kept = [d for d in range(operands[0].ndim) if d not in dims]
        shape = tuple(operands[0].shape[d] for d in kept)
        flat = [x.transpose(*kept, *dims).reshape(*shape, -1) for x in operands]
        totals = [np.broadcast_to(t, shape) for t in totals]
        for i in range(flat[0].shape[-1]):
            totals = list(body(*totals, *(x[..., i] for x in flat)))
        return totals

    return run


@rule("argmax", "argmin")
def _argument(params: Any, eqn: Any) -> Any:
    (axis,) = params["axes"]
    function = np.argmax if eqn.primitive.name == "argmax" else np.argmin
    kind = np.dtype(params["index_dtype"])
    small = is_small_float(eqn.invars[0].aval.dtype)
    return lambda x: function(x.astype(np.float32) if small else x, axis).astype(kind)


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _running(params: Any, eqn: Any) -> Any:
    function: Any = {
        "cumsum": np.add,
        "cumprod": np.multiply,
        "cummax": np.maximum,
        "cummin": np.minimum,
        "cumlogsumexp": np.logaddexp,
    }[eqn.primitive.name]
    axis, kind = params["axis"], eqn.outvars[0].aval.dtype

    def run(x: Array) -> Array:
        if params["reverse"]:
            return np.flip(function.accumulate(np.flip(x, axis), axis, dtype=kind), axis)
        return function.accumulate(x, axis, dtype=kind)  # type: ignore[no-any-return]

    return run


def _ordered(x: Array) -> Array:
    return x.astype(np.float32) if is_small_float(x.dtype) else x


@rule("sort")
def _sort(params: Any, eqn: Any) -> Any:
    dim, keys = params["dimension"], params["num_keys"]

    def run(*arrays: Array) -> Sequence[Array]:
        if len(arrays) == 1:
            return [np.sort(_ordered(arrays[0]), dim, kind="stable").astype(arrays[0].dtype)]
        order: Any = None
        for key in reversed(arrays[:keys]):
            if order is None:
                order = np.argsort(_ordered(key), dim, kind="stable")
            else:
                again = np.argsort(np.take_along_axis(_ordered(key), order, dim), dim, kind="stable")
                order = np.take_along_axis(order, again, dim)
        return [np.take_along_axis(a, order, dim) for a in arrays]

    return run


@rule("top_k")
def _top_k(params: Any, eqn: Any) -> Any:
    k, axis = params["k"], params.get("axis", -1)
    kind = eqn.outvars[1].aval.dtype

    def run(x: Array) -> Sequence[Array]:
        # Reversed both ways: ties keep their order, NaN comes first.
        n = x.shape[axis]
        order = n - 1 - np.flip(np.argsort(_ordered(np.flip(x, axis)), axis, kind="stable"), axis)
        order = np.take(order, range(k), axis)
        return [np.take_along_axis(x, order, axis), order.astype(kind)]

    return run


def windows(
    x: Array, fill: Any, dims: Sequence[int], strides: Any, padding: Any, spread: Any, dilation: Any
) -> Any:
    """For each place in a window, what stands there in every window: an iterator of arrays."""
    spread = spread or (1,) * x.ndim
    dilation = dilation or (1,) * x.ndim
    spaced = [(n - 1) * s + 1 if n else 0 for n, s in zip(x.shape, spread, strict=True)]
    whole = [n + max(low, 0) + max(high, 0) for n, (low, high) in zip(spaced, padding, strict=True)]
    big = np.full(whole, fill, x.dtype)
    big[
        tuple(
            slice(max(low, 0), max(low, 0) + n, s)
            for n, s, (low, _) in zip(spaced, spread, padding, strict=True)
        )
    ] = x
    big = big[
        tuple(slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(whole, padding, strict=True))
    ]
    reach = [(n - 1) * d + 1 for n, d in zip(dims, dilation, strict=True)]
    counts = [max((n - r) // s + 1, 0) for n, r, s in zip(big.shape, reach, strides, strict=True)]
    for place in itertools.product(*map(range, dims)):
        starts = [p * d for p, d in zip(place, dilation, strict=True)]
        yield big[
            tuple(
                slice(a, a + (c - 1) * s + 1 if c else a, s)
                for a, c, s in zip(starts, counts, strides, strict=True)
            )
        ]


@rule("reduce_window_sum", "reduce_window_max", "reduce_window_min")
def _reduce_window(params: Any, eqn: Any) -> Any:
    name, kind = eqn.primitive.name, eqn.outvars[0].aval.dtype
    function: Any = {"sum": np.add, "max": np.maximum, "min": np.minimum}[name.rsplit("_", 1)[1]]
    fill = 0 if name.endswith("sum") else _least(kind) if name.endswith("max") else _most(kind)
    shape = sizes(eqn.outvars[0].aval.shape)

    def run(x: Array) -> Array:
        total = np.full(shape, fill, kind)
        for part in _windows(x, fill, params):
            function(total, part, out=total)
        return total

    return run


def _windows(x: Array, fill: Any, params: Any) -> Any:
    return windows(
        x,
        fill,
        params["window_dimensions"],
        params["window_strides"],
        params["padding"],
        params["base_dilation"],
        params["window_dilation"],
    )


@rule("reduce_window")
def _general_window(params: Any, eqn: Any) -> Any:
    body, count = compiled(params["jaxpr"], params.get("consts", ())), len(eqn.outvars)
    shape = sizes(eqn.outvars[0].aval.shape)

    def run(*arrays: Array) -> list[Array]:
        operands, initial = arrays[:count], arrays[count:]
        totals = [np.broadcast_to(i, shape) for i in initial]
        parts = [_windows(x, i, params) for x, i in zip(operands, initial, strict=True)]
        for place in zip(*parts, strict=True):
            totals = list(body(*totals, *place))
        return totals

    return run
