"""Arguments for functions that make tensors."""

from __future__ import annotations

from typing import Any

__all__ = ["factory_kwargs"]

_SIMPLE = {"device", "dtype", "memory_format"}


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The named arguments of a module that ``torch.empty`` and its like take.

    Args:
        kwargs: ``device``, ``dtype`` and ``memory_format``, directly or in a dictionary ``factory_kwargs``.

    Raises:
        TypeError: others, or one of them in both places.
    """
    if kwargs is None:
        return {}
    expected = _SIMPLE | {"factory_kwargs"}
    if not kwargs.keys() <= expected:
        raise TypeError(f"unexpected kwargs {kwargs.keys() - expected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in _SIMPLE & kwargs.keys():
        if name in found:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        found[name] = kwargs[name]
    return found
