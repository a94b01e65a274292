"""Splitting arguments among devices, and joining results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from jtorch.devices import as_device
from jtorch.tensor import Tensor
from jtorch.tensor._core import call

__all__ = ["gather", "scatter", "scatter_kwargs"]


def is_namedtuple(obj: Any) -> bool:
    """Whether this is a tuple with named fields."""
    return isinstance(obj, tuple) and hasattr(obj, "_asdict") and hasattr(obj, "_fields")


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """Cut every tensor into parts of about one size, one per device; everything else is repeated.

    Args:
        inputs: tensors in tuples, lists and dictionaries of any depth.
        target_gpus: devices, or their indices.
        dim: along which tensors are cut.

    Returns:
        One of what was given per device; fewer where a tensor has fewer entries than there are devices.
    """
    targets = [as_device(target) for target in target_gpus]

    def split(obj: Any) -> Any:
        if isinstance(obj, Tensor):
            return tuple(x.to(t) for x, t in zip(obj.chunk(len(targets), dim), targets, strict=False))
        if is_namedtuple(obj):
            return [type(obj)(*parts) for parts in zip(*map(split, obj), strict=False)]
        if isinstance(obj, tuple | list) and obj:
            together = zip(*map(split, obj), strict=False)
            return list(together) if isinstance(obj, tuple) else [list(parts) for parts in together]
        if isinstance(obj, dict) and obj:
            return [type(obj)(parts) for parts in zip(*map(split, obj.items()), strict=False)]
        return [obj for _ in targets]

    return split(inputs)


def scatter_kwargs(
    inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple[Any, ...], tuple[dict[str, Any], ...]]:
    """:func:`scatter` for positional and named arguments, of which there are as many parts afterwards."""
    positions = list(scatter(inputs, target_gpus, dim)) if inputs else []
    names = list(scatter(kwargs, target_gpus, dim)) if kwargs else []
    longest = max(len(positions), len(names))
    positions += [() for _ in range(longest - len(positions))]
    names += [{} for _ in range(longest - len(names))]
    return tuple(positions), tuple(names)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """Join what several devices computed on one of them.

    Args:
        outputs: one per device: tensors in tuples, lists and dictionaries of any depth.
        target_device: the device, its index, or ``"cpu"``.
        dim: along which tensors are joined; those of no dimension make a vector, with a warning.

    Raises:
        ValueError: dictionaries of several sizes.
    """
    target = as_device(target_device)

    def join(parts: Any) -> Any:
        first = parts[0]
        if isinstance(first, Tensor):
            return _joined(parts, target, dim)
        if first is None:
            return None
        if isinstance(first, dict):
            if any(len(p) != len(first) for p in parts):
                raise ValueError("All dicts must have the same number of keys")
            return type(first)((key, join([p[key] for p in parts])) for key in first)
        columns = map(join, zip(*parts, strict=True))
        return type(first)(*columns) if is_namedtuple(first) else type(first)(columns)

    return join(outputs)


def _joined(parts: Sequence[Any], target: Any, dim: int) -> Any:
    if dim == 0 and all(p.dim() == 0 for p in parts):
        warnings.warn(
            "Was asked to gather along dimension 0, but all input tensors were scalars; will instead "
            "unsqueeze and return a vector.",
            stacklevel=4,
        )
        parts = [p.view(1) for p in parts]
    return call("cat", [p.to(target) for p in parts], dim)
