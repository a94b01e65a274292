"""Functions of one sample applied to a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.func._recording import Recording, check_randomness
from jtorch.func._running import run, where_of
from jtorch.func._trees import broadcast, flatten
from jtorch.tensor import Tensor
from jtorch.utils._pytree import tree_flatten

__all__ = ["vmap"]

Function = Callable[..., Any]


def _structure(x: Any) -> Any:
    return tree_flatten(x)[1]


def _name(func: Function) -> str:
    return getattr(func, "__name__", None) or repr(func)


def vmap(
    func: Function,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Function:
    """``func``, written for one sample, for a batch (``torch.vmap``).

    Args:
        func: takes and returns tensors in nested containers.
        in_dims: where each argument has its batch dimension; ``None``: it has none.
        out_dims: where the results shall have it.
        randomness: ``"error"``: no random functions inside; ``"same"``: all samples see the same numbers;
            ``"different"``: each its own.
        chunk_size: samples to compute together; all by default.

    Raises:
        RuntimeError: an unknown ``randomness``.
        ValueError: dimensions do not fit the arguments or results, or ``chunk_size`` is not positive.
    """
    check_randomness(randomness)
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found, spec = flatten(list(args))
        dims = _in_dims(func, in_dims, args, found, spec)
        size = _size(found, dims)
        if chunk_size is None or chunk_size >= size:
            return _mapped(func, found, spec, dims, kwargs, size, out_dims, randomness)
        if randomness == "error":
            return _mapped(func, found, spec, dims, kwargs, size, out_dims, randomness, chunk_size)
        parts = []
        for start in range(0, size, chunk_size):
            count = min(chunk_size, size - start)
            part = [x if d is None else x.narrow(d, start, count) for x, d in zip(found, dims, strict=True)]
            parts.append(flatten(_mapped(func, part, spec, dims, kwargs, count, out_dims, randomness)))
        outs = broadcast(out_dims, parts[0][1])
        assert outs is not None
        joined = [_joined([p[0][i] for p in parts], d) for i, d in enumerate(outs)]
        return parts[0][1].build(iter(joined))

    return wrapper


def _joined(parts: Sequence[Any], dim: int | None) -> Any:
    if dim is None:
        return parts[0]
    from jtorch import cat  # noqa: PLC0415  # the package's own name, complete by now

    return cat(list(parts), dim)


def _in_dims(func: Function, in_dims: Any, args: Any, found: list[Any], spec: Any) -> list[Any]:
    name = _name(func)
    start = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): "
    if not isinstance(in_dims, int | tuple):
        raise ValueError(
            f"{start}expected `in_dims` to be int or a (potentially nested) tuple matching the structure of "
            f"inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying "
            f"to vmap "
            "over a function with no inputs. The latter is unsupported."
        )
    dims = broadcast(list(in_dims) if isinstance(in_dims, tuple) else in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{start}in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{_structure(in_dims)} but inputs has structure {_structure(args)}."
        )
    for i, (x, d) in enumerate(zip(found, dims, strict=True)):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(
                f"{start}Got in_dim={d} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{start}Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.dim() <= d < x.dim():
            raise ValueError(
                f"{start}Got in_dim={d} for some input, but that input is a Tensor of dimensionality "
                f"{x.dim()} "
                f"so expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
            )
        dims[i] = d % x.dim()
    return dims


def _size(found: list[Any], dims: list[Any]) -> int:
    sizes = [x.size(d) for x, d in zip(found, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(n != sizes[0] for n in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return int(sizes[0])


def _mapped(
    func: Function, found: list[Any], spec: Any, dims: list[Any], kwargs: Any, size: int, out_dims: Any,
    randomness: str, chunk: int | None = None,
) -> Any:  # fmt: skip
    """One call for the whole batch, or for each ``chunk`` of it."""
    places = [i for i, x in enumerate(found) if isinstance(x, Tensor)]
    tensors = [found[i] for i in places]
    axes = tuple(dims[i] for i in places)
    where = where_of(tensors)
    with Recording(tensors, size=size, axes=axes, randomness=randomness) as recording:
        full = list(found)
        for i, x in zip(places, recording.inputs, strict=True):
            full[i] = x
        outputs, kept = flatten(func(*spec.build(iter(full)), **kwargs))
        for x in outputs:
            if not isinstance(x, Tensor):
                raise ValueError(
                    f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type "
                    f"{type(x)}. "
                    "Did you mean to set out_dims= to None for output?"
                )
        outs = _out_dims(func, out_dims, kept, outputs)
        alone = [x for x, d in zip(outputs, outs, strict=True) if d is None]
        if alone and any(recording.depend(alone)):
            name = _name(func)
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        written = recording.written()
        outs += tuple(axes[i] for i in written)
        function = recording.function([*outputs, *(recording.inputs[i] for i in written)], where)
    made = run("vmap", function, tensors, where, _map, axes, outs, size, chunk)
    for i in reversed(written):
        tensors[i].copy_(made.pop())
    return kept.build(iter(made))


def _map(call: Any, axes: Sequence[Any], outs: Sequence[Any], size: int, chunk: int | None) -> Any:
    given, end = call.given, call.given + call.parts

    def transformed(arrays: Sequence[Any]) -> list[Any]:
        rest = arrays[end:]

        def sample(mine: Sequence[Any]) -> list[Any]:
            return call([*mine, *rest])  # type: ignore[no-any-return]

        if chunk is None:
            made = jax.vmap(sample, ([*axes, *(0 for _ in arrays[given:end])],), 0, axis_size=size)(
                list(arrays[:end])
            )
        else:  # in one loop of the program: only one chunk takes memory at a time
            moving = [jnp.moveaxis(a, d, 0) for a, d in zip(arrays, axes, strict=False) if d is not None]

            def one(part: Any) -> Any:
                it = iter(part)
                return sample([a if d is None else next(it) for a, d in zip(arrays, axes, strict=False)])

            made = jax.lax.map(one, moving, batch_size=chunk)
        return [x[0] if d is None else jnp.moveaxis(x, 0, d) for x, d in zip(made, outs, strict=True)]

    return transformed


def _out_dims(func: Function, out_dims: Any, spec: Any, outputs: Sequence[Tensor]) -> tuple[Any, ...]:
    """Where each result, of which one sample is given, shall have the batch dimension."""
    name = _name(func)
    single = isinstance(out_dims, tuple) and len(out_dims) == 1 and spec.kind is None
    dims = broadcast(out_dims[0] if single else out_dims, spec)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the "
            f"structure of `outputs`. out_dims has structure {_structure(out_dims)} but outputs has "
            f"structure {_structure(spec.build(iter([0] * spec.count())))}."
        )
    for x, d in zip(outputs, dims, strict=True):
        ndim = x.dim() + 1
        if d is not None and not isinstance(d, int):
            raise ValueError(
                f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python "
                "collection of ints representing where in the outputs the vmapped dimension should appear."
            )
        if d is not None and not -ndim <= d < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})"
            )
    return tuple(dims)
