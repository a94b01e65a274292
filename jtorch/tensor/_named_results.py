"""Results that are named tuples (``torch.return_types``)."""

from __future__ import annotations

from typing import Any

__all__ = ["named_result"]


_named_results: dict[str, Any] = {}


def named_result(spec: str) -> Any:
    """The named tuple class of ``"max values indices"`` (``torch.return_types.max``)."""
    found = _named_results.get(spec)
    if found is None:
        found = _named_results[spec] = _make_named_result(spec)
    return found


def _make_named_result(spec: str) -> Any:
    name, *fields = spec.split()

    def show(self: Any) -> str:
        body = ",\n".join(f"{f}={getattr(self, f)!r}" for f in fields)
        return f"torch.return_types.{name}(\n{body})"

    def make(cls: Any, values: Any) -> Any:
        return tuple.__new__(cls, values)

    attributes: dict[str, Any] = {
        "__new__": make,
        "__repr__": show,
        "__slots__": (),
        "__module__": "torch.return_types",
        "n_fields": len(fields),
        "n_sequence_fields": len(fields),
        "n_unnamed_fields": 0,
    }
    for i, field in enumerate(fields):
        attributes[field] = property(lambda self, i=i: self[i])  # type: ignore[misc]
    return type(name, (tuple,), attributes)
