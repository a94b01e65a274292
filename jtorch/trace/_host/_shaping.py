"""Primitives that move elements without computing."""

from __future__ import annotations

from typing import Any

import numpy as np

from jtorch.trace._host._rules import Array, rule, sizes

__all__: list[str] = []


@rule("broadcast_in_dim")
def _broadcast_in_dim(params: Any, eqn: Any) -> Any:
    shape, places = sizes(params["shape"]), params["broadcast_dimensions"]
    source = eqn.invars[0].aval.shape
    inner = [1] * len(shape)
    for d, n in zip(places, source, strict=True):
        inner[d] = n
    same = tuple(inner) == shape
    if same:
        return lambda x, *_: x.reshape(shape)
    return lambda x, *_: np.broadcast_to(x.reshape(inner), shape)


@rule("broadcast_to")
def _broadcast_to(params: Any, eqn: Any) -> Any:
    shape = sizes(eqn.outvars[0].aval.shape)
    return lambda x, *_: np.broadcast_to(x, shape)


@rule("reshape", "squeeze", "expand_dims")
def _reshape(params: Any, eqn: Any) -> Any:
    shape = sizes(eqn.outvars[0].aval.shape)
    return lambda x, *_: x.reshape(shape)


@rule("transpose")
def _transpose(params: Any, eqn: Any) -> Any:
    order = params["permutation"]
    return lambda x: x.transpose(order)


@rule("concatenate")
def _concatenate(params: Any, eqn: Any) -> Any:
    dim = params["dimension"]
    return lambda *arrays: np.concatenate(arrays, dim)


@rule("stack")
def _stack(params: Any, eqn: Any) -> Any:
    dim = params.get("axis", params.get("dimension", 0))
    return lambda *arrays: np.stack(arrays, dim)


@rule("unstack")
def _unstack(params: Any, eqn: Any) -> Any:
    dim = params.get("axis", params.get("dimension", 0))
    return lambda x: [np.take(x, i, dim) for i in range(x.shape[dim])]


@rule("tile")
def _tile(params: Any, eqn: Any) -> Any:
    reps = params["reps"]
    return lambda x: np.tile(x, reps)


@rule("split")
def _split(params: Any, eqn: Any) -> Any:
    dim, ends = params["axis"], np.cumsum(params["sizes"])[:-1]
    return lambda x: np.split(x, ends, dim)


@rule("pad")
def _pad(params: Any, eqn: Any) -> Any:
    config = params["padding_config"]
    shape = sizes(eqn.outvars[0].aval.shape)
    spaced = [
        n + max(n - 1, 0) * inner for n, (_, _, inner) in zip(eqn.invars[0].aval.shape, config, strict=True)
    ]
    target, source = [], []
    for n, (low, high, inner) in zip(spaced, config, strict=True):
        # Negative padding cuts: the first element that stays is the first multiple of the step inside.
        step, end = inner + 1, n + min(high, 0)
        first = -(-max(-low, 0) // step)
        source.append(slice(first, max(-(-end // step), first)))
        target.append(slice(first * step + low, max(end, first * step) + low, step))
    return lambda x, fill: _placed(x, fill, shape, tuple(target), tuple(source))


def _placed(x: Array, fill: Array, shape: Any, target: Any, source: Any) -> Array:
    out = np.full(shape, fill, x.dtype)
    out[target] = x[source]
    return out


@rule("slice")
def _slice(params: Any, eqn: Any) -> Any:
    strides = params["strides"] or (1,) * len(params["start_indices"])
    where = tuple(map(slice, params["start_indices"], params["limit_indices"], strides))
    return lambda x: x[where]


@rule("dynamic_slice")
def _dynamic_slice(params: Any, eqn: Any) -> Any:
    wanted = sizes(params["slice_sizes"])
    return lambda x, *starts: x[_window(x.shape, wanted, starts)]


def _window(shape: Any, wanted: Any, starts: Any) -> tuple[slice, ...]:
    """A window pushed inside the array."""
    where = []
    for n, size, start in zip(shape, wanted, starts, strict=True):
        first = min(max(int(start), 0), n - size)
        where.append(slice(first, first + size))
    return tuple(where)


@rule("dynamic_update_slice")
def _dynamic_update_slice(params: Any, eqn: Any) -> Any:
    def run(x: Array, update: Array, *starts: Array) -> Array:
        out = np.array(x)
        out[_window(x.shape, update.shape, starts)] = update
        return out

    return run


@rule("rev")
def _rev(params: Any, eqn: Any) -> Any:
    dims = params["dimensions"]
    return lambda x: np.flip(x, dims)


@rule("iota")
def _iota(params: Any, eqn: Any) -> Any:
    shape, dim = sizes(params["shape"]), params["dimension"]
    inner = [1] * len(shape)
    inner[dim] = shape[dim]
    made = np.broadcast_to(np.arange(shape[dim]).astype(params["dtype"]).reshape(inner), shape)
    return lambda *_: made


@rule("empty", "empty2")
def _empty(params: Any, eqn: Any) -> Any:
    aval = eqn.outvars[0].aval
    return lambda *_: np.zeros(aval.shape, aval.dtype)
