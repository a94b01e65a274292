"""Gather and scatter, as NumPy's indexing with arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch.trace._host._jaxpr import compiled
from jtorch.trace._host._rules import Array, rule, sizes

__all__: list[str] = []


def _places(
    shape: Sequence[int],
    window: Sequence[int],
    indices: Array,
    mapped: Sequence[int],
    batched: Sequence[int],
    index_batched: Sequence[int],
    clip: bool,
) -> tuple[list[Array], Array | None]:
    """Indices of all elements of all windows, and which windows lie inside (``None``: all do).

    Each index has the shape (number of batch dimensions..., window...), or broadcasts to it.
    """
    batch = indices.shape[:-1]
    total = len(batch) + len(shape)
    places: list[Array] = []
    inside: Array | None = None
    for d, n in enumerate(shape):
        offset = np.arange(window[d]).reshape(*(-1 if i == len(batch) + d else 1 for i in range(total)))
        start: Any = 0
        if d in mapped:
            start = indices[..., list(mapped).index(d)].astype(np.int64)
            last = n - window[d]
            within = (start >= 0) & (start <= last)
            if not within.all():
                if not clip:
                    inside = within if inside is None else inside & within
                start = np.clip(start, 0, max(last, 0))
        elif d in batched:
            where = index_batched[list(batched).index(d)]
            start = np.arange(n).reshape(*(-1 if i == where else 1 for i in range(len(batch))))
        if d in mapped or d in batched:
            start = np.broadcast_to(start, batch).reshape(*batch, *(1 for _ in shape))
        places.append(start + offset)
    return places, inside


def _clips(mode: Any) -> bool:
    return str(mode).rsplit(".", 1)[-1].upper().startswith(("CLIP", "PROMISE"))


@rule("gather")
def _gather(params: Any, eqn: Any) -> Any:
    numbers, window, mode = params["dimension_numbers"], sizes(params["slice_sizes"]), params["mode"]
    offsets, collapsed = numbers.offset_dims, numbers.collapsed_slice_dims
    mapped, batched = numbers.start_index_map, numbers.operand_batching_dims
    index_batched = numbers.start_indices_batching_dims
    dropped = frozenset((*collapsed, *batched))
    shape = eqn.invars[0].aval.shape
    out = eqn.outvars[0].aval
    fill = params["fill_value"] if params["fill_value"] is not None else _default_fill(out.dtype)
    clip = _clips(mode)
    order = _order_of(out.ndim, offsets)
    rows = (
        len(mapped) == 1
        and not batched
        and all(
            (n == w) if d != mapped[0] else w == 1 and d in dropped
            for d, (n, w) in enumerate(zip(shape, window, strict=True))
        )
    )

    def run(x: Array, indices: Array) -> Array:
        if rows:
            start = indices[..., 0]
            if start.size == 0 or (start.min() >= 0 and start.max() < shape[mapped[0]]):
                taken = np.take(x, start, mapped[0])
                # (before, batch, after) -> (batch, before, after)
                front = tuple(range(mapped[0], mapped[0] + start.ndim))
                rest = [d for d in range(taken.ndim) if d not in front]
                return taken.transpose(*front, *rest).transpose(order)
        places, inside = _places(shape, window, indices, mapped, batched, index_batched, clip)
        batch = indices.shape[:-1]
        found = x[tuple(places)] if x.size else np.full((*batch, *window), fill, x.dtype)
        if inside is not None:
            found = np.where(inside.reshape(*batch, *(1 for _ in shape)), found, np.asarray(fill, x.dtype))
        found = found.reshape(*batch, *(w for d, w in enumerate(window) if d not in dropped))
        return found.transpose(order)

    return run


def _default_fill(kind: Any) -> Any:
    if kind.kind == "b":
        return True
    if kind.kind == "u":
        return np.iinfo(kind).max
    return np.iinfo(kind).min if kind.kind == "i" else np.nan


def _order_of(ndim: int, offsets: Sequence[int]) -> tuple[int, ...]:
    """The permutation from (batch..., window...) to the result, whose window dimensions are ``offsets``."""
    batch = ndim - len(offsets)
    order, b, w = [], 0, batch
    for d in range(ndim):
        if d in offsets:
            order.append(w)
            w += 1
        else:
            order.append(b)
            b += 1
    return tuple(order)


_COMBINING: dict[str, Any] = {
    "scatter-add": np.add,
    "scatter-sub": np.subtract,
    "scatter-mul": np.multiply,
    "scatter-min": np.minimum,
    "scatter-max": np.maximum,
}


@rule("scatter", *_COMBINING)
def _scatter(params: Any, eqn: Any) -> Any:
    name = eqn.primitive.name
    numbers = params["dimension_numbers"]
    spread, inserted = numbers.update_window_dims, numbers.inserted_window_dims
    mapped, batched = numbers.scatter_dims_to_operand_dims, numbers.operand_batching_dims
    index_batched = numbers.scatter_indices_batching_dims
    combine = _COMBINING.get(name)
    body = None
    if combine is None and params.get("update_jaxpr") is not None and _is_custom(params["update_jaxpr"]):
        body = compiled(params["update_jaxpr"], params["update_consts"])
    clip = _clips(params["mode"])
    updates_aval = eqn.invars[2].aval
    # The inverse of the order in which a gather returns: (batch..., window...).
    back = np.argsort(_order_of(updates_aval.ndim, spread))
    skipped = frozenset((*inserted, *batched))
    shape = eqn.invars[0].aval.shape
    kept = iter(updates_aval.shape[d] for d in spread)
    window = [1 if d in skipped else next(kept) for d in range(len(shape))]

    def run(x: Array, indices: Array, updates: Array) -> Array:
        batch = indices.shape[:-1]
        places, inside = _places(shape, window, indices, mapped, batched, index_batched, clip)
        values = updates.transpose(back).reshape(*batch, *window)
        out = np.array(x)
        if not values.size:
            return out
        full = (*batch, *window)
        if inside is not None:
            chosen = np.broadcast_to(inside.reshape(*batch, *(1 for _ in shape)), full)
            where = tuple(np.broadcast_to(p, full)[chosen] for p in places)
            values = values[chosen]
        else:
            where = tuple(np.broadcast_to(p, full) for p in places)
        if body is not None:
            _one_by_one(out, where, values, body)
        elif combine is None:
            out[where] = values
        else:
            combine.at(out, where, values)
        return out

    return run


def _is_custom(jaxpr: Any) -> bool:
    """Whether an update does more than replace."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    return bool(jaxpr.eqns) or jaxpr.outvars[0] is not jaxpr.invars[1]


def _one_by_one(out: Array, where: Any, values: Array, body: Any) -> None:
    flat = [p.reshape(-1) for p in where]
    for i, value in enumerate(values.reshape(-1)):
        place = tuple(p[i] for p in flat)
        (out[place],) = body(out[place], value)
